"""Sessions in Redis (or Valkey), one string per session under its id, as beego keeps them. Needs the extra ``redis``.

Each verb is one command, or one script on the keys that it names. A write says what it was based on by the SHA-1 of
those bytes, and the script compares it with that of what is stored, so the old record never travels back. How the
server is found and connected to: :mod:`beesession.redis_pools`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from beesession import redis_pools, store
from beesession.beego import dsn
from beesession.clients import PerLoop
from beesession.exceptions import SessionTooLarge
from beesession.provider import Capabilities, Conflict, Count, Gone, Provider, Record, Unavailable
from beesession.redis_pools import errors
from beesession.sid import Ids
from beesession.stepping import Call, awaited, directly, run

if TYPE_CHECKING:
    from redis import ConnectionPool

    from beesession.conf import Options

PATIENCE = 2.0
"""Seconds to go on asking a server that refuses (it is loading, it was just demoted), or a pool that is used up."""

_PAUSE = 0.05
_SCAN_BATCH = 1000

# The server, or our own pool, turned the command down: it was not run, and so may be sent again.
_REFUSALS = (errors.ReadOnlyError, errors.BusyLoadingError, errors.MasterDownError, errors.MaxConnectionsError)


# Commands ------------------------------------------------------------------------------------------------

Word = bytes | str | int


@dataclass(frozen=True)
class Command:
    """What is sent for one verb.

    :ivar words: the command and its arguments
    :ivar repeatable: it does no harm to run it twice
    :ivar in_full: what to send instead when the server does not know the script yet
    """

    words: tuple[Word, ...] = field(repr=False)
    repeatable: bool = False
    in_full: tuple[Word, ...] | None = field(default=None, repr=False)


class Script:
    """A Lua script, called by its digest."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def on(self, *keys: bytes, args: tuple[Word, ...] = (), repeatable: bool = False) -> Command:
        """Return the command that runs this script on these keys."""
        operands = (len(keys), *keys, *args)
        return Command(("EVALSHA", self._sha, *operands), repeatable, ("EVAL", self._source, *operands))


READ_WITH_TTL = Script("""
local current = redis.call('GET', KEYS[1])
if not current then return false end
return {current, redis.call('PTTL', KEYS[1])}
""")

# The writing scripts answer nil (gone), the bytes that are there instead, or one of these.
_TAKEN, _STORED = 0, 1

SWAP = Script("""
local current = redis.call('GET', KEYS[1])
if not current then return false end
if redis.sha1hex(current) ~= ARGV[1] then return current end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1
""")

# SET comes before DEL: should the server refuse it, for want of memory say, the old record is still there.
REGENERATE = Script("""
local current = redis.call('GET', KEYS[1])
if not current then return false end
if redis.sha1hex(current) ~= ARGV[1] then return current end
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
redis.call('DEL', KEYS[1])
return 1
""")


def digest(record: Record) -> str:
    """Return what the scripts know a record by."""
    return hashlib.sha1(record.data, usedforsecurity=False).hexdigest()


# The provider --------------------------------------------------------------------------------------------


