"""Sessions in the memory of one process: for development, tests, and sites that run as a single process.

The store holds bytes, never live objects, so one request cannot see another's half-done work. It is bounded: at
``max_sessions`` a new session takes the place of one that has expired, else of the one that was used longest ago.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from time import monotonic as clock
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from beesession import store
from beesession.beego import dsn
from beesession.provider import Capabilities, Conflict, Count, Gone, InlineProvider, Record, Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beesession.conf import Options


class _Entry(NamedTuple):
    data: bytes
    expires: float  # by clock(), which no change of the system's time moves


class MemoryProvider(InlineProvider):
    """A dict of bytes under one lock, which is held for some microseconds at a time.

    :param max_sessions: how many records are kept at most
    """

    name = "memory"
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=True,
        touch=True,
        gc=True,
        active=True,
        scan=False,
        native_async=True,
        store_expires=False,
        max_bytes=None,
        max_lifetime=None,
        shareable=False,
    )

    def __init__(self, max_sessions: int) -> None:
        self.max_sessions = max_sessions
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        self._deadlines: list[tuple[float, str]] = []  # a heap; holds outdated pairs, too, which are skipped
        self._previewed = 0  # what a dry run has told of so far

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> MemoryProvider:
        try:
            return cls(dsn.memory(value).max_sessions)
        except dsn.DSNError as error:
            raise ImproperlyConfigured(f"{options.source}['PROVIDER_CONFIG']: {error}") from error

    def read(self, sid: str) -> Record | None:
        with self._lock:
            entry = self._live(sid)
            if entry is None:
                return None
            self._entries.move_to_end(sid)
            return self._record(sid, entry)

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        with self._lock:
            if self._live(sid) is not None:
                return None
            return self._put(sid, data, lifetime)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        with self._lock:
            self._compare(sid, record)
            return self._put(sid, data, lifetime)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        with self._lock:
            return self._put(sid, self._demand(sid).data, lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        with self._lock:
            self._compare(sid, record)
            if self._live(new_sid) is not None:
                raise Conflict
            del self._entries[sid]
            return self._put(new_sid, data, lifetime)

    def destroy(self, sid: str) -> bool:
        with self._lock:
            found = self._live(sid) is not None
            self._entries.pop(sid, None)
            return found

    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        with self._lock:
            if dry_run:
                now = clock()
                found = sum(entry.expires <= now for entry in self._entries.values()) - self._previewed
                told = max(0, min(found, limit))
                finished = told < limit
                self._previewed = 0 if finished else self._previewed + told
                return Sweep(removed=told, finished=finished)
            removed = 0
            while removed < limit and self._drop_one_expired():
                removed += 1
            return Sweep(removed=removed, finished=removed < limit)

    def active(self) -> Count:
        with self._lock:
            now = clock()
            number = sum(entry.expires > now for entry in self._entries.values())
        return Count(number, "counted in this process; other processes have sessions of their own, which it cannot see")

    # All below runs under the lock.

    def _live(self, sid: str) -> _Entry | None:
        entry = self._entries.get(sid)
        return entry if entry is not None and entry.expires > clock() else None

    def _demand(self, sid: str) -> _Entry:
        entry = self._live(sid)
        if entry is None:
            raise Gone
        return entry

    def _compare(self, sid: str, record: Record) -> None:
        entry = self._demand(sid)
        if entry.data != record.data:
            raise Conflict(self._record(sid, entry))

    def _put(self, sid: str, data: bytes, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        entry = _Entry(data, clock() + seconds)
        if seconds <= 0:
            self._entries.pop(sid, None)
            return self._record(sid, entry)
        if sid not in self._entries and len(self._entries) >= self.max_sessions and not self._drop_one_expired():
            self._entries.popitem(last=False)
        self._entries[sid] = entry
        self._entries.move_to_end(sid)
        heapq.heappush(self._deadlines, (entry.expires, sid))
        if len(self._deadlines) > 2 * len(self._entries) + 64:
            self._deadlines = [(entry.expires, sid) for sid, entry in self._entries.items()]
            heapq.heapify(self._deadlines)
        return self._record(sid, entry)

    def _drop_one_expired(self) -> bool:
        now = clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            expires, sid = heapq.heappop(self._deadlines)
            entry = self._entries.get(sid)
            if entry is not None and entry.expires == expires:
                del self._entries[sid]
                return True
        return False

    @staticmethod
    def _record(sid: str, entry: _Entry) -> Record:
        return Record(entry.data, sid=sid, remaining=entry.expires - clock())


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.memory"``"""

    provider_class = MemoryProvider
