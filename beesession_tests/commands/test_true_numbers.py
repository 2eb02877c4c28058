"""A thousand live sessions and five hundred expired ones: the commands tell the truth about them, on each engine."""

from __future__ import annotations

import json

import pytest

from beesession_tests.commands.conftest import HOUR, run, stored, wait_until
from beesession_tests.engines import ENGINES, RunningEngine, engines_with

LIVE, EXPIRED = 1000, 500

STORES_THAT_EXPIRE = [each for each in engines_with("store_expires") if not each.capabilities.gc]


@pytest.fixture
def live(engine: RunningEngine) -> list[str]:
    """The ids of the live sessions; the expired ones are there, too."""
    ids = stored(engine, LIVE, HOUR)
    expired = stored(engine, EXPIRED, 1)
    # One after the other: the nodes of a store need not count the same second.
    wait_until(lambda: all(engine.provider.read(sid) is None for sid in expired))
    return ids


def told_as_live() -> int | None:
    """Return the number of ``session_active``, which is the same for people and for programs."""
    told = json.loads(run("session_active", "--json").out)
    assert told["how"]
    assert run("session_active").out.startswith(f"{told['active']} live sessions")
    number: int | None = told["active"]
    return number


@pytest.mark.parametrize("engine", engines_with("gc", "active"), indirect=True)
def test_the_expired_are_not_counted_and_are_what_is_removed(engine: RunningEngine, live: list[str]) -> None:
    assert told_as_live() == LIVE
    assert run("session_gc", "--dry-run").out.startswith("500 expired sessions would be removed.")
    assert run("session_gc", "--batch", "120").out.startswith("500 expired sessions removed.")
    assert run("session_gc").out.startswith("0 expired sessions removed.")
    assert told_as_live() == LIVE
    assert all(engine.provider.read(sid) is not None for sid in live)


@pytest.mark.parametrize("engine", [each for each in STORES_THAT_EXPIRE if each.capabilities.active], indirect=True)
def test_a_store_that_expires_sessions_itself_is_counted_truly(engine: RunningEngine, live: list[str]) -> None:
    assert told_as_live() == LIVE
    assert all(engine.provider.read(sid) is not None for sid in live)


@pytest.mark.parametrize("engine", STORES_THAT_EXPIRE, indirect=True)
def test_session_gc_leaves_to_the_store_what_it_does_itself(engine: RunningEngine) -> None:
    (live,) = stored(engine, 1, HOUR)
    outcome = run("session_gc")
    assert outcome.code == 0
    assert outcome.out == f"Sessions of the {engine.name} engine expire by themselves: there is nothing to do.\n"
    assert engine.provider.read(live) is not None


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "cookie"], indirect=True)
@pytest.mark.usefixtures("engine", "live")
def test_session_active_says_plainly_that_cookies_cannot_be_counted() -> None:
    outcome = run("session_active")
    assert outcome.code == 0
    assert outcome.out == "unknown\nThe cookie engine keeps sessions in the browsers, where nobody can count them.\n"
    assert json.loads(run("session_active", "--json").out)["active"] is None
