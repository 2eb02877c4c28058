"""Sessions in a database of the site's own: which transactions the async verbs are part of."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.db.utils import ConnectionHandler
from django.test import TestCase

from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.sql_async.conftest import Server

pytestmark = pytest.mark.parametrize("engine", [each for each in ENGINES if each.is_sql], indirect=True)

ALIAS = "sessions"


@pytest.fixture
def site(engine: RunningEngine, server: Server) -> Iterator[RunningEngine]:
    """The engine, on an entry of DATABASES that the rest of the site may use as well."""
    provider_class = engine.SessionStore.provider_class
    entry = provider_class.entry(server.provider_config)  # type: ignore[attr-defined]
    connections.settings[ALIAS] = ConnectionHandler({"default": {}, ALIAS: entry}).settings[ALIAS]
    with engine.configured(ALIAS=ALIAS):
        yield engine
    connections[ALIAS].close()
    del connections[ALIAS]
    del connections.settings[ALIAS]


def _save(site: RunningEngine, **data: object) -> str:
    store = site.SessionStore()
    store.update(data)
    store.save()
    assert store.session_key is not None
    return store.session_key


async def _asave(site: RunningEngine, **data: object) -> str:
    store = site.SessionStore()
    await store.aupdate(data)
    await store.asave()
    assert store.session_key is not None
    return store.session_key


async def _aload(site: RunningEngine, key: str) -> dict[str, object]:
    return dict(await site.SessionStore(key).aitems())


def _load(site: RunningEngine, key: str) -> dict[str, object]:
    return dict(site.SessionStore(key).items())


def _outcome(case: type[TestCase]) -> tuple[int, list[object]]:
    """Run the tests of a TestCase; return how many there were, and what failed."""
    result = unittest.defaultTestLoader.loadTestsFromTestCase(case).run(unittest.TestResult())
    return result.testsRun, [*result.errors, *result.failures]


def test_sync_and_async_verbs_of_a_testcase_see_the_same_rows_which_go_with_it(site: RunningEngine) -> None:
    keys: list[str] = []

    class Rows(TestCase):
        databases = {ALIAS}

        def test_async_after_sync(self) -> None:
            keys.append(_save(site, by="sync"))
            assert async_to_sync(_aload)(site, keys[-1]) == {"by": "sync"}

        def test_sync_after_async(self) -> None:
            keys.append(async_to_sync(_asave)(site, by="async"))
            assert _load(site, keys[-1]) == {"by": "async"}

        async def test_in_an_async_test(self) -> None:
            keys.append(await _asave(site, by="async"))
            assert await _aload(site, keys[-1]) == {"by": "async"}
            assert [*await asyncio.gather(*(_aload(site, keys[-1]) for _ in range(20)))] == [{"by": "async"}] * 20

    assert _outcome(Rows) == (3, [])
    assert [_load(site, key) for key in keys] == [{}] * 3


def test_async_code_in_an_atomic_block_is_undone_with_it(site: RunningEngine) -> None:
    with transaction.atomic(using=ALIAS):
        key = async_to_sync(_asave)(site, by="async")
        assert _load(site, key) == {"by": "async"}
        transaction.set_rollback(True, using=ALIAS)
    assert _load(site, key) == {}


def test_async_code_below_sync_code_without_a_transaction_is_committed_at_once(
    site: RunningEngine, server: Server
) -> None:
    key = async_to_sync(_asave)(site, by="async")
    assert server.execute("SELECT TRIM(session_key) FROM session") == [(key,)]


def test_a_loop_that_no_sync_code_waits_for_in_async_to_sync_is_in_no_transaction(site: RunningEngine) -> None:
    with transaction.atomic(using=ALIAS):
        connections[ALIAS].ensure_connection()
        key = asyncio.run(_asave(site, by="async"))
        transaction.set_rollback(True, using=ALIAS)
    assert _load(site, key) == {"by": "async"}


def test_a_task_that_outlives_the_sync_code_that_waited_is_in_no_transaction(site: RunningEngine) -> None:
    key = _save(site, by="sync")
    tasks: list[asyncio.Task[dict[str, object]]] = []
    waited = asyncio.Event()

    async def late() -> dict[str, object]:
        await waited.wait()
        return await _aload(site, key)

    async def begin() -> None:
        tasks.append(asyncio.create_task(late()))

    async def main() -> dict[str, object]:
        await sync_to_async(async_to_sync(begin))()
        waited.set()
        return await tasks[0]

    assert asyncio.run(main()) == {"by": "sync"}


@pytest.mark.parametrize(("async_pool", "connections_more"), [(True, 1), (False, 0)], ids=["pool", "no-pool"])
def test_without_async_pool_postgresql_uses_the_connection_of_the_site(
    site: RunningEngine, server: Server, async_pool: bool, connections_more: int
) -> None:
    async def used(key: str) -> int:
        assert await _aload(site, key) == {"by": "sync"}
        return len(server.connections())

    if site.name != "postgresql":
        connections_more = 1  # whose threads have connections of their own in any case
    with site.configured(ALIAS=ALIAS, ASYNC_POOL=async_pool):
        key = _save(site, by="sync")
        before = len(server.connections())
        assert async_to_sync(used)(key) == before + connections_more
