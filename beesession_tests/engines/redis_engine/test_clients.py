"""Pools, threads, event loops and forks: who holds which connection, and until when."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from django.test import override_settings

from beesession.engines.redis import RedisProvider
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.stepping import Call, awaited, directly, run
from beesession.testing import Verbs
from beesession_tests.engines import RunningEngine
from beesession_tests.engines.redis_engine.places import Place
from beesession_tests.engines.redis_engine.records import HOUR, NEW_SID, SID, Form, Make, cache, only_redis, stored
from beesession_tests.faults import Proxy
from beesession_tests.monitor import FAMILY, masters_of
from beesession_tests.servers import RedisServer, Servers
from beesession_tests.servers.base import eventually


@only_redis
@pytest.mark.parametrize("pool", ["Connection", "BlockingConnection"])
def test_callers_wait_for_a_connection_of_a_pool_that_is_used_up(make: Make, proxy: Proxy, pool: str) -> None:
    options = {
        "CONNECTION_POOL_CLASS": f"redis.connection.{pool}Pool",
        "CONNECTION_POOL_KWARGS": {"max_connections": 1},
    }
    with override_settings(CACHES={"mine": cache(f"redis://127.0.0.1:{proxy.port}/0", **options)}):
        provider = make("", alias="mine")
    stored(Verbs(provider, None))
    proxy.delay(0.03)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: provider.read(SID), range(8)))

    async def read_at_once() -> list[Record | None]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(8)))

    found += asyncio.run(read_at_once())
    assert [record.data for record in found if record] == [b"data"] * 16


@pytest.mark.slow
@only_redis
def test_a_caller_waits_once_for_a_pool_that_stays_used_up(make: Make, proxy: Proxy) -> None:
    options = {"CONNECTION_POOL_KWARGS": {"max_connections": 1, "timeout": 0.5}}
    with override_settings(CACHES={"mine": cache(f"redis://127.0.0.1:{proxy.port}/0", **options)}):
        provider = make("", alias="mine")

    async def read(call: Call) -> float:
        """Return after how many seconds it was given up; 0 if it was not."""
        began = time.monotonic()
        try:
            await call(provider.read, provider.aread, SID)
        except Unavailable:
            return time.monotonic() - began
        return 0

    async def read_at_once() -> list[float]:
        await provider.aread(SID)
        proxy.delay(1.5)
        return await asyncio.gather(read(awaited), read(awaited))

    provider.read(SID)
    proxy.delay(1.5)
    with ThreadPoolExecutor(2) as threads:
        by_threads = list(threads.map(lambda _: run(read(directly)), range(2)))
    proxy.delay(0)
    for served, given_up in (sorted(by_threads), sorted(asyncio.run(read_at_once()))):
        assert served == 0
        assert 0.4 < given_up < 0.9


@pytest.mark.slow
@pytest.mark.crowd
def test_more_tasks_than_connections_take_turns(make: Make, place: Place, server: RedisServer) -> None:
    provider = make({**place.members, "poolsize": 3})
    stored(Verbs(provider, None))
    before = server.connections()

    async def read_at_once() -> tuple[list[Record | None], int]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(300))), server.connections()

    found, during = asyncio.run(read_at_once())
    assert [record.data for record in found if record] == [b"data"] * 300
    assert during <= before + 3


LIMIT = 5
MANY, REQUESTS = 400, 1000


@pytest.fixture
def limited(make: Make, place: Place) -> RedisProvider:
    """A provider that may have no more than LIMIT connections to a server."""
    return make({**place.members, "poolsize": LIMIT})


@pytest.mark.slow
@pytest.mark.crowd
def test_many_requests_of_twenty_threads_keep_to_the_limit(limited: RedisProvider, server: RedisServer) -> None:
    verbs = Verbs(limited, None)

    def request(number: int) -> bytes | None:
        sid = f"{number:032x}"
        verbs.swap(sid, stored(verbs, sid=sid), b"new", HOUR)
        return verbs.data(sid)

    before = server.connections()
    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(request, range(MANY))) == {b"new"}
    assert 1 <= server.connections() - before <= LIMIT
    limited.close()
    eventually(lambda: server.connections() <= before)


@pytest.mark.slow
@pytest.mark.crowd
def test_many_requests_of_two_hundred_tasks_keep_to_the_limit(limited: RedisProvider, server: RedisServer) -> None:
    async def visitor(first: int) -> None:
        for number in range(first, MANY, 200):
            sid = f"{number:032x}"
            record = await limited.acreate(sid, b"data", HOUR)
            assert record is not None
            await limited.aswap(sid, record, b"new", HOUR)

    async def visitors() -> int:
        await asyncio.gather(*map(visitor, range(200)))
        return server.connections()

    before = server.connections()
    assert 1 <= asyncio.run(visitors()) - before <= LIMIT
    eventually(lambda: server.connections() <= before)
    assert server.admin.dbsize() == MANY


@pytest.mark.parametrize("engine", FAMILY, indirect=True)
def test_connections_that_an_operator_kills_between_requests_cost_nothing(
    engine: RunningEngine, servers: Servers, form: Form
) -> None:
    verbs = form(engine.provider)
    records = [verbs.store() for _ in range(10)]
    killed = 0
    for number in range(5):
        killed += sum(server.disconnect_clients() for server in masters_of(engine, servers))
        records = [verbs.swap(record.sid, record, b"%d" % number, HOUR) for record in records]
        records = [verbs.regenerate(record.sid, verbs.new_sid(), record, record.data, HOUR) for record in records]
    assert killed >= 5
    assert {verbs.data(record.sid) for record in records} == {b"4"}


@pytest.mark.slow
@pytest.mark.crowd
@pytest.mark.parametrize("outage", [False, True], ids=["error", "outage"])
def test_a_thousand_requests_that_fail_leave_no_connection_behind(
    limited: RedisProvider, place: Place, outage: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beesession.engines.redis.PATIENCE", 0)
    place.server.admin.rpush(SID, "no session")
    before = place.server.connections()
    if outage:
        place.proxy.refuse()

    def fail(number: int) -> None:
        with pytest.raises(Unavailable):
            limited.read(SID)

    async def fail_async() -> None:
        for _ in range(REQUESTS // 2):
            with pytest.raises(Unavailable):
                await limited.aread(SID)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(fail, range(REQUESTS // 2)))
    asyncio.run(fail_async())
    if outage:
        place.proxy.heal()
    assert Verbs(limited, None).data(NEW_SID) is None
    assert 1 <= place.server.connections() - before <= LIMIT


def test_eight_threads_lose_no_update(provider: RedisProvider) -> None:
    stored(Verbs(provider, None), b"")

    def append(mark: bytes) -> None:
        record = provider.read(SID)
        for _ in range(25):
            while True:
                assert record is not None
                try:
                    record = provider.swap(SID, record, record.data + mark, HOUR)
                    break
                except Conflict as conflict:
                    record = conflict.record

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append, [b"%d" % number for number in range(8)]))
    record = provider.read(SID)
    assert record is not None
    assert sorted(record.data) == sorted(b"01234567" * 25)


def test_a_late_write_never_brings_a_destroyed_session_back(provider: RedisProvider, admin: redis.Redis) -> None:
    for _ in range(50):
        record = stored(Verbs(provider, None))
        start = threading.Barrier(2)

        def save(record: Record = record, start: threading.Barrier = start) -> None:
            start.wait(timeout=10)
            with suppress(Gone):
                provider.swap(SID, record, b"late", HOUR)

        def log_out(start: threading.Barrier = start) -> None:
            start.wait(timeout=10)
            provider.destroy(SID)

        with ThreadPoolExecutor(2) as threads:
            for done in (threads.submit(save), threads.submit(log_out)):
                done.result()
        assert admin.exists(SID) == 0


@pytest.mark.slow
@pytest.mark.parametrize("concurrently", ["threads", "tasks"])
@only_redis
def test_a_server_that_refuses_writes_now_and_then_costs_nobody_an_error(
    provider: RedisProvider, admin: redis.Redis, concurrently: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Twenty busy threads can keep the one that has the server take writes again from running for a while.
    monkeypatch.setattr("beesession.engines.redis.PATIENCE", 60)
    over = threading.Event()

    def refuse_now_and_then() -> None:
        for number in range(20):
            admin.config_set("min-replicas-to-write", number % 2)
            time.sleep(0.1)
        admin.config_set("min-replicas-to-write", 0)
        over.set()

    async def visit(call: Call, number: int) -> None:
        sid = f"{number:032x}"
        record = await call(provider.create, provider.acreate, sid, b"old", HOUR)
        while not over.is_set():
            assert record is not None
            record = await call(provider.swap, provider.aswap, sid, record, b"new", HOUR)
            assert await call(provider.read, provider.aread, sid) == Record(b"new", sid=sid)

    async def visit_at_once() -> None:
        await asyncio.gather(*(visit(awaited, number) for number in range(20)))

    with ThreadPoolExecutor(21) as threads:
        refusing = threads.submit(refuse_now_and_then)
        if concurrently == "tasks":
            asyncio.run(visit_at_once())
        else:
            list(threads.map(lambda number: run(visit(directly, number)), range(20)))
        refusing.result()


def test_fifty_event_loops_leave_no_connection_and_no_warning(provider: RedisProvider, server: RedisServer) -> None:
    before = server.connections()
    gc.collect()  # what other tests have left behind must not be found here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(50):
            asyncio.run(provider.aread(SID))
        gc.collect()
    assert [str(each.message) for each in caught if each.category is ResourceWarning] == []
    eventually(lambda: server.connections() <= before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_clients_of_loops_that_were_closed_bare_are_dropped_at_the_next_look_up(
    provider: RedisProvider, server: RedisServer
) -> None:
    before = server.connections()
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(provider.aread(SID))
        loop.close()
        assert server.connections() <= before + 1
    asyncio.run(provider.aread(SID))
    eventually(lambda: server.connections() <= before)


def test_one_loop_has_one_client_for_all_its_tasks(provider: RedisProvider, server: RedisServer) -> None:
    before = server.connections()

    async def read_ten_times_in_turn() -> int:
        for _ in range(10):
            await asyncio.ensure_future(provider.aread(SID))
        return server.connections()

    assert asyncio.run(read_ten_times_in_turn()) == before + 1


def test_closing_the_provider_closes_what_running_loops_hold(make: Make, server: RedisServer) -> None:
    before = server.connections()
    provider = make()

    async def close_while_it_is_in_use() -> int:
        await provider.aread(SID)
        await asyncio.to_thread(provider.read, SID)
        assert server.connections() == before + 2
        provider.close()
        await asyncio.sleep(0.1)
        return server.connections()

    assert asyncio.run(close_while_it_is_in_use()) == before


def test_closing_the_provider_closes_what_idle_loops_hold(make: Make, server: RedisServer) -> None:
    before = server.connections()
    provider = make()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(provider.aread(SID))
    assert server.connections() == before + 1
    provider.close()
    eventually(lambda: server.connections() <= before)
    loop.close()
