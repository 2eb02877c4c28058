"""The demo site when something goes wrong: people get a page of words, and keep their session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from beesession_tests.browser.conftest import served
from beesession_tests.browser.site import DemoSite, Visitor
from beesession_tests.servers import RedisServer, redis_server

pytestmark = pytest.mark.browser


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis server that may be stopped, and knows what it held when it is back."""
    with redis_server("--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


@pytest.fixture
def site(redis: RedisServer, tmp_path: Path) -> Iterator[DemoSite]:
    with served(tmp_path, "redis", f"{redis.host}:{redis.port}") as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, site: DemoSite) -> Iterator[Visitor]:
    """A visitor whose browser may complain."""
    context = browser.new_context()
    visitor = Visitor(context, site)
    visitor.open()
    yield visitor
    context.close()


def test_visitor_is_told_when_the_store_is_down_and_goes_on_when_it_is_back(
    visitor: Visitor, redis: RedisServer
) -> None:
    visitor.set("colour", "amber")
    cookie = visitor.cookie
    redis.stop()
    response = visitor.open()
    assert response.status == 503
    assert int(response.headers["retry-after"]) > 0
    assert visitor.page.get_by_role("heading").inner_text() == "The session store cannot be reached"
    assert visitor.cookie == cookie
    redis.start()
    assert visitor.open().status == 200
    assert visitor.held() == {"colour": '"amber"'}


def test_page_that_does_not_exist_leads_back(visitor: Visitor) -> None:
    assert visitor.open("nowhere/").status == 404
    assert visitor.page.get_by_role("heading").inner_text() == "There is no such page"
    visitor.page.get_by_role("link", name="Back to the workbench").click()
    assert visitor.shown("engine") == "redis"


def test_form_without_its_token_changes_nothing(visitor: Visitor) -> None:
    visitor.page.locator("input[name=csrfmiddlewaretoken]").first.evaluate("field => field.remove()")
    visitor.set("colour", "amber")
    assert visitor.page.get_by_role("heading").inner_text() == "This form is out of date"
    visitor.open()
    assert visitor.held() == {}
