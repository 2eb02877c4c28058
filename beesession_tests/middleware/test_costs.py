"""Promise 7: what a request costs, counted at the servers, under either middleware, sync and async."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from beesession.redis_commands import READ_WITH_TTL, REGENERATE, SWAP
from beesession_tests.engines import RunningEngine
from beesession_tests.middleware.conftest import AUTHENTICATION, OURS, STOCK, Visitor
from beesession_tests.monitor import FAMILY, commands, masters_of
from beesession_tests.servers import RedisServer, Servers

pytestmark = pytest.mark.parametrize("engine", FAMILY, indirect=True)


@pytest.fixture
def masters(engine: RunningEngine, servers: Servers) -> list[RedisServer]:
    """The servers that the commands of this engine go to."""
    return masters_of(engine, servers)


@pytest.fixture(params=[STOCK, OURS], ids=["stock", "ours"])
def site(request: pytest.FixtureRequest, masters: list[RedisServer], transactional_db: None) -> Iterator[None]:
    User.objects.create_user("ann")
    middleware = [request.param, AUTHENTICATION]
    with override_settings(ROOT_URLCONF="beesession_tests.middleware.site", MIDDLEWARE=middleware):
        warm_up(masters)
        yield


def warm_up(masters: list[RedisServer]) -> None:
    """Connect, and let each server know each script."""
    Visitor(asynchronous=False).get("change")
    for server in masters:
        for script in (READ_WITH_TTL, SWAP, REGENERATE):
            server.admin.script_load(script.source)


class Cost:
    """What single pages send to all servers together, by name of the command."""

    def __init__(self, masters: list[RedisServer], visitor: Visitor) -> None:
        self._masters = masters
        self._visitor = visitor

    def of(self, page: str) -> Counter[str]:
        with ExitStack() as stack:
            found = [stack.enter_context(commands(server.admin)) for server in self._masters]
            assert self._visitor.get(page).status_code == 200
        return Counter(name for each in found for name in each)


@pytest.fixture
def cost(site: None, masters: list[RedisServer], visitor: Visitor) -> Cost:
    return Cost(masters, visitor)


def test_a_page_without_a_session_costs_nothing(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("untouched") == {}


def test_a_new_session_costs_one(cost: Cost) -> None:
    assert cost.of("change") == {"SET": 1}


def test_reading_costs_one(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("read") == {"GET": 1}


def test_changing_costs_two(cost: Cost) -> None:
    cost.of("change")
    assert cost.of("change?to=other") == {"GET": 1, "EVALSHA": 1}


def test_changing_to_the_same_value_costs_no_write_of_the_data(cost: Cost) -> None:
    cost.of("change?to=same")
    assert cost.of("change?to=same") == {"GET": 1, "PEXPIRE": 1}


def test_login_costs_two_without_a_session(cost: Cost) -> None:
    assert cost.of("login") == {"SET": 1, "EVALSHA": 1}


def test_login_costs_three_with_a_session_and_one_more_where_rotation_is_two_steps(
    cost: Cost, engine: RunningEngine
) -> None:
    cost.of("change")
    one_more = {} if engine.capabilities.atomic_rotation else {"SET": 1}
    assert cost.of("login") == {"GET": 1, "EVALSHA": 2, **one_more}


def test_logout_costs_two(cost: Cost) -> None:
    cost.of("login")
    assert cost.of("logout") == {"GET": 1, "DEL": 1}


def test_saving_each_request_costs_two_and_moves_only_the_expiry(cost: Cost) -> None:
    cost.of("change")
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        assert cost.of("untouched") == {"GET": 1, "PEXPIRE": 1}
        assert cost.of("read") == {"GET": 1, "PEXPIRE": 1}


def test_a_touch_interval_saves_the_touch(cost: Cost, masters: list[RedisServer]) -> None:
    with override_settings(
        SESSION_SAVE_EVERY_REQUEST=True,
        BEESESSION={**settings.BEESESSION, "TOUCH_INTERVAL": 60},
    ):
        warm_up(masters)
        cost.of("change")
        cost.of("read")
        assert cost.of("read") == {"EVALSHA": 1}
