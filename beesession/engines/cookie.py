"""Sessions in the cookie itself, encrypted: nothing is kept on the server. Needs the extra ``crypto``.

The session id is the record: a token that holds the session and its expiry, sealed with AES-256-GCM and bound to the
name of the cookie. It comes with limits that no server-side engine has, and that no code can lift:

* **The last response wins.** Two requests at once each send a whole session, and the browser keeps one of them.
* **A logout reaches one browser.** There it removes the cookie; a copy made before it opens until its expiry, and so
  does each older state. Keep ``LIFETIME`` short, and what must be revocable elsewhere.
* **Some three kilobytes.** More is refused (SessionTooLarge) before a response is sent.

With ``CODEC = "gob"`` the token is beego's own (:mod:`beesession.beego.cookie`), and a beego application with the same
keys opens the same sessions.

The attributes of the cookie are Django's ``SESSION_COOKIE_*``, as for any engine.
"""

from __future__ import annotations

import logging
import re
import struct
from abc import abstractmethod
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from time import time as clock
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from beesession import store
from beesession.beego import dsn, sharing
from beesession.exceptions import DecodeError, SessionTooLarge
from beesession.provider import Capabilities, Gone, InlineProvider, Record
from beesession.sid import EscapedTokens, IdRule, Tokens, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beesession.beego.cookie import BeegoTokens
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


