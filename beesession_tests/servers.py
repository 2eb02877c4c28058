"""Real servers for tests: each with its own port and directory, ready once it has answered, and stopped by handle."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import redis

from beesession_tests.skips import require_program

HOST = "127.0.0.1"

STOPPED_WITHIN = 5.0


class ServerError(RuntimeError):
    """A server did not start. Ends with the last lines of its log."""


def free_port() -> int:
    """Return a TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server(ABC):
    """A server process in the foreground, from ``start`` to ``stop``.

    :ivar host: the address it listens on
    :ivar port: its port; the same after a restart
    :ivar directory: its own; everything that it writes is in there
    :ivar process: the running process, or None
    :cvar ready_within: seconds that it may take to answer
    """

    ready_within: ClassVar[float] = 15.0

    def __init__(self, directory: Path) -> None:
        self.host = HOST
        self.port = free_port()
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command_line(self) -> list[str]:
        """Return how to start the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether the server has answered a real request."""

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises ServerError: it ended, or did not answer in time
        """
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command_line(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + self.ready_within
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"{self.command_line()[0]} did not start:\n{self._last_lines()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server, gently if that works. To stop one that is stopped is no error."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Stop the server and start it on the same port."""
        self.stop()
        self.start()

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


class WebServer(Server):
    """A server of web pages; it is ready when its first page is."""

    def answers(self) -> bool:
        connection = HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class RedisServer(Server):
    """A redis-server that keeps its data in memory only: a restart empties it.

    :param options: further arguments of redis-server; they win over ours, except for the port
    """

    def __init__(self, directory: Path, options: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        self._program = require_program("redis-server", "redis-server")
        self._options = options
        self._clients = ExitStack()

    @property
    def url(self) -> str:
        """The server as a URL, its database 0."""
        return f"redis://{self.host}:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """Return a new client of this server, which is closed with it. ``options`` are those of ``redis.Redis``."""
        client = redis.Redis(**{"host": self.host, "port": self.port, **options})
        self._clients.callback(client.close)
        return client

    @cached_property
    def _admin(self) -> redis.Redis:
        return self.client()

    def flush(self) -> None:
        """Remove all data, of all databases."""
        self._admin.flushall()

    def close(self) -> None:
        """Close the clients and stop the server for good."""
        self._clients.close()
        self.stop()

    def command_line(self) -> list[str]:
        ours = f"--port {self.port} --bind {self.host} --appendonly no --daemonize no --loglevel warning"
        return [self._program, *ours.split(), "--dir", str(self.directory), "--save", "", *self._options]

    def answers(self) -> bool:
        with redis.Redis(host=self.host, port=self.port, retry=None, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True  # it is there, and wants a password
            except (redis.ConnectionError, redis.TimeoutError):
                return False


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a Redis server; skip the test when none is installed (with ``CI=true``: fail).

    :param options: further arguments of redis-server, such as ``"--requirepass", "pw"``
    """
    # Not pytest's directory: paths of unix sockets have to be short.
    with tempfile.TemporaryDirectory(prefix="beesession-") as directory:
        server = RedisServer(Path(directory), options)
        try:
            server.start()
        except ServerError:
            # Between the look for a free port and the start another process may have taken it.
            server.port = free_port()
            server.start()
        try:
            yield server
        finally:
            server.close()


class Servers:
    """The servers that a test session shares. Each is started when a test first asks for it."""

    def __init__(self) -> None:
        self._running = ExitStack()

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @cached_property
    def redis(self) -> RedisServer:
        """A Redis server without a password."""
        return self._running.enter_context(redis_server())
