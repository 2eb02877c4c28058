"""What clients have asked of memcached servers, as the servers saw it, and how many are connected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from beesession_tests.servers import MemcachedServer

LOGS = "-vv"
"""The option of a server whose commands are to be seen."""

_COMMAND = re.compile(r"^<\d+ (\w+) .*$", re.MULTILINE)
_NO_COMMAND = {"new", "connection"}


@contextmanager
def commands(*servers: MemcachedServer) -> Iterator[list[str]]:
    """Collect the names of the commands that are sent meanwhile, server by server. Filled when the block ends.

    :param servers: they were started with LOGS; what they print is there before they reply
    """
    sizes = [server.log.stat().st_size for server in servers]
    found: list[str] = []
    yield found
    for server, size in zip(servers, sizes, strict=True):
        printed = server.log.read_bytes()[size:].decode(errors="replace")
        found += [name for name in _COMMAND.findall(printed) if name not in _NO_COMMAND]
