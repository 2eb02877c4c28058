"""Faults between a client and its server: a TCP proxy that loses replies, refuses, keeps silent, or is slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from beesession_tests.servers import HOST

T = TypeVar("T")

_CHUNK = 65536
_ANY = ""


class Requests:
    """Cuts what a client sends into commands: RESP arrays of bulk strings, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return the commands that are complete by now: the name in capitals, and all of its bytes.

        :raises ValueError: the client speaks something else
        """
        self._buffer += data
        found = []
        while (end := self._end_of_first()) is not None:
            raw, self._buffer = self._buffer[:end], self._buffer[end:]
            name = raw.split(b"\r\n", 3)[2]
            found.append((name.decode("ascii").upper(), raw))
        return found

    def _end_of_first(self) -> int | None:
        words, position = self._number(0, b"*")
        while words and position is not None:
            length, start = self._number(position, b"$")
            position = None if start is None else start + length + 2
            words -= 1
        return None if position is None or position > len(self._buffer) else position

    def _number(self, start: int, kind: bytes) -> tuple[int, int | None]:
        """Return the number that a line gives, and where the next line starts (None: not here yet)."""
        line, ending, _ = self._buffer[start:].partition(b"\r\n")
        if not ending:
            return 0, None
        if line[:1] != kind:
            raise ValueError(f"expected a RESP line that starts with {kind!r}")
        return int(line[1:]), start + len(line) + 2


class Stream:
    """Takes what a client sends as it comes, whatever its protocol: each piece is a command without a name."""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return the piece, as :meth:`Requests.feed` returns commands."""
        return [(_ANY, data)]


class _Link:
    """One connection of a client, and the one to the server that it is passed on to."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._writers = (client, server)
        self.loses_reply = False

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class Proxy:
    """A TCP proxy in front of a server, on a thread of its own. A context manager.

    Without a fault it passes everything on. A fault lasts until :meth:`heal`, unless it says otherwise.

    :param port: the server's port on this machine
    :param requests: makes what cuts a connection's bytes into commands; :class:`Stream` where they are not Redis's
    :ivar host: the address to connect to
    :ivar port: the port to connect to; the same before and after :meth:`refuse`
    :ivar commands: the names of all commands that clients have sent, in capitals; scripts' own commands are not seen
    """

    def __init__(self, port: int, requests: Callable[[], Requests | Stream] = Requests) -> None:
        self.host = HOST
        self.port = 0
        self.commands: list[str] = []
        self._server_port = port
        self._requests = requests
        self._delay = 0.0
        self._silent = False
        self._loses_reply_to: str | None = None
        self._answers_before = 0
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # Faults -------------------------------------------------------------------------------------------------

    def lose_reply(self, command: str = _ANY, *, after: int = 0) -> None:
        """Once: let the next command (of this name) run at the server, drop its reply, and cut the connection.

        :param after: so many such commands are answered before
        """
        self._loses_reply_to = command.upper()
        self._answers_before = after

    def cut(self) -> None:
        """Once: cut all connections, while nothing is under way. New ones are welcome."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Cut all connections and refuse new ones, as when no server runs."""
        self._run(self._refuse())

    def blackhole(self) -> None:
        """Keep all connections, accept new ones, and pass nothing on."""
        self._silent = True

    def delay(self, seconds: float) -> None:
        """Hold back each reply for so long."""
        self._delay = seconds

    def heal(self) -> None:
        """End each fault. Connections that were made under a blackhole are cut, since what they sent is lost."""
        was_silent, self._silent = self._silent, False
        self._delay = 0.0
        self._loses_reply_to = None
        if was_silent:
            self.cut()
        self._run(self._listen())

    # On the loop ----------------------------------------------------------------------------------------------

    def _run(self, steps: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(steps, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        await self._cut()

    async def _cut(self) -> None:
        # Whoever connects from now on is not waited for: a sentinel does so again and again.
        before = set(self._tasks)
        while left := before & self._tasks:
            # One that is still on its way to the server has its link only later.
            for link in self._links:
                link.cut()
            await asyncio.wait(left, timeout=0.01)

    async def _close(self) -> None:
        await self._refuse()
        await self._loop.shutdown_default_executor()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "start_server runs this in a task"
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            server_reader, server_writer = await asyncio.open_connection(HOST, self._server_port)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, server_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass_requests(link, reader, server_writer), self._pass_replies(link, server_reader, writer)
            )
        except ConnectionError:
            pass  # either side has gone, which is what this proxy is for
        finally:
            self._links.discard(link)
            link.cut()

    async def _pass_requests(self, link: _Link, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        requests = self._requests()
        while data := await client.read(_CHUNK):
            for name, raw in requests.feed(data):
                self.commands.append(name)
                if self._silent:
                    continue
                if self._loses_reply_to in (name, _ANY):
                    if self._answers_before == 0:
                        self._loses_reply_to = None
                        link.loses_reply = True
                    self._answers_before -= 1
                server.write(raw)
            await server.drain()
        raise ConnectionResetError

    async def _pass_replies(self, link: _Link, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await server.read(_CHUNK):
            if link.loses_reply:
                break
            await asyncio.sleep(self._delay)
            if not self._silent:
                client.write(data)
                await client.drain()
        raise ConnectionResetError
