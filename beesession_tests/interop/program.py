"""The peer's program, and what it runs with."""

from __future__ import annotations

import os
from pathlib import Path

from beesession_tests.servers.golang import build

SOURCES = Path(__file__).parent / "peer"
OUR_PROVIDERS = Path(__file__).parents[2] / "interop" / "go"

ANSWERED_WITHIN = 60.0
"""Seconds that a request to the peer may take."""


def program(*, ours: bool = False) -> str:
    """Return the path of the peer, built if it has to be; skip the test when there is no Go.

    :param ours: with the session providers of this project, for redis, mysql, postgresql and memcache
    :raises ServerError: it does not build
    """
    if ours:
        return str(build(SOURCES, ".", "beego-peer-ours", tag="ours", beside=(OUR_PROVIDERS,)))
    return str(build(SOURCES, ".", "beego-peer"))


def environment(time_zone: str) -> dict[str, str]:
    """Return the environment of the peer. Django has set TZ in ours, and so in that of the servers."""
    kept = {name: value for name, value in os.environ.items() if name != "BEEGO_RUNMODE"}
    # beego's rule of expiry in PostgreSQL holds only where both are the same.
    return {**kept, "TZ": time_zone, "PGTZ": time_zone}
