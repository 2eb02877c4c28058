"""Connections as the server sees them."""

from __future__ import annotations

import time

from beesession_tests.servers import RedisServer


def connections(server: RedisServer) -> int:
    """Return how many clients are connected; the one that asks does not count."""
    # What was closed a moment ago may still be listed.
    time.sleep(0.05)
    with server.client() as client:
        return len(client.client_list()) - 1


def cut_connections(server: RedisServer) -> int:
    """Close each connection from the server's end; return how many there were."""
    with server.client() as client:
        others = [each["id"] for each in client.client_list() if int(each["id"]) != client.client_id()]
        for number in others:
            client.client_kill_filter(_id=number)
        return len(others)
