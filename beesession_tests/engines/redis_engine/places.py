"""One Redis server behind a proxy, as the three engines find it: directly, by a sentinel, as a cluster of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from beesession.engines.redis import RedisProvider
from beesession.engines.redis_cluster import RedisClusterProvider
from beesession.engines.redis_sentinel import RedisSentinelProvider
from beesession_tests.faults import Proxy
from beesession_tests.servers import RedisServer, Servers, redis_cluster, running
from beesession_tests.servers.redis_sentinel import NAME, SentinelServer

NEVER = 3600


@dataclass(frozen=True)
class Place:
    """Where an engine keeps its sessions.

    :ivar provider_class: the engine's provider
    :ivar server: the server, reached without the proxy
    :ivar proxy: what the engine connects to
    :ivar members: the engine's PROVIDER_CONFIG, in its JSON form
    :ivar rotation: the commands that rotate a session
    """

    provider_class: type[RedisProvider]
    server: RedisServer
    proxy: Proxy
    members: dict[str, Any]
    rotation: tuple[str, ...] = ("EVALSHA",)


@contextmanager
def behind_a_proxy(servers: Servers) -> Iterator[Place]:
    """The ``redis`` engine's place."""
    with Proxy(servers.redis.port) as proxy:
        yield Place(RedisProvider, servers.redis, proxy, {"save_path": f"{proxy.host}:{proxy.port}"})


@contextmanager
def named_by_a_sentinel(servers: Servers) -> Iterator[Place]:
    """The ``redis_sentinel`` engine's place: the sentinel takes the proxy for the master."""
    with (
        Proxy(servers.redis.port) as proxy,
        running(lambda directory: SentinelServer(directory, proxy.port, down_after=NEVER)) as sentinel,
    ):
        members = {"save_path": f"{sentinel.host}:{sentinel.port}", "master_name": NAME}
        yield Place(RedisSentinelProvider, servers.redis, proxy, members)


@contextmanager
def in_a_cluster_of_one(servers: Servers) -> Iterator[Place]:
    """The ``redis_cluster`` engine's place: its node says that it is where the proxy is."""
    with redis_cluster(1, replicated=False) as cluster, Proxy(cluster.nodes[0].port) as proxy:
        (node,) = cluster.nodes
        node.admin.config_set("cluster-announce-port", proxy.port)
        members = {"save_path": f"{proxy.host}:{proxy.port}"}
        yield Place(RedisClusterProvider, node, proxy, members, rotation=("SET", "EVALSHA"))


PLACES: dict[str, Callable[[Servers], Any]] = {
    "redis": behind_a_proxy,
    "redis_sentinel": named_by_a_sentinel,
    "redis_cluster": in_a_cluster_of_one,
}
"""Context managers, by the name of the engine."""