class TokenProvider(InlineProvider):
    """An engine whose ids are tokens that hold the record. How a token is made and opened is up to the subclass.

    :param cookie_name: of the cookie that carries the tokens; empty: ``settings.SESSION_COOKIE_NAME``, at each use
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

    def __init__(self, cookie_name: str) -> None:
        self._cookie_name = cookie_name

    @classmethod
    def ids(cls, options: Options) -> Tokens:
        return _ESCAPED_TOKENS if options.codec == "gob" else _TOKENS

    @abstractmethod
    def _sealed(self, data: bytes, seconds: int) -> Record:
        """Return the record with its token, which opens for so many seconds; with 0 or less it never does."""

    @abstractmethod
    def _open(self, token: str) -> Record | None:
        """Return the record of a token, or None when it is over.

        :raises DecodeError: it was not made with the keys of this site
        """

    @abstractmethod
    def _room(self, length: int) -> int:
        """Return how many bytes of data a token of so many characters holds."""

    def read(self, sid: str) -> Record | None:
        try:
            return self._open(sid)
        except DecodeError as error:
            reason = type(error.__cause__ or error).__name__
            logger.warning("The token of session %s was refused (%s).", fingerprint(sid), reason)
            return None

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
        record = self._sealed(data, self.whole_seconds(lifetime))
        name = len(self._name())
        size = name + len(record.sid)
        if size > MAX_COOKIE_BYTES:
            room = self._room(MAX_COOKIE_BYTES - name)
            raise SessionTooLarge(
                f"The session makes a cookie of {size} bytes, and browsers keep no more than {MAX_COOKIE_BYTES}: "
                f"its data has {len(data)} bytes, and {room} fit. Keep less in the session, or set SESSION_ENGINE to "
                "an engine that keeps it on the server.",
                size=size,
                limit=MAX_COOKIE_BYTES,
            )
        return record

    def _demand(self, sid: str) -> Record:
        record = self.read(sid)
        if record is None:
            raise Gone
        return record

    def _name(self) -> bytes:
        return (self._cookie_name or settings.SESSION_COOKIE_NAME).encode()


class CookieProvider(TokenProvider):
    """Makes and opens tokens of our own.

    :param seal: the keys
    :param cookie_name: what tokens are bound to; empty: ``settings.SESSION_COOKIE_NAME``, at the time of each use
    """

    def __init__(self, seal: Seal, cookie_name: str = "") -> None:
        super().__init__(cookie_name)
        self._seal = seal

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> TokenProvider:
        """Return a provider for beego's cookie settings, or for Django's keys when there are none.

        The keys are ``ENCRYPTION_KEYS`` when given, else ``securityKey`` (of at least 16 bytes), else ``SECRET_KEY``
        and ``SECRET_KEY_FALLBACKS``. The first key writes, all of them read. With ``CODEC = "gob"`` it is a
        :class:`BeegoCookieProvider`.
        """
        from beesession.codecs.seal import Seal  # needs the extra "crypto"

        if options.codec == "gob":
            return BeegoCookieProvider.from_config(value, options)
        where, config = _config(value, options)
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

    def _sealed(self, data: bytes, seconds: int) -> Record:
        opened = _Opened(data, min(max(_now() + 1000 * seconds, 0), _LATEST))
        sealed = self._seal.seal(_EXPIRY.pack(opened.expires) + data, self._name())
        return self._record(opened, _encoded(sealed))

    def _open(self, token: str) -> Record | None:
        plain = self._seal.open(_decoded(token), self._name())
        (expires,) = _EXPIRY.unpack_from(plain)
        opened = _Opened(plain[_EXPIRY.size :], expires)
        return self._record(opened, token) if expires > _now() else None

    def _room(self, length: int) -> int:
        from beesession.codecs.seal import OVERHEAD

        return length * 3 // 4 - OVERHEAD - _EXPIRY.size

    @staticmethod
    def _record(opened: _Opened, token: str) -> Record:
        return Record(opened.data, sid=token, remaining=(opened.expires - _now()) / 1000)


class BeegoCookieProvider(TokenProvider):
    """Makes and opens beego's tokens.

    beego dates a token with the moment of the write, and takes it until LIFETIME seconds later, to the end of that
    second. So the date that a token gets here is LIFETIME before the session's expiry, and beego ends it then, too.
    **An expiry later than LIFETIME from now cannot be had**: its token would be dated in the future, which beego
    refuses. Such an expiry is moved to LIFETIME from now.

    :param tokens: the keys
    :param lifetime: gives LIFETIME, beego's ``sessiongcmaxlifetime``, in seconds
    :param bare_ids: the form of ids that carry nothing. beego gives one to each new visitor before it saves, and it
        stays where beego has saved too late; such an id opens nothing, and is nothing to log.
    """

    capabilities = replace(TokenProvider.capabilities, max_bytes=2246)

    def __init__(
        self, tokens: BeegoTokens, lifetime: Callable[[], int], bare_ids: IdRule, cookie_name: str = ""
    ) -> None:
        super().__init__(cookie_name)
        self._tokens = tokens
        self._lifetime = lifetime
        self._bare_ids = bare_ids

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> BeegoCookieProvider:
        """Return a provider for beego's cookie settings, whose three keys must all be given."""
        from beesession.beego.cookie import BeegoTokens

        where, config = _config(value, options)
        if missing := sharing.missing_keys(config):
            raise ImproperlyConfigured(f"{where}: {missing}")
        if options.encryption_keys:
            raise ImproperlyConfigured(
                f"{options.source}['ENCRYPTION_KEYS'] must be empty with CODEC = 'gob': beego encrypts with blockKey."
            )

        def lifetime() -> int:
            # Not the store's, which an IDLE_TIMEOUT shortens, and beego knows nothing of that.
            return int(settings.SESSION_COOKIE_AGE) if options.lifetime is None else options.lifetime

        keys = map(_as_go_reads, (config.security_key, config.block_key, config.security_name))
        return cls(BeegoTokens(*keys), lifetime, options.ids, config.cookie_name)

    def _sealed(self, data: bytes, seconds: int) -> Record:
        now, lifetime = clock(), self._lifetime()
        # What is over from the start expired in 1970, so that no clock of another server takes it.
        expires = int(now) + min(seconds, lifetime) if seconds > 0 else 0
        token = self._tokens.encode(data, expires - lifetime)
        return Record(data, sid=token, remaining=max(expires - now, 0))

    def _open(self, token: str) -> Record | None:
        from beesession.beego.cookie import TokenExpired, TokenRefused

        if self._bare_ids.accepts(token):
            return None
        now, lifetime = clock(), self._lifetime()
        try:
            opened = self._tokens.decode(token, now, lifetime)
        except TokenExpired:
            return None
        except TokenRefused as error:
            raise DecodeError("the token was refused") from error
        # In the second of its expiry a token still opens; what remains is counted to its beginning.
        return Record(opened.gob, sid=token, remaining=max(opened.timestamp + lifetime - now, 0))

    def _room(self, length: int) -> int:
        from beesession.beego.cookie import room

        return room(length)


_TOKENS = Tokens()
_ESCAPED_TOKENS = EscapedTokens()
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def _now() -> int:
    return int(clock() * 1000)


def _config(value: str | Mapping[str, Any], options: Options) -> tuple[str, dsn.CookieConfig]:
    """Return what error messages call PROVIDER_CONFIG, and what it says."""
    where = f"{options.source}['PROVIDER_CONFIG']"
    try:
        return where, dsn.cookie(value)
    except dsn.DSNError as error:
        raise ImproperlyConfigured(f"{where}: {error}") from error


def _as_go_reads(key: str) -> bytes:
    """Return the bytes of a key in JSON. Go has no half surrogate pairs, and puts U+FFFD in their place."""
    return _HALF_A_PAIR.sub("\ufffd", key).encode()


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
