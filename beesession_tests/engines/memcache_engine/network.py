"""Faults between a client and a memcached server."""

from __future__ import annotations

from beesession_tests.faults import Proxy, Stream
from beesession_tests.servers import MemcachedServer


class Requests(Stream):
    """Takes what a client sends as it comes, which for short requests is a command each, and names it."""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        return [(data.partition(b" ")[0].decode("ascii").upper(), data)]


def proxied(server: MemcachedServer) -> Proxy:
    """Return a proxy in front of a server, to be entered."""
    return Proxy(server.port, Requests)
