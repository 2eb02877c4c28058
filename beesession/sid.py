"""Session ids: how they are made, and the one gate that each id from outside has to pass.

Pure; imports no Django. Nothing builds a key, a row or a path from an id that has not passed :meth:`Ids.accepts`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

HashFunc = Callable[[bytes, bytes], str]
"""``(random bytes, key) -> hex digits``: how an application makes ids of its own shape."""

MIN_BYTES = 16
"""OWASP ASVS 5.0, 7.2.3: at least 128 bits from the system's generator."""

# 8 is Django's lower bound; 128 holds 64 random bytes in hex.
_SHORTEST, _LONGEST = 8, 128
_PLAIN = re.compile(r"[0-9a-z]+\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")
_PREFIX = re.compile(r"[0-9A-Za-z_-]{0,32}\Z")


def fingerprint(sid: str | None) -> str:
    """Return a short hash that names a session in logs and signals without giving its id away.

    >>> fingerprint("0123456789abcdef0123456789abcdef")
    '089a395e1492'
    >>> fingerprint(None)
    ''
    """
    if not sid:
        return ""
    return hashlib.sha256(b"beesession.fingerprint" + sid.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class IdRule(Protocol):
    """What makes the ids of an engine and tells which ones could be its own."""

    def new(self) -> str:
        """Return a new id."""

    def accepts(self, sid: object) -> bool:
        """Return whether ``sid`` could be an id of this engine. Takes anything, raises nothing, does no I/O."""


@dataclass(frozen=True)
class Ids:
    """The rule for the ids of one site.

    :ivar length: random bytes of a new id; it is written in hex, so 16 gives 32 digits
    :ivar prefix: put in front of each id, and demanded of each
    :ivar hash_func: None, the name of a hash such as ``"sha1"``, or a :data:`HashFunc`
    :ivar hash_key: the key of that hash
    :ivar hex_only: refuse what beego could not have made

    :raises ValueError: for a rule that could make ids that are weak or that it would refuse itself
    """

    length: int = MIN_BYTES
    prefix: str = ""
    hash_func: str | HashFunc | None = None
    hash_key: bytes = field(default=b"", repr=False)
    hex_only: bool = False

    def __post_init__(self) -> None:
        if not MIN_BYTES <= self.length <= _LONGEST // 2:
            raise ValueError(f"ID_LENGTH: {self.length} is not between {MIN_BYTES} and {_LONGEST // 2} bytes")
        if not _PREFIX.match(self.prefix):
            raise ValueError("ID_PREFIX: up to 32 letters, digits, '-' and '_' are allowed")
        if isinstance(self.hash_func, str) and self.hash_func not in hashlib.algorithms_guaranteed - _EXTENDABLE:
            raise ValueError(f"ID_HASH_FUNC: {self.hash_func!r} is no hash that Python has; use 'sha1' or 'sha256'")
        try:
            made = {self.new() for _ in range(2)}
        except ValueError:
            raise
        except Exception as error:  # the application's own function raises what it likes
            raise ValueError(
                f"ID_HASH_FUNC: it must be callable with (random bytes, key); it raised {type(error).__name__}"
            ) from error
        if len(made) < 2 or not all(self.accepts(sid) for sid in made):
            raise ValueError("ID_HASH_FUNC: it must give 32 to 128 hex digits, different ones for different input")

    def new(self) -> str:
        """Return a new id, drawn from the system's generator."""
        entropy = secrets.token_bytes(self.length)
        if self.hash_func is None:
            digits = entropy.hex()
        elif isinstance(self.hash_func, str):
            digits = hmac.new(self.hash_key, entropy, self.hash_func).hexdigest()
        else:
            digits = self.hash_func(entropy, self.hash_key)
        # The function is the application's own, so that its annotation is only a wish.
        if not isinstance(digits, str) or len(digits) < 2 * MIN_BYTES or not _HEX.match(digits):
            raise ValueError("ID_HASH_FUNC: it must give 32 to 128 hex digits")
        return self.prefix + digits

    def accepts(self, sid: object) -> bool:
        """Return whether ``sid`` could be an id of this site. Takes anything, raises nothing, does no I/O.

        >>> Ids().accepts("0123456789abcdef0123456789abcdef"), Ids().accepts("../../etc/passwd"), Ids().accepts(None)
        (True, False, False)
        """
        if not isinstance(sid, str) or not sid.startswith(self.prefix):
            return False
        digits = sid[len(self.prefix) :]
        alphabet = _HEX if self.hex_only else _PLAIN
        return _SHORTEST <= len(digits) <= _LONGEST and alphabet.match(digits) is not None


class Tokens:
    """The rule of a self-contained engine, whose ids are the sealed records themselves, in base64url."""

    # A token is far longer than Django's lower bound of 8; shorter text opens nothing, but may be set as a key.
    _FORM = re.compile(r"[0-9A-Za-z_-]{8,4096}\Z")

    def new(self) -> str:
        """Return a placeholder that opens nothing: the engine makes the real id when it writes."""
        return secrets.token_urlsafe(24)

    def accepts(self, sid: object) -> bool:
        """Return whether ``sid`` has the form of a token. Takes anything, raises nothing, does no I/O.

        >>> Tokens().accepts("A" * 32), Tokens().accepts("A" * 4097), Tokens().accepts("A" * 32 + "\\n")
        (True, False, False)
        """
        return isinstance(sid, str) and self._FORM.match(sid) is not None


class EscapedTokens(Tokens):
    """The rule for beego's own tokens, which travel in the cookie with their padding escaped.

    >>> EscapedTokens().accepts("A" * 30 + "%3D%3D"), Tokens().accepts("A" * 30 + "%3D%3D")
    (True, False)
    """

    # The padding as it is, too: an id from the query of a URL has lost its escapes on the way.
    _FORM = re.compile(r"[0-9A-Za-z_%=-]{8,4096}\Z")


# Hashes that need a length to give a digest at all.
_EXTENDABLE = frozenset({"shake_128", "shake_256"})
