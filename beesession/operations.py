"""The operations of a session, each written once.

An operation is a *step* (:mod:`beesession.stepping`): a coroutine that the store runs either way, so that ``save()``
and ``asave()`` are the same lines. A store object serves one request and keeps the data that the view sees, and a
:class:`~beesession.snapshot.Snapshot` of the record that it came from. A save sends the difference of the two; if
another request was faster, it makes the same changes to what is stored now.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from django.contrib.sessions.backends.base import CreateError

from beesession import delta, signals
from beesession.binding import bind
from beesession.bound import BEGAN, BoundSession
from beesession.exceptions import DecodeError, EncodeError, SessionConflict, SessionGone
from beesession.provider import Conflict, Gone, Provider, Record, Unavailable
from beesession.sid import fingerprint
from beesession.snapshot import NOTHING, Snapshot
from beesession.stepping import Call, wait
from beesession.tracking import SessionData
from beesession.turns import LOST_TRIES, Turn, pauses

GC_BATCH = 1000


class _Unanswered(NamedTuple):
    """A write whose reply was lost.

    :ivar old: the id that the session had
    :ivar new: the id under which the record was to live
    :ivar own: the state of this object, as it was encoded
    :ivar stored: that, merged with what others had stored
    """

    old: str
    new: str
    payload: bytes
    own: dict[str, Any]
    stored: dict[str, Any]


class Operations(BoundSession):
    """What happens between a session and its store. :class:`beesession.store.SessionStore` makes it Django's API."""

    _data: SessionData  # what the view sees; absent until it is first asked for
    _modified = False
    _seen: Snapshot = NOTHING
    _unanswered: _Unanswered | None = None

    @property
    def modified(self) -> bool:
        """Whether the session was assigned to, or a list or dict that was read from it has changed inside.

        Set to False by hand, it disowns all that was changed so far, as with Django's engines.
        """
        self._modified = self._modified or self._changed_inside()
        return self._modified

    @modified.setter
    def modified(self, value: bool) -> None:
        # Django's pop() sets it to what it is. Only who resets it takes anything back.
        if not value and self.modified and hasattr(self, "_data"):
            self._data.take_back()
        self._modified = value

    def _changed_inside(self) -> bool:
        if not hasattr(self, "_data") or not self.bound_options().detect_nested_changes:
            return False
        data = self._data
        if not data.watched:
            return False
        changes = delta.diff(_only(data.watched, self._seen.base()), _only(data.watched, data))
        try:
            return bool(changes) and bool(self._changes())
        except EncodeError:
            return True  # a change all right; the save will say what is wrong with it

    # The steps ----------------------------------------------------------------------------------------------

    async def _load(self, call: Call) -> SessionData:
        sid = self.session_key
        record = await self._fetch(call, sid) if sid else None
        data = self._open(record, sid) if sid and record is not None else None
        if hasattr(self, "_data"):
            # A second look at the store must not change what this object's own changes are compared with.
            return SessionData(data or {})
        if record is None or data is None or sid is None:
            self._session_key = None
            self._seen = NOTHING
            return SessionData()
        self._seen = self._snapshot(record, sid, base=data)
        return SessionData(data)

    async def _exists(self, call: Call, sid: str | None) -> bool:
        if sid is None or not self._validate_session_key(sid) or self._self_contained:
            return False
        return await self._fetch(call, sid) is not None

    async def _create(self, call: Call) -> None:
        ids = self.provider_class.ids(self.bound_options())
        while not await self._insert(call, ids.new()):
            pass  # the id is taken: draw another

    async def _insert(self, call: Call, sid: str) -> bool:
        if not hasattr(self, "_data"):
            self._data = SessionData()
        data, before = self._data, self.session_key
        self._stamp(time.time())
        key, lifetime, provider = self.store_key(sid), self._lifetime(data), self.provider
        payload = self._codec.dumps(data, key)
        record = await self._reach(call, provider.create, provider.acreate, key, payload, lifetime)
        if record is None:
            return False
        self._took(data, before, sid, record, lifetime)
        self.has_new_id = self.modified = True
        await self._announce(call, signals.session_created, fingerprint=fingerprint(self.session_key))
        return True

    async def _save(self, call: Call, must_create: bool) -> None:
        if self._unanswered is not None:
            await self._find_out(call, self._unanswered)
        sid = self.session_key
        if sid is None:
            return await self._create(call)
        if must_create:
            if not await self._insert(call, sid):
                raise CreateError
            return None
        record = await self._demand_record(call, sid)
        # A session that was emptied has not begun anew.
        self._stamp(self._seen.base().get(BEGAN, time.time()))
        self._modified = self.modified
        changes = self._changes()
        provider, key = self.provider, self.store_key(sid)
        if changes:

            async def swap(record: Record, key: str, payload: bytes, lifetime: float) -> Record:
                return await self._reach(call, provider.swap, provider.aswap, key, record, payload, lifetime)

            return await self._compare_and_set(call, sid, record, changes, lambda: sid, swap)
        lifetime = self._lifetime(self._data)
        if self._seen.must_move(lifetime, self.bound_options().touch_interval):
            try:
                touched = await self._reach(call, provider.touch, provider.atouch, key, record, lifetime)
            except Gone:
                raise SessionGone from None
            if touched.data != record.data:
                # Another request has changed it. This object's changes are still relative to what it has read itself.
                touched = replace(record, remaining=touched.remaining)
            self._took(self._data, sid, sid, touched, lifetime, self._seen.base_if_decoded)
        return None

    async def _cycle_key(self, call: Call) -> None:
        if self._unanswered is not None:
            await self._find_out(call, self._unanswered)
        if not hasattr(self, "_data") and self.session_key is not None:
            self._data = await self._load(call)
        old = self.session_key
        if old is None:
            return await self._create(call)
        ids, provider, old_key = self.provider_class.ids(self.bound_options()), self.provider, self.store_key(old)

        async def regenerate(record: Record, key: str, payload: bytes, lifetime: float) -> Record:
            verb, twin = provider.regenerate, provider.aregenerate
            return await self._reach(call, verb, twin, old_key, key, record, payload, lifetime)

        try:
            record = await self._demand_record(call, old)
            self._stamp(self._seen.base().get(BEGAN, time.time()))
            await self._compare_and_set(call, old, record, self._changes(), ids.new, regenerate)
        except SessionGone:
            if delta.login(self._seen.base()) is not None:
                raise
            # A double click on "log in": the first request rotated this anonymous session away. Nothing that this
            # request did not set itself may go into the new one.
            self._data.become(self._changes().apply({}))
            self._session_key = None
            return await self._create(call)
        self.has_new_id = True
        self.modified = True
        names = {"old_fingerprint": fingerprint(old), "fingerprint": fingerprint(self.session_key)}
        await self._announce(call, signals.session_rotated, **names)
        return None

    async def _delete(self, call: Call, sid: str | None) -> None:
        sid = self.session_key if sid is None else sid
        if sid is None or not self._validate_session_key(sid):
            return
        provider = self.provider
        existed = await self._reach(call, provider.destroy, provider.adestroy, self.store_key(sid))
        if self._self_contained and sid == self.session_key:
            # The browser holds the only record; it goes with the cookie, and the cookie with the key.
            self._session_key = None
            self._data = SessionData()
        if existed:
            await self._announce(call, signals.session_ended, fingerprint=fingerprint(sid))

    @classmethod
    async def _clear_expired(cls, call: Call) -> None:
        provider = bind(cls.provider_class, cls.bound_options())
        if provider.capabilities.gc:
            await collect(call, provider)
        elif not provider.capabilities.store_expires:
            raise NotImplementedError(f"The {provider.name} engine cannot remove expired sessions.")

    # The save loop --------------------------------------------------------------------------------------

    async def _compare_and_set(
        self,
        call: Call,
        sid: str,
        record: Record,
        changes: delta.Delta,
        target: Callable[[], str],
        send: Callable[[Record, str, bytes, float], Awaitable[Record]],
    ) -> None:
        """Send the changes, made to the record as it is in the store, until it did not change in between.

        :param target: returns the id under which the record is to live
        :param send: sends (record to replace, key, data, lifetime); Conflict and Gone tell that the stored record is
            another, or not there
        """
        base, view = self._seen.base(), self._data
        own = data = changes.apply(base)
        timeout = min(self.bound_options().save_timeout, threading.TIMEOUT_MAX)
        turn = Turn(self.store_key(sid))
        try:
            for lost, pause in enumerate(pauses(timeout)):
                if lost == LOST_TRIES:
                    await call(turn.take, turn.atake, timeout)
                new, lifetime = target(), self._lifetime(data)
                payload = self._codec.dumps(data, self.store_key(new))
                try:
                    stored = await send(record, self.store_key(new), payload, lifetime)
                except (Unavailable, asyncio.CancelledError):
                    self._unanswered = _Unanswered(sid, new, payload, own, data)
                    raise
                except Gone:
                    raise SessionGone from None
                except Conflict as conflict:
                    current = conflict.record or await self._fetch(call, sid)
                    if current is None:
                        raise SessionGone from None
                    data = await self._merge(call, sid, base, changes, current)
                    record = current
                    if pause:
                        await wait(call, pause)
                else:
                    self._follow(view, own, data)
                    self._took(view, sid, new, stored, lifetime, data)
                    if data is not own:
                        await self._announce(call, signals.session_conflict, fingerprint=fingerprint(sid), merged=True)
                    return
        finally:
            turn.end()
        raise await self._refusal(call, sid, "again at each try for SAVE_TIMEOUT seconds")

    async def _merge(
        self, call: Call, sid: str, base: Mapping[str, Any], changes: delta.Delta, current: Record
    ) -> dict[str, Any]:
        options = self.bound_options()
        if options.on_conflict == "raise":
            raise await self._refusal(call, sid, "ON_CONFLICT is 'raise'")
        try:
            theirs = self._decode(current, sid)
            if self.anonymous_only and delta.login(theirs) is not None:
                raise delta.LoginLost
            return delta.merge(base, changes, theirs, options.merge_rules)
        except delta.LoginLost:
            raise SessionGone("The login of this session has changed while this request was using it.") from None
        except delta.Clash as clash:
            why = f"both set {clash.key!r}"
        except DecodeError:
            why = "what it stored cannot be decoded"
        raise await self._refusal(call, sid, why)

    async def _refusal(self, call: Call, sid: str, why: str) -> SessionConflict:
        await self._announce(call, signals.session_conflict, fingerprint=fingerprint(sid), merged=False)
        return SessionConflict(f"Another request changed the session meanwhile, and {why}. Nothing was saved.")

    def _changes(self) -> delta.Delta:
        """Return what this object has changed since it read or wrote the record."""
        data = self._data
        if not (self._modified or data.changed or data.watched):
            return delta.Delta({}, frozenset())
        base = self._seen.base()
        found = delta.diff(base, dict(data), cleared=data.cleared)
        # A tuple that comes back as a list is no change; but only what differs is worth encoding to find out.
        return found.normalised(base, self._codec.normalise) if found else found

    def _stamp(self, began: float) -> None:
        if self.bound_options().absolute_timeout is not None and BEGAN not in self._data:
            self._data[BEGAN] = int(began)

    # What is known of the record ------------------------------------------------------------------------

    async def _demand_record(self, call: Call, sid: str) -> Record:
        """Return the record that the changes are relative to; read it if the data was set without a load."""
        if self._seen.record is not None:
            return self._seen.record
        record = await self._fetch(call, sid)
        stored = self._open(record, sid) if record is not None else None
        if record is None or stored is None:
            raise SessionGone
        self._seen = self._snapshot(record, sid, base=stored)
        if not hasattr(self, "_data"):
            self._data = SessionData(stored)
        return record

    async def _find_out(self, call: Call, sent: _Unanswered) -> None:
        """See whether a write whose reply was lost has been done: to merge with one's own would count it twice."""
        record, provider = await self._fetch(call, sent.new), self.provider
        was_done = record is not None and record.data == sent.payload and self.session_key == sent.old
        if was_done and sent.new != sent.old and not provider.capabilities.atomic_rotation:
            # Of a rotation in two steps the second may not have been done, or a logout may have come between them.
            await self._reach(call, provider.destroy, provider.adestroy, self.store_key(sent.new))
            was_done = False
        self._unanswered = None
        if was_done and record is not None:
            self._session_key = sent.new
            self._follow(self._data, sent.own, sent.stored)
            self._seen = self._snapshot(record, sent.new, base=sent.stored)
            self.has_new_id = self.has_new_id or sent.new != sent.old

    def _follow(self, view: SessionData, own: dict[str, Any], stored: dict[str, Any]) -> None:
        """Bring into the view what a merge has added to this object's own state, and keep what has changed since."""
        if stored is not own and view is self._data:
            since = delta.diff(own, self._codec.normalise(dict(view)))
            view.become(since.apply(stored))

    def _took(
        self,
        view: SessionData,
        old: str | None,
        sid: str,
        record: Record,
        lifetime: float,
        base: dict[str, Any] | None = None,
    ) -> None:
        """Take over what a write of this object has left in the store.

        :param view: the data that was written; another task may have emptied the session meanwhile
        :param old: the id that the object had; if another task has ended the session meanwhile, it stays ended
        """
        view.settle()
        if self.session_key != old:
            return
        if self._self_contained:
            sid = record.sid
        self._session_key = sid
        self._seen = self._snapshot(record, sid, base=base, remaining=lifetime, written=True)


async def collect(call: Call, provider: Provider) -> int:
    """Remove all expired records, a batch at a time, and return how many. Only for an engine that announces ``gc``."""
    removed, finished = 0, False
    while not finished:
        sweep = await call(provider.gc, provider.agc, GC_BATCH)
        removed, finished = removed + sweep.removed, sweep.finished
    return removed


def _only(keys: set[str], data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in keys if key in data}
