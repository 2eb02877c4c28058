"""Threads for the async verbs on a database whose driver cannot wait on an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import AsyncToSync
from django.db.utils import OperationalError

P = ParamSpec("P")
T = TypeVar("T")

SIZE = 10
"""Threads of one process, and so its statements of async verbs at once."""

TIMEOUT = 3
"""Seconds to wait for a free thread."""


class BoundedExecutor:
    """Calls functions in up to ``SIZE`` threads of its own. Starts none before it is used.

    asyncio's threads are more, and shared with who knows what; those of Django, one for each request, would open a
    connection each.
    """

    def __init__(self) -> None:
        self._threads: dict[int, ThreadPoolExecutor] = {}

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in one of the threads and return what it returns.

        It runs to its end, though whoever waits for it be cancelled.

        :raises django.db.utils.OperationalError: no thread became free in time; the function was not called
        """
        call = self._threads_here().submit(function, *args, **kwargs)
        done = asyncio.wrap_future(call)
        try:
            await asyncio.wait([done], timeout=TIMEOUT)
        except asyncio.CancelledError:
            call.cancel()
            raise
        if not done.done() and call.cancel():  # which succeeds only while it waits in the queue
            raise OperationalError(f"no thread became free within {TIMEOUT} s")
        return await done

    def close(self) -> None:
        """Let the threads of this process end, each one after its last call. Does not wait for them."""
        threads = self._threads.pop(os.getpid(), None)
        if threads is not None:
            threads.shutdown(wait=False)

    def _threads_here(self) -> ThreadPoolExecutor:
        # Threads do not survive a fork.
        process = os.getpid()
        found = self._threads.get(process)
        return found or self._threads.setdefault(process, ThreadPoolExecutor(SIZE, thread_name_prefix="beesession-sql"))


def sync_code_waits() -> bool:
    """Return whether the running task was begun by sync code that waits for it in ``async_to_sync``.

    That code may have a transaction open, as a TestCase has. Thread-sensitive functions run in its thread.
    """
    return getattr(AsyncToSync.executors, "current", None) is not None
