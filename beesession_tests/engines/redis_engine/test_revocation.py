"""What revocation marks cost at a Redis server, where they lie, and what they withstand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.test import override_settings
from redis.crc import key_slot

from beesession.engines.redis_cluster import RedisClusterProvider
from beesession.provider import Conflict, Gone, Record
from beesession.redis_commands import CREATE, DESTROY, READ_WITH_TTL, REGENERATE, SWAP, TOUCH, mark_of
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.fixtures import providers_of
from beesession_tests.engines.redis_engine.places import Place
from beesession_tests.engines.redis_engine.records import HOUR, NEW_SID, SID, Form, Make, stored
from beesession_tests.monitor import commands
from beesession_tests.servers import redis_cluster

LIFETIME = 1000
MARK = f"{{{SID}}}:r"

in_a_cluster = pytest.mark.parametrize("place", ["redis_cluster"], indirect=True)


@pytest.fixture
def verbs(make: Make, form: Form) -> Verbs:
    return form(make(codec="gob", lifetime=LIFETIME))


@pytest.fixture
def told(make: Make, form: Form) -> Verbs:
    """Verbs that read the time left, too."""
    return form(make(codec="gob", lifetime=LIFETIME, touch_interval=60))


@pytest.fixture
def _scripts(admin: redis.Redis) -> None:
    """Let the server know each script."""
    for script in (CREATE, READ_WITH_TTL, REGENERATE, SWAP, TOUCH):
        admin.script_load(script.marking.source)
    admin.script_load(DESTROY.source)


@pytest.mark.usefixtures("_scripts")
@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        (lambda verbs, record: verbs.read(SID), ["MGET"]),
        (lambda verbs, record: verbs.create(NEW_SID, b"data", HOUR), ["EVALSHA"]),
        (lambda verbs, record: verbs.create(NEW_SID, b"data", 0), ["EXISTS"]),
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), ["EVALSHA"]),
        (lambda verbs, record: verbs.swap(SID, record, b"new", 0), ["EVALSHA"]),
        (lambda verbs, record: verbs.touch(SID, record, HOUR), ["EVALSHA"]),
        (lambda verbs, record: verbs.destroy(SID), ["EVALSHA"]),
    ],
    ids=["read", "create", "create nothing", "swap", "swap away", "touch", "destroy"],
)
def test_each_verb_is_one_command(
    verbs: Verbs, admin: redis.Redis, verb: Callable[[Verbs, Record], Any], sent: list[str]
) -> None:
    record = stored(verbs)
    with commands(admin) as seen:
        verb(verbs, record)
    assert seen == sent


@pytest.mark.usefixtures("_scripts")
def test_a_rotation_is_one_command_and_in_a_cluster_two(place: Place, verbs: Verbs, admin: redis.Redis) -> None:
    record = stored(verbs)
    with commands(admin) as seen:
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert seen == ["EVALSHA"] * len(place.rotation)
    assert sorted(admin.keys()) == sorted([NEW_SID.encode(), MARK.encode()])


@pytest.mark.usefixtures("_scripts")
def test_only_the_read_that_finds_a_revived_record_costs_a_second_command(verbs: Verbs, admin: redis.Redis) -> None:
    verbs.destroy(SID)
    admin.set(SID, b"late")
    for sent in (["MGET", "EVALSHA"], ["MGET"]):
        with commands(admin) as seen:
            assert verbs.read(SID) is None
        assert seen == sent


@pytest.mark.usefixtures("_scripts")
def test_a_read_of_the_time_left_is_one_command_whatever_it_finds(told: Verbs, admin: redis.Redis) -> None:
    stored(told, lifetime=50)
    with commands(admin) as seen:
        record = told.read(SID)
        told.destroy(SID)
        admin.set(SID, b"late")
        assert told.read(SID) is None
        assert told.read(SID) is None
    assert record is not None
    assert record.remaining == pytest.approx(50, abs=2)
    assert [name for name in seen if name != "SET"] == ["EVALSHA"] * 4
    assert admin.keys() == [MARK.encode()]


def test_a_server_that_forgot_the_scripts_is_sent_them_once(verbs: Verbs, admin: redis.Redis) -> None:
    stored(verbs)
    admin.script_flush()
    with commands(admin) as seen:
        assert verbs.destroy(SID) is True
        assert verbs.destroy(SID) is False
    assert seen == ["EVALSHA", "EVAL", "EVALSHA"]
    admin.set(SID, b"late")
    admin.script_flush()
    with commands(admin) as seen:
        assert verbs.read(SID) is None
    assert seen == ["MGET", "EVALSHA", "EVAL"]
    assert admin.keys() == [MARK.encode()]


def test_a_mark_is_one_byte_beside_the_id(verbs: Verbs, admin: redis.Redis) -> None:
    verbs.destroy(SID)
    assert admin.keys() == [MARK.encode()]
    assert admin.get(MARK) == b"1"


@in_a_cluster
def test_a_mark_has_the_slot_of_its_id(admin: redis.Redis) -> None:
    for sid in (SID, NEW_SID, f"shop-{SID}", f"a_b{NEW_SID}"):
        mark = mark_of(sid.encode())
        slot = admin.execute_command("CLUSTER KEYSLOT", mark)  # type: ignore[no-untyped-call]
        assert slot == key_slot(sid.encode())


@pytest.mark.slow
@pytest.mark.parametrize("moved", [False, True], ids=["not yet moved", "moved"])
def test_what_needs_a_mark_waits_for_a_slot_that_is_on_its_way(form: Form, moved: bool) -> None:
    with (
        redis_cluster(2, replicated=False) as cluster,
        providers_of(RedisClusterProvider, cluster.provider_config) as make,
    ):
        verbs, slot = form(make(codec="gob", lifetime=LIFETIME)), key_slot(SID.encode())
        record = stored(verbs)
        source = cluster.master_of(SID)
        (target,) = (node for node in cluster.nodes if node is not source)

        def move() -> None:
            source.ask("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", SID)

        def arrive() -> None:
            if not moved:
                move()
            for node in (target, source):
                node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)

        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        if moved:
            move()
        arrival = threading.Timer(0.5, arrive)
        arrival.start()
        assert verbs.data(SID) == b"data"
        arrival.join()
        assert cluster.master_of(SID) is target
        assert verbs.swap(SID, record, b"new", HOUR).data == b"new"
        assert verbs.destroy(SID) is True
        assert cluster.keys() == [MARK.encode()]


def test_a_revived_record_is_removed_and_its_mark_lives_two_lifetimes_from_then_on(
    verbs: Verbs, told: Verbs, admin: redis.Redis
) -> None:
    for number, verb in enumerate((verbs.read, told.read, verbs.destroy)):
        sid = f"{number:032x}"
        verbs.destroy(sid)
        admin.set(sid, b"late")
        admin.pexpire(f"{{{sid}}}:r", 60_000)
        verb(sid)
        assert admin.exists(sid) == 0
        assert admin.pttl(f"{{{sid}}}:r") == pytest.approx(2 * LIFETIME * 1000, abs=5000)


def test_a_mark_that_is_only_looked_at_is_not_renewed(verbs: Verbs, told: Verbs, admin: redis.Redis) -> None:
    verbs.destroy(SID)
    admin.pexpire(MARK, 60_000)
    assert verbs.read(SID) is None
    assert told.read(SID) is None
    assert verbs.create(SID, b"anew", HOUR) is None
    with pytest.raises(Gone):
        verbs.touch(SID, Record(b"data"), HOUR)
    assert admin.pttl(MARK) <= 60_000


def test_when_the_mark_is_over_its_id_is_like_any_other(verbs: Verbs, admin: redis.Redis) -> None:
    verbs.destroy(SID)
    admin.delete(MARK)
    assert stored(verbs, b"anew").data == b"anew"
    assert verbs.data(SID) == b"anew"


def test_the_life_of_a_mark_follows_the_settings(make: Make, form: Form, admin: redis.Redis) -> None:
    verbs = form(make(codec="gob"))
    with override_settings(SESSION_COOKIE_AGE=50):
        verbs.destroy(SID)
    assert admin.pttl(MARK) == pytest.approx(100_000, abs=5000)


def test_two_lifetimes_that_are_longer_than_redis_can_tell_are_clamped(
    make: Make, form: Form, admin: redis.Redis
) -> None:
    verbs = form(make(codec="gob", lifetime=2**60))
    verbs.destroy(SID)
    assert admin.pttl(MARK) > 0


@pytest.mark.usefixtures("_scripts")
@pytest.mark.parametrize(
    "end",
    [
        lambda verbs, record: verbs.destroy(SID),
        lambda verbs, record: verbs.destroy(NEW_SID),
        lambda verbs, record: verbs.swap(SID, record, b"", 0),
        lambda verbs, record: verbs.touch(SID, record, 0),
    ],
    ids=["destroy", "destroy nothing", "swap", "touch"],
)
def test_a_server_that_is_out_of_memory_takes_the_mark(
    verbs: Verbs, admin: redis.Redis, end: Callable[[Verbs, Record], object]
) -> None:
    record = stored(verbs)
    admin.config_set("maxmemory", 1)
    try:
        end(verbs, record)
    finally:
        admin.config_set("maxmemory", 0)
    assert [key for key in admin.scan_iter() if key.endswith(b"}:r")] != []


def test_active_counts_no_marks_and_a_revived_record_until_it_is_read(verbs: Verbs, admin: redis.Redis) -> None:
    stored(verbs)
    verbs.destroy(SID)
    assert verbs.active().number == 0
    admin.set(SID, b"late")
    count = verbs.active()
    assert count.number == 1
    assert "until it is read" in count.how
    verbs.read(SID)
    assert verbs.active().number == 0


def test_without_beego_active_says_nothing_of_it(make: Make) -> None:
    assert "until it is read" not in make().active().how


@in_a_cluster
def test_a_rotation_that_is_taken_back_marks_no_id(verbs: Verbs, admin: redis.Redis) -> None:
    """Nobody was told the new id, and so nobody can bring it back."""
    record = stored(verbs)
    verbs.destroy(SID)
    with pytest.raises(Gone):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert admin.keys() == [MARK.encode()]


def test_a_rotation_to_an_id_that_is_both_revoked_and_revived_changes_nothing(verbs: Verbs, admin: redis.Redis) -> None:
    record = stored(verbs, b"mine")
    verbs.destroy(NEW_SID)
    admin.set(NEW_SID, b"late")
    with pytest.raises(Conflict):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert verbs.data(SID) == b"mine"
    assert admin.exists(MARK) == 0
    assert verbs.read(NEW_SID) is None
