"""Connections of the memcache engine: pymemcache's clients, some of them for each node of memcached.

What pymemcache has for several nodes is not used. Its HashClient looks for the records of a failing node on the other
nodes, or answers that there are none: an outage would log people out. Its pool raises when all connections are in use,
where callers here wait in turn, and hands out connections that the server has closed since, which costs a write that
must not be repeated.
"""

from __future__ import annotations

import os
import queue
import selectors
import socket
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeVar

from django.core.exceptions import ImproperlyConfigured

try:
    from pymemcache.client.base import Client, normalize_server_spec  # type: ignore[import-untyped, unused-ignore]
    from pymemcache.exceptions import (  # type: ignore[import-untyped, unused-ignore]
        MemcacheClientError,
        MemcacheError,
        MemcacheServerError,
        MemcacheUnexpectedCloseError,
        MemcacheUnknownError,
    )
except ImportError as error:
    raise ImproperlyConfigured(
        "The memcache session engine needs pymemcache: pip install beesession[memcache]"
    ) from error

T = TypeVar("T")

Server = tuple[str, int] | str
"""Host and port, or the path of a socket."""

ERRORS = (OSError, MemcacheError, ValueError, LookupError)
"""What a command may raise. The last two: a reply that is none of memcached's, which pymemcache takes for granted."""


class Hasher(Protocol):
    """Chooses the node of a key, in the form that pymemcache demands of its ``hasher``."""

    def add_node(self, node: str) -> None: ...

    def get_node(self, key: str) -> str: ...


class Crc32Modulo:
    """beego's choice: the CRC-32 of the key, modulo the number of nodes, in the order in which they are written."""

    def __init__(self) -> None:
        self._nodes: list[str] = []

    def add_node(self, node: str) -> None:
        self._nodes.append(node)

    def get_node(self, key: str) -> str:
        return self._nodes[zlib.crc32(key.encode()) % len(self._nodes)]


@dataclass(frozen=True)
class Endpoints:
    """The nodes of one configuration, and how they are connected to.

    :ivar servers: the nodes, in the order that the hasher goes by
    :ivar options: arguments of pymemcache's Client
    :ivar pool_size: connections of one process to each node at most
    :ivar hasher: makes what chooses the node of a key
    :ivar credentials: ``user password`` of the text protocol's authentication, or None
    """

    servers: tuple[Server, ...]
    options: Mapping[str, Any] = field(repr=False)
    pool_size: int
    hasher: Callable[[], Hasher] = Crc32Modulo
    credentials: bytes | None = field(default=None, repr=False)

    def connection(self, server: Server) -> Connection:
        """Return a new connection to one of the nodes. Connects nothing yet."""
        return Connection(server, self.credentials, **self.options)


_LARGEST_ITEM = 2**30
"""Bytes: no memcached can be told to keep larger ones (``-I``)."""

_ANSWERS = {b"touch": (b"TOUCHED", b"NOT_FOUND"), b"delete": (b"DELETED", b"NOT_FOUND")}

_DONE_OR_NOT = {**_ANSWERS, b"add": (b"STORED", b"NOT_STORED"), b"set": (b"STORED", b"NOT_STORED")}


class Item(NamedTuple):
    """What a node holds under a key.

    :ivar token: its CAS value; ``b""`` where that was not asked for
    :ivar ttl: the seconds until it expires, -1 where it never does or that was not asked for
    """

    data: bytes
    token: bytes = b""
    ttl: int = -1


@dataclass(frozen=True)
class Request:
    """A command for one key, to be sent together with others by :meth:`Connection.exchange`.

    :ivar name: get, gets, mg (which is ``gets``, and asks for the time left, too), touch, delete, add or set
    :ivar expire: when the item is to expire, as memcached takes it; of touch, add and set
    :ivar data: what to store; of add and set
    """

    name: str
    key: str = field(repr=False)
    expire: int = 0
    data: bytes | None = field(default=None, repr=False)

    def encoded(self) -> bytes:
        """Return what goes over the wire."""
        words = [self.name, self.key]
        if self.name == "mg":
            words += ["v", "c", "t"]
        elif self.name == "touch":
            words += [str(self.expire)]
        elif self.data is not None:
            words += ["0", str(self.expire), str(len(self.data))]
        line = " ".join(words).encode() + b"\r\n"
        return line if self.data is None else line + self.data + b"\r\n"


class Refused(Exception):
    """The server does not list its items. What it says to that is the argument."""


class Busy(Refused):
    """It is listing them for somebody else."""


