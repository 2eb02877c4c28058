"""A Redis cluster for tests: masters, and as many replicas as there are of them, or none."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from beesession_tests.servers.base import HOST, ServerError, eventually, free_port
from beesession_tests.servers.redis import RedisServer

NODE_TIMEOUT = 1.5
"""Seconds of silence after which a node counts as dead."""

READY_WITHIN = 20.0

_BUS = 10000  # nodes talk to each other on a port that is higher by so many


def free_node_port() -> int:
    """Return a port that nothing listens on, and to which that other one is free, too."""
    while True:
        port = free_port()
        with socket.socket() as probe, suppress(OSError, OverflowError):
            probe.bind((HOST, port + _BUS))
            return port


class ClusterNode(RedisServer):
    """One node. It keeps its data in memory only, but remembers the cluster: a restart joins it again, without data."""

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        ours = f"--cluster-enabled yes --cluster-node-timeout {NODE_TIMEOUT * 1000:.0f}"
        # Without this a replica is linked five seconds after it asked.
        ours += " --repl-diskless-sync-delay 0"
        super().__init__(directory, (*ours.split(), *options))
        self.port = free_node_port()

    def ask(self, *words: Any) -> Any:
        """Send a command of administration, and return the reply as redis-py reads it."""
        return self.admin.execute_command(*words)  # type: ignore[no-untyped-call]

    def set_epoch(self, number: int) -> None:
        """Set the epoch of a node that is alone so far."""
        # A node that takes long to write that down is asked a second time by the client, and says that it has an epoch.
        with suppress(redis.ResponseError):
            self.ask("CLUSTER", "SET-CONFIG-EPOCH", number)
        assert int(self.ask("CLUSTER INFO")["cluster_my_epoch"]) == number

    @property
    def id(self) -> str:
        """Its name in the cluster."""
        name: bytes = self.ask("CLUSTER MYID")
        return name.decode()


class RedisClusterServers:
    """The nodes of one cluster. A context manager: they run until it ends.

    :param masters: how many masters share the slots
    :param replicated: give each one a replica
    :param options: further arguments of redis-server, for each node
    :ivar nodes: the masters that it was founded with, then their replicas, in the same order
    """

    def __init__(self, directory: Path, masters: int, replicated: bool, options: tuple[str, ...] = ()) -> None:
        self._masters = masters
        self.nodes: list[ClusterNode] = []
        for number in range(2 * masters if replicated else masters):
            own = directory / f"node-{number}"
            own.mkdir()
            self.nodes.append(ClusterNode(own, options))

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this cluster: the addresses of the first nodes, as beego lists them."""
        return ";".join(f"{node.host}:{node.port}" for node in self.nodes[:3])

    def start(self) -> None:
        """Start all nodes and make a cluster of them; it is ready then.

        :raises ServerError: a node did not start, or they did not find each other in time
        """
        for node in self.nodes:
            try:
                node.start()
            except ServerError:
                # Between the look for a free port and the start another process may have taken it.
                node.port = free_node_port()
                node.start()
        founders, replicas = self.nodes[: self._masters], self.nodes[self._masters :]
        for number, node in enumerate(founders):
            first, behind = (REDIS_CLUSTER_HASH_SLOTS * each // self._masters for each in (number, number + 1))
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
            node.set_epoch(number + 1)
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", self.nodes[0].host, self.nodes[0].port)
        eventually(lambda: all(len(node.ask("CLUSTER NODES")) == len(self.nodes) for node in self.nodes), READY_WITHIN)
        for master, replica in zip(founders, replicas, strict=False):
            replica.ask("CLUSTER", "REPLICATE", master.id)
        eventually(lambda: all(node.is_linked() for node in replicas), READY_WITHIN)
        for node in founders:
            # Replicas that have not been sent anything yet are not listed, and the next ping may be ten seconds off.
            node.flush()
        eventually(self.is_whole, READY_WITHIN)

    def is_whole(self) -> bool:
        """Return whether each running node calls the cluster usable, knows all replicas, and each replica is linked."""
        live = [node for node in self.nodes if node.process is not None]
        if any(node.ask("CLUSTER INFO")["cluster_state"] != "ok" for node in live):
            return False
        of_each = len(self.nodes) // self._masters
        if any(len(owners) < 2 + of_each for node in live for owners in node.ask("CLUSTER", "SLOTS")):
            return False
        return all(node.is_master() or node.is_linked() for node in live)

    def master_of(self, key: str) -> ClusterNode:
        """Return the node that has this key's slot, as the first living one sees it."""
        live = next(node for node in self.nodes if node.process is not None)
        slot = key_slot(key.encode())
        for first, last, (_, port, *_), *_ in live.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise LookupError("no node has this slot")

    def masters(self) -> list[ClusterNode]:
        """Return the living masters."""
        return [node for node in self.nodes if node.process is not None and node.is_master()]

    def keys(self) -> list[bytes]:
        """Return all keys, of all masters."""
        return [key for node in self.masters() for key in node.admin.scan_iter()]

    def flush(self) -> None:
        """Remove all data."""
        for node in self.masters():
            node.flush()

    def connections(self) -> int:
        """Return how many clients are connected to the masters, but for ours."""
        return sum(node.connections() for node in self.masters())

    def disconnect_clients(self) -> int:
        """End the clients' connections to the masters from the servers' side; return how many that were."""
        return sum(node.disconnect_clients() for node in self.masters())

    def close(self) -> None:
        """Stop all nodes for good."""
        for node in self.nodes:
            # All are to go, so none of them need hand anything over to another.
            node.kill()
            node.close()


@contextmanager
def redis_cluster(masters: int = 3, *options: str, replicated: bool = True) -> Iterator[RedisClusterServers]:
    """Run a Redis cluster; skip the test when no Redis is installed (with ``CI=true``: fail).

    :param masters: how many masters share the slots
    :param options: further arguments of redis-server, for each node
    :param replicated: give each master a replica
    """
    with tempfile.TemporaryDirectory(prefix="beesession-") as directory, ExitStack() as stack:
        servers = RedisClusterServers(Path(directory), masters, replicated, options)
        stack.callback(servers.close)
        servers.start()
        yield servers
