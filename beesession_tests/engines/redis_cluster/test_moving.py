"""Slots that move from node to node while they are in use, and nodes that leave."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import override_settings
from redis.crc import key_slot

from beesession.binding import close_all
from beesession.engines.redis_cluster import SessionStore
from beesession_tests.engines.redis_engine.records import Form, Make
from beesession_tests.engines.redis_engine.traffic import (
    REQUESTS_PER_SECOND,
    Traffic,
    log_out,
    lost_updates,
    new_session,
)  # fmt: skip
from beesession_tests.servers import RedisClusterServers, redis_cluster
from beesession_tests.servers.base import eventually

pytestmark = pytest.mark.slow

TAG = "{moved}:"
SLOT = key_slot(TAG.encode())


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisClusterServers]:
    """Three masters without replicas, whose slots may be moved about."""
    with redis_cluster(replicated=False) as cluster:
        yield cluster


@pytest.fixture
def sessions(cluster: RedisClusterServers) -> Iterator[type[SessionStore]]:
    """A SessionStore, all of whose keys have the same slot."""
    cluster.flush()
    keys = {"PROVIDER_CONFIG": cluster.provider_config, "KEY_PREFIX": TAG}
    with override_settings(SESSION_ENGINE="beesession.engines.redis_cluster", BEESESSION=keys):
        try:
            yield SessionStore
        finally:
            close_all()


@contextmanager
def on_its_way(cluster: RedisClusterServers) -> Iterator[Any]:
    """Have a slot between two nodes: new keys are at the other one, old ones where they were, until they are moved.

    Yields a function that moves up to so many keys and returns whether there were any. At the end of the block all are
    moved, and so is the slot.
    """
    source = cluster.master_of(TAG)
    target = next(node for node in cluster.nodes if node is not source)
    target.ask("CLUSTER", "SETSLOT", SLOT, "IMPORTING", source.id)
    source.ask("CLUSTER", "SETSLOT", SLOT, "MIGRATING", target.id)

    def move(count: int) -> bool:
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", SLOT, count)
        if keys:
            source.ask("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", *keys)
        return bool(keys)

    yield move
    while move(100):
        pass
    for node in (target, source, *cluster.nodes):
        node.ask("CLUSTER", "SETSLOT", SLOT, "NODE", target.id)


@pytest.mark.crowd
def test_a_slot_that_moves_under_load_costs_no_error_and_no_update(
    cluster: RedisClusterServers, sessions: type[SessionStore]
) -> None:
    kept = [new_session(sessions, user="ann") for _ in range(100)]
    ended: list[str] = []
    before = cluster.master_of(TAG)
    with Traffic(sessions) as traffic:
        time.sleep(0.5)
        with on_its_way(cluster) as move:
            while move(2):
                kept.append(new_session(sessions, user="ann"))
                session = sessions(kept.pop(0))
                session.cycle_key()
                kept.append(str(session.session_key))
                ended.append(kept.pop(0))
                log_out(sessions, ended[-1])
                time.sleep(0.02)
        time.sleep(0.5)
        now = time.monotonic()
    assert cluster.master_of(TAG) is not before
    assert traffic.rate(until=now) > REQUESTS_PER_SECOND / 2
    assert [request for request in traffic.requests if not request.done] == []
    assert [lost for visitor in traffic.visitors for lost in lost_updates(visitor, since=0)] == []
    for visitor in traffic.visitors:
        assert sessions(visitor.key)["count"] == len(visitor.requests)
    assert len(ended) > 20
    assert [key for key in ended if sessions.provider.read(key) is not None] == []
    assert [dict(sessions(key).items()) for key in kept] == [{"user": "ann"}] * len(kept)


@pytest.mark.parametrize("moved", [False, True], ids=["not yet moved", "moved"])
def test_each_verb_works_on_a_session_whose_slot_is_on_its_way(
    cluster: RedisClusterServers, sessions: type[SessionStore], form: Form, moved: bool
) -> None:
    verbs = form(sessions.provider)
    record = verbs.store(b"1")
    with on_its_way(cluster) as move:
        assert moved is False or move(100)
        assert verbs.data(record.sid) == b"1"
        record = verbs.swap(record.sid, record, b"2", 100)
        record = verbs.touch(record.sid, record, 100)
        record = verbs.regenerate(record.sid, verbs.new_sid(), record, b"3", 100)
        assert verbs.data(record.sid) == b"3"
        assert verbs.data(verbs.store(b"new").sid) == b"new"
        assert verbs.destroy(record.sid) is True
        assert verbs.read(record.sid) is None
    assert verbs.active().number == 1


def test_after_a_move_one_command_is_redirected_and_the_others_go_straight(
    cluster: RedisClusterServers, sessions: type[SessionStore]
) -> None:
    key = new_session(sessions, user="ann")
    source = cluster.master_of(TAG)
    with on_its_way(cluster):
        pass
    for _ in range(10):
        assert sessions(key)["user"] == "ann"
    redirected = source.admin.info("errorstats")["errorstat_MOVED"]["count"]
    for _ in range(10):
        assert sessions(key)["user"] == "ann"
    assert source.admin.info("errorstats")["errorstat_MOVED"]["count"] == redirected


def test_a_node_that_has_left_the_cluster_is_let_go_of(make: Make, form: Form) -> None:
    with redis_cluster(replicated=False) as cluster:
        left, *others = cluster.nodes
        before = left.connections()
        provider = make(f"{others[0].host}:{others[0].port}")
        verbs = form(provider)
        records = [verbs.store() for _ in range(30)]
        assert left.connections() > before
        first, last, *_ = next(each for each in left.ask("CLUSTER", "SLOTS") if each[2][1] == left.port)
        for node in cluster.nodes:
            node.ask("CLUSTER", "DELSLOTSRANGE", first, last)
        others[0].ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        eventually(lambda: all(node.ask("CLUSTER INFO")["cluster_state"] == "ok" for node in cluster.nodes), 10)
        found = [verbs.read(record.sid) for record in records]
        assert 0 < len([record for record in found if record is None]) < 30  # what was on it has gone with it
        gc.collect()
        assert verbs.data(records[0].sid) in (None, b"data")  # so that a loop has a turn
        eventually(lambda: left.connections() <= before)


def test_after_a_failover_the_next_count_asks_the_new_master(make: Make, form: Form) -> None:
    with redis_cluster(1) as cluster:
        master, replica = cluster.nodes
        verbs = form(make(cluster.provider_config))
        verbs.store()
        assert verbs.active().number == 1
        eventually(lambda: replica.admin.dbsize() == 1)
        replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        eventually(replica.is_master)
        master.kill()
        assert verbs.active().number == 1
