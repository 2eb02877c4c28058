"""One session object in several hands: tasks and threads of one request, signal receivers, and Django's own habits."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from beesession import signals
from beesession.delta import add
from beesession.engines.memory import MemoryProvider, SessionStore
from beesession.exceptions import EncodeError, SessionGone
from beesession.operations import BEGAN
from beesession.provider import Record
from beesession_tests.contract.visits import Site, login_of


@pytest.mark.parametrize("glance", [lambda visit: visit.call("pop", "nope", None), lambda visit: visit.get("nope")])
def test_to_ask_for_a_key_that_is_not_there_hides_no_later_change(site: Site, glance: Any) -> None:
    key = site.session(cart=["tea"])
    visit = site.visit(key)
    cart = visit.get("cart")
    glance(visit)
    cart.append("milk")
    assert visit.modified
    visit.save()
    assert site.stored(visit.key) == {"cart": ["tea", "milk"]}


def test_modified_set_to_false_takes_back_what_was_changed_inside(site: Site) -> None:
    visit = site.visit(site.session(cart=["tea"]))
    cart = visit.get("cart")
    cart.append("milk")
    assert visit.modified
    visit.store.modified = False
    assert not visit.modified
    assert visit.get("cart") is cart
    cart.append("bread")
    assert visit.modified


def test_to_ask_whether_a_session_is_modified_raises_nothing(site: Site) -> None:
    visit = site.visit(site.session(cart=["tea"]))
    visit.get("cart").append(object())
    assert visit.modified
    with pytest.raises(EncodeError):
        visit.save()


@pytest.mark.json_form
def test_a_deeply_nested_value_can_be_read_and_changed(site: Site) -> None:
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    key = site.session(nested=nested)
    visit = site.visit(key)
    visit.get("nested").append(1)
    visit.save()
    assert site.stored(visit.key)["nested"][1] == 1


@pytest.mark.parametrize("write", ["save", "cycle_key"])
def test_a_session_that_was_emptied_has_not_begun_anew(site: Site, write: str) -> None:
    site = site.configured(ABSOLUTE_TIMEOUT=1000)
    visit = site.visit().set(value=1).save()
    visit.set(**{BEGAN: visit.get(BEGAN) - 900}).save()
    began = visit.get(BEGAN)
    later = site.visit(visit.key)
    later.data()
    later.clear().call(write)
    assert site.stored(later.key) == {BEGAN: began}


def test_a_session_opened_by_a_link_gets_no_login_from_a_merge(site: Site) -> None:
    site.require("swap")
    key = site.session(value=1)
    linked, other = site.visit(key), site.visit(key)
    linked.store.anonymous_only = True
    linked.data()
    other.login("ann").save()
    with pytest.raises(SessionGone):
        linked.set(mine=1).save()
    assert "_auth_user_id" not in linked.data()
    assert site.stored(key) == {"value": 1, **login_of("ann")}


def test_a_receiver_that_fails_stops_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.require("swap")

    def failing(**kwargs: Any) -> None:
        raise RuntimeError("the receiver is broken")

    heard = (signals.session_created, signals.session_rotated, signals.session_ended, signals.session_conflict)
    for signal in heard:
        signal.connect(failing, weak=False)
    try:
        key = site.session(value=1)
        mine, theirs = site.two_visits(key)
        theirs.set(theirs=1).save()
        mine.set(mine=1).save().cycle_key()
        assert site.stored(mine.key) == {"value": 1, "theirs": 1, "mine": 1}
        mine.flush()
        assert mine.key is None
    finally:
        for signal in heard:
            signal.disconnect(failing)
    assert "the receiver is broken" in caplog.text


class Slow(MemoryProvider):
    """A store whose answers take a while, so that other tasks and threads get in between."""

    answers = threading.Event()

    def read(self, sid: str) -> Record | None:
        found = super().read(sid)
        if threading.current_thread() is not threading.main_thread():
            self.answers.wait(5)
        return found

    async def aread(self, sid: str) -> Record | None:
        await asyncio.sleep(0.01)
        return await super().aread(sid)

    async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        await asyncio.sleep(0.01)
        return await super().aswap(sid, record, data, lifetime)


@pytest.fixture
def slow(settings: Any) -> Any:
    settings.BEESESSION = {"MERGE_RULES": {"count": add}}
    return type("SessionStore", (SessionStore,), {"provider_class": Slow})


def test_two_tasks_that_load_at_once_lose_no_write(slow: Any) -> None:
    first = slow()
    first["count"] = 1
    first.save()

    async def request() -> Any:
        session = slow(first.session_key)
        await asyncio.gather(session.aset("one", 1), session.aset("two", 2))
        await session.asave()
        return dict(await slow(first.session_key).aitems())

    assert asyncio.run(request()) == {"count": 1, "one": 1, "two": 2}


def test_two_saves_of_one_object_at_once_count_once(slow: Any) -> None:
    first = slow()
    first["count"] = 10
    first.save()

    async def request() -> Any:
        session = slow(first.session_key)
        await session.aset("count", await session.aget("count") + 1)
        await asyncio.gather(session.asave(), session.asave())
        return await slow(first.session_key).aget("count")

    assert asyncio.run(request()) == 11


def test_what_a_task_sets_while_another_saves_and_merges_is_not_lost(slow: Any) -> None:
    first = slow()
    first["count"] = 1
    first.save()

    async def request() -> Any:
        session, other = slow(first.session_key), slow(first.session_key)
        await session.aset("mine", 1)
        await other.aset("theirs", 1)
        await other.asave()
        saving = asyncio.ensure_future(session.asave())
        await asyncio.sleep(0.005)
        await session.aset("later", 1)
        await saving
        await session.asave()
        return dict(await slow(first.session_key).aitems())

    assert asyncio.run(request()) == {"count": 1, "mine": 1, "theirs": 1, "later": 1}


def test_a_flush_while_another_task_saves_ends_the_session(slow: Any) -> None:
    first = slow()
    first["count"] = 1
    first.save()

    async def request() -> tuple[Any, Any]:
        session = slow(first.session_key)
        await session.aset("mine", 1)
        saving = asyncio.ensure_future(session.asave())
        await asyncio.sleep(0.005)
        await session.aflush()
        await saving
        return session.session_key, dict(await slow(first.session_key).aitems())

    assert asyncio.run(request()) == (None, {})


def test_a_save_that_was_cancelled_after_it_was_sent_does_not_count_twice(slow: Any) -> None:
    first = slow()
    first["count"] = 10
    first.save()

    class Unanswering(Slow):
        async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
            stored = await super().aswap(sid, record, data, lifetime)
            await asyncio.sleep(0.05)
            return stored

    provider = slow.provider

    async def request() -> Any:
        session = slow(first.session_key)
        await session.aset("count", 11)
        provider.__class__ = Unanswering
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.asave(), 0.04)
        provider.__class__ = Slow
        await session.asave()
        return await slow(first.session_key).aget("count")

    assert asyncio.run(request()) == 11


def test_two_threads_that_load_at_once_lose_no_write(slow: Any) -> None:
    first = slow()
    first["count"] = 1
    first.save()
    Slow.answers.clear()
    session = slow(first.session_key)
    late = threading.Thread(target=lambda: session.get("count"))
    late.start()
    session["mine"] = 1  # this thread has loaded; the other is still waiting for its answer
    Slow.answers.set()
    late.join()
    session.save()
    assert dict(slow(first.session_key).items()) == {"count": 1, "mine": 1}
