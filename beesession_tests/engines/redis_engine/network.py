"""Connections as the server sees them."""

from __future__ import annotations

import time
from typing import Any

from beesession_tests.servers import RedisServer


def connections(server: RedisServer) -> int:
    """Return how many clients are connected; the one that asks does not count, nor do sentinels."""
    # What was closed a moment ago may still be listed.
    time.sleep(0.05)
    with server.client() as client:
        return len(_others(client))


def cut_connections(server: RedisServer) -> int:
    """Close each connection from the server's end; return how many there were."""
    with server.client() as client:
        others = _others(client)
        for each in others:
            client.client_kill_filter(_id=each["id"])
        return len(others)


def _others(client: Any) -> list[dict[str, str]]:
    own = client.client_id()
    return [each for each in client.client_list() if int(each["id"]) != own and "sentinel-" not in each["name"]]
