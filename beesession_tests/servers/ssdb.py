"""Our stand-in for an SSDB server, run as a process of its own."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from signal import SIGUSR1

from beesession.ssdb_protocol import Client, SSDBError
from beesession.ssdb_protocol import Server as Endpoint
from beesession_tests.servers.base import Server, eventually, running

_PROGRAM = Path(__file__).with_name("ssdb_standin.py")


class SSDBServer(Server):
    """The stand-in. It keeps its data in memory: a restart empties it.

    :param password: what it asks for; "" for nothing
    """

    def __init__(self, directory: Path, password: str = "") -> None:
        super().__init__(directory)
        self._password = password

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server."""
        return f"{self.host}:{self.port}"

    @cached_property
    def admin(self) -> Client:
        """A client of this server, for the tests' own questions."""
        return self._client()

    def flush(self) -> None:
        """Remove all data."""
        (keys,) = self.admin.send((b"keys", b"", b"", b"1000000"))
        if keys:
            self.admin.send((b"multi_del", *keys))

    def info(self, name: bytes) -> int:
        """Return a number that the server tells of itself: ``links`` or ``total_calls``."""
        (told,) = self.admin.send((b"info",))
        assert told is not None
        return int(told[told.index(name) + 1])

    def connections(self) -> int:
        """Return how many clients are connected; ``admin`` does not count."""
        time.sleep(0.05)  # what was closed a moment ago may still be counted
        return self.info(b"links") - 1

    def disconnect_clients(self) -> None:
        """End all connections from the server's side."""
        assert self.process is not None
        self.process.send_signal(SIGUSR1)
        self.admin.close()
        eventually(lambda: self.info(b"links") == 1, within=5)

    def close(self) -> None:
        """Close the client and stop the server for good."""
        self.admin.close()
        self.stop()

    def command_line(self) -> list[str]:
        # Not -m, which would import this package, drivers and all; -I, since this folder has a redis.py in it.
        return [sys.executable, "-I", str(_PROGRAM), str(self.port), *([self._password] if self._password else [])]

    def answers(self) -> bool:
        client = self._client()
        try:
            return client.send((b"ping",)) == [[]]
        except SSDBError:
            return False
        finally:
            client.close()

    def _client(self) -> Client:
        return Client(Endpoint(self.host, self.port, self._password), size=1)


def ssdb_server(password: str = "") -> AbstractContextManager[SSDBServer]:
    """Run the stand-in.

    :param password: what it asks for; "" for nothing
    """
    return running(lambda directory: SSDBServer(directory, password))
