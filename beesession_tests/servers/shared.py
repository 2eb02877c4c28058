"""The servers that a test session shares."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from types import TracebackType

from beesession_tests.servers.couchbase import CouchbaseServer, couchbase_server
from beesession_tests.servers.ledis import LedisServer, ledis_server
from beesession_tests.servers.mariadb import MariaDBServer, mariadb_server
from beesession_tests.servers.memcached import MemcachedServers, memcached_servers
from beesession_tests.servers.postgresql import PostgreSQLServer, postgresql_server
from beesession_tests.servers.redis import RedisServer, redis_server
from beesession_tests.servers.redis_cluster import RedisClusterServers, redis_cluster
from beesession_tests.servers.redis_sentinel import RedisSentinelServers, redis_sentinel
from beesession_tests.servers.ssdb import SSDBServer, ssdb_server


class Servers:
    """The servers that a test session shares, one property each. It is started when a test first asks for it."""

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

    @cached_property
    def redis_cluster(self) -> RedisClusterServers:
        """A Redis cluster of three masters and their replicas; not to be killed."""
        return self._running.enter_context(redis_cluster())

    @cached_property
    def redis_sentinel(self) -> RedisSentinelServers:
        """A Redis master with two replicas and three sentinels; not to be killed."""
        return self._running.enter_context(redis_sentinel())

    @cached_property
    def postgresql(self) -> PostgreSQLServer:
        """A PostgreSQL server whose database is empty."""
        return self._running.enter_context(postgresql_server())

    @cached_property
    def mariadb(self) -> MariaDBServer:
        """A MariaDB server whose database is empty."""
        return self._running.enter_context(mariadb_server())

    @cached_property
    def memcached(self) -> MemcachedServers:
        """Two nodes of memcached."""
        return self._running.enter_context(memcached_servers())

    @cached_property
    def ledis(self) -> LedisServer:
        """A LedisDB server."""
        return self._running.enter_context(ledis_server())

    @cached_property
    def couchbase(self) -> CouchbaseServer:
        """A Couchbase stand-in whose bucket is empty."""
        return self._running.enter_context(couchbase_server())

    @cached_property
    def ssdb(self) -> SSDBServer:
        """Our stand-in for an SSDB server."""
        return self._running.enter_context(ssdb_server())
