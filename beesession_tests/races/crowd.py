"""Requests that truly run at once: processes where the engine can be shared, threads where it cannot."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from django.test import override_settings

from beesession.binding import close_all
from beesession_tests.engines import RunningEngine

WORKERS = 8
PATIENCE = 120
"""Seconds that a crowd may take."""


class Barrier(Protocol):
    def wait(self, timeout: float | None = None) -> int: ...


Act = Callable[..., Any]
"""``(SessionStore, meet, *arguments)``: what one worker does. ``meet()`` waits until all the others are there, too."""


class Crowd:
    """Workers that act on one engine at the same time.

    :param barriers: number of workers -> the barrier where they meet; None: the processes have their own
    """

    def __init__(self, engine: RunningEngine, pool: Executor, barriers: dict[int, Any] | None) -> None:
        self._engine = engine
        self._pool = pool
        self._barriers = barriers

    def each(self, acts: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Let one worker do each ``(act, *arguments)``; return what they returned, in this order."""
        workers = len(acts)
        if self._barriers is None:
            settings = {"SESSION_ENGINE": self._engine.engine.module, "BEESESSION": self._engine.settings}
            futures = [self._pool.submit(_in_a_process, settings, workers, *act) for act in acts]
        else:
            meet = self._barriers[workers].wait
            futures = [self._pool.submit(act[0], self._engine.SessionStore, meet, *act[1:]) for act in acts]
        return [future.result(PATIENCE) for future in futures]


_process_barriers: dict[int, Any] = {}


@contextmanager
def processes() -> Iterator[Executor]:
    """Run a pool of processes that share nothing with this one, as a site's workers do."""
    # Not forked from here, where there are threads and connections; and not each started from nothing, which is slow.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["beesession_tests.races.prepared"])
    barriers = {parties: context.Barrier(parties) for parties in (2, WORKERS)}
    with ProcessPoolExecutor(WORKERS, context, initializer=_prepare, initargs=(barriers,)) as pool:
        yield pool


@contextmanager
def crowd(engine: RunningEngine, pool: Executor) -> Iterator[Crowd]:
    """Gather a crowd for an engine: in the pool of processes if they can share its sessions."""
    if engine.capabilities.shareable:
        yield Crowd(engine, pool, None)
        return
    with ThreadPoolExecutor(WORKERS) as threads:
        yield Crowd(engine, threads, {parties: threading.Barrier(parties) for parties in (2, WORKERS)})


def _prepare(barriers: dict[int, Any]) -> None:
    import_module("beesession_tests.races.prepared")
    _process_barriers.update(barriers)


def _in_a_process(settings: dict[str, Any], workers: int, act: Act, *arguments: Any) -> Any:
    with override_settings(**settings):
        try:
            store_class = import_module(settings["SESSION_ENGINE"]).SessionStore
            return act(store_class, _process_barriers[workers].wait, *arguments)
        finally:
            close_all()
