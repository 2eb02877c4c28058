"""A master that dies under load, and is replaced by its replica: what a site sees of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import override_settings

from beesession.binding import close_all
from beesession.engines import redis_cluster as cluster_engine
from beesession.engines import redis_sentinel as sentinel_engine
from beesession.provider import Unavailable
from beesession_tests.engines.redis_engine.traffic import (
    REQUESTS_PER_SECOND,
    Traffic,
    log_out,
    lost_updates,
    new_session,
)  # fmt: skip
from beesession_tests.servers import RedisServer, redis_cluster, redis_sentinel
from beesession_tests.servers.base import eventually

pytestmark = pytest.mark.slow

REPLACED_WITHIN = 30.0
GRACE = 1.0
"""Seconds after the first success until each visitor has to have noticed."""


@dataclass(frozen=True)
class Site:
    """A site whose sessions are on servers that may die.

    :ivar store_class: its SessionStore
    :ivar servers: the group of servers
    """

    store_class: Any
    servers: Any

    def master_of(self, key: str) -> RedisServer:
        """Return the server that has this session."""
        servers: Any = self.servers
        master: RedisServer = servers.master_of(key) if hasattr(servers, "master_of") else servers.master()
        return master


@pytest.fixture(
    params=[(sentinel_engine, redis_sentinel), (cluster_engine, redis_cluster)], ids=["redis_sentinel", "redis_cluster"]
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    engine, run = request.param
    with (
        run() as servers,
        override_settings(SESSION_ENGINE=engine.__name__, BEESESSION={"PROVIDER_CONFIG": servers.provider_config}),
    ):
        try:
            yield Site(engine.SessionStore, servers)
        finally:
            close_all()


@pytest.mark.crowd
def test_a_master_that_dies_under_load_costs_errors_for_a_moment_and_nothing_else(site: Site) -> None:
    store_class = site.store_class
    ended = [new_session(store_class, user="ann") for _ in range(20)]
    kept = [new_session(store_class, user="ann") for _ in range(20)]
    for key in ended[:10]:
        log_out(store_class, key)
    victim = site.master_of(kept[0])
    with Traffic(store_class) as traffic:
        time.sleep(2)
        killed = time.monotonic()
        victim.kill()
        replaced = _first_success(store_class, kept[0])
        for key in ended[10:]:
            log_out(store_class, key)
        time.sleep(2)
        # It comes back as a replica, without its data, after a moment in which it takes itself for a master.
        victim.start()
        eventually(site.servers.is_whole, REPLACED_WITHIN)
        time.sleep(1)
    assert traffic.rate(until=killed) > REQUESTS_PER_SECOND / 2
    failed = [request.began for request in traffic.requests if not request.done]
    assert [began for began in failed if not killed - GRACE < began < replaced + GRACE] == []
    # A master acknowledges before its replica has a write, so the last ones before its death may be lost. Not others.
    assert [lost for visitor in traffic.visitors for lost in lost_updates(visitor, since=replaced + GRACE)] == []
    for visitor in traffic.visitors:
        sent = {request.read + 1 for request in visitor.requests if request.read is not None}
        assert {request.read for request in visitor.requests} <= {None, 0, *sent}
        assert store_class(visitor.key)["count"] == visitor.requests[-1].read + 1  # type: ignore[operator]
    assert [dict(store_class(key).items()) for key in kept] == [{"user": "ann"}] * len(kept)
    assert [key for key in ended if store_class.provider.read(key) is not None] == []


def _first_success(store_class: Any, key: str) -> float:
    """Wait for a session to be written to again; return when it was."""
    deadline = time.monotonic() + REPLACED_WITHIN
    while time.monotonic() < deadline:
        with suppress(Unavailable):
            session = store_class(key)
            session.modified = True
            session.save()
            return time.monotonic()
    raise AssertionError("the master was not replaced in time")
