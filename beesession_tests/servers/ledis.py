"""A LedisDB server for tests, built from its Go module at the version that beego pins."""

from __future__ import annotations

import socket
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from beesession_tests.servers.base import HOST, Server, running
from beesession_tests.servers.golang import build

DATABASES = 16

_MODULE = Path(__file__).parent / "ledisdb"
_PACKAGE = "github.com/ledisdb/ledisdb/cmd/ledis-server"


class LedisServer(Server):
    """A ledis-server. It keeps its data in a directory: a restart does not empty it.

    :param options: further arguments of ledis-server
    """

    def __init__(self, directory: Path, options: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        self._program = build(_MODULE, _PACKAGE, "ledis-server")
        self._options = options

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server, its database 0."""
        return f"{self.host}:{self.port}"

    def client(self, db: int = 0) -> redis.Redis:
        """Return a new client of one database; to be used as a context manager, or closed."""
        # Small segments, without which the server reads 40 KB a second on this interface.
        options: dict[str, Any] = {
            "protocol": 2,
            "driver_info": None,
            "socket_keepalive_options": {socket.TCP_MAXSEG: 2048},
        }
        return redis.Redis(host=self.host, port=self.port, db=db, retry=Retry(NoBackoff(), 0), **options)

    def flush(self) -> None:
        """Remove all data, of all databases."""
        with self.client() as client:
            client.flushall()

    def connections(self) -> int:
        """Return how many clients are connected; the one that asks does not count."""
        time.sleep(0.05)  # what was closed a moment ago may still be counted
        with self.client() as client:
            return int(client.info("server")["resp_client_num"]) - 1

    def disconnect_clients(self) -> None:
        """End all connections from the server's side: by a restart, since LedisDB has no command for it."""
        self.restart()

    def command_line(self) -> list[str]:
        ours = f"-addr {HOST}:{self.port} -databases {DATABASES} -ttl_check 1"
        return [str(self._program), *ours.split(), "-data_dir", str(self.directory / "data"), *self._options]

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


def ledis_server(*options: str) -> AbstractContextManager[LedisServer]:
    """Run a LedisDB server; skip the test when Go is not installed (with ``CI=true``: fail).

    :param options: further arguments of ledis-server, such as ``"-readonly"``
    """
    return running(lambda directory: LedisServer(directory, options))
