"""Ids that no site has ever issued."""

from __future__ import annotations

SID = "0123456789abcdef0123456789abcdef"

REFUSED_EVERYWHERE: dict[str, str] = {
    "one-byte": "a",
    "seven": "1234567",
    "8192-bytes": "a" * 8192,
    "dots": "../../../../../../etc/passwd",
    "dots-of-the-length-of-an-id": "../" * 10 + "ab",
    "absolute-path": "/etc/passwd/0123456789abcdef0123",
    "encoded-dots": "..%2f..%2f..%2fetc%2fpasswd%00ab",
    "backslashes": "..\\..\\..\\0123456789abcdef012345",
    "a-dot-inside": SID[:10] + "." + SID[11:],
    "a-slash-inside": SID[:10] + "/" + SID[11:],
    "nul-at-the-end": SID + "\x00",
    "nul-inside": SID[:10] + "\x00" + SID[11:],
    "line-feed-at-the-end": SID + "\n",
    "redis-command": SID + "\r\nFLUSHALL\r\n",
    "memcached-command": SID + "\r\nflush_all\r\n",
    "header-injection": SID + "\r\nSet-Cookie: sessionid=" + SID,
    "space": SID[:10] + " " + SID[11:],
    "tab": "\t" + SID,
    "del": "\x7f" * 32,
    "escape": "\x1b[2J" + SID,
    "e-acute": SID[:-1] + "\u00e9",
    "arabic-digits": "\u0661" * 32,
    "full-width": "\uff10" * 32,
    "long-s": SID[:-1] + "\u017f",
    "bee": "\U0001f41d" * 32,
    "right-to-left": "\u202e" + SID,
    "half-a-surrogate-pair": SID[:-1] + "\ud800",
    "glob": "*" * 32,
    "question-marks": "?" * 32,
    "sql": "' OR 1=1; DROP TABLE session; -- ",
    "sql-like": "%" * 32,
    "colons": "session:" + SID,
    "braces": "{" + SID + "}",
    "equals": SID[:-1] + "=",
    "plus": SID[:-1] + "+",
    "quotes": '"' + SID + '"',
    "template": "{{ 7*7 }}{% debug %}0123456789abc",
    "format": "%s%n%x{0.__class__}0123456789abcdef",
}
"""What cannot be an id of any engine."""

REFUSED_WHERE_IDS_ARE_NAMES: dict[str, str] = {
    "upper-case": SID.upper(),
    "one-upper-case": SID[:-1] + "F",
    "129": "f" * 129,
    "dash": SID[:10] + "-" + SID[11:],
    "underscore": SID[:10] + "_" + SID[11:],
    "uuid": "01234567-89ab-cdef-0123-456789abcdef",
    "sealed-record": "AbCd-_09" * 16,
}
"""What could be a sealed record, but no name of one."""

NO_TEXT: list[object] = [0, 123456789, -1, 1.5, True, b"0" * 32, bytearray(b"0" * 32), [SID], (SID,), {SID: 1}, {SID}]
"""What code, rather than a browser, might pass by mistake."""

IN_A_COOKIE = {
    name: sid
    for name, sid in {**REFUSED_EVERYWHERE, **REFUSED_WHERE_IDS_ARE_NAMES}.items()
    if name != "half-a-surrogate-pair"  # cannot be sent in a header
}
