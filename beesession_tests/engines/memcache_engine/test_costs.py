"""Promise 7: what a request costs, counted at memcached, under either middleware, sync and async."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from beesession.binding import close_all
from beesession_tests.engines.memcache_engine.log import LOGS, commands
from beesession_tests.middleware.conftest import AUTHENTICATION, OURS, STOCK, Visitor
from beesession_tests.servers import MemcachedServers, memcached_servers


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[MemcachedServers]:
    with memcached_servers(LOGS) as nodes:
        yield nodes


@pytest.fixture(params=[STOCK, OURS], ids=["stock", "ours"])
def site(request: pytest.FixtureRequest, two_nodes: MemcachedServers, transactional_db: None) -> Iterator[None]:
    User.objects.create_user("ann")
    with override_settings(
        ROOT_URLCONF="beesession_tests.middleware.site",
        MIDDLEWARE=[request.param, AUTHENTICATION],
        SESSION_ENGINE="beesession.engines.memcache",
        BEESESSION={"PROVIDER_CONFIG": two_nodes.provider_config},
    ):
        yield
        close_all()
    two_nodes.flush()


class Cost:
    """The commands of single pages, on both nodes together."""

    def __init__(self, nodes: MemcachedServers, visitor: Visitor) -> None:
        self._nodes = nodes
        self._visitor = visitor

    def of(self, page: str) -> dict[str, int]:
        with commands(*self._nodes.nodes) as found:
            assert self._visitor.get(page).status_code == 200
        return Counter(found)


@pytest.fixture(params=[False, True], ids=["wsgi", "asgi"])
def cost(request: pytest.FixtureRequest, site: None, two_nodes: MemcachedServers) -> Cost:
    return Cost(two_nodes, Visitor(asynchronous=request.param))


def test_a_page_without_a_session_costs_nothing(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("untouched") == {}


def test_a_new_session_costs_one(cost: Cost) -> None:
    assert cost.of("change") == {"add": 1}


def test_reading_costs_one(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("read") == {"gets": 1}


def test_changing_costs_two(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("change?to=other") == {"gets": 1, "cas": 1}


def test_changing_to_the_same_value_costs_no_write_of_the_data(cost: Cost) -> None:
    cost.of("change?to=same")
    assert cost.of("change?to=same") == {"gets": 1, "touch": 1}


def test_login_costs_two_without_a_session_and_one_more_for_the_save_after_a_save(cost: Cost) -> None:
    assert cost.of("login") == {"add": 1, "gets": 1, "cas": 1}


def test_login_costs_three_with_a_session_and_two_more_for_the_rotation(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("login") == {"gets": 2, "add": 1, "cas": 2}


def test_logout_costs_two(cost: Cost) -> None:
    cost.of("login")
    assert cost.of("logout") == {"gets": 1, "delete": 1}


def test_saving_each_request_costs_two_and_moves_only_the_expiry(cost: Cost) -> None:
    cost.of("change")
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        assert cost.of("untouched") == {"gets": 1, "touch": 1}
        assert cost.of("read") == {"gets": 1, "touch": 1}


def test_a_touch_interval_saves_the_touch(cost: Cost) -> None:
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True, BEESESSION={**settings.BEESESSION, "TOUCH_INTERVAL": 60}):
        cost.of("change")
        cost.of("read")
        assert cost.of("read") == {"mg": 1}
