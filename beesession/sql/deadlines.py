"""Deadlines for drivers that would wait for a silent server for ever: when one is over, the connection is hung up."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class _Wait:
    """Somebody who waits for a server.

    :ivar fileno: the socket that the answer is to come on, or None when the waiting is over
    """

    def __init__(self, fileno: int, until: float) -> None:
        self.fileno: int | None = fileno
        self.until = until


class _Watch:
    """A thread that hangs up on the servers of one process whose time is over. It ends when there is nobody to watch.

    :param seconds: how long each one may take, so that who comes first is over first
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[_Wait] = deque()
        self._lock = threading.Lock()
        self._is_on = False

    def begin(self, fileno: int) -> _Wait:
        wait = _Wait(fileno, time.monotonic() + self._seconds)
        with self._lock:
            if not self._is_on:
                threading.Thread(target=self._run, name="beesession-deadlines", daemon=True).start()
                self._is_on = True  # only now: the system may have had no thread left
            self._waiting.append(wait)
        return wait

    def end(self, wait: _Wait) -> None:
        # Under the lock: afterwards the number may be that of another socket.
        with self._lock:
            wait.fileno = None
            while self._waiting and self._waiting[0].fileno is None:
                self._waiting.popleft()

    def _run(self) -> None:
        while (rest := self._next()) is not None:
            time.sleep(rest)

    def _next(self) -> float | None:
        """Hang up where it is time; return the seconds until the next look, or None when there is nobody left."""
        with self._lock:
            while self._waiting:
                rest = self._waiting[0].until - time.monotonic()
                if rest > 0:
                    return rest
                fileno = self._waiting.popleft().fileno
                if fileno is not None:
                    hang_up(fileno)
            self._is_on = False
            return None


def hang_up(fileno: int) -> None:
    """Let whoever waits for the server find that the connection has ended."""
    with suppress(OSError):  # the other side was faster, or this side has closed it
        # Not by a copy: there may be no file descriptor left.
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fileno)
        try:
            link.shutdown(socket.SHUT_RDWR)
        finally:
            link.detach()


_watches: dict[tuple[int, float], _Watch] = {}


@contextmanager
def deadline(fileno: int, seconds: float) -> Iterator[None]:
    """End the connection on this socket if the block takes longer than so many seconds."""
    # Threads do not survive a fork.
    key = (os.getpid(), seconds)
    watch = _watches.get(key) or _watches.setdefault(key, _Watch(seconds))
    wait = watch.begin(fileno)
    try:
        yield
    finally:
        watch.end(wait)
