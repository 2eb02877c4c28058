"""What the redis engine stores, what it sends for that, and what it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.test import override_settings

from beesession.engines.redis import RedisProvider
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Record
from beesession.testing import ProviderContract, Verbs
from beesession_tests.engines.redis_engine.places import Place
from beesession_tests.engines.redis_engine.records import (
    HOUR,
    NEW_SID,
    PREFIX,
    SID,
    WRITES,
    Form,
    Make,
    each_write,
    only_redis,
    stored,
)  # fmt: skip
from beesession_tests.monitor import commands
from beesession_tests.servers import RedisServer
from beesession_tests.servers.base import eventually


@only_redis
class TestItKeepsTheContractWhenItTellsTheTimeLeft(ProviderContract):
    @pytest.fixture
    def provider(self, make: Make) -> RedisProvider:
        return make(touch_interval=60, key_prefix=PREFIX)


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n"])
def test_a_record_is_a_string_of_just_these_bytes_under_prefix_and_id(
    make: Make, form: Form, admin: redis.Redis, prefix: str, data: bytes
) -> None:
    stored(form(make(key_prefix=prefix)), data)
    assert admin.keys() == [(prefix + SID).encode()]
    assert admin.get(prefix + SID) == data


@each_write
def test_each_write_sets_the_expiry(verbs: Verbs, admin: redis.Redis, write: Callable[[Verbs, Record], Record]) -> None:
    record = stored(verbs, lifetime=7)
    assert 6_000 < admin.pttl(SID) <= 7_000
    record = write(verbs, record)
    assert record.remaining == 100
    assert 99_000 < admin.pttl(record.sid) <= 100_000


def test_the_time_left_is_told_when_touch_interval_needs_it(make: Make, form: Form) -> None:
    verbs = form(make(touch_interval=60))
    stored(verbs, b"", lifetime=50)
    record = verbs.read(SID)
    assert record is not None
    assert record.data == b""
    assert record.remaining == pytest.approx(50, abs=2)


def test_a_record_that_beego_stored_for_ever_has_no_time_left_to_tell(
    make: Make, form: Form, admin: redis.Redis
) -> None:
    admin.set(SID, b"data")
    assert form(make(touch_interval=60)).read(SID) == Record(b"data", sid=SID, remaining=None)


def test_a_conflict_carries_what_is_there_even_if_it_is_empty(verbs: Verbs) -> None:
    record = stored(verbs, b"read by both")
    verbs.swap(SID, record, b"", HOUR)
    for write in (WRITES["swap"], WRITES["regenerate"]):
        with pytest.raises(Conflict) as caught:
            write(verbs, record)
        assert caught.value.record == Record(b"", sid=SID)


def test_a_taken_id_is_taken_for_a_lifetime_of_zero_too(verbs: Verbs) -> None:
    stored(verbs, b"first")
    assert verbs.create(SID, b"second", 0) is None
    assert verbs.data(SID) == b"first"


def test_more_than_redis_can_hold_is_refused_before_it_is_sent(provider: RedisProvider, admin: redis.Redis) -> None:
    limit = 512 * 1024 * 1024
    with pytest.raises(SessionTooLarge) as caught:
        provider.create(SID, bytes(limit + 1), HOUR)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert admin.exists(SID) == 0


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        (lambda verbs, record: verbs.read(SID), ["GET"]),
        (lambda verbs, record: verbs.create(NEW_SID, b"data", HOUR), ["SET"]),
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), ["EVALSHA"]),
        (lambda verbs, record: verbs.touch(SID, record, HOUR), ["PEXPIRE"]),
        (lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR), None),
        (lambda verbs, record: verbs.destroy(SID), ["DEL"]),
    ],
    ids=["read", "create", "swap", "touch", "regenerate", "destroy"],
)
def test_each_verb_is_one_command_and_a_rotation_in_a_cluster_two(
    place: Place, verbs: Verbs, admin: redis.Redis, verb: Callable[[Verbs, Record], Any], sent: list[str] | None
) -> None:
    record = stored(verbs)
    record = verbs.swap(SID, record, b"the server knows the scripts now", HOUR)
    warm_up = stored(verbs, sid="a" * 32)
    verbs.regenerate("a" * 32, "b" * 32, warm_up, b"", HOUR)
    with commands(admin) as seen:
        verb(verbs, record)
    assert seen == (sent or [*place.rotation])


def test_the_time_left_costs_no_second_command(make: Make, form: Form, admin: redis.Redis) -> None:
    verbs = form(make(touch_interval=60))
    stored(verbs)
    verbs.read(SID)
    with commands(admin) as seen:
        verbs.read(SID)
    assert seen == ["EVALSHA"]


def test_a_swap_does_not_send_the_old_record_back(verbs: Verbs, admin: redis.Redis) -> None:
    record = stored(verbs, b"x" * 1_000_000)
    verbs.swap(SID, record, b"once, so that the server knows the script", HOUR)
    record = stored(verbs, b"x" * 1_000_000, sid=NEW_SID)
    before = admin.info("stats")["total_net_input_bytes"]
    verbs.swap(NEW_SID, record, b"small", HOUR)
    assert admin.info("stats")["total_net_input_bytes"] - before < 2_000


def test_a_server_that_forgot_the_scripts_is_sent_them_once(verbs: Verbs, admin: redis.Redis) -> None:
    record = verbs.swap(SID, stored(verbs), b"1", HOUR)
    admin.script_flush()
    with commands(admin) as seen:
        record = verbs.swap(SID, record, b"2", HOUR)
        verbs.swap(SID, record, b"3", HOUR)
    assert seen == ["EVALSHA", "EVAL", "EVALSHA"]
    assert verbs.data(SID) == b"3"


def test_nothing_is_connected_before_the_first_use(make: Make, server: RedisServer) -> None:
    before = server.connections()
    provider = make()
    eventually(lambda: server.connections() <= before)
    provider.read(SID)
    assert server.connections() == before + 1


def test_active_counts_strings_behind_the_prefix_that_are_named_like_sessions(
    make: Make, form: Form, admin: redis.Redis
) -> None:
    prefix = "a*[b]?\\:"
    verbs = form(make(key_prefix=prefix))
    for number in range(2500):
        admin.set(f"{prefix}{number:032x}", b"data")
    for foreign in (SID, "axb:" + SID, prefix + "not/an/id", prefix, prefix + SID + "\xff", "other"):
        admin.set(foreign, b"data")
    admin.rpush(prefix + NEW_SID, "a list")
    count = verbs.active()
    assert count.number == 2500
    assert "KEY_PREFIX" in count.how
    assert "counted as well" not in count.how


def test_active_without_a_prefix_says_what_else_it_may_have_counted(verbs: Verbs, admin: redis.Redis) -> None:
    admin.set("of-another-program", b"data")
    admin.set("a" * 40, b"looks like a session")
    stored(verbs)
    count = verbs.active()
    assert count.number == 2
    assert "without KEY_PREFIX" in count.how


def test_active_counts_hashed_keys_although_the_ids_have_a_prefix(make: Make, admin: redis.Redis) -> None:
    provider = make(hash_keys=True, id_prefix="site-")
    admin.set("f" * 64, b"data")
    admin.set("site-" + SID, b"no hash")
    assert provider.active().number == 1


def test_the_connection_factory_of_the_sites_caches_is_not_that_of_a_provider_string(make: Make, form: Form) -> None:
    with override_settings(DJANGO_REDIS_CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory"):
        verbs = form(make())
        stored(verbs)
        assert verbs.data(SID) == b"data"
