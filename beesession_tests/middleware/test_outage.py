"""A store that stops while requests run: an outage is an outage, and logs nobody out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import override_settings

from beesession.binding import close_all
from beesession.provider import Unavailable
from beesession_tests.middleware import site as test_site
from beesession_tests.middleware.conftest import AUTHENTICATION, OURS, STOCK, Visitor
from beesession_tests.servers import RedisServer, redis_server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    # One that keeps its data over a restart.
    with redis_server("--appendonly", "yes", "--appendfsync", "always") as running:
        yield running


@pytest.fixture
def site(server: RedisServer, transactional_db: None) -> Iterator[None]:
    User.objects.create_user("ann")
    with override_settings(
        ROOT_URLCONF="beesession_tests.middleware.site",
        MIDDLEWARE=[OURS, AUTHENTICATION],
        SESSION_ENGINE="beesession.engines.redis",
        BEESESSION={"PROVIDER_CONFIG": f"127.0.0.1:{server.port}"},
    ):
        yield
        close_all()


@pytest.mark.usefixtures("site")
def test_an_outage_answers_503_keeps_the_cookie_and_the_login_survives(visitor: Visitor, server: RedisServer) -> None:
    visitor.get("login")
    sid = visitor.cookies[settings.SESSION_COOKIE_NAME].value
    server.stop()

    assert visitor.get("untouched").status_code == 200
    for page in ("read", "change", "whoami", "logout", "rotate"):
        response = visitor.get(page)
        assert response.status_code == 503, page
        assert int(response.headers["Retry-After"]) > 0
        assert response.headers["Cache-Control"] == "no-store"
        assert not response.cookies
    assert visitor.cookies[settings.SESSION_COOKIE_NAME].value == sid

    server.start()
    assert visitor.get("whoami").content == b"ann"
    assert visitor.get("change").status_code == 200


@pytest.mark.usefixtures("site")
def test_a_view_may_serve_without_a_session_and_touches_no_cookie(visitor: Visitor, server: RedisServer) -> None:
    visitor.get("login")
    server.stop()
    response = visitor.get("swallowing")
    assert (response.status_code, response.content) == (200, b"served without a session")
    assert not response.cookies
    assert "Cookie" in response.headers["Vary"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("back_in_time", [True, False])
def test_a_change_survives_an_outage_that_the_view_has_dealt_with(
    visitor: Visitor, server: RedisServer, monkeypatch: pytest.MonkeyPatch, back_in_time: bool
) -> None:
    def outage(request: HttpRequest) -> None:
        server.stop()
        with pytest.raises(Unavailable):
            request.session.exists("f" * 32)
        if back_in_time:
            server.start()

    monkeypatch.setattr(test_site, "meanwhile", [outage])
    visitor.get("change")
    response = visitor.get("order")
    assert response.status_code == (200 if back_in_time else 503)
    if back_in_time:
        assert visitor.get("read?key=order").json() == {"value": "kept"}


@pytest.mark.usefixtures("site")
@override_settings(SESSION_SAVE_EVERY_REQUEST=True)
def test_an_outage_is_503_when_only_the_middleware_reads(visitor: Visitor, server: RedisServer) -> None:
    visitor.get("login")
    server.stop()
    response = visitor.get("untouched")
    assert response.status_code == 503
    assert not response.cookies


@pytest.mark.usefixtures("site")
def test_an_outage_inside_another_middleware_is_503_too(visitor: Visitor, server: RedisServer) -> None:
    reader = "beesession_tests.middleware.site.ReadingMiddleware"
    visitor.get("login")
    server.stop()
    with override_settings(MIDDLEWARE=[OURS, AUTHENTICATION, reader]):
        tolerant = Visitor(asynchronous=visitor.asynchronous, raises=False)
        tolerant.cookies[settings.SESSION_COOKIE_NAME] = visitor.cookies[settings.SESSION_COOKIE_NAME].value
        response = tolerant.get("untouched")
    assert response.status_code == 503
    assert "Retry-After" in response.headers
    assert not response.cookies


@pytest.mark.usefixtures("site")
def test_djangos_middleware_answers_500_and_keeps_the_cookie(visitor: Visitor, server: RedisServer) -> None:
    with override_settings(MIDDLEWARE=[STOCK, AUTHENTICATION]):
        tolerant = Visitor(asynchronous=visitor.asynchronous, raises=False)
        tolerant.get("login")
        server.stop()
        for page in ("read", "change", "whoami"):
            response = tolerant.get(page)
            assert response.status_code == 500
            assert not response.cookies
