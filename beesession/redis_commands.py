"""What the Redis engines say to a server: one command, or one script on the keys that it names, for each verb.

A write says what it was based on by the SHA-1 of those bytes, and the script compares it with that of what is stored,
so the old record never travels back.

Where beego writes to the store, too, what ends an id leaves a revocation mark (:mod:`beesession.provider`), a string
under :func:`mark_of` its key. ``life`` is how many milliseconds a mark lives; None stands for a store without marks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from beesession.provider import Conflict, Gone, Record

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

    @property
    def key(self) -> bytes:
        """The key by which a cluster knows who has to run it: that of the command, or the first one of the script."""
        key = self.words[3 if self.words[0] in ("EVAL", "EVALSHA") else 1]
        assert isinstance(key, bytes), "only commands on a key are addressed by it"
        return key


class Script:
    """A Lua script, called by its digest.

    :ivar source: its text
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def on(
        self, *keys: bytes, args: tuple[Word, ...] = (), repeatable: bool = False, life: int | None = None
    ) -> Command:
        """Return the command that runs this script on these keys."""
        if life is not None:
            return self.marking.on(*keys, *map(mark_of, keys), args=(*args, life), repeatable=repeatable)
        operands = (len(keys), *keys, *args)
        return Command(("EVALSHA", self._sha, *operands), repeatable, ("EVAL", self.source, *operands))

    @cached_property
    def marking(self) -> Script:
        """The same for a store with marks. It takes them as further keys, and their life as the last argument."""
        return Script(_MARKING % self.source)


# A script on a marked id answers nil, as on one without a record. One after which the record is gone has ended the id.
_MARKING = """
local mark, life = KEYS[#KEYS / 2 + 1], ARGV[#ARGV]
local function revoke() redis.call('SET', mark, '1', 'PX', life) end
if redis.call('EXISTS', mark) == 1 then
  if redis.call('DEL', KEYS[1]) == 1 then revoke() end
  return false
end
-- The second mark is that of the new id, which is taken then.
if KEYS[4] and redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
local there = redis.call('EXISTS', KEYS[1])
local function unmarked()
%s
end
local answer = unmarked()
if there == 1 and redis.call('EXISTS', KEYS[1]) == 0 then revoke() end
return answer
"""

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


# Without marks each of these is a single command.
CREATE = Script("return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])")
TOUCH = Script("return redis.call('PEXPIRE', KEYS[1], ARGV[1])")

# In this order a server that is out of memory takes the mark: it lets a script finish that has begun to write.
DESTROY = Script("""
local there = redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
return there
""")


def mark_of(key: bytes) -> bytes:
    """Return the key of the mark. A cluster goes by what is in the braces, and so has both on one node."""
    return b"{%b}:r" % key


def digest(record: Record) -> str:
    """Return what the scripts know a record by."""
    return hashlib.sha1(record.data, usedforsecurity=False).hexdigest()


def read(key: bytes, life: int | None) -> Command:
    """Return the command that reads a record; with marks, that and its mark."""
    return Command(("GET", key) if life is None else ("MGET", key, mark_of(key)), repeatable=True)


def read_with_ttl(key: bytes, life: int | None) -> Command:
    """Return the command that reads a record and the milliseconds left; with marks, it removes a revoked one."""
    return READ_WITH_TTL.on(key, repeatable=True, life=life)


def is_taken(key: bytes, life: int | None) -> Command:
    """Return the command that tells whether an id can no longer be created."""
    return Command(("EXISTS", key) if life is None else ("EXISTS", key, mark_of(key)), repeatable=True)


def create(key: bytes, data: bytes, seconds: int, life: int | None) -> Command:
    """Return the command that stores a record, and answers nil if the id is taken."""
    if life is None:
        return Command(("SET", key, data, "NX", "PX", seconds * 1000))
    return CREATE.on(key, args=(data, seconds * 1000), life=life)


def swap(key: bytes, record: Record, data: bytes, seconds: int, life: int | None) -> Command:
    """Return the command that replaces a record, or removes it if ``seconds`` is no more than zero."""
    return SWAP.on(key, args=(digest(record), data, seconds * 1000), life=life)


def touch(key: bytes, seconds: int, life: int | None) -> Command:
    """Return the command that moves an expiry. Redis removes at once what is to expire in the past."""
    # What removes is sent once: a repetition would not find what the first one has removed.
    if life is None:
        return Command(("PEXPIRE", key, seconds * 1000), repeatable=seconds > 0)
    return TOUCH.on(key, args=(seconds * 1000,), repeatable=seconds > 0, life=life)


def regenerate(key: bytes, new_key: bytes, record: Record, data: bytes, seconds: int, life: int | None) -> Command:
    """Return the command that moves a record to another key."""
    return REGENERATE.on(key, new_key, args=(digest(record), data, seconds * 1000), life=life)


def destroy(key: bytes, life: int | None) -> Command:
    """Return the command that removes a record and answers whether there was one."""
    if life is None:
        return Command(("DEL", key), repeatable=True)
    return DESTROY.on(key, mark_of(key), args=(life,), repeatable=True)


def demand_stored(reply: bytes | int | None, sid: str) -> None:
    """Raise what a writing script answered, unless it has written.

    :raises Gone: there was no record
    :raises Conflict: there was another one, or the new key is taken
    """
    if reply is None:
        raise Gone
    if isinstance(reply, bytes):
        raise Conflict(Record(reply, sid=sid))
    if reply == _TAKEN:
        raise Conflict
