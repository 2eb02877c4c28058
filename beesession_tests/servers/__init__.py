"""Real servers for tests: each with its own port and directory, ready once it has answered, and stopped by handle."""

from beesession_tests.servers.base import HOST, Server, ServerError, WebServer, free_port, running
from beesession_tests.servers.couchbase import CouchbaseServer, couchbase_server
from beesession_tests.servers.ledis import LedisServer, ledis_server
from beesession_tests.servers.mariadb import MariaDBServer, mariadb_server
from beesession_tests.servers.memcached import MemcachedServer, MemcachedServers, memcached_server, memcached_servers
from beesession_tests.servers.postgresql import PostgreSQLServer, postgresql_server
from beesession_tests.servers.redis import RedisServer, redis_server
from beesession_tests.servers.redis_cluster import RedisClusterServers, redis_cluster
from beesession_tests.servers.redis_sentinel import RedisSentinelServers, redis_sentinel
from beesession_tests.servers.shared import Servers
from beesession_tests.servers.ssdb import SSDBServer, ssdb_server

__all__ = [
    "HOST",
    "CouchbaseServer",
    "LedisServer",
    "MariaDBServer",
    "MemcachedServer",
    "MemcachedServers",
    "PostgreSQLServer",
    "RedisClusterServers",
    "RedisSentinelServers",
    "RedisServer",
    "SSDBServer",
    "Server",
    "ServerError",
    "Servers",
    "WebServer",
    "couchbase_server",
    "free_port",
    "ledis_server",
    "mariadb_server",
    "memcached_server",
    "memcached_servers",
    "postgresql_server",
    "redis_cluster",
    "redis_sentinel",
    "redis_server",
    "running",
    "ssdb_server",
]
