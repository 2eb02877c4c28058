"""Send once, on the wire: a write whose reply is lost has run once, and its fate is told as unknown.

What the session makes of that is for the contract, on each engine: ``contract/test_lost_replies.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from beesession.conf import Options
from beesession.delta import add
from beesession.exceptions import SessionGone
from beesession.provider import Unavailable
from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.faults import Proxy
from beesession_tests.servers import Servers

pytestmark = pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "redis"], indirect=True)

ROUNDS = 12


@pytest.fixture
def proxy(servers: Servers) -> Iterator[Proxy]:
    with Proxy(servers.redis.port) as proxy:
        yield proxy


@pytest.fixture
def behind(engine: RunningEngine, proxy: Proxy) -> Iterator[Any]:
    """The engine's SessionStore, which reaches its server through the proxy. The server knows the scripts already."""
    rules = {"MERGE_RULES": {"count": add}}
    options = Options.from_mapping({"PROVIDER_CONFIG": f"{proxy.host}:{proxy.port}", **rules})
    with engine.configured(**rules):
        warm = engine.SessionStore(engine.session_of(count=0))
        warm["count"] += 1
        warm.save()
        warm.cycle_key()
        yield type("SessionStore", (engine.SessionStore,), {"options": options})


@pytest.fixture(params=["sync", "async"])
def save(request: pytest.FixtureRequest) -> Any:
    """How a session is saved: from a thread, or on an event loop."""
    return (lambda store: store.save()) if request.param == "sync" else (lambda store: asyncio.run(store.asave()))


def _unanswered(proxy: Proxy, write: Any, store: Any) -> None:
    """Write the session and lose the reply."""
    proxy.lose_reply("EVALSHA")
    with pytest.raises(Unavailable):
        write(store)


def test_a_counter_of_two_writers_ends_exact_though_replies_are_lost(
    engine: RunningEngine, behind: Any, proxy: Proxy, save: Any
) -> None:
    key = engine.session_of(count=0)
    unknown = 0
    for number in range(ROUNDS):
        mine, theirs = behind(key), engine.SessionStore(key)
        mine["count"] += 1
        theirs["count"] += 1
        if number % 2:
            theirs.save()
        elif number % 4 == 0:
            proxy.lose_reply("EVALSHA")
        try:
            save(mine)
        except Unavailable:
            unknown += 1
        if not number % 2:
            theirs.save()
    assert unknown == ROUNDS / 4
    assert engine.SessionStore(key)["count"] == 2 * ROUNDS


def test_a_write_whose_reply_is_lost_has_run_once(engine: RunningEngine, behind: Any, proxy: Proxy, save: Any) -> None:
    key = engine.session_of(count=0)
    store = behind(key)
    store["count"] += 1
    proxy.commands.clear()
    _unanswered(proxy, save, store)
    assert proxy.commands.count("EVALSHA") + proxy.commands.count("EVAL") == 1
    assert engine.SessionStore(key)["count"] == 1


def test_a_rotation_whose_reply_is_lost_leaves_no_two_keys_that_open_the_session(
    engine: RunningEngine, behind: Any, proxy: Proxy
) -> None:
    key = engine.session_of(count=0)
    before = engine.provider.active().number
    store = behind(key)
    assert store["count"] == 0
    _unanswered(proxy, type(store).cycle_key, store)
    assert engine.provider.read(key) is None
    assert engine.provider.active().number == before
    with pytest.raises(SessionGone):
        engine.SessionStore(key).save()
