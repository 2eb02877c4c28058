"""What the middleware does to a response, beside carrying the id."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from beesession.binding import close_all
from beesession.engines.memory import SessionStore
from beesession.middleware import SessionMiddleware
from beesession_tests.middleware.conftest import OURS, Visitor

pytestmark = pytest.mark.usefixtures("site")


def stored() -> int | None:
    return SessionStore.provider.active().number


@pytest.fixture(autouse=True)
def _empty_store() -> None:
    close_all()


def test_a_page_that_touches_no_session_gets_no_cookie_and_no_vary(visitor: Visitor) -> None:
    response = visitor.get("untouched")
    assert not response.cookies
    assert "Vary" not in response.headers
    assert stored() == 0


def test_reading_an_empty_session_stores_nothing(visitor: Visitor) -> None:
    response = visitor.get("read")
    assert not response.cookies
    assert response.headers["Vary"] == "Cookie"
    assert stored() == 0


@override_settings(SESSION_SAVE_EVERY_REQUEST=True)
@pytest.mark.parametrize("page", ["untouched", "read"])
def test_an_unknown_cookie_leaves_no_empty_session_behind(visitor: Visitor, page: str) -> None:
    visitor.cookies[settings.SESSION_COOKIE_NAME] = "f" * 32
    response = visitor.get(page)
    assert response.cookies[settings.SESSION_COOKIE_NAME].value == ""
    assert stored() == 0


@override_settings(SESSION_SAVE_EVERY_REQUEST=True)
def test_every_request_sends_the_cookie_again_when_each_is_to_be_saved(visitor: Visitor) -> None:
    visitor.get("change")
    assert settings.SESSION_COOKIE_NAME in visitor.get("untouched").cookies


def test_an_error_page_saves_nothing(visitor: Visitor) -> None:
    visitor.get("change")
    assert visitor.get("failing").status_code == 500
    assert visitor.get("read?key=lost").json() == {"value": None}


def test_a_change_inside_a_list_is_saved(visitor: Visitor) -> None:
    visitor.get("change")
    session = SessionStore(visitor.cookies[settings.SESSION_COOKIE_NAME].value)
    session["cart"] = ["tea"]
    session.save()
    visitor.get("append?item=milk")
    assert visitor.get("read?key=cart").json() == {"value": ["tea", "milk"]}


def test_login_and_logout_change_the_id_and_remove_the_cookie(visitor: Visitor) -> None:
    visitor.get("change?to=kept")
    before = visitor.cookies[settings.SESSION_COOKIE_NAME].value
    visitor.get("login")
    assert visitor.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert visitor.get("read").json() == {"value": "kept"}
    assert visitor.get("whoami").content == b"ann"
    assert visitor.get("logout").cookies[settings.SESSION_COOKIE_NAME].value == ""
    assert visitor.get("whoami").content == b""
    assert stored() == 0


def test_a_session_that_ended_meanwhile_answers_400(visitor: Visitor) -> None:
    visitor.get("change")
    assert visitor.get("ended-meanwhile").status_code == 400
    assert stored() == 0


@override_settings(BEESESSION={"IDLE_TIMEOUT": 100})
def test_reading_keeps_a_session_from_idling_out(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from beesession.engines import memory

    started = memory.clock()
    visitor.get("change?to=kept")
    for later in (60, 120, 180):
        monkeypatch.setattr(memory, "clock", lambda later=later: started + later)
        assert visitor.get("read").json() == {"value": "kept"}
    monkeypatch.setattr(memory, "clock", lambda: started + 300)
    assert visitor.get("read").json() == {"value": None}


@override_settings(BEESESSION={"ABSOLUTE_TIMEOUT": 1000}, SESSION_SAVE_EVERY_REQUEST=True)
def test_no_activity_extends_a_session_past_its_absolute_timeout(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    visitor.get("change?to=kept")
    for later in range(100, 1000, 100):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert visitor.get("read").json() == {"value": "kept"}
    visitor.get("clear")
    monkeypatch.setattr(time, "time", lambda: now + 999)
    visitor.get("change?to=kept")
    assert visitor.get("read").json() == {"value": "kept"}
    monkeypatch.setattr(time, "time", lambda: now + 1001)
    assert visitor.get("read").json() == {"value": None}


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
def test_a_foreign_engine_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"django\.contrib\.sessions\.backends\.db"):
        SessionMiddleware(lambda request: None)


def test_an_async_request_makes_no_thread_hop_for_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    from asgiref.sync import SyncToAsync

    hops: list[str] = []
    call = SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        hops.append(getattr(self.func, "__qualname__", repr(self.func)))
        return await call(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    with override_settings(MIDDLEWARE=[]):
        Visitor(asynchronous=True).get("untouched")
    without, hops[:] = list(hops), []
    visitor = Visitor(asynchronous=True)
    with override_settings(MIDDLEWARE=[OURS]):
        for page in ("untouched", "read", "change", "read", "change?to=other"):
            visitor.get(page)
            assert hops == without
            hops.clear()
