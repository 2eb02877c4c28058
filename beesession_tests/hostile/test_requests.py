"""Hostile cookies through Django's own middleware: the visitor is anonymous, and nothing is created or adopted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, override_settings

from beesession import conf
from beesession.testing import not_promised
from beesession_tests.engines import RunningEngine
from beesession_tests.hostile.corpus import IN_A_COOKIE

STOCK = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture(autouse=True)
def _site(engine: RunningEngine) -> Iterator[None]:
    with override_settings(ROOT_URLCONF="beesession_tests.hostile.pages", MIDDLEWARE=[STOCK]):
        yield


def _get(page: str, sid: str) -> Any:
    """Ask for a page with a cookie of exactly these bytes, as a server hands them to Django."""
    raw = f"{settings.SESSION_COOKIE_NAME}={sid}".encode().decode("latin-1")
    return Client().get(f"/{page}", HTTP_COOKIE=raw)


def _live(engine: RunningEngine) -> int | None:
    return engine.provider.active().number if engine.capabilities.active else 0


def _issued(response: HttpResponse) -> str | None:
    """Return the id that the response sets; None when it sets none, or takes the cookie away."""
    morsel = response.cookies.get(settings.SESSION_COOKIE_NAME)
    return None if morsel is None or not morsel.value else morsel.value


def test_a_page_answers_a_hostile_cookie_as_an_anonymous_visitor_and_stores_nothing(
    engine: RunningEngine, subtests: pytest.Subtests
) -> None:
    for name, sid in IN_A_COOKIE.items():
        with subtests.test(name):
            response = _get("shown", sid)
            assert response.status_code == 200
            assert response.json() == {"key": None, "data": {}}
            assert _issued(response) is None
            assert _live(engine) == 0


def test_a_page_that_writes_answers_a_hostile_cookie_with_a_session_of_its_own(
    engine: RunningEngine, subtests: pytest.Subtests
) -> None:
    own: set[str] = set()
    for name, sid in IN_A_COOKIE.items():
        with subtests.test(name):
            response = _get("counted", sid)
            assert response.status_code == 200
            assert response.json() == {"count": 1}
            issued = _issued(response)
            assert issued is not None
            assert issued not in {sid, *own}
            own.add(issued)
            assert engine.provider.ids(conf.options()).accepts(issued)
            assert _get("counted", issued).json() == {"count": 2}
            assert _live(engine) == (len(own) if engine.capabilities.active else 0)


def test_a_page_that_needs_no_session_answers_a_hostile_cookie_without_a_look_at_it(engine: RunningEngine) -> None:
    for sid in IN_A_COOKIE.values():
        assert _get("untouched", sid).status_code == 200
    assert _live(engine) == 0


@pytest.mark.parametrize("save_every_request", [False, True])
def test_an_id_that_was_never_issued_is_never_adopted(engine: RunningEngine, save_every_request: bool) -> None:
    with override_settings(SESSION_SAVE_EVERY_REQUEST=save_every_request):
        unissued = engine.provider.ids(conf.options()).new()
        for page in ("shown", "counted", "shown"):
            response = _get(page, unissued)
            assert response.status_code == 200
            assert _issued(response) != unissued
        assert engine.provider.read(unissued) is None


def test_an_id_that_has_ended_is_never_adopted(engine: RunningEngine) -> None:
    if engine.capabilities.self_contained:
        not_promised("revocable")
    sid = _issued(_get("counted", ""))
    assert sid is not None
    engine.SessionStore(sid).flush()
    response = _get("counted", sid)
    assert response.json() == {"count": 1}
    assert _issued(response) not in (None, sid)
    assert engine.provider.read(sid) is None