class _OneAddress:
    """A socket module to which each name has one address, that of an entry of ``getaddrinfo``."""

    def __init__(self, sockets: Any, entry: tuple[Any, ...]) -> None:
        self._sockets = sockets
        self._entry = entry

    def getaddrinfo(self, *_: object) -> list[tuple[Any, ...]]:
        return [self._entry]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sockets, name)


class Connection(Client):  # type: ignore[misc, unused-ignore]
    """One connection to a node. Not for two threads at once; made anew by the command that finds it closed."""

    def __init__(self, server: Server, credentials: bytes | None, **options: Any) -> None:
        super().__init__(server, default_noreply=False, **options)
        self._credentials = credentials
        self._sockets: Any = options.get("socket_module", socket)

    def _connect(self) -> None:
        self._connect_to_first_that_accepts()
        if self._credentials is not None:
            # The first thing that a server with authentication wants is a `set`, whatever its key. One without it takes
            # that as it stands, and is to keep it for no time.
            self.set("auth", self._credentials, expire=-1)

    def _connect_to_first_that_accepts(self) -> None:
        if isinstance(self.server, str):
            super()._connect()
            return
        sockets = self._sockets
        # pymemcache itself tries the first address of a name only, such as ::1 of localhost.
        *others, last = sockets.getaddrinfo(*self.server, sockets.AF_UNSPEC, sockets.SOCK_STREAM, sockets.IPPROTO_TCP)
        for entry in others:
            with suppress(OSError):
                self._connect_to(entry)
                return
        self._connect_to(last)

    def _connect_to(self, entry: tuple[Any, ...]) -> None:
        self.socket_module = _OneAddress(self._sockets, entry)
        super()._connect()

    def is_stale(self) -> bool:
        """Return whether the server has closed the connection since it was used, or says what nobody has asked for."""
        if self.sock is None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _misc_cmd(
        self, cmds: Iterable[bytes], cmd_name: bytes, noreply: bool | None, end_tokens: bytes | None = None
    ) -> list[bytes]:
        replies: list[bytes] = super()._misc_cmd(cmds, cmd_name, noreply, end_tokens)
        for reply in replies:
            # pymemcache takes whatever is not the first of these for the second, which is that there is no such item.
            if reply not in _ANSWERS.get(cmd_name, (reply,)):
                self.close()
                raise MemcacheUnknownError(reply)
        return replies

    def gets_with_ttl(self, key: str) -> tuple[bytes | None, bytes | None, int]:
        """Return what ``gets`` does, and the seconds until the item expires: -1 where it never does. Needs 1.6."""
        (item,) = self.exchange([Request("mg", key)])
        return item or (None, None, -1)

    def exchange(self, requests: Sequence[Request]) -> list[Any]:
        """Send requests in one go, which the node runs one after another; return the answer to each.

        That is an :class:`Item` or None to what asks for one, and else whether it was done.

        :raises pymemcache.exceptions.MemcacheError: and the rest of :data:`ERRORS`; the requests before the one that
            failed have run, and those after it may have
        """
        with self._asking(b"".join(request.encoded() for request in requests)) as reply:
            return [self._answer(request, reply) for request in requests]

    def _answer(self, request: Request, reply: BinaryIO) -> Item | bool | None:
        name = request.name.encode()
        line = self._line(name, reply)
        if line in (b"END", b"EN"):
            return None
        if name in (b"get", b"gets"):
            _, key, _, length, *token = line.split()
            item = Item(self._value(length, reply), b"".join(token))
            if key != request.key.encode() or self._line(name, reply) != b"END":
                raise MemcacheUnknownError(line)
            return item
        if name == b"mg":
            _, length, *flags = line.split()
            told = {flag[:1]: flag[1:] for flag in flags}
            return Item(self._value(length, reply), told[b"c"], int(told[b"t"]))
        if line not in _DONE_OR_NOT[name]:
            raise MemcacheUnknownError(line)
        return line == _DONE_OR_NOT[name][0]

    def _line(self, name: bytes, reply: BinaryIO) -> bytes:
        line = reply.readline()
        if not line:
            raise MemcacheUnexpectedCloseError
        line = line.rstrip()
        self._raise_errors(line, name)
        return line

    @staticmethod
    def _value(length: bytes, reply: BinaryIO) -> bytes:
        size = int(length)
        if not 0 <= size <= _LARGEST_ITEM:
            raise MemcacheUnknownError(length)
        data = reply.read(size)
        if reply.readline() != b"\r\n":
            raise MemcacheUnexpectedCloseError
        return data

    def items(self) -> Generator[bytes, None, None]:
        """Yield a line of metadata for each item: ``key=... exp=...``.

        The server goes once through its hash table, so that no item is named twice or missed because it moves. Whoever
        does not read on keeps other such walks, and the connections of one of the server's threads, waiting.

        :raises Refused: the server has no such list, or makes one for somebody else at this moment (Busy)
        """
        with self._asking(b"lru_crawler metadump hash\r\n") as reply:
            for line in reply:
                if line.startswith(b"key="):
                    yield line
                elif line == b"END\r\n":
                    return
                elif line != b"OK\r\n":
                    refusal = Busy if line.startswith(b"BUSY") else Refused
                    raise refusal(line.decode("ascii", "replace").strip())
            raise MemcacheUnexpectedCloseError

    @contextmanager
    def _asking(self, command: bytes) -> Iterator[BinaryIO]:
        """Send what pymemcache has no call for, and close the connection unless the reply is read to its end."""
        if self.sock is None:
            self._connect()
        try:
            assert self.sock is not None, "that is what connecting is for"
            self.sock.sendall(command)
            with self.sock.makefile("rb") as reply:
                yield reply
        except BaseException:
            self.close()
            raise


