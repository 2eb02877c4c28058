"""Hanging up on a server that does not answer in time."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count

import pytest

from beesession.sql.deadlines import deadline

_names = count(1)


@pytest.fixture
def seconds() -> float:
    """A time that no other test waits, and so a thread of its own."""
    return 0.05 + next(_names) / 10**6


@contextmanager
def _no_file_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))  # and 0 is in use
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _is_ended_in_time(seconds: float) -> bool:
    ours, server = socket.socketpair()
    with closing(ours), closing(server):
        ours.settimeout(5)
        with deadline(ours.fileno(), seconds):
            return ours.recv(1) == b""


def test_who_waits_for_too_long_finds_the_connection_ended(seconds: float) -> None:
    assert _is_ended_in_time(seconds)


def test_who_gets_an_answer_keeps_the_connection(seconds: float) -> None:
    ours, server = socket.socketpair()
    with closing(ours), closing(server):
        with deadline(ours.fileno(), seconds):
            pass
        time.sleep(3 * seconds)
        server.send(b"here")
        assert ours.recv(4) == b"here"


def test_a_connection_that_was_closed_meanwhile_disturbs_no_later_deadline(seconds: float) -> None:
    fileno = os.open(os.devnull, os.O_RDONLY)
    with deadline(fileno, seconds):
        os.close(fileno)
        time.sleep(3 * seconds)
    assert _is_ended_in_time(seconds)


def test_a_process_without_a_file_left_hangs_up_all_the_same(seconds: float) -> None:
    ours, server = socket.socketpair()
    with closing(ours), closing(server), _no_file_left():
        ours.settimeout(5)
        with deadline(ours.fileno(), seconds):
            assert ours.recv(1) == b""


def test_a_process_without_a_thread_left_has_deadlines_again_when_it_has(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError, match="new thread"):
            _is_ended_in_time(seconds)
    assert _is_ended_in_time(seconds)
