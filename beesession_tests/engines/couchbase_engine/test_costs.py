"""Promise 7: what a request costs, counted at the server, under either middleware, sync and async."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from beesession.binding import close_all
from beesession_tests.middleware.conftest import AUTHENTICATION, OURS, STOCK, Visitor
from beesession_tests.servers import CouchbaseServer

Cost = Callable[[str], list[str]]
"""Returns the commands that a page of the site costs."""


@pytest.fixture(params=[STOCK, OURS], ids=["stock", "ours"])
def site(request: pytest.FixtureRequest, server: CouchbaseServer, transactional_db: None) -> Iterator[None]:
    User.objects.create_user("ann")
    with override_settings(
        ROOT_URLCONF="beesession_tests.middleware.site",
        MIDDLEWARE=[request.param, AUTHENTICATION],
        SESSION_ENGINE="beesession.engines.couchbase",
        BEESESSION={"PROVIDER_CONFIG": server.provider_config},
    ):
        yield
        close_all()


@pytest.fixture(params=[False, True], ids=["wsgi", "asgi"])
def cost(request: pytest.FixtureRequest, site: None, server: CouchbaseServer) -> Cost:
    visitor = Visitor(asynchronous=request.param)

    def of(page: str) -> list[str]:
        server.commands()
        assert visitor.get(page).status_code == 200
        return server.commands()

    return of


def test_a_page_without_a_session_costs_nothing(cost: Cost) -> None:
    cost("change")
    assert cost("untouched") == []


def test_a_new_session_costs_one(cost: Cost) -> None:
    assert cost("change") == ["ADD"]


def test_reading_costs_one(cost: Cost) -> None:
    cost("change")
    assert cost("read") == ["GET"]


def test_changing_costs_two(cost: Cost) -> None:
    cost("change")
    assert cost("change?to=other") == ["GET", "REPLACE"]


def test_changing_to_the_same_value_costs_no_write_of_the_data(cost: Cost) -> None:
    cost("change?to=same")
    assert cost("change?to=same") == ["GET", "GAT"]


def test_login_costs_two_without_a_session(cost: Cost) -> None:
    assert cost("login") == ["ADD", "REPLACE"]


def test_login_costs_four_with_a_session_as_a_rotation_is_two(cost: Cost) -> None:
    cost("change")
    assert cost("login") == ["GET", "ADD", "DELETE", "REPLACE"]


def test_logout_costs_two(cost: Cost) -> None:
    cost("login")
    assert cost("logout") == ["GET", "DELETE"]


def test_saving_each_request_costs_two_and_moves_only_the_expiry(cost: Cost) -> None:
    cost("change")
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        assert cost("untouched") == ["GET", "GAT"]
        assert cost("read") == ["GET", "GAT"]


def test_a_touch_interval_saves_the_touch(cost: Cost) -> None:
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True, BEESESSION={**settings.BEESESSION, "TOUCH_INTERVAL": 60}):
        cost("change")
        assert cost("read") == ["SUBDOCMULTILOOKUP"]
