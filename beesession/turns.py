"""Turns: writers of one session within one process queue up once they have collided.

Compare and set needs no lock, but where hundreds write one session at once, each success makes all others try again,
and n writers need n*n/2 tries. With turns the writers of a process try one after another, and only the processes
collide. Nothing depends on a turn for being right: who waits too long goes ahead without one.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

LOST_TRIES = 3
"""After so many lost tries a writer asks for its turn."""

Lock = TypeVar("Lock", threading.Lock, asyncio.Lock)


class _Held(Generic[Lock]):
    """A lock that a weak reference can point to; it goes when nobody waits for it any more."""

    def __init__(self, lock: Lock) -> None:
        self.lock: Lock = lock


_guard = threading.Lock()


def _forked() -> None:
    # Other threads of the parent may have held it, and have had turns that nobody will end here.
    global _guard
    _guard = threading.Lock()
    _of_threads.clear()
    _of_tasks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

_of_threads: WeakValueDictionary[str, _Held[threading.Lock]] = WeakValueDictionary()
_of_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, _Held[asyncio.Lock]]]
_of_tasks = WeakKeyDictionary()


class Turn:
    """One writer's turn at one session. Taken at most once, and ended in any case.

    :param key: the store's key of the session
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._held: _Held[threading.Lock] | _Held[asyncio.Lock] | None = None

    def take(self, timeout: float) -> None:
        """Wait for the threads that came first, for so many seconds at most."""
        with _guard:
            held = _of_threads.setdefault(self._key, _Held(threading.Lock()))
        if held.lock.acquire(timeout=timeout):
            self._held = held

    async def atake(self, timeout: float) -> None:
        """Wait for the tasks of this loop that came first, for so many seconds at most."""
        with _guard:
            of_this_loop = _of_tasks.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        held = of_this_loop.setdefault(self._key, _Held(asyncio.Lock()))
        try:
            await asyncio.wait_for(held.lock.acquire(), timeout)
        except asyncio.TimeoutError:
            return
        self._held = held

    def end(self) -> None:
        """Let the next one go ahead."""
        held, self._held = self._held, None
        if held is not None:
            held.lock.release()


def pauses(timeout: float) -> Iterator[float]:
    """Yield how long to wait after each lost try, until the time is over; at least one try is made.

    The first tries follow at once. Then the wait is drawn from a window that grows to a few milliseconds only: it
    has to part the writers, and a window that went on growing would starve the unlucky ones.
    """
    deadline = time.monotonic() + timeout
    window = 0.0
    for attempt in range(1_000_000):
        yield random.uniform(0, window)
        if time.monotonic() >= deadline:
            return
        if attempt >= LOST_TRIES - 1:
            window = min(max(2 * window, 0.0005), 0.005)
