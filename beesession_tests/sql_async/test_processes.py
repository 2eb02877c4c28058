"""Connections when a child of the process ends, and when a signal comes in the middle of a statement."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.servers.base import eventually
from beesession_tests.sql_async.conftest import Server, locked

pytestmark = pytest.mark.parametrize("engine", [each for each in ENGINES if each.is_sql], indirect=True)

NOBODYS = "0" * 32


@contextmanager
def alarm(handler: Callable[..., None], seconds: float) -> Iterator[None]:
    """Have a signal come in so many seconds, and call a handler."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_that_raises_in_mid_statement_leaves_no_connection_to_the_next_one(
    engine: RunningEngine, server: Server
) -> None:
    class Interruption(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interruption

    is_locked, unlock = threading.Event(), threading.Event()

    def lock() -> None:
        with locked(server):
            is_locked.set()
            unlock.wait(0.5)  # MySQL's client lets the handler run only when it has the answer

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lock)
        assert is_locked.wait(10)
        with pytest.raises(Interruption), alarm(interrupt, 0.2):
            engine.provider.read(NOBODYS)
        unlock.set()
    eventually(lambda: server.connections() == [])
    assert engine.provider.read(NOBODYS) is None


END_OF_A_CHILD = """
import os, sys, django
from django.conf import settings

module, config = sys.argv[1:]
settings.configure(INSTALLED_APPS=["beesession"], SESSION_ENGINE=module, BEESESSION={"PROVIDER_CONFIG": config})
django.setup()
from importlib import import_module

provider = import_module(module).SessionStore.provider

def number():
    provider.read("0" * 32)
    with provider._database.lent() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if connection.vendor == "postgresql" else "SELECT CONNECTION_ID()")
        return cursor.fetchone()

before = number()
if child := os.fork():
    assert os.waitpid(child, 0) == (child, 0)
    print(before == number())
"""


@pytest.mark.slow
def test_the_end_of_a_child_ends_no_connection_of_its_parent(engine: RunningEngine, server: Server) -> None:
    script = ["-W", "ignore::DeprecationWarning", "-c", END_OF_A_CHILD]  # the watch of the deadlines is a thread
    command = [sys.executable, *script, engine.SessionStore.__module__, server.provider_config]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("True\n", "", 0)
