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


def test_a_hostile_id_never_reaches_the_store(
    engine: RunningEngine, store_class: Any, recorder: Recorder, subtests: pytest.Subtests
) -> None:
    for name, sid in REFUSED_EVERYWHERE.items():
        with subtests.test(name):
            _use_in_every_way(store_class, sid)
            assert recorder.calls == []
    for name, sid in REFUSED_WHERE_IDS_ARE_NAMES.items():
        with subtests.test(name):
            if engine.capabilities.self_contained:
                assert store_class(sid).load() == {}
            else:
                _use_in_every_way(store_class, sid)
                assert recorder.calls == []


def test_what_is_no_text_never_reaches_the_store(
    store_class: Any, recorder: Recorder, subtests: pytest.Subtests
) -> None:
    for value in [*NO_TEXT, None, ""]:
        with subtests.test(repr(value)):
            _use_in_every_way(store_class, value)
            assert recorder.calls == []


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "redis"], indirect=True)
def test_redis_is_asked_nothing_about_a_hostile_id(engine: RunningEngine, servers: Servers) -> None:
    with commands(servers.redis.client()) as seen:
        for sid in [*REFUSED_EVERYWHERE.values(), *REFUSED_WHERE_IDS_ARE_NAMES.values(), *NO_TEXT]:
            _use_in_every_way(engine.SessionStore, sid)
    assert seen == []


def test_an_id_without_the_sites_prefix_never_reaches_the_store(
    engine: RunningEngine, subtests: pytest.Subtests
) -> None:
    if engine.capabilities.self_contained:
        not_promised("revocable")
    with engine.configured(ID_PREFIX="shop-"):
        recorder = Recorder(engine.provider)
        store_class = type("SessionStore", (engine.SessionStore,), {"provider": recorder})
        for wrong in (SID, "shop_" + SID, "SHOP-" + SID, "shop-", "shop-shop-" + SID, " shop-" + SID):
            with subtests.test(wrong):
                _use_in_every_way(store_class, wrong)
                assert recorder.calls == []
        store = store_class()
        store.save()
        assert store.session_key.startswith("shop-")


def test_a_hostile_id_is_logged_but_not_shown(
    engine: RunningEngine, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    for name, sid in REFUSED_EVERYWHERE.items():
        with subtests.test(name), caplog.at_level(logging.DEBUG):
            caplog.clear()
            assert engine.SessionStore(sid).session_key is None
            (record,) = [each for each in caplog.records if each.name.startswith("django.security")]
            assert record.levelno == logging.WARNING
            shown = record.getMessage()
            assert sid not in shown or sid == "a"
            assert shown.isprintable()
