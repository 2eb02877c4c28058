"""Pools, threads and forks: who holds which connection, and until when."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.memcache_engine.records import HOUR, NEW_SID, SID, Make, stored
from beesession_tests.faults import Proxy
from beesession_tests.servers import MemcachedServer, MemcachedServers
from beesession_tests.servers.base import eventually


def test_twenty_threads_leave_no_more_connections_than_are_configured(make: Make, nodes: MemcachedServers) -> None:
    before = nodes.connections()
    provider = make({"save_path": nodes.provider_config, "pool_size": 5})

    def visit(number: int) -> None:
        verbs = Verbs(provider, None)
        for round_ in range(50):
            sid = f"{number * 1000 + round_:032x}"
            record = stored(verbs, b"%d" % number, sid=sid)
            assert verbs.data(verbs.swap(sid, record, b"swapped", HOUR).sid) == b"swapped"

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(visit, range(20)))
    assert nodes.connections() <= before + 2 * 5
    provider.close()


def test_one_thread_uses_one_connection_whatever_the_size_of_the_pool(make: Make, server: MemcachedServer) -> None:
    before = server.connections()
    verbs = Verbs(make(server.provider_config), None)
    for number in range(30):
        stored(verbs, sid=f"{number:032x}")
    assert server.connections() == before + 1


def test_tasks_take_turns_when_all_connections_are_in_use(make: Make, server: MemcachedServer) -> None:
    provider = make({"save_path": server.provider_config, "pool_size": 2})
    stored(Verbs(provider, None))
    before = server.connections()

    async def read_at_once() -> list[Record | None]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(100)))

    assert [record.data for record in asyncio.run(read_at_once()) if record] == [b"data"] * 100
    assert server.connections() <= before + 1


def test_who_gets_no_connection_in_time_hears_that_the_store_is_unavailable(make: Make, proxy: Proxy) -> None:
    provider = make({"save_path": f"127.0.0.1:{proxy.port}", "pool_size": 1, "timeout": 0.3})
    stored(Verbs(provider, None))
    proxy.blackhole()
    failures: list[Unavailable] = []

    def read() -> None:
        with pytest.raises(Unavailable) as caught:
            provider.read(SID)
        failures.append(caught.value)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(failures) == 4
    assert {type(failure.__cause__) for failure in failures} == {TimeoutError}
    proxy.heal()
    assert Verbs(provider, None).data(SID) == b"data"


def test_eight_threads_lose_no_update(make: Make, server: MemcachedServer) -> None:
    provider = make(server.provider_config)
    stored(Verbs(provider, None), b"")

    def append(mark: bytes) -> None:
        for _ in range(25):
            while True:
                record = provider.read(SID)
                assert record is not None
                try:
                    provider.swap(SID, record, record.data + mark, HOUR)
                    break
                except Conflict:
                    continue

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append, [b"%d" % number for number in range(8)]))
    record = provider.read(SID)
    assert record is not None
    assert sorted(record.data) == sorted(b"01234567" * 25)


@pytest.mark.parametrize("late", ["swap", "touch", "regenerate"])
def test_a_late_write_never_brings_a_destroyed_session_back(make: Make, nodes: MemcachedServers, late: str) -> None:
    provider = make()
    for _ in range(50):
        record = stored(Verbs(provider, None))
        start = threading.Barrier(2)

        def write(record: Record = record, start: threading.Barrier = start) -> None:
            start.wait(timeout=10)
            with suppress(Gone):
                if late == "swap":
                    provider.swap(SID, record, b"late", HOUR)
                elif late == "touch":
                    provider.touch(SID, record, HOUR)
                else:
                    provider.regenerate(SID, NEW_SID, record, b"late", HOUR)

        def log_out(start: threading.Barrier = start) -> bool:
            start.wait(timeout=10)
            return provider.destroy(SID)

        with ThreadPoolExecutor(2) as threads:
            writing, logging_out = threads.submit(write), threads.submit(log_out)
            writing.result()
        # The session was there to be ended, or it had moved away as a whole; never both.
        left = [sid for sid in (SID, NEW_SID) if provider.read(sid) is not None]
        assert left == ([] if logging_out.result() else [NEW_SID])
        provider.destroy(NEW_SID)


def test_closing_the_provider_closes_its_connections(make: Make, nodes: MemcachedServers) -> None:
    before = nodes.connections()
    provider = make()
    for number in range(10):
        provider.read(f"{number:032x}")
    assert nodes.connections() == before + 2
    provider.close()
    eventually(lambda: nodes.connections() <= before)
