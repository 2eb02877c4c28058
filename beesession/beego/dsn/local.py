"""Provider strings of the engines without a server: memory, file, cookie."""

from __future__ import annotations

from dataclasses import dataclass, field

from beesession.beego.dsn.form import Form, ProviderString

_MEMORY = Form("memory", 'nothing, or JSON such as {"max_sessions": 100000}')
_FILE = Form("file", 'a directory, or JSON such as {"save_path": "./tmp"}')
_COOKIE = Form(
    "cookie", "nothing, or JSON with the keys securityKey, blockKey, securityName, cookieName, secure and maxage"
)
_AES_KEY_SIZES = (16, 24, 32)


@dataclass(frozen=True)
class MemoryConfig:
    """:ivar max_sessions: how many sessions one process keeps at most"""

    max_sessions: int = 100_000


@dataclass(frozen=True)
class FileConfig:
    """:ivar path: the directory as written; a relative one starts at ``BASE_DIR``, else at the working directory"""

    path: str


@dataclass(frozen=True)
class CookieConfig:
    """The keys of beego's cookie engine; an empty key means that it is to be derived from SECRET_KEY.

    What the last three say, Django's SESSION_COOKIE_NAME, SESSION_COOKIE_SECURE and SESSION_COOKIE_AGE decide.

    :ivar security_key: key of the signature
    :ivar block_key: AES key of 16, 24 or 32 bytes (in UTF-8)
    :ivar security_name: the first part of what is signed
    :ivar cookie_name: the cookie's name; empty: the session cookie's
    :ivar secure: send it over HTTPS only
    :ivar max_age: the cookie's lifetime in seconds; 0: until the browser closes
    """

    security_key: str = field(default="", repr=False)
    block_key: str = field(default="", repr=False)
    security_name: str = field(default="", repr=False)
    cookie_name: str = ""
    secure: bool = False
    max_age: int = 0


def memory(value: ProviderString) -> MemoryConfig:
    """Read the memory engine's string. beego ignores it, whatever it says; so plain text is accepted and ignored.

    :raises DSNError: for a JSON object with a wrong key or value
    """
    members = _MEMORY.members(value, ("max_sessions",))
    if members is None or "max_sessions" not in members:
        return MemoryConfig()
    return MemoryConfig(_MEMORY.number(members["max_sessions"], "max_sessions", at_least=1))


def file(value: ProviderString) -> FileConfig:
    """Read the file engine's string.

    :raises DSNError: when no directory is named; beego would then use the working directory
    """
    members = _FILE.members(value, ("save_path",))
    path = _FILE.text(value if members is None else members.get("save_path", ""), "the directory")
    if not path.strip():
        raise _FILE.error("the directory is missing")
    return FileConfig(path)


def cookie(value: ProviderString) -> CookieConfig:
    """Read the cookie engine's string.

    :raises DSNError: for text that is no JSON object, a block key of the wrong size, or a wrong key or value
    """
    if isinstance(value, str) and not value.strip():
        return CookieConfig()
    members = _COOKIE.members(value, ("securityKey", "blockKey", "securityName", "cookieName", "secure", "maxage"))
    if members is None:
        raise _COOKIE.error("it is no JSON object")
    secure = members.get("secure", False)
    if not isinstance(secure, bool):
        raise _COOKIE.error("secure must be true or false")
    block_key = _COOKIE.text(members.get("blockKey", ""), "blockKey")
    if block_key and len(block_key.encode("utf-8", "surrogatepass")) not in _AES_KEY_SIZES:
        raise _COOKIE.error("blockKey must have 16, 24 or 32 bytes")
    return CookieConfig(
        security_key=_COOKIE.text(members.get("securityKey", ""), "securityKey"),
        block_key=block_key,
        security_name=_COOKIE.text(members.get("securityName", ""), "securityName"),
        cookie_name=_COOKIE.text(members.get("cookieName", ""), "cookieName"),
        secure=secure,
        max_age=_COOKIE.number(members.get("maxage", 0), "maxage"),
    )
