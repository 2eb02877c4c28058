"""Visitors that keep on asking for pages, each with a session of its own, and what became of each request."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from beesession.provider import Unavailable

VISITORS = 8
REQUESTS_PER_SECOND = 200


@dataclass
class Request:
    """One request: load the session, count it on, save.

    :ivar began: when, by the monotonic clock
    :ivar read: the count that was loaded; None if nothing could be
    :ivar done: whether the save was acknowledged; else the store was Unavailable
    """

    began: float
    read: int | None = None
    done: bool = False


@dataclass
class Visitor:
    """One session, and the requests that were made with it, in their order."""

    key: str
    requests: list[Request] = field(default_factory=list)

    def ask(self, store_class: Any) -> None:
        """Make one request. Whatever it meets but an outage is an error of the engine, and raised."""
        request = Request(time.monotonic())
        self.requests.append(request)
        session = store_class(self.key)
        try:
            request.read = session.get("count")
            assert request.read is not None, "the session is gone"
            assert session["square"] == request.read**2, "half of a save"
            session["count"] = request.read + 1
            session["square"] = (request.read + 1) ** 2
            session.save()
            request.done = True
        except Unavailable:
            pass  # which requests may end like this is for the test to say


class Traffic:
    """Visitors who go on until the block ends. What one of them raises, the end of the block raises.

    :param store_class: a SessionStore
    :ivar visitors: one each, with sessions that are there before the first request
    """

    def __init__(self, store_class: Any) -> None:
        self._store_class = store_class
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(VISITORS)
        self._running: list[Future[None]] = []
        self._began = 0.0
        self.visitors = [Visitor(new_session(store_class, count=0, square=0)) for _ in range(VISITORS)]

    def __enter__(self) -> Traffic:
        self._began = time.monotonic()
        self._running = [self._pool.submit(self._go_on, visitor) for visitor in self.visitors]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()

    @property
    def requests(self) -> list[Request]:
        return [request for visitor in self.visitors for request in visitor.requests]

    def rate(self, until: float) -> float:
        """Return how many requests a second there were, up to this moment."""
        return sum(request.began < until for request in self.requests) / (until - self._began)

    def _go_on(self, visitor: Visitor) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            visitor.ask(self._store_class)
            # Those who were held up do not make up for it: people do not either.
            due = max(due + VISITORS / REQUESTS_PER_SECOND, time.monotonic())
            self._over.wait(due - time.monotonic())


def new_session(store_class: Any, **data: object) -> str:
    """Store a session and return its key."""
    session = store_class()
    session.update(data)
    session.save()
    key: str = session.session_key
    return key


def log_out(store_class: Any, key: str) -> None:
    """End a session."""
    store_class(key).delete()


def lost_updates(visitor: Visitor, since: float) -> list[tuple[int | None, int | None]]:
    """Return what a request read and should have read, wherever the two differ, of those begun after this moment.

    Each has to find what the one before it has stored; if that one was not acknowledged, what it read or that plus one.
    """
    found = []
    for before, after in zip(visitor.requests, visitor.requests[1:], strict=False):
        if before.began > since and before.read is not None and after.read is not None:
            right = {before.read + 1} if before.done else {before.read, before.read + 1}
            if after.read not in right:
                found.append((after.read, before.read + 1))
    return found
