"""Connections under many requests, counted at the server of each engine that has one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from beesession import conf
from beesession.provider import Unavailable
from beesession.sql import asyncpool, executor
from beesession_tests.engines import WITH_SERVER, RunningEngine
from beesession_tests.servers import Servers

pytestmark = [pytest.mark.slow, pytest.mark.crowd]

TASKS, THREADS, REQUESTS = 200, 20, 1000
NODES = {"redis_cluster": 3, "memcache": 2}
POOL = 100
HANDLE = 2
"""Connections of one couchbase handle to a cluster of one node."""

OF_TASKS = {"mysql": executor.SIZE, "postgresql": asyncpool.SIZE, "couchbase": HANDLE}
"""By engine: connections of all the tasks of a process to one node; where it is silent, the pool's size."""


@pytest.fixture
def server(engine: RunningEngine, servers: Servers) -> Any:
    """The server, which no client is connected to."""
    server = getattr(servers, engine.engine.server)
    server.disconnect_clients()
    return server


def connections(server: Any) -> int:
    """Return how many connections a server has."""
    found: int | list[int] = server.connections()
    return found if isinstance(found, int) else len(found)


@pytest.mark.parametrize("engine", WITH_SERVER, indirect=True)
def test_a_thousand_requests_of_twenty_threads_need_a_connection_each_at_most(
    engine: RunningEngine, server: Any
) -> None:
    keys, before = [engine.session_of(count=0) for _ in range(THREADS)], connections(server)

    def visitor(key: str) -> None:
        for _ in range(REQUESTS // THREADS):
            store = engine.SessionStore(key)
            store["count"] += 1
            store.save()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(visitor, keys))
        assert connections(server) - before <= THREADS * NODES.get(engine.name, 1)
    assert [engine.SessionStore(key)["count"] for key in keys] == [REQUESTS // THREADS] * THREADS


@pytest.mark.parametrize("engine", WITH_SERVER, indirect=True)
def test_a_thousand_requests_of_two_hundred_tasks_share_what_is_configured(engine: RunningEngine, server: Any) -> None:
    keys, before = [engine.session_of(count=0) for _ in range(TASKS)], connections(server)

    async def visitor(key: str) -> None:
        for _ in range(REQUESTS // TASKS):
            store = engine.SessionStore(key)
            await store.aset("count", await store.aget("count") + 1)
            await store.asave()

    async def visitors() -> int:
        await asyncio.gather(*map(visitor, keys))
        return connections(server)

    limit = OF_TASKS.get(engine.name, POOL) * NODES.get(engine.name, 1)
    assert asyncio.run(visitors()) - before <= limit
    assert [engine.SessionStore(key)["count"] for key in keys] == [REQUESTS // TASKS] * TASKS


# Reads that fail --------------------------------------------------------------------------------------------


@contextmanager
def _stopped(*servers: Any) -> Iterator[None]:
    for server in servers:
        server.stop()
    yield
    for server in servers:
        server.start()


@contextmanager
def _refusing(server: Any) -> Iterator[None]:
    server.fail(0x84)  # an internal error
    yield
    server.heal()


TROUBLE: dict[str, Callable[[Any], AbstractContextManager[None]]] = {
    "memcache": lambda server: _stopped(*server.nodes),
    "couchbase": _refusing,
    "ledis": _stopped,
    "ssdb": _stopped,
}
"""What makes a read fail. The Redis and the SQL engines have tests of their own, with more than one kind of it."""


@pytest.mark.parametrize("engine", [each for each in WITH_SERVER if each.name in TROUBLE], indirect=True)
def test_a_thousand_reads_that_fail_leave_no_connection_behind(engine: RunningEngine, server: Any) -> None:
    provider, sid = engine.provider, engine.provider.ids(conf.options()).new()

    def fail(_: int) -> None:
        with pytest.raises(Unavailable):
            provider.read(sid)

    async def fail_async() -> None:
        for _ in range(REQUESTS // 2):
            with pytest.raises(Unavailable):
                await provider.aread(sid)

    with TROUBLE[engine.name](server), ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(fail, range(REQUESTS // 2)))
        asyncio.run(fail_async())
    before = connections(server)
    assert provider.read(sid) is None
    assert connections(server) - before <= HANDLE
    assert before <= (2 * HANDLE if engine.name == "couchbase" else 0)
