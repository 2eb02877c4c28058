"""Tries an engine on its server: each verb once, on a record of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from beesession.exceptions import BeeSessionError, DecodeError
from beesession.provider import Conflict, Gone, Provider, Record, Unavailable
from beesession.store import SessionStore

T = TypeVar("T")

LIFETIME = 60
"""Seconds after which the record is gone, should it come to the worst."""


class Fault(BeeSessionError):
    """A verb did not do what the storage contract promises. Says which one, and what it did."""


@dataclass(frozen=True)
class Step:
    """What was tried.

    :ivar seconds: how long it took
    """

    name: str
    seconds: float


def examine(store: type[SessionStore]) -> Iterator[Step]:
    """Try each verb, and yield each that did well. Whatever the outcome, the record is removed.

    With ``CODEC = "gob"`` what marks its ids as ended stays for two lifetimes, as with any session that was ended.

    :raises Fault: for the first that did not
    :raises Unavailable: the store cannot be reached
    """
    examination = _Examination(store)
    try:
        yield from examination.steps()
    finally:
        examination.clean_up()


class _Examination:
    def __init__(self, store: type[SessionStore]) -> None:
        self._provider: Provider = store.provider
        self._keeps_old_ids = self._provider.capabilities.self_contained
        self._codec = store.codec()
        ids = store.provider_class.ids(store.bound_options())
        self._sid, self._new_sid = (store().store_key(ids.new()) for _ in range(2))

    def steps(self) -> Iterator[Step]:
        provider = self._provider
        sid, new_sid = self._sid, self._new_sid
        created, step = self._tried("create", lambda: provider.create(sid, self._data(sid, "created"), LIFETIME))
        yield step
        if created is None:
            raise Fault("create: it says that a new random id is taken.")
        sid = created.sid
        _, step = self._tried("read", lambda: self._demand("read", sid, "created"))
        yield step
        swapped, step = self._tried("swap", lambda: provider.swap(sid, created, self._data(sid, "swapped"), LIFETIME))
        if provider.capabilities.swap:
            self._demand_conflict(sid, created)
        yield step
        sid = swapped.sid
        self._demand("swap", sid, "swapped")
        touched, step = self._tried("touch", lambda: provider.touch(sid, swapped, LIFETIME))
        yield step
        sid = touched.sid
        self._demand("touch", sid, "swapped")
        moved, step = self._tried(
            "regenerate",
            lambda: provider.regenerate(sid, new_sid, touched, self._data(new_sid, "moved"), LIFETIME),
        )
        if not self._keeps_old_ids:
            self._demand_nothing("regenerate", sid)
        self._demand("regenerate", moved.sid, "moved")
        yield step
        _, step = self._tried("destroy", lambda: provider.destroy(moved.sid))
        if not self._keeps_old_ids:
            self._demand_nothing("destroy", moved.sid)
        yield step

    def clean_up(self) -> None:
        # Where the store has just failed, it will do so again; the record then ends by itself.
        with suppress(Unavailable):
            for sid in (self._sid, self._new_sid):
                self._provider.destroy(sid)

    @staticmethod
    def _tried(name: str, verb: Callable[[], T]) -> tuple[T, Step]:
        began = time.monotonic()
        try:
            result = verb()
        except (Conflict, Gone) as error:
            raise Fault(f"{name}: it says {type(error).__name__} of a record that nobody else has touched.") from error
        return result, Step(name, time.monotonic() - began)

    def _data(self, sid: str, word: str) -> bytes:
        return self._codec.dumps({"doctor": word}, sid)

    def _demand(self, name: str, sid: str, word: str) -> None:
        record = self._provider.read(sid)
        try:
            data = None if record is None else self._codec.loads(record.data, sid)
        except DecodeError as error:
            raise Fault(f"{name}: what was stored comes back damaged.") from error
        if data != {"doctor": word}:
            raise Fault(f"{name}: what was stored does not come back.")

    def _demand_nothing(self, name: str, sid: str) -> None:
        if self._provider.read(sid) is not None:
            raise Fault(f"{name}: the old id still opens the session.")

    def _demand_conflict(self, sid: str, outdated: Record) -> None:
        with suppress(Conflict):
            self._provider.swap(sid, outdated, self._data(sid, "created"), LIFETIME)
            raise Fault("swap: it replaces a record that has changed since it was read.")
