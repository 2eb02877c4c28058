"""What the Redis engines say to a server: one command, or one script on the keys that it names, for each verb.

A write says what it was based on by the SHA-1 of those bytes, and the script compares it with that of what is stored,
so the old record never travels back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

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

    def on(self, *keys: bytes, args: tuple[Word, ...] = (), repeatable: bool = False) -> Command:
        """Return the command that runs this script on these keys."""
        operands = (len(keys), *keys, *args)
        return Command(("EVALSHA", self._sha, *operands), repeatable, ("EVAL", self.source, *operands))


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


def swap(key: bytes, record: Record, data: bytes, seconds: int) -> Command:
    """Return the command that replaces a record, or removes it if ``seconds`` is no more than zero."""
    return SWAP.on(key, args=(digest(record), data, seconds * 1000))


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
