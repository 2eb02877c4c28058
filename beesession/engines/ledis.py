"""Sessions on a LedisDB server, one key-value entry per session under its id. Needs the extra ``redis``.

LedisDB speaks the protocol of Redis, but is another program, measured here at the version that beego pins:

* An entry that has expired stays readable until the server's next check, so a reader asks for its expiry as well. An
  entry without an expiry is no session: neither beego nor this engine stores any, and LedisDB does not tell it from
  one that has expired.
* Scripts are isolated from each other and from nothing else, so every write is a script; ``destroy``, too.
* ``redis.sha1hex`` is not SHA-1, so the old bytes travel with a swap, and are compared as they are.

How scripts answer, and what else is particular about the server: :mod:`beesession.ledis_server`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from beesession import redis_pools, store
from beesession.beego import dsn
from beesession.engines.redis import RedisProvider
from beesession.ledis_server import AnsweringScript, Batch, LedisServer
from beesession.provider import Capabilities, Conflict, Count, Gone, Record
from beesession.redis_commands import Word
from beesession.stepping import Call

_SCAN_BATCH = 500


# Scripts ---------------------------------------------------------------------------------------------------

_FUNCTIONS = """
local function get(key)
  local found = redis.call('GET', key)
  return redis.call('TTL', key) > 0 and found
end
local function remove(key)
  return redis.pcall('DEL', key) == 1
end
local function put(key, data, seconds)
  if tonumber(seconds) == 0 then return remove(key) end
  -- Else LedisDB keeps the old expiry, too, and looks at it each second for as long as the entry lives.
  redis.pcall('PERSIST', key)
  return type(redis.pcall('SETEX', key, seconds, data)) == 'table'
end
local function move(key, seconds)
  if tonumber(seconds) == 0 then return remove(key) end
  redis.pcall('PERSIST', key)
  return redis.pcall('EXPIRE', key, seconds) == 1
end
"""

_LOOK = AnsweringScript(f"""{_FUNCTIONS}
local current = get(KEYS[1])
answer(current and 'found' .. current or 'gone')
""")

_CREATE = AnsweringScript(f"""{_FUNCTIONS}
if get(KEYS[1]) then answer('taken')
elseif put(KEYS[1], ARGV[1], ARGV[2]) then answer('done') end
""")

_SWAP = AnsweringScript(f"""{_FUNCTIONS}
local current = get(KEYS[1])
if not current then answer('gone')
elseif current ~= ARGV[1] then answer('changed')
elseif put(KEYS[1], ARGV[2], ARGV[3]) then answer('done') end
""")

_TOUCH = AnsweringScript(f"""{_FUNCTIONS}
if not get(KEYS[1]) then answer('gone')
elseif move(KEYS[1], ARGV[1]) then answer('done') end
""")

# The new entry comes before the removal of the old one: should the server refuse it, the old one is still there.
_REGENERATE = AnsweringScript(f"""{_FUNCTIONS}
local current = get(KEYS[1])
if not current then answer('gone')
elseif current ~= ARGV[1] then answer('changed')
elseif get(KEYS[2]) then answer('taken')
elseif put(KEYS[2], ARGV[2], ARGV[3]) and remove(KEYS[1]) then answer('done') end
""")

_DESTROY = AnsweringScript(f"""{_FUNCTIONS}
local current = get(KEYS[1])
if remove(KEYS[1]) then answer(current and 'done' or 'gone') end
""")


# The provider ----------------------------------------------------------------------------------------------


class LedisProvider(RedisProvider):
    """Keeps sessions in one database of a LedisDB server."""

    name = "ledis"
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
        max_lifetime=2**52,  # beyond, Lua's numbers do not hold a second any more
        shareable=True,
    )

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Mapping[str, Any]:
        server = dsn.ledis(value)
        return dsn.RedisConfig(host=server.host, port=server.port, db=server.db).django_cache()

    @classmethod
    def server(cls, entry: Mapping[str, Any], origin: str) -> LedisServer:
        return LedisServer(redis_pools.connection_pool(entry, origin))

    # The steps ------------------------------------------------------------------------------------------

    async def _read(self, call: Call, sid: str) -> Record | None:
        key = self._key(sid)
        # The expiry comes first: what is there after it was not over yet.
        ttl, data = await self._send(call, Batch(("TTL", key), repeatable=True, rest=(("GET", key),)))
        if data is None:
            return None
        if ttl > 0:
            return Record(data, sid=sid, remaining=ttl - 1)
        # It has expired, or a script is just about to set its expiry. The next script comes after that one.
        answer = await self._run(call, _LOOK, key, repeatable=True)
        return Record(answer.removeprefix(b"found"), sid=sid) if answer.startswith(b"found") else None

    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        answer = await self._run(call, _CREATE, self._key(sid), args=(data, _until(seconds)))
        return None if answer == b"taken" else Record(data, sid=sid, remaining=seconds)

    async def _swap(self, call: Call, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        _demand_done(await self._run(call, _SWAP, self._key(sid), args=(record.data, data, _until(seconds))))
        return Record(data, sid=sid, remaining=seconds)

    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        _demand_done(await self._run(call, _TOUCH, self._key(sid), args=(_until(seconds),), repeatable=True))
        return replace(record, sid=sid, remaining=seconds)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        arguments = (record.data, data, _until(seconds))
        _demand_done(await self._run(call, _REGENERATE, self._key(sid), self._key(new_sid), args=arguments))
        return Record(data, sid=new_sid, remaining=seconds)

    async def _destroy(self, call: Call, sid: str) -> bool:
        return await self._run(call, _DESTROY, self._key(sid), repeatable=True) == b"done"

    async def _active(self, call: Call) -> Count:
        number, cursor, more = 0, self._prefix, True
        while more:
            words = ("XSCAN", "KV", cursor, "COUNT", _SCAN_BATCH)
            ((cursor, keys),) = await self._send(call, Batch(words, repeatable=True))
            # They come in order, so that those of one prefix are together.
            more = bool(cursor) and keys[-1].startswith(self._prefix)
            found = [key for key in keys if key.startswith(self._prefix) and self._names_a_session(key)]
            number += await self._count_live(call, found)
        where = "KEY_PREFIX and a session id" if self._prefix else "a session id"
        blind = "" if self._prefix else "; without KEY_PREFIX, other data under such a key is counted as well"
        return Count(number, f"counted by XSCAN: the live entries whose key has the form of {where}{blind}")

    async def _count_live(self, call: Call, keys: Sequence[bytes]) -> int:
        if not keys:
            return 0
        first, *rest = [("TTL", key) for key in keys]
        replies = await self._send(call, Batch(first, repeatable=True, rest=tuple(rest)))
        return sum(ttl > 0 for ttl in replies)

    async def _run(
        self, call: Call, script: AnsweringScript, *keys: bytes, args: tuple[Word, ...] = (), repeatable: bool = False
    ) -> bytes:
        command = script.on(*keys, prefix=self._prefix, args=args, repeatable=repeatable)
        answer: bytes = await self._send(call, command)
        return answer


def _until(seconds: int) -> int:
    """Return what LedisDB is to be told: it counts from the last full second, which may be almost over."""
    return seconds + 1 if seconds > 0 else 0


def _demand_done(answer: bytes) -> None:
    if answer == b"gone":
        raise Gone
    if answer != b"done":
        raise Conflict


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.ledis"``"""

    provider_class = LedisProvider
