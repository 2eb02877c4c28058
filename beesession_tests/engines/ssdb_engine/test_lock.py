"""What the lock of the ssdb engine achieves, and what it leaves undone: protocol tests against our own stand-in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from beesession.engines import ssdb as engine_module
from beesession.engines.ssdb import SSDBProvider
from beesession.provider import Conflict, Record, Unavailable
from beesession.ssdb_protocol import Reply, Request
from beesession.testing import ProviderContract
from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.engines.ssdb_engine.records import (
    HOUR,
    LOCK,
    NEW_SID,
    SID,
    VERBS,
    Make,
    data_of,
    everything,
    stored,
    ttl,
)  # fmt: skip
from beesession_tests.faults import Proxy
from beesession_tests.races import test_races as races
from beesession_tests.races.crowd import Crowd, crowd, processes
from beesession_tests.servers import SSDBServer

only_ssdb = pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "ssdb"], indirect=True)


# While no holder stalls --------------------------------------------------------------------------------------


class TestItComparesAndSetsWhileNoHolderStalls(ProviderContract):
    """The conformance suite, as for an engine whose Capabilities promise ``swap``."""

    @pytest.fixture
    def provider(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> SSDBProvider:
        monkeypatch.setattr(SSDBProvider, "capabilities", replace(SSDBProvider.capabilities, swap=True))
        return make()


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with processes() as pool:
        yield pool


@pytest.fixture
def racers(engine: RunningEngine, pool: Executor) -> Iterator[Crowd]:
    with crowd(engine, pool) as gathered:
        yield gathered


@pytest.mark.slow
@only_ssdb
@pytest.mark.parametrize(
    "race",
    [
        races.test_of_two_hundred_writes_of_eight_workers_none_is_lost,
        races.test_of_four_hundred_rotations_against_a_logout_none_revives_a_session,
        races.test_of_eight_rotations_of_a_login_one_happens_and_one_key_opens_it,
        races.test_eight_logins_of_as_many_users_leave_one_login_whole,
    ],
    ids=["writes", "rotation-and-logout", "rotations", "logins"],
)
def test_a_race_of_processes_ends_as_with_other_engines(engine: RunningEngine, racers: Crowd, race: Any) -> None:
    race(engine, racers)


@pytest.mark.slow
@only_ssdb
@pytest.mark.parametrize("change", [True, False], ids=["save", "touch"])
def test_no_late_save_brings_a_session_back(engine: RunningEngine, racers: Crowd, change: bool) -> None:
    races.test_of_four_hundred_races_against_a_logout_none_brings_the_session_back(engine, racers, change)


# Whose lock it is --------------------------------------------------------------------------------------------


def test_a_reader_does_not_wait_for_a_lock(provider: SSDBProvider, server: SSDBServer) -> None:
    stored(provider)
    server.admin.send((b"setx", LOCK, b"another's", b"60"))
    assert data_of(provider) == b"data"


def test_a_writer_waits_until_the_lock_is_released(provider: SSDBProvider, server: SSDBServer) -> None:
    record = stored(provider)
    server.admin.send((b"setx", LOCK, b"another's", b"60"))
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(provider.swap, SID, record, b"new", HOUR)
        time.sleep(0.2)
        assert not writing.done()
        assert data_of(provider) == b"data"
        server.admin.send((b"del", LOCK))
        assert writing.result(timeout=5).data == b"new"


def test_a_lock_that_nobody_releases_is_unavailable_and_left_alone(
    provider: SSDBProvider, server: SSDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "PATIENCE", 0.3)
    record = stored(provider)
    server.admin.send((b"setx", LOCK, b"another's", b"60"))
    for verb in ("swap", "regenerate", "destroy"):
        with pytest.raises(Unavailable, match="lock"):
            VERBS[verb](provider, record)
    assert everything(server) == {SID.encode(): b"data", LOCK: b"another's"}


@pytest.mark.slow
def test_the_lock_of_a_holder_that_died_before_it_had_an_expiry_is_outlived(
    provider: SSDBProvider, server: SSDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LOCK_SECONDS", 1)
    record = stored(provider)
    server.admin.send((b"setnx", LOCK, b"of the dead"))
    assert ttl(server, LOCK) == -1
    began = time.monotonic()
    provider.swap(SID, record, b"new", HOUR)
    assert 0.9 < time.monotonic() - began < engine_module.PATIENCE
    assert everything(server) == {SID.encode(): b"new"}


def test_patience_outlives_a_lock_and_a_page_does_not_outlive_ten_seconds() -> None:
    assert engine_module.WRITE_WITHIN < engine_module.LOCK_SECONDS < engine_module.PATIENCE < 10


def test_a_holder_that_was_slow_writes_nothing(
    provider: SSDBProvider, server: SSDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "WRITE_WITHIN", -1.0)
    record = stored(provider)
    for verb in ("swap", "destroy"):
        server.admin.send((b"del", LOCK))
        with pytest.raises(Unavailable, match="slow"):
            VERBS[verb](provider, record)
    assert data_of(provider) == b"data"
    assert ttl(server, LOCK) > 0, "it is left to expire, since it may be another's by now"


@pytest.mark.parametrize("verb", ["swap", "regenerate", "destroy"])
def test_a_holder_that_had_to_wait_for_a_connection_writes_nothing(
    make: Make, server: SSDBServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    provider = make({"host": server.host, "port": server.port, "pool_size": 1})
    record = stored(provider)
    delay_the_release(provider, monkeypatch)
    with pytest.raises(Unavailable, match="slow"):
        VERBS[verb](provider, record)
    left = everything(server)
    assert left.pop(LOCK)
    assert left == {SID.encode(): b"data"}


def test_a_holder_that_had_to_wait_for_a_connection_leaves_the_lock_which_may_be_anothers(
    make: Make, server: SSDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make({"host": server.host, "port": server.port, "pool_size": 1})
    stored(provider)
    delay_the_release(provider, monkeypatch)
    with pytest.raises(Conflict):
        provider.swap(SID, Record(b"another"), b"new", HOUR)
    assert ttl(server, LOCK) > 0


def delay_the_release(provider: SSDBProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the only connection be in use when a lock is to be released, until it is too late for that."""
    send = provider._client.send

    def send_on_a_busy_pool(*requests: Request, **options: Any) -> list[Reply]:
        if requests[-1] == (b"del", LOCK):
            borrowed = provider._client._pool().connection()
            borrowed.__enter__()
            threading.Timer(0.4, borrowed.__exit__, (None, None, None)).start()
        return send(*requests, **options)

    monkeypatch.setattr(engine_module, "WRITE_WITHIN", 0.2)
    monkeypatch.setattr(provider._client, "send", send_on_a_busy_pool)


