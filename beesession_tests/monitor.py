"""What clients have asked of a Redis server, as the server saw it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

# What a driver says once per connection.
_GREETINGS = frozenset({"HELLO", "AUTH", "SELECT", "CLIENT", "PING"})


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
            if line["client_type"] != "lua" and name not in _GREETINGS:
                found.append(name)
