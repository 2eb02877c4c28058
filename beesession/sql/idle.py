"""Connections at rest: those of a pool that nobody uses at the moment."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Connection = TypeVar("Connection")

MAX_IDLE = 60.0
"""Seconds that a connection may go unused before it is closed."""


class IdleConnections(Generic[Connection]):
    """The connections that a pool may give out. The one used last comes first, so that needless ones grow old.

    Safe to use from many threads. It closes nothing: what is to be closed is handed out for that.

    :param fileno: returns the file descriptor of a connection's socket
    """

    def __init__(self, fileno: Callable[[Connection], int]) -> None:
        self._fileno = fileno
        self._resting: deque[tuple[float, Connection]] = deque()

    def take(self) -> tuple[Connection | None, list[Connection]]:
        """Return a connection that can be used, if there is one, and those that are to be closed."""
        spent = self._unused_for_too_long()
        while (connection := self._last()) is not None:
            if not server_has_spoken(self._fileno(connection)):
                return connection, spent
            spent.append(connection)
        return None, spent

    def put(self, connection: Connection) -> None:
        """Take in an open connection, with nothing under way on it."""
        self._resting.append((time.monotonic(), connection))

    def clear(self) -> list[Connection]:
        """Let go of all connections and return them."""
        gone = []
        while (connection := self._last()) is not None:
            gone.append(connection)
        return gone

    def _last(self) -> Connection | None:
        try:
            return self._resting.pop()[1]
        except IndexError:
            return None

    def _unused_for_too_long(self) -> list[Connection]:
        found: list[Connection] = []
        try:
            while self._resting[0][0] < time.monotonic() - MAX_IDLE:
                found.append(self._resting.popleft()[1])
        except IndexError:
            pass  # none is left
        return found


def server_has_spoken(fileno: int) -> bool:
    """Return whether something has come in on the socket of a connection on which nothing was asked.

    It is the end of the connection, or the server's word that it will end it. So what is sent only after a look here
    meets a live connection without a round trip, except where the network lost the end, too.
    """
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([fileno], [], [], 0)[0])
