"""Writers of one session within one process take turns."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from beesession import turns
from beesession.turns import Turn


def test_threads_have_their_turns_one_after_another() -> None:
    inside: list[int] = []
    most = 0

    def write() -> None:
        nonlocal most
        turn = Turn("key")
        turn.take(10)
        inside.append(1)
        most = max(most, len(inside))
        time.sleep(0.001)
        inside.pop()
        turn.end()

    threads = [threading.Thread(target=write) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_tasks_have_their_turns_one_after_another() -> None:
    inside: list[int] = []
    most = 0

    async def write() -> None:
        nonlocal most
        turn = Turn("key")
        await turn.atake(10)
        inside.append(1)
        most = max(most, len(inside))
        await asyncio.sleep(0.001)
        inside.pop()
        turn.end()

    async def write_all() -> None:
        await asyncio.gather(*(write() for _ in range(20)))

    asyncio.run(write_all())
    assert most == 1


def test_writers_of_different_sessions_do_not_wait_for_each_other() -> None:
    one, other = Turn("one"), Turn("other")
    one.take(0)
    other.take(0)
    assert one._held is not None
    assert other._held is not None
    one.end()
    other.end()


def test_who_waits_too_long_goes_ahead_without_a_turn() -> None:
    first, second = Turn("key"), Turn("key")
    first.take(1)
    second.take(0.01)
    second.end()  # must not end the turn of the first
    third = Turn("key")
    third.take(0.01)
    assert third._held is None
    first.end()


def test_a_task_that_waits_too_long_goes_ahead_without_a_turn() -> None:
    async def wait() -> tuple[bool, bool]:
        first, second = Turn("key"), Turn("key")
        await first.atake(1)
        await second.atake(0.01)
        taken = first._held is not None, second._held is not None
        second.end()
        first.end()
        return taken

    assert asyncio.run(wait()) == (True, False)


def test_a_cancelled_task_lets_the_next_one_go_ahead() -> None:
    async def wait() -> bool:
        first, cancelled, last = Turn("key"), Turn("key"), Turn("key")
        await first.atake(1)
        waiting = asyncio.ensure_future(cancelled.atake(10))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        first.end()
        await last.atake(1)
        return last._held is not None

    assert asyncio.run(wait())


def test_a_turn_that_is_over_is_forgotten() -> None:
    turn = Turn("a session that nobody writes any more")
    turn.take(1)
    turn.end()
    assert "a session that nobody writes any more" not in turns._of_threads


def test_a_child_process_can_take_turns_though_a_thread_of_its_parent_held_the_guard() -> None:
    with turns._guard:
        child = os.fork()
        if child == 0:  # pragma: no cover
            turn = Turn("key")
            turn.take(1)
            os._exit(0 if turn._held is not None else 1)
    for _ in range(100):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
