"""An id is untrusted input: whatever a cookie holds, it is refused before anything is asked of the store."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from beesession.testing import not_promised
from beesession_tests.contract.visits import Recorder
from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.hostile.corpus import NO_TEXT, REFUSED_EVERYWHERE, REFUSED_WHERE_IDS_ARE_NAMES, SID
from beesession_tests.monitor import commands
from beesession_tests.servers import Servers

HOSTILE = [
    *(pytest.param(sid, False, id=name) for name, sid in REFUSED_EVERYWHERE.items()),
    *(pytest.param(sid, True, id=name) for name, sid in REFUSED_WHERE_IDS_ARE_NAMES.items()),
]


@pytest.fixture
def recorder(engine: RunningEngine) -> Recorder:
    return Recorder(engine.provider)


@pytest.fixture
def store_class(engine: RunningEngine, recorder: Recorder) -> Any:
    return type("SessionStore", (engine.SessionStore,), {"provider": recorder})


def _use_in_every_way(store_class: Any, sid: Any) -> None:
    """Do with a refused id what can be done with an id, but create a session."""
    store = store_class(sid)
    assert store.session_key is None
    assert store.is_empty()
    assert store.load() == {}
    assert dict(store.items()) == {}
    assert store.exists(sid) is False
    store.delete(sid)
    store.delete()
    store.flush()
    assert store.session_key is None
    assert store.modified is True


@pytest.mark.parametrize(("sid", "sealed_only"), HOSTILE)
def test_a_hostile_id_never_reaches_the_store(
    engine: RunningEngine, store_class: Any, recorder: Recorder, sid: str, sealed_only: bool
) -> None:
    if sealed_only and engine.capabilities.self_contained:
        assert store_class(sid).load() == {}
        return
    _use_in_every_way(store_class, sid)
    assert recorder.calls == []


@pytest.mark.parametrize("sid", NO_TEXT, ids=lambda sid: f"{type(sid).__name__}-{len(str(sid))}")
def test_what_is_no_text_never_reaches_the_store(store_class: Any, recorder: Recorder, sid: object) -> None:
    _use_in_every_way(store_class, sid)
    assert recorder.calls == []


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_id_reads_nothing(store_class: Any, recorder: Recorder, nothing: str | None) -> None:
    _use_in_every_way(store_class, nothing)
    assert recorder.calls == []


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "redis"], indirect=True)
def test_redis_is_asked_nothing_about_a_hostile_id(engine: RunningEngine, servers: Servers) -> None:
    with commands(servers.redis.client()) as seen:
        for sid in [*REFUSED_EVERYWHERE.values(), *REFUSED_WHERE_IDS_ARE_NAMES.values(), *NO_TEXT]:
            _use_in_every_way(engine.SessionStore, sid)
    assert seen == []


@pytest.mark.parametrize("wrong", [SID, "shop_" + SID, "SHOP-" + SID, "shop-", "shop-shop-" + SID, " shop-" + SID])
def test_an_id_without_the_sites_prefix_never_reaches_the_store(engine: RunningEngine, wrong: str) -> None:
    if engine.capabilities.self_contained:
        not_promised("revocable")
    with engine.configured(ID_PREFIX="shop-"):
        recorder = Recorder(engine.provider)
        store_class = type("SessionStore", (engine.SessionStore,), {"provider": recorder})
        _use_in_every_way(store_class, wrong)
        assert recorder.calls == []
        store = store_class()
        store.save()
        assert store.session_key.startswith("shop-")


@pytest.mark.parametrize("sid", REFUSED_EVERYWHERE.values(), ids=REFUSED_EVERYWHERE.keys())
def test_a_hostile_id_is_logged_but_not_shown(
    engine: RunningEngine, sid: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert engine.SessionStore(sid).session_key is None
    (record,) = [each for each in caplog.records if each.name.startswith("django.security")]
    assert record.levelno == logging.WARNING
    shown = record.getMessage()
    assert sid not in shown or sid == "a"
    assert shown.isprintable()
