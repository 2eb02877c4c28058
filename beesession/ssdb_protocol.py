"""A client for SSDB's own protocol, of which Python has none that pools connections or waits for a limited time.

A request is a row of blocks, the command first; each block is its length, a line end, the bytes, a line end, and an
empty line ends the request. A reply looks the same, and its first block is a status. Requests that are sent together
are run one after another, and answered in that order. Imports no Django.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import NamedTuple

TIMEOUT = 3.0
"""Seconds to wait for a connection, for a free one of the pool, and for each part of a reply."""

LARGEST_BLOCK = 128 * 1024 * 1024
"""Bytes that a server takes in one request, and so of the largest block that it has to give back."""

_FAILURES = frozenset({b"client_error", b"error", b"fail", b"noauth", b"server_error"})
_STATUSES = _FAILURES | {b"ok", b"not_found"}

Request = tuple[bytes, ...]

Reply = list[bytes] | None
"""The blocks behind the status ``ok``; None for ``not_found``."""


class SSDBError(Exception):
    """The server could not be asked, or its answer is none. Shows neither what was sent nor what was received."""


class Unreached(SSDBError):
    """Nothing was sent: there is no connection, none is free, or there was none in time."""


class Lost(SSDBError):
    """No answer came that can be read, after something had been sent: whether it was run is unknown."""


class Refused(SSDBError):
    """The server answered with an error, such as ``noauth``."""


class Server(NamedTuple):
    """What to connect to; with a password, where the server asks for one."""

    host: str
    port: int
    password: str = ""

    def __repr__(self) -> str:
        return f"Server(host={self.host!r}, port={self.port!r})"


def encoded(request: Sequence[bytes]) -> bytes:
    """Return the bytes of a request (or of a reply) on the wire."""
    return b"".join(b"%d\n%b\n" % (len(block), block) for block in request) + b"\n"


class Client:
    """A pool of connections to one server for each process. Safe to use from many threads. Connects at first use.

    :param size: connections at most; who needs one more waits for it
    :param timeout: seconds, as :data:`TIMEOUT`
    """

    def __init__(self, server: Server, *, size: int, timeout: float = TIMEOUT) -> None:
        self._server = server
        self._size = size
        self._timeout = timeout
        self._pools: dict[int, _Pool] = {}

    def send(self, *requests: Request, repeatable: bool = False, not_after: float = math.inf) -> list[Reply]:
        """Send requests in one go and return the reply to each.

        :param repeatable: it does no harm to run all of them twice, so that a broken connection is worth a second try
        :param not_after: when to begin to send at the latest, by the monotonic clock; after that Unreached is raised
        :raises SSDBError: of an answer that is an error the first one is told; the requests after it were run, too
        """
        try:
            return self._send(requests, not_after)
        except Lost:
            if not repeatable:
                raise
        return self._send(requests, not_after)

    def close(self) -> None:
        """Close the connections of this process; those in use as soon as they are free."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _send(self, requests: Sequence[Request], not_after: float) -> list[Reply]:
        with self._pool().connection() as connection:
            # Only now, since to get a connection may have meant to wait, to connect and to send a password.
            if time.monotonic() > not_after:
                raise Unreached("it was too slow: the time to send this was over")
            answers = connection.exchange(requests)
        return [_reply(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _pool(self) -> _Pool:
        # A child process must not talk on the connections of its parent, nor wait for the parent's lock.
        process = os.getpid()
        pool = self._pools.get(process)
        if pool is None:
            pool = self._pools.setdefault(process, _Pool(self._server, self._size, self._timeout))
        return pool


class _Pool:
    def __init__(self, server: Server, size: int, timeout: float) -> None:
        self._server = server
        self._size = size
        self._timeout = timeout
        self._closed = False
        # Each entry is a connection that may be used, or the permission to make one.
        self._free: LifoQueue[_Connection | None] = LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @contextmanager
    def connection(self) -> Iterator[_Connection]:
        """Borrow a connection; it is closed, not given back, when the block raises."""
        try:
            connection = self._free.get(timeout=self._timeout)
        except Empty:
            raise Unreached(f"all {self._size} connections were in use for {self._timeout} seconds") from None
        try:
            if connection is not None and connection.is_stale():
                connection.close()
                connection = None
            if connection is None:
                connection = _connect(self._server, self._timeout)
            yield connection
        except BaseException:
            if connection is not None:
                connection.close()
            connection = None
            raise
        finally:
            self._free.put(connection)
            if self._closed:
                self._close_idle()

    def close(self) -> None:
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        idle = []
        while not self._free.empty():
            try:
                idle.append(self._free.get_nowait())
            except Empty:
                break
        for connection in idle:
            if connection is not None:
                connection.close()
            self._free.put(None)


class _Connection:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._timeout = connected.gettimeout()
        self._received = connected.makefile("rb")

    def exchange(self, requests: Sequence[Request]) -> list[list[bytes]]:
        """Send requests and return the blocks of each answer."""
        try:
            self._socket.sendall(b"".join(map(encoded, requests)))
            return [self._answer() for _ in requests]
        except OSError as error:
            raise Lost(f"the connection broke or kept silent ({type(error).__name__})") from error

    def is_stale(self) -> bool:
        """Return whether the server has closed it, or has sent what nobody asked for."""
        try:
            self._socket.setblocking(False)
            # What came with an earlier answer has left the socket already.
            if not self._received.peek(1):
                self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            self._socket.settimeout(self._timeout)
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        self._received.close()
        self._socket.close()

    def _answer(self) -> list[bytes]:
        blocks = []
        while (line := self._line()) != b"\n":
            if not line.strip().isdigit():
                raise Lost("the answer is not of SSDB's protocol")
            length = int(line)
            if length > LARGEST_BLOCK:
                raise Lost("the answer is too large")
            block = self._received.read(length + 1)
            if len(block) != length + 1:
                raise Lost("the connection ended within an answer")
            blocks.append(block[:-1])
        # What stands in the place of a status may be a visitor's, so it is not told.
        if not blocks or blocks[0] not in _STATUSES:
            raise Lost("the answer has no status, or an unknown one")
        return blocks

    def _line(self) -> bytes:
        line = self._received.readline(32)
        if not line.endswith(b"\n"):
            raise Lost("the connection ended within an answer" if len(line) < 32 else "the answer has a line too long")
        return line


def _connect(server: Server, timeout: float) -> _Connection:
    try:
        connected = socket.create_connection((server.host, server.port), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise Unreached(f"there is no connection to the server ({type(error).__name__})") from error
    connection = _Connection(connected)
    if server.password:
        try:
            request = (b"auth", server.password.encode())
            _reply(request, connection.exchange([request])[0])
        except BaseException:
            connection.close()
            raise
    return connection


def _reply(request: Request, blocks: list[bytes]) -> Reply:
    status, *values = blocks
    if status in _FAILURES:
        raise Refused(f"{request[0].decode()} was answered with {status.decode()}")
    return values if status == b"ok" else None
