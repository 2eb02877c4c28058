"""A Redis master with replicas, and the sentinels that watch it, for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from beesession_tests.servers.base import Server, eventually
from beesession_tests.servers.redis import RedisServer
from beesession_tests.skips import require_program

NAME = "Bee.Master"
"""What the sentinels call the master; capitals, since these are easily lost."""

READY_WITHIN = 20.0


class SentinelServer(Server):
    """One sentinel. It remembers in its directory what it has learnt, so a restart goes on from there.

    :param watched: the port of the master
    :param quorum: how many sentinels have to agree that it is dead
    :param down_after: seconds of silence after which it calls it dead
    """

    def __init__(self, directory: Path, watched: int, quorum: int = 1, down_after: float = 0.5) -> None:
        super().__init__(directory)
        self._program = require_program("redis-sentinel", "redis-sentinel")
        self._watched = watched
        self._quorum = quorum
        self._down_after = down_after

    def prepare(self) -> None:
        lines = [
            f"port {self.port}", f"bind {self.host}", f"dir {self.directory}",
            f"sentinel monitor {NAME} {self.host} {self._watched} {self._quorum}",
            f"sentinel down-after-milliseconds {NAME} {self._down_after * 1000:.0f}",
            f"sentinel failover-timeout {NAME} 2000",
        ]  # fmt: skip
        self._config.write_text("\n".join(lines) + "\n")

    def command_line(self) -> list[str]:
        return [self._program, str(self._config)]

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):
                return False

    def client(self) -> redis.Redis:
        """Return a new client of this sentinel."""
        return redis.Redis(host=self.host, port=self.port, retry=None, socket_timeout=1)

    def state(self) -> dict[str, str]:
        """Return what it knows of the master."""
        with self.client() as client:
            reply = client.execute_command("SENTINEL", "MASTER", NAME)  # type: ignore[no-untyped-call]
        pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
        return {name.decode(): value.decode() for name, value in pairs}

    @property
    def _config(self) -> Path:
        return self.directory / "sentinel.conf"


class RedisSentinelServers:
    """One master, its replicas, and sentinels. A context manager: they run until it ends.

    :ivar nodes: the first master, then its replicas
    :ivar sentinels: those that watch it
    """

    def __init__(self, directory: Path, replicas: int, sentinels: int) -> None:
        # Without the option a replica is linked five seconds after it asked.
        self.nodes = [RedisServer(_folder(directory, "node-0"), ("--repl-diskless-sync-delay", "0"))]
        master = self.nodes[0]
        for number in range(1, replicas + 1):
            options = ("--repl-diskless-sync-delay", "0", "--replicaof", f"{master.host} {master.port}")
            self.nodes.append(RedisServer(_folder(directory, f"node-{number}"), options))
        self.sentinels = [
            SentinelServer(_folder(directory, f"sentinel-{number}"), master.port, sentinels // 2 + 1)
            for number in range(sentinels)
        ]

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG: the addresses of the sentinels, and the name of the master."""
        return ";".join(f"{each.host}:{each.port}" for each in self.sentinels) + f",,,,{NAME}"

    def start(self) -> None:
        """Start all of them; a master that dies is replaced from then on.

        :raises ServerError: one did not start, or they did not find each other in time
        """
        for node in self.nodes:
            node.start()
        # Sentinels look for replicas when they start, and then every ten seconds.
        eventually(lambda: all(node.is_linked() for node in self.nodes[1:]), READY_WITHIN)
        for sentinel in self.sentinels:
            sentinel.prepare()
            sentinel.start()
        eventually(self.is_whole, READY_WITHIN)

    def is_whole(self) -> bool:
        """Return whether each sentinel knows all the others, all replicas, and a master that lives."""
        seen = str(len(self.sentinels) - 1), str(len(self.nodes) - 1)
        states = [each.state() for each in self.sentinels]
        agreed = len({state["port"] for state in states}) == 1
        return agreed and all(
            (state["num-other-sentinels"], state["num-slaves"]) == seen and state["flags"] == "master"
            for state in states
        )

    def master(self) -> RedisServer:
        """Return the node that is the master, by the word of the first sentinel."""
        port = int(self.sentinels[0].state()["port"])
        return next(node for node in self.nodes if node.port == port)

    def flush(self) -> None:
        """Remove all data."""
        self.master().flush()

    def connections(self) -> int:
        """Return how many clients are connected to the master, but for ours."""
        return self.master().connections()

    def disconnect_clients(self) -> int:
        """End the clients' connections to the master from the server's side; return how many that were."""
        return self.master().disconnect_clients()

    def close(self) -> None:
        """Stop all of them for good."""
        for server in (*self.sentinels, *self.nodes):
            server.kill()
            server.close()


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir()
    return folder


@contextmanager
def redis_sentinel(replicas: int = 2, sentinels: int = 3) -> Iterator[RedisSentinelServers]:
    """Run a master, its replicas and sentinels; skip the test when they are not installed (with ``CI=true``: fail)."""
    with tempfile.TemporaryDirectory(prefix="beesession-") as directory, ExitStack() as stack:
        servers = RedisSentinelServers(Path(directory), replicas, sentinels)
        stack.callback(servers.close)
        servers.start()
        yield servers
