"""Sessions in the cookie itself, encrypted: nothing is kept on the server. Needs the extra ``crypto``.

The session id is the record: a token that holds the session and its expiry, sealed with AES-256-GCM and bound to the
name of the cookie. It comes with limits that no server-side engine has, and that no code can lift:

* **The last response wins.** Two requests at once each send a whole session, and the browser keeps one of them.
* **A logout reaches one browser.** There it removes the cookie; a copy made before it opens until its expiry, and so
  does each older state. Keep ``LIFETIME`` short, and what must be revocable elsewhere.
* **Some three kilobytes.** More is refused (SessionTooLarge) before a response is sent.

The attributes of the cookie are Django's ``SESSION_COOKIE_*``, as for any engine.
"""

from __future__ import annotations

import logging
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from time import time as clock
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from beesession import store
from beesession.beego import dsn
from beesession.exceptions import DecodeError, SessionTooLarge
from beesession.provider import Capabilities, Gone, InlineProvider, Record
from beesession.sid import Tokens, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beesession.codecs.seal import Seal
    from beesession.conf import Options

logger = logging.getLogger("django.security.SuspiciousSession")

MAX_COOKIE_BYTES = 4096
"""What browsers keep of one cookie: its name and its value, without the attributes."""

_EXPIRY = struct.Struct(">Q")  # Unix milliseconds
_LATEST = 2**64 - 1


class _Opened(NamedTuple):
    data: bytes
    expires: int  # Unix milliseconds


class CookieProvider(InlineProvider):
    """Makes and opens tokens.

    :param seal: the keys
    :param cookie_name: what tokens are bound to; empty: ``settings.SESSION_COOKIE_NAME``, at the time of each use
    """

    name = "cookie"
    capabilities = Capabilities(
        swap=False,
        atomic_rotation=False,
        touch=True,
        gc=False,
        active=False,
        scan=False,
        native_async=True,
        store_expires=True,
        # Under Django's default cookie name; a longer name takes its length from it.
        max_bytes=3024,
        max_lifetime=None,
        shareable=True,
        self_contained=True,
    )

    def __init__(self, seal: Seal, cookie_name: str = "") -> None:
        self._seal = seal
        self._cookie_name = cookie_name

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> CookieProvider:
        """Return a provider for beego's cookie settings, or for Django's keys when there are none.

        The keys are ``ENCRYPTION_KEYS`` when given, else ``securityKey`` (of at least 16 bytes), else ``SECRET_KEY``
        and ``SECRET_KEY_FALLBACKS``. The first key writes, all of them read.
        """
        from beesession.codecs.seal import Seal  # needs the extra "crypto"

        where = f"{options.source}['PROVIDER_CONFIG']"
        try:
            config = dsn.cookie(value)
        except dsn.DSNError as error:
            raise ImproperlyConfigured(f"{where}: {error}") from error
        keys: list[str | bytes]
        if options.encryption_keys:
            keys, source = list(options.encryption_keys), f"{options.source}['ENCRYPTION_KEYS']"
        elif config.security_key or config.block_key:
            keys, source = [config.security_key], f"{where}, securityKey (leave out both keys to use SECRET_KEY)"
        else:
            keys, source = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS], "SECRET_KEY, SECRET_KEY_FALLBACKS"
        # Sites that differ in one of these do not open each other's cookies, as in beego.
        purpose = "\0".join(("beesession: cookie engine", config.security_name, config.block_key))
        return cls(Seal(keys, purpose, source=source), config.cookie_name)

    @classmethod
    def ids(cls, options: Options) -> Tokens:
        return _TOKENS

    def read(self, sid: str) -> Record | None:
        opened = self._opened(sid)
        return None if opened is None else self._record(opened, sid)

    def create(self, sid: str, data: bytes, lifetime: float) -> Record:
        """Return a record whose ``sid`` is the new token; the id that was proposed is not used, and never taken."""
        return self._issued(data, lifetime)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        """Return a new token. There is nothing to compare with: the old one stays valid beside it."""
        self._demand(sid)
        return self._issued(data, lifetime)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return self._issued(self._demand(sid).data, lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        """Return a new token, as each write does. Who kept the old one can use it until its expiry."""
        return self.swap(sid, record, data, lifetime)

    def destroy(self, sid: str) -> bool:
        """Return False: the server holds nothing that it could remove. The session ends with the browser's cookie."""
        return False

    def _issued(self, data: bytes, lifetime: float) -> Record:
        expires = _now() + 1000 * self.whole_seconds(lifetime)
        opened = _Opened(data, min(max(expires, 0), _LATEST))
        name = self._name()
        sealed = self._seal.seal(_EXPIRY.pack(opened.expires) + data, name)
        token = _encoded(sealed)
        size = len(name) + len(token)
        if size > MAX_COOKIE_BYTES:
            raise SessionTooLarge(
                f"The session makes a cookie of {size} bytes, and browsers keep no more than {MAX_COOKIE_BYTES}. "
                f"Keep less in the session, or set SESSION_ENGINE to an engine that keeps it on the server.",
                size=size,
                limit=MAX_COOKIE_BYTES,
            )
        return self._record(opened, token)

    def _demand(self, sid: str) -> _Opened:
        opened = self._opened(sid)
        if opened is None:
            raise Gone
        return opened

    def _opened(self, sid: str) -> _Opened | None:
        """Return what a token holds, or None when it is expired or was not made here."""
        try:
            plain = self._seal.open(_decoded(sid), self._name())
        except DecodeError as error:
            logger.warning("The token of session %s was refused (%s).", fingerprint(sid), type(error).__name__)
            return None
        (expires,) = _EXPIRY.unpack_from(plain)
        return _Opened(plain[_EXPIRY.size :], expires) if expires > _now() else None

    def _name(self) -> bytes:
        return (self._cookie_name or settings.SESSION_COOKIE_NAME).encode()

    @staticmethod
    def _record(opened: _Opened, token: str) -> Record:
        return Record(opened.data, sid=token, remaining=(opened.expires - _now()) / 1000)


_TOKENS = Tokens()


def _now() -> int:
    return int(clock() * 1000)


def _encoded(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def _decoded(token: str) -> bytes:
    """Return the bytes of a token.

    :raises DecodeError: for text that is not exactly how a token is written
    """
    if not _TOKENS.accepts(token):
        raise DecodeError("the id does not have the form of a token")
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise DecodeError("the token is not base64url") from error
    # The last digit has bits to spare, which the decoder ignores: without this, several tokens would be one session.
    if _encoded(sealed) != token:
        raise DecodeError("the token is not base64url as it is written here")
    return sealed


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.cookie"``"""

    provider_class = CookieProvider
