"""A Redis server for tests."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import redis

from beesession_tests.servers.base import Server, running
from beesession_tests.skips import require_program


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

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server."""
        return f"{self.host}:{self.port}"

    def client(self, **options: Any) -> redis.Redis:
        """Return a new client of this server, which is closed with it. ``options`` are those of ``redis.Redis``."""
        client = redis.Redis(**{"host": self.host, "port": self.port, **options})
        self._clients.callback(client.close)
        return client

    @cached_property
    def admin(self) -> redis.Redis:
        """A client of this server, for the tests' own questions."""
        return self.client()

    def is_master(self) -> bool:
        """Return whether it takes writes."""
        return bool(self.admin.info("replication")["role"] == "master")

    def is_linked(self) -> bool:
        """Return whether it is a replica that has all that its master has, and goes on getting it."""
        return bool(self.admin.info("replication").get("master_link_status") == "up")

    def flush(self) -> None:
        """Remove all data, of all databases."""
        self.admin.flushall()

    def connections(self) -> int:
        """Return how many clients are connected, but for ``admin``, replicas and sentinels."""
        time.sleep(0.05)  # what was closed a moment ago may still be listed
        return len(self._client_ids())

    def disconnect_clients(self) -> int:
        """End these connections from the server's side; return how many that were."""
        return sum(bool(self.admin.client_kill_filter(_id=number)) for number in self._client_ids())

    def close(self) -> None:
        """Close the clients and stop the server for good."""
        self._clients.close()
        self.stop()

    def _client_ids(self) -> list[str]:
        own = str(self.admin.client_id())
        listed = self.admin.client_list(_type="normal")
        return [each["id"] for each in listed if each["id"] != own and "sentinel-" not in each["name"]]

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


def redis_server(*options: str) -> AbstractContextManager[RedisServer]:
    """Run a Redis server; skip the test when none is installed (with ``CI=true``: fail).

    :param options: further arguments of redis-server, such as ``"--requirepass", "pw"``
    """
    return running(lambda directory: RedisServer(directory, options))
