"""Django's own ``clearsessions`` works with each engine."""

from __future__ import annotations

import pytest

from beesession_tests.commands.conftest import HOUR, run, stored, wait_until
from beesession_tests.engines import RunningEngine


def test_it_removes_the_expired_and_leaves_the_live(engine: RunningEngine) -> None:
    (live,) = stored(engine, 1, HOUR)
    expired = stored(engine, 3, 1)
    # One after the other: the nodes of a store need not count the same second.
    wait_until(lambda: all(engine.provider.read(sid) is None for sid in expired))
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