class RedisProvider(Provider):
    """Keeps sessions in one Redis database.

    :param pool: the connections to the server; see :func:`beesession.redis_pools.connection_pool`
    :param options: of these KEY_PREFIX, TOUCH_INTERVAL and the id rule
    """

    name = "redis"
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=True,
        touch=True,
        gc=False,
        active=True,
        scan=False,
        native_async=True,
        store_expires=True,
        max_bytes=512 * 1024 * 1024,
        max_lifetime=2**53 // 1000,  # beyond, Lua's numbers do not hold a millisecond any more
        shareable=True,
    )

    def __init__(self, pool: ConnectionPool, options: Options) -> None:
        self._pool = pool
        self._client = redis_pools.client(pool)
        self._clients = PerLoop(lambda: redis_pools.async_client(pool), redis_pools.close_async)
        self._prefix = options.key_prefix.encode()
        # What stands behind the prefix: the id, or its SHA-256.
        self._names = Ids(length=32, hex_only=True) if options.hash_keys else self.ids(options)
        self._tells_ttl = options.touch_interval > 0

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> RedisProvider:
        entry, origin = redis_pools.cache_entry(value, options, cls.entry)
        return cls(redis_pools.connection_pool(entry, origin), options)

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the CACHES entry that a provider string stands for.

        :raises beesession.beego.dsn.DSNError: the string cannot be used
        """
        return dsn.redis(value).django_cache()

    def close(self) -> None:
        self._clients.close()
        self._pool.disconnect()

    # Each verb and its async twin are one step ----------------------------------------------------------

    def read(self, sid: str) -> Record | None:
        return run(self._read(directly, sid))

    async def aread(self, sid: str) -> Record | None:
        return await self._read(awaited, sid)

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return run(self._create(directly, sid, data, lifetime))

    async def acreate(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return await self._create(awaited, sid, data, lifetime)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return run(self._swap(directly, sid, record, data, lifetime))

    async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await self._swap(awaited, sid, record, data, lifetime)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return run(self._touch(directly, sid, record, lifetime))

    async def atouch(self, sid: str, record: Record, lifetime: float) -> Record:
        return await self._touch(awaited, sid, record, lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return run(self._regenerate(directly, sid, new_sid, record, data, lifetime))

    async def aregenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await self._regenerate(awaited, sid, new_sid, record, data, lifetime)

    def destroy(self, sid: str) -> bool:
        return run(self._destroy(directly, sid))

    async def adestroy(self, sid: str) -> bool:
        return await self._destroy(awaited, sid)

    def active(self) -> Count:
        """Count by SCAN, which walks through the whole database in small steps and blocks nobody for long."""
        return run(self._active(directly))

    async def aactive(self) -> Count:
        return await self._active(awaited)

    # The steps ------------------------------------------------------------------------------------------

    async def _read(self, call: Call, sid: str) -> Record | None:
        key = self._key(sid)
        if not self._tells_ttl:
            data = await self._send(call, Command(("GET", key), repeatable=True))
            return None if data is None else Record(data, sid=sid)
        reply = await self._send(call, READ_WITH_TTL.on(key, repeatable=True))
        if reply is None:
            return None
        data, ttl = reply
        # beego stores without an expiry where its lifetime is 0; Redis then says -1.
        return Record(data, sid=sid, remaining=ttl / 1000 if ttl >= 0 else None)

    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None:
        self._demand_that_it_fits(data)
        key, seconds = self._key(sid), self.whole_seconds(lifetime)
        if seconds > 0:
            free = await self._send(call, Command(("SET", key, data, "NX", "PX", seconds * 1000)))
        else:
            free = not await self._send(call, Command(("EXISTS", key), repeatable=True))
        return Record(data, sid=sid, remaining=seconds) if free else None

    async def _swap(self, call: Call, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        command = SWAP.on(self._key(sid), args=(digest(record), data, seconds * 1000))
        _demand_stored(await self._send(call, command), sid)
        return Record(data, sid=sid, remaining=seconds)

    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        # Redis removes a key whose expiry is moved into the past, and says that it was there.
        if not await self._send(call, Command(("PEXPIRE", self._key(sid), seconds * 1000), repeatable=True)):
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        command = REGENERATE.on(self._key(sid), self._key(new_sid), args=(digest(record), data, seconds * 1000))
        _demand_stored(await self._send(call, command), sid)
        return Record(data, sid=new_sid, remaining=seconds)

    async def _destroy(self, call: Call, sid: str) -> bool:
        return bool(await self._send(call, Command(("DEL", self._key(sid)), repeatable=True)))

    async def _active(self, call: Call) -> Count:
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._prefix) + b"*"
        found: set[bytes] = set()  # SCAN may name a key twice
        cursor = 0
        while True:
            words = ("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_BATCH, "TYPE", "string")
            cursor, keys = await self._send(call, Command(words, repeatable=True))
            found.update(key for key in keys if self._names_a_session(key))
            if cursor == 0:
                break
        where = "KEY_PREFIX and a session id" if self._prefix else "a session id"
        blind = "" if self._prefix else "; without KEY_PREFIX, other data under such a key is counted as well"
        return Count(len(found), f"counted by SCAN: the strings whose key has the form of {where}{blind}")

    # ----------------------------------------------------------------------------------------------------

    def _key(self, sid: str) -> bytes:
        return self._prefix + sid.encode()

    def _names_a_session(self, key: bytes) -> bool:
        return self._names.accepts(key[len(self._prefix) :].decode("ascii", "replace"))

    def _demand_that_it_fits(self, data: bytes) -> None:
        limit = cast(int, self.capabilities.max_bytes)
        if len(data) > limit:
            raise SessionTooLarge(
                f"The session has {len(data)} bytes; Redis stores up to {limit}.", size=len(data), limit=limit
            )

    async def _send(self, call: Call, command: Command) -> Any:
        """Send a command and return the reply; a second time only where that cannot run it twice.

        :raises Unavailable: the server cannot be reached, answered with an error, or its reply was lost
        """
        began = time.monotonic()
        while True:
            try:
                return await call(self._execute, self._aexecute, command)
            except errors.RedisError as error:
                failure = error
            if isinstance(failure, errors.NoScriptError) and command.in_full is not None:
                command = replace(command, words=command.in_full, in_full=None)
            elif _refused(failure) and time.monotonic() - began < PATIENCE:
                await call(self._wait, self._await, failure)
            elif isinstance(failure, errors.ConnectionError) and command.repeatable:
                command = replace(command, repeatable=False)
            else:
                # A server that lacks a command repeats in its complaint what that was called with: ids and data.
                failure.args = tuple(str(text).partition(", with args beginning with")[0] for text in failure.args)
                raise Unavailable(
                    f"The {self.name} store cannot be reached, or answered with an error ({type(failure).__name__})."
                ) from failure

    def _execute(self, command: Command) -> Any:
        return self._client.execute_command(*command.words)  # type: ignore[no-untyped-call]

    async def _aexecute(self, command: Command) -> Any:
        client = await self._clients.get()
        if not command.repeatable:
            # A loop learns that the server has closed an idle connection when it next polls, and acts on it in the
            # turn after. The pool replaces such a connection, but what was already sent on it must not be repeated.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return await client.execute_command(*command.words)  # type: ignore[no-untyped-call]

    def _wait(self, refusal: Exception) -> None:
        if _demoted(refusal):
            # The same name may lead to another server by now.
            self._pool.disconnect(inuse_connections=False)
        time.sleep(_PAUSE)

    async def _await(self, refusal: Exception) -> None:
        if _demoted(refusal):
            client = await self._clients.get()
            await client.connection_pool.disconnect(inuse_connections=False)
        await asyncio.sleep(_PAUSE)


def _demand_stored(reply: bytes | int | None, sid: str) -> None:
    if reply is None:
        raise Gone
    if isinstance(reply, bytes):
        raise Conflict(Record(reply, sid=sid))
    if reply == _TAKEN:
        raise Conflict


def _refused(error: Exception) -> bool:
    return isinstance(error, _REFUSALS) or _demoted(error)


def _demoted(error: Exception) -> bool:
    # The connections of a Sentinel pool turn the server's READONLY into a ConnectionError of their own.
    return isinstance(error, errors.ReadOnlyError) or isinstance(error.__context__, errors.ReadOnlyError)


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.redis"``"""

    provider_class = RedisProvider
