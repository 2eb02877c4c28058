"""A session and what it is bound to: a provider, options, a codec."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar

from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import Signal

from beesession import conf, delta
from beesession.binding import bind
from beesession.codecs import codec_for
from beesession.codecs.base import Codec
from beesession.exceptions import DecodeError
from beesession.provider import Provider, Record, Unavailable
from beesession.sid import fingerprint
from beesession.snapshot import Snapshot
from beesession.stepping import Call, P, T

logger = logging.getLogger("django.security.SuspiciousSession")

BEGAN = "_session_began"
"""The session key that ABSOLUTE_TIMEOUT keeps the start of a session under, in Unix seconds."""


class _BoundProvider:
    """``provider``: on the class as on its objects, the provider of this process and configuration."""

    def __get__(self, instance: object, owner: type[BoundSession]) -> Provider:
        return bind(owner.provider_class, owner.bound_options())


class BoundSession(SessionBase):
    """A session that knows its store, its options and its codec, and which ids and lifetimes they allow.

    :cvar provider_class: the engine's storage
    :cvar options: the configuration; None: that of ``settings.BEESESSION``
    :ivar unavailable: the last access to the store failed; the middleware then answers 503 and touches no cookie
    :ivar has_new_id: this object created the session, or rotated its id
    :ivar anonymous_only: open no session that carries a login (set for an id that came in a URL)
    """

    provider_class: ClassVar[type[Provider]]
    options: ClassVar[conf.Options | None] = None
    provider: ClassVar[_BoundProvider] = _BoundProvider()

    unavailable = False
    anonymous_only = False
    has_new_id = False

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        if session_key and self.session_key is None:
            logger.warning("A session id of the wrong form was refused (%s).", fingerprint(str(session_key)))

    @classmethod
    def bound_options(cls) -> conf.Options:
        """Return the options of this store: its own, or those of the settings."""
        return cls.options if cls.options is not None else conf.options()

    @classmethod
    def codec(cls) -> Codec:
        """Return the codec that these options ask for."""
        return codec_for(cls.bound_options(), cls.provider_class.capabilities)

    # The store ------------------------------------------------------------------------------------------

    async def _fetch(self, call: Call, sid: str) -> Record | None:
        provider = self.provider
        return await self._reach(call, provider.read, provider.aread, self.store_key(sid))

    async def _reach(
        self, call: Call, verb: Callable[P, T], twin: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            result = await call(verb, twin, *args, **kwargs)
        except Unavailable:
            self.unavailable = True
            raise
        self.unavailable = False
        return result

    async def _announce(self, call: Call, signal: Signal, **arguments: object) -> None:
        # Robust: whoever listens must not undo, or leave half done, what has happened. Django logs what they raise.
        await call(signal.send_robust, signal.asend_robust, sender=type(self), **arguments)

    def _open(self, record: Record, sid: str) -> dict[str, Any] | None:
        """Return the data of a record, or None when it opens no session. The record is left alone."""
        try:
            data = self._decode(record, sid)
        except DecodeError as error:
            reason = type(error.__cause__ or error).__name__
            logger.warning("The record of session %s cannot be decoded (%s).", fingerprint(sid), reason)
            return None
        if self.anonymous_only and delta.login(data) is not None:
            logger.warning("Session %s carries a login; its id was refused.", fingerprint(sid))
            return None
        limit = self.bound_options().absolute_timeout
        if limit is not None and BEGAN in data and time.time() >= data[BEGAN] + limit:
            return None
        return data

    def _decode(self, record: Record, sid: str) -> dict[str, Any]:
        return self._codec.loads(record.data, self.store_key(sid))

    def _snapshot(self, record: Record, sid: str, **known: Any) -> Snapshot:
        # The session may lose its id, in a flush, before the record is decoded.
        return Snapshot(record, partial(self._decode, record, sid), **known)

    # Ids and lifetimes --------------------------------------------------------------------------------------

    @cached_property
    def _codec(self) -> Codec:
        return self.codec()

    def _validate_session_key(self, key: object) -> bool:
        return self.provider_class.ids(self.bound_options()).accepts(key)

    @property
    def _self_contained(self) -> bool:
        return self.provider_class.capabilities.self_contained

    @classmethod
    def store_key(cls, sid: str) -> str:
        """Return the key under which the store keeps a session: its id, or with HASH_KEYS the SHA-256 of it."""
        if cls.bound_options().hash_keys and not cls.provider_class.capabilities.self_contained:
            return hashlib.sha256(sid.encode("ascii")).hexdigest()
        return sid

    def _lifetime(self, data: Mapping[str, Any]) -> float:
        """Return how many seconds the record is to live from now on; zero or less for one that is over."""
        options = self.bound_options()
        expiry = data.get("_session_expiry")
        lifetime: float = self.get_expiry_age(expiry=expiry) if expiry else options.store_lifetime()
        if options.idle_timeout is not None:
            lifetime = min(lifetime, options.idle_timeout)
        if options.absolute_timeout is not None and BEGAN in data:
            lifetime = min(lifetime, data[BEGAN] + options.absolute_timeout - time.time())
        return lifetime