class Node:
    """One node, and the connections of this process to it. For any number of threads.

    :param connections: as many as it may have, none of them made yet
    :param patience: seconds to wait for a free one; None: for ever
    """

    def __init__(self, connections: Iterable[Connection], patience: float | None) -> None:
        self._all = [*connections]
        self._patience = patience
        # The one that was used last comes first: no more of them are made than are in use at once.
        self._free: queue.LifoQueue[Connection] = queue.LifoQueue()
        for connection in self._all:
            self._free.put(connection)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection, closed when the block raises.

        :raises TimeoutError: none became free in time
        """
        try:
            connection = self._free.get(timeout=self._patience)
        except queue.Empty:
            raise TimeoutError(f"all {len(self._all)} connections are in use") from None
        try:
            if connection.is_stale():
                connection.close()
            yield connection
        except BaseException:
            # Of what was interrupted, half a reply may still be on its way.
            connection.close()
            raise
        finally:
            self._free.put(connection)

    def run(self, command: Callable[[Connection], T], *, repeatable: bool) -> T:
        """Run a command on a free connection; a second time where that does no harm and the connection broke.

        :raises OSError, pymemcache.exceptions.MemcacheError: and the rest of :data:`ERRORS`
        """
        with self.connection() as connection:
            try:
                return command(connection)
            except (ConnectionError, MemcacheUnexpectedCloseError):
                if not repeatable:
                    raise
                return command(connection)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._all:
            connection.close()


class Nodes:
    """The nodes of one configuration, with connections of its own for each process. Connects at first use."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._by_name = {_name(server): server for server in endpoints.servers}
        self._hasher = endpoints.hasher()
        for server in endpoints.servers:
            self._hasher.add_node(_name(server))
        # What the parent of a fork has connected stays with it: it goes on using it.
        self._by_process: dict[int, dict[str, Node]] = {}

    def of(self, key: str) -> Node:
        """Return the node that holds a key. Another one never does, whatever happens to it."""
        return self._nodes[self._hasher.get_node(key)]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def close(self) -> None:
        """Close the connections of this process."""
        for node in self._by_process.pop(os.getpid(), {}).values():
            node.close()

    @property
    def _nodes(self) -> dict[str, Node]:
        process = os.getpid()
        nodes = self._by_process.get(process)
        if nodes is None:
            # Should two threads get here at once, one of them has made what it drops; nothing is connected yet.
            nodes = self._by_process.setdefault(process, {name: self._node(name) for name in self._by_name})
        return nodes

    def _node(self, name: str) -> Node:
        setup = self._endpoints
        connections = (setup.connection(self._by_name[name]) for _ in range(setup.pool_size))
        return Node(connections, setup.options["timeout"])


def server_of(entry: object) -> Server:
    """Return the server that a LOCATION of a PyMemcacheCache names.

    :raises ValueError: it names none
    """
    server: Server = normalize_server_spec(entry.strip() if isinstance(entry, str) else entry)
    return server


def _name(server: Server) -> str:
    return server if isinstance(server, str) else f"{server[0]}:{server[1]}"


# Errors --------------------------------------------------------------------------------------------------


def without_contents(failure: Exception) -> Exception:
    """Return an error of :data:`ERRORS` after taking from it what may be a key or data: what it quotes of a reply."""
    if not isinstance(failure, OSError) and type(failure) not in (MemcacheClientError, MemcacheServerError):
        failure.args = ()
    return failure


def is_too_large(failure: BaseException | None) -> bool:
    """Return whether the server has refused an item for its size. Nothing was stored then."""
    return isinstance(failure, MemcacheServerError) and b"too large" in b"".join(
        word for word in failure.args if isinstance(word, bytes)
    )
