"""The SQL engines under many requests, and when connections end: connections are counted at the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from beesession import conf
from beesession.conf import Options
from beesession.exceptions import SessionGone
from beesession.provider import Record, Unavailable
from beesession.sql import asyncpool, executor
from beesession.sql.asyncpool import SIZE
from beesession.sql.provider import TableMissing
from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.faults import Proxy, Stream
from beesession_tests.servers.base import eventually
from beesession_tests.sql_async.conftest import Server, locked

pytestmark = pytest.mark.parametrize("engine", [each for each in ENGINES if each.is_sql], indirect=True)


@pytest.fixture(params=["sync", "async"])
def visit(request: pytest.FixtureRequest) -> Callable[[RunningEngine, str], None]:
    """A request that adds one to ``count``."""
    return _visit if request.param == "sync" else lambda engine, key: asyncio.run(_avisit(engine, key))


def _visit(engine: RunningEngine, key: str) -> None:
    store = engine.SessionStore(key)
    store["count"] += 1
    store.save()


async def _avisit(engine: RunningEngine, key: str) -> None:
    store = engine.SessionStore(key)
    await store.aset("count", await store.aget("count") + 1)
    await store.asave()


def _new_id(engine: RunningEngine) -> str:
    return engine.provider.ids(conf.options()).new()


def _count(engine: RunningEngine, key: str) -> Any:
    return engine.SessionStore(key).get("count")


# Crowds -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.crowd
def test_a_thousand_reads_that_fail_leak_no_connection(engine: RunningEngine, server: Server) -> None:
    key = engine.session_of(count=0)

    async def crowd() -> set[type]:
        reads = (engine.provider.aread(key) for _ in range(1000))
        return {type(outcome) for outcome in await asyncio.gather(*reads, return_exceptions=True)}

    server.execute("ALTER TABLE session RENAME TO session_elsewhere")
    try:
        assert asyncio.run(crowd()) == {TableMissing}
    finally:
        server.execute("ALTER TABLE session_elsewhere RENAME TO session")
    assert len(server.connections()) <= SIZE
    assert _count(engine, key) == 0
    asyncio.run(_avisit(engine, key))
    assert _count(engine, key) == 1


def test_tasks_that_are_cancelled_in_mid_statement_spoil_no_connection(engine: RunningEngine, server: Server) -> None:
    key = engine.session_of(count=0)

    async def crowd() -> list[Record | None]:
        with locked(server):
            reads = [asyncio.ensure_future(engine.provider.aread(key)) for _ in range(5 * SIZE)]
            await asyncio.sleep(0.2)
            for read in reads:
                read.cancel()
            outcomes = await asyncio.gather(*reads, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        return await asyncio.gather(*(engine.provider.aread(key) for _ in range(5 * SIZE)))

    assert {record and record.sid for record in asyncio.run(crowd())} == {key}


def test_the_loop_goes_on_while_the_database_makes_a_session_wait(engine: RunningEngine, server: Server) -> None:
    key = engine.session_of(count=0)

    async def ticks_during_a_read() -> int:
        ticks = 0
        with locked(server):
            reads = [asyncio.ensure_future(engine.provider.aread(key)) for _ in range(2 * SIZE)]
            for _ in range(30):
                await asyncio.sleep(0.01)
                ticks += not any(read.done() for read in reads)
        assert all(await asyncio.gather(*reads))
        return ticks

    began = time.monotonic()
    assert asyncio.run(ticks_during_a_read()) == 30
    assert time.monotonic() - began < 10


def test_the_log_can_tell_that_all_connections_were_busy(
    engine: RunningEngine, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (asyncpool, executor):
        monkeypatch.setattr(module, "SIZE", 1)
        monkeypatch.setattr(module, "TIMEOUT", 0.05)
    key = engine.session_of(count=0)
    provider = type(engine.provider).from_config(server.provider_config, Options())

    async def crowd() -> BaseException | None:
        with locked(server):
            first = asyncio.ensure_future(provider.aread(key))
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as caught:
                await provider.aread(key)
        assert await first is not None
        return caught.value.__cause__

    try:
        assert "became free within" in str(asyncio.run(crowd()))
    finally:
        provider.close()


# Connections that end ---------------------------------------------------------------------------------------


def test_connections_that_the_server_ends_between_requests_cost_nothing(
    engine: RunningEngine, server: Server, visit: Callable[[RunningEngine, str], None]
) -> None:
    key = engine.session_of(count=0)
    for _ in range(3):
        visit(engine, key)
        server.disconnect_clients()
    assert _count(engine, key) == 3


def test_connections_that_the_server_ends_between_requests_of_one_loop_cost_nothing(
    engine: RunningEngine, server: Server
) -> None:
    key = engine.session_of(count=0)

    async def requests() -> None:
        for _ in range(3):
            await _avisit(engine, key)
            assert server.disconnect_clients() >= 1

    asyncio.run(requests())
    assert _count(engine, key) == 3


def test_a_restart_of_the_database_between_requests_costs_nothing(
    engine: RunningEngine, server: Server, visit: Callable[[RunningEngine, str], None]
) -> None:
    key = engine.session_of(count=0)
    visit(engine, key)
    server.restart()
    visit(engine, key)
    assert _count(engine, key) == 2


@pytest.mark.parametrize("swap", ["sync", "async"])
def test_a_write_whose_connection_ends_in_the_middle_is_not_sent_again(
    engine: RunningEngine, server: Server, swap: str
) -> None:
    provider = engine.provider
    record = provider.create(_new_id(engine), b"before", 100)
    assert record is not None

    def write() -> Record:
        if swap == "sync":
            return provider.swap(record.sid, record, b"after", 100)
        return asyncio.run(provider.aswap(record.sid, record, b"after", 100))

    server.disconnect_clients()
    with ThreadPoolExecutor(1) as thread:
        with locked(server):
            writing = thread.submit(write)
            eventually(lambda: server.disconnect_clients() > 0)
        with pytest.raises(Unavailable):
            writing.result(20)
    found = provider.read(record.sid)
    assert found is not None
    assert found.data == b"before"


def test_a_logout_stays_one_though_connections_end(
    engine: RunningEngine, server: Server, visit: Callable[[RunningEngine, str], None]
) -> None:
    key = engine.session_of(count=0)
    store = engine.SessionStore(key)
    store["count"] += 1
    server.disconnect_clients()
    engine.SessionStore(key).flush()
    server.disconnect_clients()
    with pytest.raises(SessionGone):
        store.save()
    assert _count(engine, key) is None


# Loops and processes ----------------------------------------------------------------------------------------


def test_loops_one_after_another_leave_no_connections_behind(engine: RunningEngine, server: Server) -> None:
    key = engine.session_of(count=0)
    server.disconnect_clients()
    for _ in range(5):
        asyncio.run(_avisit(engine, key))
    # An engine that is native async closes what a loop had; the others keep what they will use again.
    kept = 0 if engine.capabilities.native_async else 1
    eventually(lambda: len(server.connections()) == kept)
    assert _count(engine, key) == 5


def test_two_loops_at_the_same_time_do_not_disturb_each_other(engine: RunningEngine, server: Server) -> None:
    keys = [engine.session_of(count=0) for _ in range(2)]

    async def requests(key: str) -> None:
        for _ in range(20):
            await _avisit(engine, key)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda key: asyncio.run(requests(key)), keys))
    assert [_count(engine, key) for key in keys] == [20, 20]


def test_connections_are_closed_with_the_provider(engine: RunningEngine, server: Server) -> None:
    provider = type(engine.provider).from_config(server.provider_config, Options())

    async def use() -> None:
        await provider.aread(_new_id(engine))
        await asyncio.to_thread(provider.read, _new_id(engine))
        assert server.connections() != []
        provider.close()

    asyncio.run(use())
    eventually(lambda: server.connections() == [])


# A silent server --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_silent_server_is_unavailable_before_ten_seconds_are_over(engine: RunningEngine, server: Server) -> None:
    key = engine.session_of(count=0)
    with Proxy(server.port, Stream) as proxy, _loop() as connected_loop:
        config = server.provider_config.replace(f":{server.port}", f":{proxy.port}")
        connected, fresh = (type(engine.provider).from_config(config, Options()) for _ in range(2))
        assert connected.read(key) is not None
        assert connected_loop.run_until_complete(connected.aread(key)) is not None
        proxy.blackhole()
        with ThreadPoolExecutor(4) as threads:
            waits = threads.map(
                _seconds_until_unavailable,
                [
                    lambda: connected.read(key),
                    lambda: connected_loop.run_until_complete(connected.aread(key)),
                    lambda: fresh.read(key),
                    lambda: asyncio.run(fresh.aread(key)),
                ],
            )
            assert all(seconds < 10 for seconds in waits)
        proxy.heal()
        for provider in (connected, fresh):
            assert provider.read(key) is not None
            assert connected_loop.run_until_complete(provider.aread(key)) is not None
            provider.close()


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _seconds_until_unavailable(act: Callable[[], Any]) -> float:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        act()
    return time.monotonic() - began
