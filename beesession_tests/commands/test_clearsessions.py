"""Django's own ``clearsessions`` works with each engine."""

from __future__ import annotations

import time

import pytest

from beesession_tests.commands.conftest import HOUR, run, stored
from beesession_tests.engines import RunningEngine


def test_it_removes_the_expired_and_leaves_the_live(engine: RunningEngine) -> None:
    (live,) = stored(engine, 1, HOUR)
    stored(engine, 3, 1)
    time.sleep(1.1)
    outcome = run("clearsessions")
    assert (outcome.code, outcome.out, outcome.error) == (0, "", "")
    assert engine.provider.read(live) is not None
    if engine.capabilities.gc:
        assert engine.provider.gc(100).removed == 0
    if engine.capabilities.active:
        assert engine.provider.active().number == 1


@pytest.mark.parametrize("command", ["clearsessions", "session_gc"])
def test_a_store_without_sessions_is_no_error(engine: RunningEngine, command: str) -> None:
    assert run(command).code == 0