@pytest.mark.parametrize(
    "act",
    [
        lambda provider, record: provider.aswap(SID, record, b"new", HOUR),
        lambda provider, record: provider.atouch(SID, record, 0),
        lambda provider, record: provider.aregenerate(SID, NEW_SID, record, b"new", HOUR),
        lambda provider, record: provider.adestroy(SID),
    ],
    ids=["aswap", "atouch", "aregenerate", "adestroy"],
)
def test_a_task_that_waits_for_a_lock_keeps_no_thread_from_the_others(
    provider: SSDBProvider, server: SSDBServer, act: Callable[[SSDBProvider, Record], Coroutine[Any, Any, Any]]
) -> None:
    record = stored(provider)
    server.admin.send((b"setx", LOCK, b"another's", b"60"))

    async def read_during_a_write() -> Record | None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        writing = asyncio.create_task(act(provider, record))
        await asyncio.sleep(0.1)
        found = await provider.aread(SID)
        assert not writing.done()
        server.admin.send((b"del", LOCK))
        await writing
        return found

    found = asyncio.run(read_during_a_write())
    assert found is not None
    assert found.data == b"data"
    assert data_of(provider) != b"data"


def test_who_finds_another_token_in_the_lock_writes_nothing_until_it_is_free(
    provider: SSDBProvider, server: SSDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "PATIENCE", 0.3)
    record, send = stored(provider), provider._client.send

    def lose_the_lock(*requests: Request, **options: Any) -> list[Reply]:
        if requests[0][0] == b"expire":
            server.admin.send((b"set", LOCK, b"another's"))
        return send(*requests, **options)

    monkeypatch.setattr(provider._client, "send", lose_the_lock)
    with pytest.raises(Unavailable, match="lock"):
        provider.swap(SID, record, b"new", HOUR)
    assert everything(server) == {SID.encode(): b"data", LOCK: b"another's"}


@pytest.mark.slow
def test_after_a_lost_reply_the_lock_holds_the_next_writer_off_until_it_expires(
    behind: SSDBProvider, provider: SSDBProvider, proxy: Proxy, server: SSDBServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LOCK_SECONDS", 1)
    record = stored(behind)
    proxy.lose_reply(after=1)  # of the request that reads under the lock
    with pytest.raises(Unavailable):
        behind.swap(SID, record, b"new", HOUR)
    assert data_of(provider) == b"data"
    assert LOCK in everything(server)
    provider.swap(SID, record, b"after", HOUR)
    assert everything(server) == {SID.encode(): b"after"}


def test_writers_of_different_sessions_do_not_wait_for_each_other(provider: SSDBProvider, server: SSDBServer) -> None:
    server.admin.send((b"setx", LOCK, b"another's", b"60"))
    sids = [f"{number:032x}" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda sid: provider.swap(sid, stored(provider, sid=sid), b"new", HOUR), sids))
    assert [record.data for record in made] == [b"new"] * 8


def test_twenty_threads_lose_no_update(provider: SSDBProvider) -> None:
    stored(provider, b"")
    start = threading.Barrier(20)

    def append(mark: bytes) -> None:
        start.wait(timeout=10)
        record = provider.read(SID)
        for _ in range(5):
            while True:
                assert record is not None
                try:
                    record = provider.swap(SID, record, record.data + mark, HOUR)
                    break
                except Conflict as conflict:
                    record = conflict.record

    marks = [bytes([ord("a") + number]) for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(append, marks))
    assert sorted(data_of(provider) or b"") == sorted(b"".join(marks) * 5)
