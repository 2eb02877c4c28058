"""Threads, event loops and forks: who holds which connection, and until when."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from beesession.engines.couchbase import CouchbaseProvider
from beesession.provider import Conflict, Record
from beesession.testing import Verbs
from beesession_tests.engines.couchbase_engine.records import HOUR, NEW_SID, SID, Make, config, stored
from beesession_tests.servers import CouchbaseServer

PER_HANDLE = 2
"""Connections of one handle: one to the cluster, one to the bucket."""


def settled(server: CouchbaseServer, expected: int) -> int:
    """Return how many connections are open, once that is as expected, or after two seconds."""
    deadline = time.monotonic() + 2
    while server.connections() != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return server.connections()


def program(source: str, server: CouchbaseServer) -> tuple[int, str, str]:
    """Run a program with the server's provider string; return its exit status and what it printed and complained of."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source, server.provider_config],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "beesession_tests.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_eight_threads_lose_no_update_and_share_one_handle(
    provider: CouchbaseProvider, server: CouchbaseServer
) -> None:
    before = server.connections()

    def append(mark: bytes) -> None:
        provider.create(SID, b"", HOUR)
        for _ in range(10):
            while True:
                record = provider.read(SID)
                assert record is not None
                try:
                    provider.swap(SID, record, record.data + mark, HOUR)
                    break
                except Conflict:
                    pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(append, [b"%d" % number for number in range(8)]))
    assert sorted(Verbs(provider, None).data(SID) or b"") == sorted(b"01234567" * 10)
    assert server.connections() == before + PER_HANDLE


@pytest.mark.slow
@pytest.mark.crowd
def test_two_hundred_tasks_share_one_handle(provider: CouchbaseProvider, server: CouchbaseServer) -> None:
    stored(Verbs(provider, None))
    before = server.connections()

    async def read_at_once() -> tuple[list[Record | None], int]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(200))), server.connections()

    found, during = asyncio.run(read_at_once())
    assert [record.data for record in found if record] == [b"data"] * 200
    assert during == before + PER_HANDLE


def test_two_event_loops_have_a_handle_each(provider: CouchbaseProvider, server: CouchbaseServer) -> None:
    before = server.connections()

    async def write_and_read(sid: str) -> bytes:
        for number in range(20):
            await provider.acreate(sid, b"0", HOUR)
            record = await provider.aread(sid)
            assert record is not None
            await provider.aswap(sid, record, b"%d" % number, HOUR)
        record = await provider.aread(sid)
        assert record is not None
        return record.data

    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(asyncio.run, write_and_read(sid)) for sid in (SID, NEW_SID)]
        assert [each.result(timeout=30) for each in runs] == [b"19", b"19"]
    assert settled(server, before) == before


def test_ten_event_loops_one_after_another_leave_nothing(provider: CouchbaseProvider, server: CouchbaseServer) -> None:
    before, threads = server.connections(), len(os.listdir("/proc/self/task"))
    for _ in range(10):
        asyncio.run(provider.aread(SID))
    assert settled(server, before) == before
    assert len(os.listdir("/proc/self/task")) <= threads + 1


LOOPS = """
import asyncio, sys
from beesession.conf import Options
from beesession.engines.couchbase import CouchbaseProvider

provider = CouchbaseProvider.from_config(sys.argv[1], Options())
for _ in range(5):
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(provider.aread("0" * 32)) is None
    loop.close()
assert provider.read("0" * 32) is None
print("done")
"""


def test_loops_that_are_closed_bare_do_no_harm(server: CouchbaseServer) -> None:
    """A handle that is left to Python's collector can crash the process; hence one of its own."""
    before = server.connections()
    assert program(LOOPS, server) == (0, "done\n", "")
    assert settled(server, before) == before


def test_closing_the_provider_closes_what_threads_and_loops_hold(make: Make, server: CouchbaseServer) -> None:
    before = server.connections()
    provider = make()

    async def close_while_it_is_in_use() -> None:
        await provider.aread(SID)
        await asyncio.to_thread(provider.read, SID)
        assert server.connections() == before + 2 * PER_HANDLE
        provider.close()
        await asyncio.sleep(0.1)

    asyncio.run(close_while_it_is_in_use())
    assert settled(server, before) == before


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "wrong", [{"bucket": "sesions"}, {"save_path": "couchbase://bee:wasp@{}"}], ids=["bucket", "pw"]
)
def test_failures_to_connect_leave_nothing(make: Make, server: CouchbaseServer, wrong: dict[str, str]) -> None:
    before, threads = server.connections(), len(os.listdir("/proc/self/task"))
    address = f"{server.host}:{server.port}"
    provider = make(config(server, **{key: value.format(address) for key, value in wrong.items()}))
    for _ in range(2):
        for act in (lambda: provider.read(SID), lambda: asyncio.run(provider.aread(SID))):
            with pytest.raises(Exception, match="out of reach"):
                act()
    gc.collect()
    assert settled(server, before) == before
    assert len(os.listdir("/proc/self/task")) <= threads + 1


MISSES: dict[str, Callable[[CouchbaseProvider, Record], object]] = {
    "unknown": lambda provider, record: provider.aread(NEW_SID),
    "taken": lambda provider, record: provider.acreate(SID, b"", HOUR),
}


@pytest.mark.parametrize("miss", MISSES.values(), ids=MISSES.keys())
def test_misses_leave_nothing_in_memory(
    provider: CouchbaseProvider, miss: Callable[[CouchbaseProvider, Record], object]
) -> None:
    """The SDK alone would keep some twenty objects for each, and no collector would find them."""

    async def objects_after_misses() -> int:
        record = await provider.acreate(SID, b"data", HOUR)
        assert record is not None
        for _ in range(10):
            await miss(provider, record)  # type: ignore[misc]
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(200):
            await miss(provider, record)  # type: ignore[misc]
        gc.collect()
        return len(gc.get_objects()) - before

    assert asyncio.run(objects_after_misses()) < 100


def test_sessions_are_counted_while_others_are_at_work(provider: CouchbaseProvider) -> None:
    """An async scan of the SDK's own would stop the whole process for ever."""

    async def count_while_busy() -> set[int | None]:
        await provider.acreate(SID, b"data", HOUR)
        busy = [asyncio.ensure_future(keep_reading()) for _ in range(20)]
        counted = {(await provider.aactive()).number for _ in range(10)}
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        return counted

    async def keep_reading() -> None:
        while True:
            await provider.aread(SID)

    assert asyncio.run(count_while_busy()) == {1}


FORKS = """
import os, sys
from beesession.conf import Options
from beesession.engines.couchbase import CouchbaseProvider

provider = CouchbaseProvider.from_config(sys.argv[1], Options())
assert provider.read("0" * 32) is None
child = os.fork()
assert provider.read("0" * 32) is None
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("done")
"""


def test_a_child_process_can_end_like_any_other(server: CouchbaseServer) -> None:
    assert program(FORKS, server) == (0, "done\n", "")
