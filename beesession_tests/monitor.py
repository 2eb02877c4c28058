"""What clients have asked of a Redis server, as the server saw it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.servers import RedisServer, Servers

# What a driver says once per connection.
_GREETINGS = frozenset({"HELLO", "AUTH", "SELECT", "CLIENT", "PING"})

# What sentinels and replicas say all the time.
_CHATTER = frozenset({"INFO", "PUBLISH", "REPLCONF", "SUBSCRIBE"})

FAMILY = [each for each in ENGINES if each.name in ("redis", "redis_cluster", "redis_sentinel")]
"""The engines whose servers can be asked."""


def masters_of(engine: RunningEngine, servers: Servers) -> list[RedisServer]:
    """Return the servers that the commands of one of these engines go to."""
    if engine.name == "redis_cluster":
        return [*servers.redis_cluster.masters()]
    return [servers.redis_sentinel.master() if engine.name == "redis_sentinel" else servers.redis]


@contextmanager
def commands(client: Any) -> Iterator[list[str]]:
    """Collect the names of the commands that other clients send meanwhile; those inside scripts do not count.

    The list is filled when the block ends.
    """
    found: list[str] = []
    marker = uuid4().hex
    with client.monitor() as monitor:
        yield found
        client.echo(marker)
        for line in iter(monitor.next_command, None):
            if marker in line["command"]:
                break
            name = line["command"].partition(" ")[0].upper()
            if line["client_type"] != "lua" and name not in _GREETINGS | _CHATTER:
                found.append(name)
