"""What the ledis engine stores, what it sends for that, when it is over, and what is counted."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import override_settings

from beesession.engines.ledis import LedisProvider
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.ledis_engine.records import (
    HOUR,
    NEW_SID,
    PREFIX,
    SID,
    VERBS,
    Form,
    Make,
    everything,
    on,
    stored,
    teach_all_scripts,
)  # fmt: skip
from beesession_tests.faults import Proxy
from beesession_tests.servers import LedisServer, ledis_server


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n", b"ok", b"err"], ids=["empty", "binary", "ok", "err"])
def test_a_record_is_an_entry_of_just_these_bytes_under_prefix_and_id(
    make: Make, form: Form, admin: Any, prefix: str, data: bytes
) -> None:
    verbs = form(make(key_prefix=prefix))
    record = stored(verbs, data)
    assert everything(admin) == [(prefix + SID).encode()]
    assert admin.get(prefix + SID) == data
    verbs.swap(SID, record, data + b"!", HOUR)
    assert admin.get(prefix + SID) == data + b"!"


@pytest.mark.parametrize("verb", ["swap", "touch", "regenerate"])
def test_each_write_sets_the_expiry(verbs: Verbs, admin: Any, verb: str) -> None:
    record = stored(verbs, lifetime=7)
    assert 6 < admin.ttl(SID) <= 8
    record = VERBS[verb](verbs, record)
    assert record.remaining == HOUR
    assert HOUR - 2 < admin.ttl(record.sid) <= HOUR + 1


def test_no_answer_of_a_script_is_left_behind(verbs: Verbs, admin: Any) -> None:
    record = stored(verbs)
    for verb in ("read", "swap", "touch"):
        record = VERBS[verb](verbs, record)
    verbs.regenerate(SID, NEW_SID, record, b"moved", HOUR)
    verbs.destroy(SID)
    assert verbs.active().number == 1
    assert everything(admin) == [NEW_SID.encode()]


def test_a_database_number_is_followed(make: Make, form: Form, server: LedisServer) -> None:
    stored(form(make(f"{server.provider_config},3")))
    with server.client(db=3) as client:
        assert everything(client) == [SID.encode()]


def test_a_database_that_the_server_does_not_have_is_unavailable(make: Make, form: Form, server: LedisServer) -> None:
    with pytest.raises(Unavailable):
        form(make(f"{server.provider_config},99")).read(SID)


def test_a_taken_id_is_taken_for_a_lifetime_of_zero_too(verbs: Verbs) -> None:
    stored(verbs, b"first")
    assert verbs.create(SID, b"second", 0) is None
    assert verbs.data(SID) == b"first"


def test_a_megabyte_is_written_and_compared_in_good_time(verbs: Verbs) -> None:
    data = bytes(range(256)) * 4096
    began = time.monotonic()
    record = verbs.swap(SID, stored(verbs, data), data[::-1], HOUR)
    assert verbs.data(record.sid) == data[::-1]
    with pytest.raises(Conflict):
        verbs.swap(SID, Record(data), b"late", HOUR)
    # On the loopback interface it took minutes before segments were made small.
    assert time.monotonic() - began < 5


def test_more_than_the_engine_takes_is_refused_before_it_is_sent(make: Make, admin: Any) -> None:
    limit = LedisProvider.capabilities.max_bytes
    assert limit is not None
    with pytest.raises(SessionTooLarge) as caught:
        make().create(SID, bytes(limit + 1), HOUR)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert everything(admin) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_read_is_two_commands_and_any_other_verb_a_script_and_its_answer(
    make: Make, form: Form, proxy: Proxy, verb: str
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}"))
    teach_all_scripts(verbs)
    record = stored(verbs)
    proxy.commands.clear()
    VERBS[verb](verbs, record)
    assert proxy.commands == (["TTL", "GET"] if verb == "read" else ["EVALSHA", "GET", "DEL"])


def test_a_new_connection_says_nothing_that_the_server_does_not_know(make: Make, proxy: Proxy) -> None:
    provider = make(f"{proxy.host}:{proxy.port},1")
    provider.read(SID)
    asyncio.run(provider.aread(SID))
    assert proxy.commands == ["SELECT", "TTL", "GET"] * 2


@pytest.mark.slow
def test_what_has_expired_and_was_not_yet_removed_is_gone_for_each_verb(form: Form) -> None:
    with ledis_server("-ttl_check", "3600") as server, on(server, form) as verbs, server.client() as admin:
        record, destroyed = stored(verbs, lifetime=1), stored(verbs, sid="a" * 32, lifetime=1)
        stored(verbs, sid="b" * 32)
        time.sleep(2.1)
        assert admin.get(SID) == b"data"
        assert verbs.read(SID) is None
        assert verbs.active().number == 1
        for verb in ("swap", "touch", "regenerate"):
            with pytest.raises(Gone):
                VERBS[verb](verbs, record)
        assert verbs.destroy(destroyed.sid) is False
        stored(verbs, b"another")
        assert verbs.data(SID) == b"another"


def test_an_entry_without_an_expiry_is_no_session(verbs: Verbs, admin: Any) -> None:
    admin.execute_command("SET", SID, "data")
    assert verbs.read(SID) is None
    assert verbs.active().number == 0
    with pytest.raises(Gone):
        verbs.touch(SID, Record(b"data"), HOUR)
    assert verbs.destroy(SID) is False


def test_who_reads_while_others_write_never_misses(make: Make) -> None:
    provider, writers = make(), 3
    record = stored(Verbs(provider, None))
    writing = threading.Event()
    writing.set()

    def touch() -> None:
        while writing.is_set():
            provider.touch(SID, record, HOUR)

    def read() -> int:
        return sum(provider.read(SID) is None for _ in range(1000))

    with ThreadPoolExecutor(writers + 1) as threads:
        touching = [threads.submit(touch) for _ in range(writers)]
        try:
            assert threads.submit(read).result() == 0
        finally:
            writing.clear()
    assert [each.result() for each in touching] == [None] * writers


@pytest.mark.slow
def test_active_counts_five_thousand_among_other_data(make: Make, admin: Any) -> None:
    pipeline = admin.pipeline(transaction=False)
    for number in range(5000):
        pipeline.execute_command("SETEX", f"{PREFIX}{number:032x}", HOUR, b"data")
    for foreign in (SID, "shop", "shop;" + SID, PREFIX + "not/an/id", PREFIX + SID + "\xff", "a", "zzz"):
        pipeline.execute_command("SETEX", foreign, HOUR, b"data")
    pipeline.rpush(PREFIX + NEW_SID, "a list")
    pipeline.execute()
    count = make(key_prefix=PREFIX).active()
    assert count.number == 5000
    assert "counted as well" not in count.how


def test_active_without_a_prefix_says_what_else_it_may_have_counted(verbs: Verbs, admin: Any) -> None:
    admin.execute_command("SETEX", "of-another-program", HOUR, b"data")
    admin.execute_command("SETEX", "a" * 40, HOUR, b"looks like a session")
    stored(verbs)
    count = verbs.active()
    assert count.number == 2
    assert "without KEY_PREFIX" in count.how


def test_the_connection_factory_of_the_sites_caches_is_not_that_of_a_provider_string(make: Make, form: Form) -> None:
    with override_settings(DJANGO_REDIS_CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory"):
        verbs = form(make())
        stored(verbs)
        assert verbs.data(SID) == b"data"
