"""Sessions in SSDB, one key-value entry per session under its id, as beego keeps them. Needs no driver.

SSDB cannot compare and set. A writer takes a lock that lies beside the session, reads under it, compares, and writes:
three round trips. The lock is an entry that only one can add (``setnx``) and that expires by the server's clock. Since
no command adds an entry with an expiry, that follows in the second request; whoever finds a lock without one, whose
holder may have died in between, gives it one.

What this cannot prevent: a write that the server gets to see only when the lock of its sender has expired. A writer
sends nothing once it has held the lock for :data:`WRITE_WITHIN` seconds, so such a write has been under way for
seconds, or the server's clock was set forward. Hence ``swap`` is not among the engine's Capabilities.

Beside a running beego (CODEC ``"gob"``) whatever ends an id leaves the entry ``id:r``, its revocation mark. Each verb
asks for it together with what it asks for anyway, and leaves it in the request that removes, so that no round trip is
added. beego itself takes no lock: what it saves between the look and the write of another is lost.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured

from beesession import ssdb_protocol, store
from beesession.beego import dsn
from beesession.exceptions import SessionTooLarge
from beesession.provider import Capabilities, Conflict, Count, Gone, Provider, Record, Unavailable
from beesession.sid import Ids
from beesession.ssdb_protocol import Client, Reply, Request, SSDBError, Unreached
from beesession.stepping import Call, awaited, directly, run, wait

if TYPE_CHECKING:
    from beesession.conf import Options

P = ParamSpec("P")
T = TypeVar("T")

LOCK_SECONDS = 5
"""How long a lock lasts whose holder does not release it."""

WRITE_WITHIN = 2.0
"""Seconds after which the holder of a lock does not write any more. What it sends has the rest to arrive."""

PATIENCE = 7.0
"""Seconds to wait for a lock: longer than one lasts, so that to wait outlives a holder that has died."""

LONGEST_PREFIX = 80
"""Bytes of KEY_PREFIX: SSDB takes keys of up to 255, and an id has up to 160."""

_LOCK = b":lock"  # no session id has a colon in it
_MARK = b":r"
_INTEGER = re.compile(rb"-?[0-9]{1,19}\Z")
_SCAN_BATCH = 1000
_LONGEST_PAUSE = 0.02


@dataclass
class _Held:
    """The lock of one session, in our hands.

    :ivar current: the record's data as it was read under the lock, or None
    :ivar revoked: the id has a mark, and so no session; what is there may be what beego has revived
    :ivar until: when to write no more, by the monotonic clock
    :ivar released: a write may have been sent, and the release of the lock with it
    """

    key: bytes = field(repr=False)
    current: bytes | None = field(repr=False)
    revoked: bool
    until: float
    released: bool = False


class _Locked(Exception):
    """Another writer holds the lock of this session."""


class _NotSent(Unavailable):
    """The server did not get to see the request, nor will it."""


class SSDBProvider(Provider):
    """Keeps sessions in one SSDB server.

    :param client: the connections to it
    :param options: of these KEY_PREFIX, CODEC, LIFETIME and the id rule
    """

    name = "ssdb"
    capabilities = Capabilities(
        swap=False,
        atomic_rotation=False,
        touch=True,
        gc=False,
        active=True,
        scan=False,
        native_async=False,
        store_expires=True,
        max_bytes=64 * 1024 * 1024,  # it closes the connection on a request of 128 MiB
        max_lifetime=2**31 - 1,
        shareable=True,
        revokes=True,
    )

    def __init__(self, client: Client, options: Options) -> None:
        self._client = client
        self._prefix = options.key_prefix.encode()
        self._mark_lifetime = options.mark_lifetime
        self._leaves_marks = options.codec == "gob"
        # What stands behind the prefix: the id, or its SHA-256.
        self._names = Ids(length=32, hex_only=True) if options.hash_keys else self.ids(options)
        if len(self._prefix) > LONGEST_PREFIX:
            raise ImproperlyConfigured(
                f"{options.source}['KEY_PREFIX'] must not be longer than {LONGEST_PREFIX} bytes for the ssdb engine."
            )

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> SSDBProvider:
        try:
            config = dsn.ssdb(value)
        except dsn.DSNError as error:
            raise ImproperlyConfigured(f"{options.source}['PROVIDER_CONFIG']: {error}") from error
        server = ssdb_protocol.Server(config.host, config.port, config.password)
        return cls(Client(server, size=config.pool_size), options)

    def close(self) -> None:
        self._client.close()

    # The verbs ------------------------------------------------------------------------------------------

    def read(self, sid: str) -> Record | None:
        key = self._key(sid)
        ttl, data, *mark = self._send(*self._look_at(key), repeatable=True)
        current = _live(ttl, data)
        if current is None:
            return None
        if _is_live(mark):
            self._send(*self._end(key), repeatable=True)
            return None
        return Record(current, sid=sid, remaining=_number(ttl))

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        """Add the entry, and then its expiry, without which it is not yet a session."""
        self._demand_that_it_fits(data)
        key, seconds = self._key(sid), self.whole_seconds(lifetime)
        if seconds > 0:
            free = self._add(key, data)
            if free:
                _demand_done(*self._send(_expire(key, seconds), repeatable=True))
        else:
            free = self._is_free(key)
        return Record(data, sid=sid, remaining=seconds) if free else None

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return run(self._patiently(directly, self._swap, sid, record, data, lifetime))

    async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await self._patiently(awaited, self._swap, sid, record, data, lifetime)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return run(self._patiently(directly, self._touch, sid, record, lifetime))

    async def atouch(self, sid: str, record: Record, lifetime: float) -> Record:
        return await self._patiently(awaited, self._touch, sid, record, lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return run(self._patiently(directly, self._regenerate, sid, new_sid, record, data, lifetime))

    async def aregenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await self._patiently(awaited, self._regenerate, sid, new_sid, record, data, lifetime)

    def destroy(self, sid: str) -> bool:
        return run(self._patiently(directly, self._destroy, sid))

    async def adestroy(self, sid: str) -> bool:
        return await self._patiently(awaited, self._destroy, sid)

    def active(self) -> Count:
        number, after, more = 0, self._prefix, True
        end = self._prefix + b"\xff" if self._prefix else b""
        while more:
            (keys,) = self._send((b"keys", after, end, b"%d" % _SCAN_BATCH), repeatable=True)
            more = bool(keys)
            if keys:
                after = keys[-1]
                number += self._count_live([key for key in keys if self._names_a_session(key)])
        where = "KEY_PREFIX and a session id" if self._prefix else "a session id"
        blind = "" if self._prefix else "; without KEY_PREFIX, other data under such a key is counted as well"
        return Count(number, f"counted by listing the keys: the live entries that are named by {where}{blind}")

    # One try of each verb that takes the lock -------------------------------------------------------------

    def _swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        with self._lock(sid) as held:
            self._demand_unchanged(held, record, sid)
            store = (b"setx", held.key, data, b"%d" % seconds)
            self._write(held, *([store] if seconds > 0 else self._end(held.key)))
        return Record(data, sid=sid, remaining=seconds)

    def _touch(self, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        if seconds > 0:
            key = self._key(sid)
            # Asked for last: what is marked by then may have been revived.
            moved, *mark = self._send(_expire(key, seconds), *self._mark_of(key), repeatable=True)
            there, revoked = _number(moved) == 1, _is_live(mark)
            if there and revoked:
                self._send(*self._end(key), repeatable=True)
            there = there and not revoked
        else:
            there = self._destroy(sid)
        if not there:
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    def _regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        """Add the new entry; then remove the old one and give the new one its expiry, which makes it a session.

        What fails in between may leave an entry without an expiry, which opens nothing.
        """
        self._demand_that_it_fits(data)
        new_key, seconds = self._key(new_sid), self.whole_seconds(lifetime)
        with self._lock(sid) as held:
            self._demand_unchanged(held, record, sid)
            if seconds > 0:
                free, then = self._add(new_key, data), [_expire(new_key, seconds)]
            else:
                free, then = self._is_free(new_key), []
            if not free:
                raise Conflict
            end = self._end(held.key)
            try:
                done = self._write(held, *end, *then)
            except _NotSent:
                if then:
                    self._discard(new_key)
                raise
        _demand_done(*done[len(end) :])
        return Record(data, sid=new_sid, remaining=seconds)

    def _destroy(self, sid: str) -> bool:
        with self._lock(sid) as held:
            if held.current is not None:
                self._write(held, *self._end(held.key))
            elif self._leaves_marks:
                self._write(held, self._revocation(held.key))
        return held.current is not None and not held.revoked

    # The lock -------------------------------------------------------------------------------------------

    async def _patiently(self, call: Call, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Try a verb until its lock is free. Async, each try takes a thread, and the wait in between takes none."""
        attempt = partial(verb, *args, **kwargs)
        deadline, pause = time.monotonic() + PATIENCE, 0.001
        while time.monotonic() < deadline:
            with suppress(_Locked):
                return await call(attempt, partial(asyncio.to_thread, attempt))
            await wait(call, random.uniform(pause / 2, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise Unavailable(f"The {self.name} store has a lock on this session that nobody releases.")

    @contextmanager
    def _lock(self, sid: str) -> Iterator[_Held]:
        """Hold the lock of a session. It is released with the write, or at the end of the block.

        Not where a reply was lost: what was sent may still arrive, and until the lock expires it does no harm.

        :raises _Locked: it is not free
        """
        held = self._acquire(self._key(sid))
        try:
            yield held
        finally:
            # Who is late leaves the lock to expire; so does who cannot reach the server to release it.
            if not held.released and time.monotonic() < held.until:
                self._discard(held.key + _LOCK, not_after=held.until)

    def _acquire(self, key: bytes) -> _Held:
        lock, token = key + _LOCK, secrets.token_hex(16).encode()
        added, ttl = self._send((b"setnx", lock, token), (b"ttl", lock))
        if _number(added) == 1:
            since = time.monotonic()
            done, owner, ttl_of_key, data, *mark = self._send(
                _expire(lock, LOCK_SECONDS), (b"get", lock), *self._look_at(key)
            )
            if owner == [token]:
                _demand_done(done)
                return _Held(key, _live(ttl_of_key, data), _is_live(mark), since + WRITE_WITHIN)
        elif _number(ttl) < 0:
            self._send(_expire(lock, LOCK_SECONDS), repeatable=True)
        raise _Locked

    def _write(self, held: _Held, *requests: Request) -> list[Reply]:
        """Send what changes the session, and the release of its lock after it; return the replies to the former.

        :raises _NotSent: also where the lock has been held for too long
        """
        held.released = True
        try:
            return self._send(*requests, (b"del", held.key + _LOCK), not_after=held.until)[:-1]
        except _NotSent:
            held.released = False
            raise

    # ----------------------------------------------------------------------------------------------------

    def _key(self, sid: str) -> bytes:
        return self._prefix + sid.encode()

    def _names_a_session(self, key: bytes) -> bool:
        return self._names.accepts(key[len(self._prefix) :].decode("ascii", "replace"))

    def _demand_unchanged(self, held: _Held, record: Record, sid: str) -> None:
        if held.revoked and held.current is not None:
            self._write(held, *self._end(held.key))
        if held.revoked or held.current is None:
            raise Gone
        if held.current != record.data:
            raise Conflict(Record(held.current, sid=sid))

    def _add(self, key: bytes, data: bytes) -> bool:
        added, *mark = self._send((b"setnx", key, data), *self._mark_of(key))
        revoked = _is_live(mark)
        if revoked:
            self._send(*self._end(key), repeatable=True)
        return _number(added) == 1 and not revoked

    def _is_free(self, key: bytes) -> bool:
        ttl, data, *mark = self._send(*self._look_at(key), repeatable=True)
        return _live(ttl, data) is None and not _is_live(mark)

    def _look_at(self, key: bytes) -> list[Request]:
        # The expiry comes first: what is there after it was not over yet. So does the entry, before its mark.
        return [(b"ttl", key), (b"get", key), *self._mark_of(key)]

    def _mark_of(self, key: bytes) -> list[Request]:
        """Return what asks for the mark of an entry, where there are marks; the reply is for :func:`_is_live`."""
        return [(b"ttl", key + _MARK)] if self._leaves_marks else []

    def _end(self, key: bytes) -> list[Request]:
        """Return what ends an id: the mark, where there are marks, and after it the removal."""
        removal: Request = (b"del", key)
        return [self._revocation(key), removal] if self._leaves_marks else [removal]

    def _revocation(self, key: bytes) -> Request:
        return (b"setx", key + _MARK, b"1", b"%d" % self.whole_seconds(self._mark_lifetime()))

    def _discard(self, key: bytes, *, not_after: float = math.inf) -> None:
        """Remove an entry if the server can be reached."""
        with suppress(Unavailable):
            self._send((b"del", key), not_after=not_after)

    def _count_live(self, keys: Sequence[bytes]) -> int:
        asked = [[(b"ttl", key), *self._mark_of(key)] for key in keys]
        replies = iter(self._send(*chain.from_iterable(asked), repeatable=True) if keys else ())
        answered = [[next(replies) for _ in requests] for requests in asked]
        return sum(_number(ttl) >= 0 and not _is_live(mark) for ttl, *mark in answered)

    def _demand_that_it_fits(self, data: bytes) -> None:
        limit = cast(int, self.capabilities.max_bytes)
        if len(data) > limit:
            raise SessionTooLarge(
                f"The session has {len(data)} bytes; SSDB stores up to {limit}.", size=len(data), limit=limit
            )

    def _send(self, *requests: Request, repeatable: bool = False, not_after: float = math.inf) -> list[Reply]:
        try:
            return self._client.send(*requests, repeatable=repeatable, not_after=not_after)
        except SSDBError as error:
            kind = _NotSent if isinstance(error, Unreached) else Unavailable
            raise kind(f"The {self.name} store cannot be reached, or answered with an error ({error}).") from error


def _expire(key: bytes, seconds: int) -> Request:
    return (b"expire", key, b"%d" % seconds)


def _live(ttl: Reply, data: Reply) -> bytes | None:
    """Return the data of a session. An entry without an expiry is none: it is over, or is only being made."""
    if data == []:
        raise Unavailable("The ssdb store answered without the data.")
    return data[0] if data and _number(ttl) >= 0 else None


def _is_live(mark: Sequence[Reply]) -> bool:
    """Return whether there is a mark, given the reply to the question for it, if one was asked."""
    return any(_number(ttl) >= 0 for ttl in mark)


def _number(reply: Reply) -> int:
    if not reply or not _INTEGER.match(reply[0]):
        raise Unavailable("The ssdb store answered with something else than a number.")
    return int(reply[0])


def _demand_done(*replies: Reply) -> None:
    if any(_number(reply) != 1 for reply in replies):
        raise Unavailable("The ssdb store did not set an expiry.")


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.ssdb"``"""

    provider_class = SSDBProvider
