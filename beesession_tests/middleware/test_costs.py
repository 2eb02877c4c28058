"""Promise 7: what a request costs, counted at Redis, under either middleware, sync and async."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from beesession.binding import close_all
from beesession_tests.middleware.conftest import AUTHENTICATION, OURS, STOCK, Visitor
from beesession_tests.monitor import commands
from beesession_tests.servers import RedisServer, redis_server


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture(params=[STOCK, OURS], ids=["stock", "ours"])
def site(request: pytest.FixtureRequest, server: RedisServer, transactional_db: None) -> Iterator[None]:
    User.objects.create_user("ann")
    with override_settings(
        ROOT_URLCONF="beesession_tests.middleware.site",
        MIDDLEWARE=[request.param, AUTHENTICATION],
        SESSION_ENGINE="beesession.engines.redis",
        BEESESSION={"PROVIDER_CONFIG": f"127.0.0.1:{server.port}"},
    ):
        warm_up()
        yield
        close_all()
    server.client().flushall()


def warm_up() -> None:
    """Connect, and let the server learn each script."""
    visitor = Visitor(asynchronous=False)
    for page in ("change?to=1", "change?to=2", "rotate", "logout"):
        visitor.get(page)


class Cost:
    """The commands of single pages."""

    def __init__(self, server: RedisServer, visitor: Visitor) -> None:
        self._client: Any = server.client()
        self._visitor = visitor

    def of(self, page: str) -> list[str]:
        with commands(self._client) as found:
            assert self._visitor.get(page).status_code == 200
        return found


@pytest.fixture
def cost(site: None, server: RedisServer, visitor: Visitor) -> Cost:
    return Cost(server, visitor)


def test_a_page_without_a_session_costs_nothing(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("untouched") == []


def test_a_new_session_costs_one(cost: Cost) -> None:
    assert cost.of("change") == ["SET"]


def test_reading_costs_one(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("read") == ["GET"]


def test_changing_costs_two(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("change?to=other") == ["GET", "EVALSHA"]


def test_changing_to_the_same_value_costs_no_write_of_the_data(cost: Cost) -> None:
    cost.of("change?to=same")
    assert cost.of("change?to=same") == ["GET", "PEXPIRE"]


def test_login_costs_two_without_a_session(cost: Cost) -> None:
    assert cost.of("login") == ["SET", "EVALSHA"]


def test_login_costs_three_with_a_session(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("login") == ["GET", "EVALSHA", "EVALSHA"]


def test_logout_costs_two(cost: Cost) -> None:
    cost.of("login")
    assert cost.of("logout") == ["GET", "DEL"]


def test_saving_each_request_costs_two_and_moves_only_the_expiry(cost: Cost) -> None:
    cost.of("change")
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        assert cost.of("untouched") == ["GET", "PEXPIRE"]
        assert cost.of("read") == ["GET", "PEXPIRE"]


def test_a_touch_interval_saves_the_touch(cost: Cost, server: RedisServer) -> None:
    with override_settings(
        SESSION_SAVE_EVERY_REQUEST=True,
        BEESESSION={**settings.BEESESSION, "TOUCH_INTERVAL": 60},
    ):
        warm_up()
        cost.of("change")
        cost.of("read")
        assert cost.of("read") == ["EVALSHA"]
