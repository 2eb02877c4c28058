"""Real servers for tests: each with its own port and directory, ready once it has answered, and stopped by handle."""

from beesession_tests.servers.base import HOST, Server, ServerError, WebServer, free_port, running
from beesession_tests.servers.redis import RedisServer, redis_server
from beesession_tests.servers.shared import Servers

__all__ = [
    "HOST",
    "RedisServer",
    "Server",
    "ServerError",
    "Servers",
    "WebServer",
    "free_port",
    "redis_server",
    "running",
]
