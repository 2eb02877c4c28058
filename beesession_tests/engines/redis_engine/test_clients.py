"""Pools, threads, event loops and forks: who holds which connection, and until when."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from django.test import override_settings

from beesession.engines.redis import RedisProvider
from beesession.provider import Conflict, Gone, Record
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.network import connections
from beesession_tests.engines.redis_engine.records import HOUR, SID, Make, cache, stored
from beesession_tests.faults import Proxy
from beesession_tests.servers import RedisServer


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


def test_more_tasks_than_connections_take_turns(make: Make, server: RedisServer) -> None:
    provider = make({"save_path": f"127.0.0.1:{server.port}", "poolsize": 3})
    stored(Verbs(provider, None))
    before = connections(server)

    async def read_at_once() -> tuple[list[Record | None], int]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(300))), connections(server)

    found, during = asyncio.run(read_at_once())
    assert [record.data for record in found if record] == [b"data"] * 300
    assert during <= before + 3


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


def test_fifty_event_loops_leave_no_connection_and_no_warning(provider: RedisProvider, server: RedisServer) -> None:
    before = connections(server)
    gc.collect()  # what other tests have left behind must not be found here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(50):
            asyncio.run(provider.aread(SID))
        gc.collect()
    assert [str(each.message) for each in caught if each.category is ResourceWarning] == []
    assert connections(server) == before


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_clients_of_loops_that_were_closed_bare_are_dropped_at_the_next_look_up(
    provider: RedisProvider, server: RedisServer
) -> None:
    before = connections(server)
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(provider.aread(SID))
        loop.close()
        assert connections(server) <= before + 1
    asyncio.run(provider.aread(SID))
    assert connections(server) == before


def test_one_loop_has_one_client_for_all_its_tasks(provider: RedisProvider, server: RedisServer) -> None:
    before = connections(server)

    async def read_ten_times_in_turn() -> int:
        for _ in range(10):
            await asyncio.ensure_future(provider.aread(SID))
        return connections(server)

    assert asyncio.run(read_ten_times_in_turn()) == before + 1


def test_closing_the_provider_closes_what_running_loops_hold(make: Make, server: RedisServer) -> None:
    before = connections(server)
    provider = make()

    async def close_while_it_is_in_use() -> int:
        await provider.aread(SID)
        await asyncio.to_thread(provider.read, SID)
        assert connections(server) == before + 2
        provider.close()
        await asyncio.sleep(0.1)
        return connections(server)

    assert asyncio.run(close_while_it_is_in_use()) == before


def test_closing_the_provider_closes_what_idle_loops_hold(make: Make, server: RedisServer) -> None:
    before = connections(server)
    provider = make()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(provider.aread(SID))
    assert connections(server) == before + 1
    provider.close()
    assert connections(server) == before
    loop.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_does_not_share_the_connections_of_its_parent(
    provider: RedisProvider, admin: redis.Redis
) -> None:
    parent = Verbs(provider, None)
    record = stored(parent, b"parent")
    asyncio.run(provider.aread(SID))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for number in range(100):
                assert parent.data(SID) == b"parent"
                assert asyncio.run(provider.aread(SID)) is not None
                provider.create(f"{number:032x}", b"child", HOUR)
            status = 0
        finally:
            os._exit(status)
    for _ in range(200):
        assert parent.data(SID) == b"parent"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert parent.swap(SID, record, b"after", HOUR).data == b"after"
    assert admin.dbsize() == 101
