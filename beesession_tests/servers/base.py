"""What all test servers have in common: an own port and directory, ready once it has answered, stopped by handle."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, ClassVar, TypeVar

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


def eventually(holds: Callable[[], bool], within: float = 5) -> None:
    """Wait until something holds that servers see, or agree on, in their own time.

    :param within: seconds
    :raises ServerError: it does not hold in time
    """
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise ServerError(f"the servers did not come to it within {within} s")
        time.sleep(0.02)


class Server(ABC):
    """A server process in the foreground, from ``start`` to ``stop``.

    One that keeps the sessions of an engine has the property ``provider_config``: the PROVIDER_CONFIG that leads to it.

    :ivar host: the address it listens on
    :ivar port: its port; the same after a restart
    :ivar directory: its own; everything that it writes is in there
    :ivar process: the running process, or None
    :cvar ready_within: seconds that it may take to answer
    :cvar stopped_by: the signal that ends it
    """

    ready_within: ClassVar[float] = 15.0
    stopped_by: ClassVar[Signals] = SIGTERM

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

    def process_options(self) -> dict[str, Any]:
        """Return further arguments for Popen, such as the user to run as."""
        return {}

    def prepare(self) -> None:  # noqa: B027  (most have nothing to prepare)
        """Do what comes once, before the first start, such as making the files of a database."""

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises ServerError: it ended, or did not answer in time
        """
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command_line(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self.process_options(),
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
        process.send_signal(self.stopped_by)
        try:
            process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Stop the server as a crash would (SIGKILL)."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Stop the server for good, and close what was opened to reach it."""
        self.stop()

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


AnyServer = TypeVar("AnyServer", bound=Server)


@contextmanager
def running(make: Callable[[Path], AnyServer]) -> Iterator[AnyServer]:
    """Run a server in a directory of its own until the block ends.

    :param make: makes the server, given that directory
    """
    # Not pytest's directory: paths of unix sockets have to be short.
    with tempfile.TemporaryDirectory(prefix="beesession-") as directory:
        server = make(Path(directory))
        server.prepare()
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
