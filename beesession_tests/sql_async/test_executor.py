"""A bounded number of threads for the async verbs."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db.utils import OperationalError

from beesession.sql import executor as module
from beesession.sql.executor import SIZE, BoundedExecutor, sync_code_waits
from beesession_tests.servers.base import eventually


@pytest.fixture
def executor() -> Iterator[BoundedExecutor]:
    made = BoundedExecutor()
    yield made
    made.close()


def test_a_function_runs_in_another_thread_and_its_result_comes_back(executor: BoundedExecutor) -> None:
    thread = asyncio.run(executor.run(threading.current_thread))
    assert thread is not threading.current_thread()
    assert asyncio.run(executor.run(divmod, 7, 2)) == (3, 1)


def test_what_a_function_raises_comes_back(executor: BoundedExecutor) -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(executor.run(divmod, 7, 0))


def test_a_crowd_shares_a_bounded_number_of_threads(executor: BoundedExecutor) -> None:
    all_in = threading.Barrier(SIZE)

    def meet() -> str:
        all_in.wait(10)
        return threading.current_thread().name

    async def crowd() -> list[str]:
        return await asyncio.gather(*(executor.run(meet) for _ in range(5 * SIZE)))

    assert len({*asyncio.run(crowd())}) == SIZE


def test_threads_end_with_the_executor(executor: BoundedExecutor) -> None:
    thread = asyncio.run(executor.run(threading.current_thread))
    assert thread.is_alive()
    executor.close()
    eventually(lambda: not thread.is_alive())


def _all_busy(executor: BoundedExecutor, release: threading.Event) -> list[asyncio.Task[bool]]:
    return [asyncio.ensure_future(executor.run(release.wait, 10)) for _ in range(SIZE)]  # type: ignore[misc]


def test_whoever_gets_no_thread_in_time_is_told_so_and_nothing_is_run(
    executor: BoundedExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    release, ran = threading.Event(), threading.Event()

    async def crowd() -> None:
        busy = _all_busy(executor, release)
        await asyncio.sleep(0)
        with pytest.raises(OperationalError, match="became free"):
            await executor.run(ran.set)
        release.set()
        assert await asyncio.gather(*busy) == [True] * SIZE
        assert await executor.run(ran.is_set) is False

    asyncio.run(crowd())


def test_a_call_runs_to_its_end_though_its_task_is_cancelled(executor: BoundedExecutor) -> None:
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        if release.wait(10):
            ended.set()

    async def cancelled() -> None:
        task = asyncio.ensure_future(executor.run(act))
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()

    asyncio.run(cancelled())
    assert ended.wait(10)


def test_a_task_that_is_cancelled_while_it_waits_for_a_thread_runs_nothing(executor: BoundedExecutor) -> None:
    release, ran = threading.Event(), threading.Event()

    async def crowd() -> None:
        busy = _all_busy(executor, release)
        waiting = asyncio.ensure_future(executor.run(ran.set))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        release.set()
        await asyncio.wait(busy)
        assert await executor.run(ran.is_set) is False

    asyncio.run(crowd())


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_has_threads_of_its_own(executor: BoundedExecutor) -> None:
    asyncio.run(executor.run(threading.current_thread))

    def child() -> None:
        assert asyncio.run(executor.run(divmod, 7, 2)) == (3, 1)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(20)
    assert process.exitcode == 0


def test_it_is_known_whether_sync_code_waits_for_a_task() -> None:
    async def asks() -> bool:
        return sync_code_waits()

    async def asks_in_a_task() -> bool:
        return await asyncio.ensure_future(asks())

    async def asks_below_sync_code() -> bool:
        return await sync_to_async(lambda: async_to_sync(asks)())()

    assert async_to_sync(asks)() is True
    assert async_to_sync(asks_in_a_task)() is True
    assert asyncio.run(asks()) is False
    assert asyncio.run(asks_below_sync_code()) is True
