"""Sessions in Redis (or Valkey), one string per session under its id, as beego keeps them. Needs the extra ``redis``.

What is said to the server: :mod:`beesession.redis_commands`. How it is found and connected to:
:mod:`beesession.redis_pools`. This engine, that of Sentinel and that of a cluster differ in the latter alone; a cluster
rotates in two steps, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from beesession import redis_commands, redis_pools, store
from beesession.beego import dsn
from beesession.exceptions import SessionTooLarge
from beesession.provider import Capabilities, Count, Gone, Record, Unavailable
from beesession.redis_commands import Command, demand_stored
from beesession.redis_pools import errors
from beesession.redis_server import Server, Store, waited_in_vain
from beesession.sid import Ids
from beesession.stepped import SteppedProvider
from beesession.stepping import Call, awaited, directly, run, wait

if TYPE_CHECKING:
    from beesession.conf import Options

PATIENCE = 2.0
"""Seconds to go on asking a server that refuses (it is loading, it was just demoted), or a pool that is used up."""

_PAUSE = 0.05
_SCAN_BATCH = 1000


class RedisProvider(SteppedProvider):
    """Keeps sessions in one Redis database.

    :param redis: what the commands are sent to
    :param options: of these KEY_PREFIX, TOUCH_INTERVAL, CODEC, the lifetime and the id rule
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
        revokes=True,
    )

    def __init__(self, redis: Store, options: Options) -> None:
        self._redis = redis
        self._prefix = options.key_prefix.encode()
        # What stands behind the prefix: the id, or its SHA-256.
        self._names = Ids(length=32, hex_only=True) if options.hash_keys else self.ids(options)
        self._tells_ttl = options.touch_interval > 0
        self._mark_lifetime = options.mark_lifetime if options.codec == "gob" else None

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> RedisProvider:
        return cls(cls.server(*redis_pools.cache_entry(value, options, cls.entry)), options)

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the CACHES entry that a provider string stands for.

        :raises beesession.beego.dsn.DSNError: the string cannot be used
        """
        return dsn.redis(value).django_cache()

    @classmethod
    def server(cls, entry: Mapping[str, Any], origin: str) -> Store:
        """Return what a CACHES entry leads to. Connects nothing.

        :param origin: what an error calls the entry
        :raises ImproperlyConfigured: LOCATION or OPTIONS cannot be used
        """
        return Server(redis_pools.connection_pool(entry, origin))

    def close(self) -> None:
        self._redis.close()

    def active(self) -> Count:
        """Count by SCAN, which walks through the whole database in small steps and blocks nobody for long."""
        return run(self._active(directly))

    async def aactive(self) -> Count:
        return await self._active(awaited)

    def info(self, section: str) -> list[Mapping[str, Any]]:
        """Return what each server that holds records says of itself, for a section of INFO.

        :raises Unavailable: as with the verbs
        """
        return run(self._info(directly, section))

    # The steps ------------------------------------------------------------------------------------------

    async def _read(self, call: Call, sid: str) -> Record | None:
        key, life = self._key(sid), self._life_of_a_mark()
        if not self._tells_ttl:
            reply = await self._send(call, redis_commands.read(key, life))
            data, mark = reply if life is not None else (reply, None)
            if data is None or mark is None:
                return None if data is None else Record(data, sid=sid)
            # beego has brought back what had ended: the script removes it.
        reply = await self._send(call, redis_commands.read_with_ttl(key, life))
        if reply is None:
            return None
        data, ttl = reply
        # beego stores without an expiry where its lifetime is 0; Redis then says -1.
        return Record(data, sid=sid, remaining=ttl / 1000 if ttl >= 0 else None)

    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None:
        self._demand_that_it_fits(data)
        key, seconds, life = self._key(sid), self.whole_seconds(lifetime), self._life_of_a_mark()
        if seconds > 0:
            free = await self._send(call, redis_commands.create(key, data, seconds, life))
        else:
            free = not await self._send(call, redis_commands.is_taken(key, life))
        return Record(data, sid=sid, remaining=seconds) if free else None

    async def _swap(self, call: Call, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        command = redis_commands.swap(self._key(sid), record, data, seconds, self._life_of_a_mark())
        demand_stored(await self._send(call, command), sid)
        return Record(data, sid=sid, remaining=seconds)

    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        if not await self._send(call, redis_commands.touch(self._key(sid), seconds, self._life_of_a_mark())):
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        keys = self._key(sid), self._key(new_sid)
        command = redis_commands.regenerate(*keys, record, data, seconds, self._life_of_a_mark())
        demand_stored(await self._send(call, command), sid)
        return Record(data, sid=new_sid, remaining=seconds)

    async def _destroy(self, call: Call, sid: str) -> bool:
        return bool(await self._send(call, redis_commands.destroy(self._key(sid), self._life_of_a_mark())))

    async def _active(self, call: Call) -> Count:
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._prefix) + b"*"
        found: set[bytes] = set()  # SCAN may name a key twice
        for server in await self._primaries(call):
            cursor = None
            while cursor != 0:
                words = ("SCAN", cursor or 0, "MATCH", pattern, "COUNT", _SCAN_BATCH, "TYPE", "string")
                cursor, keys = await self._send(call, Command(words, repeatable=True), server)
                found.update(key for key in keys if self._names_a_session(key))
        where = "KEY_PREFIX and a session id" if self._prefix else "a session id"
        blind = "" if self._prefix else "; without KEY_PREFIX, other data under such a key is counted as well"
        revived = "" if self._mark_lifetime is None else "; what beego saves after its end is counted until it is read"
        return Count(len(found), f"counted by SCAN: the strings whose key has the form of {where}{blind}{revived}")

    async def _info(self, call: Call, section: str) -> list[Mapping[str, Any]]:
        command = Command(("INFO", section), repeatable=True)
        return [await self._send(call, command, server) for server in await self._primaries(call)]

    # ----------------------------------------------------------------------------------------------------

    def _key(self, sid: str) -> bytes:
        return self._prefix + sid.encode()

    def _life_of_a_mark(self) -> int | None:
        """Return the milliseconds that a mark lives; None where this store has no marks."""
        return None if self._mark_lifetime is None else self.whole_seconds(self._mark_lifetime()) * 1000

    def _names_a_session(self, key: bytes) -> bool:
        return self._names.accepts(key[len(self._prefix) :].decode("ascii", "replace"))

    def _demand_that_it_fits(self, data: bytes) -> None:
        limit = cast(int, self.capabilities.max_bytes)
        if len(data) > limit:
            raise SessionTooLarge(
                f"The session has {len(data)} bytes; the {self.name} engine stores up to {limit}.",
                size=len(data),
                limit=limit,
            )

    async def _send(self, call: Call, command: Command, to: Store | None = None) -> Any:
        """Send a command and return the reply; a second time only where that cannot run it twice.

        :param to: a single server, where it is not the command's key that decides
        :raises Unavailable: the server cannot be reached, answered with an error, or its reply was lost
        """
        began, redis = time.monotonic(), to or self._redis
        while True:
            try:
                return await redis.execute(call, command)
            except errors.RedisError as error:
                failure = error
            if isinstance(failure, errors.NoScriptError) and command.in_full is not None:
                command = replace(command, words=command.in_full, in_full=None)
            elif redis.refused(failure):
                if time.monotonic() - began >= PATIENCE:
                    raise self._unavailable(failure) from failure
                await redis.recover(call, failure)
                await wait(call, _PAUSE)
            elif isinstance(failure, errors.ConnectionError) and command.repeatable and not waited_in_vain(failure):
                command = replace(command, repeatable=False)
            else:
                raise self._unavailable(failure) from failure

    async def _primaries(self, call: Call) -> list[Store]:
        try:
            return [*await self._redis.primaries(call)]
        except errors.RedisError as failure:
            raise self._unavailable(failure) from failure

    def _unavailable(self, failure: Exception) -> Unavailable:
        # A server that lacks a command repeats in its complaint what that was called with: ids and data.
        failure.args = tuple(str(text).partition(", with args beginning with")[0] for text in failure.args)
        return Unavailable(
            f"The {self.name} store cannot be reached, or answered with an error ({type(failure).__name__})."
        )


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.redis"``"""

    provider_class = RedisProvider
