"""The demo site and the beego application beside it, started by one command, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.client import HTTPConnection
from signal import SIGTERM

import pytest
from playwright.sync_api import Browser

from beesession_tests.browser.site import DemoWithBeego, Visitor, listens
from beesession_tests.servers import Servers
from beesession_tests.servers.base import running
from beesession_tests.servers.golang import go
from example_project.apps import PASSWORD, USERNAME

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HONEY, SEEDS = "Acacia honey", "Meadow seeds"
WIDTHS = {"desktop": 1280, "phone": 375, "narrow": 320}


@pytest.fixture(scope="module", params=["file", "redis"])
def both(request: pytest.FixtureRequest, servers: Servers) -> Iterator[DemoWithBeego]:
    """The two, on the demo's own engine with beego's provider, and on redis with ours."""
    go()
    engine = ("redis", servers.redis.provider_config) if request.param == "redis" else ()
    with running(lambda directory: DemoWithBeego(directory, *engine)) as demo:
        yield demo


class Walker(Visitor):
    """Somebody who walks between the two sites."""

    def __init__(self, browser: Browser, both: DemoWithBeego) -> None:
        self.context = browser.new_context()
        self.both = both
        super().__init__(self.context, both)

    def go_to_django(self) -> None:
        self.open()

    def go_to_beego(self) -> None:
        self.page.goto(self.both.beego_url)

    def user(self) -> str | None:
        """Return whom the page calls logged in; None for nobody."""
        found = re.search(r"You are logged in as (\w+)\.", self.page.locator("main").inner_text())
        return found[1] if found else None

    def user_at_django(self) -> str | None:
        self.go_to_django()
        return self.user()

    def user_at_beego(self) -> str | None:
        self.go_to_beego()
        return self.user()

    def count_at_beego(self) -> str:
        """Count there, and return the number that is shown then."""
        self.go_to_beego()
        self.press("Count")
        return self.page.locator(".num").inner_text()


@pytest.fixture
def walker(browser: Browser, both: DemoWithBeego) -> Iterator[Walker]:
    walker = Walker(browser, both)
    yield walker
    walker.context.close()
    assert walker.complaints == []


def test_who_logs_in_at_django_is_logged_in_at_beego(walker: Walker) -> None:
    assert walker.user_at_beego() is None
    walker.go_to_django()
    walker.log_in()
    assert walker.user_at_beego() == USERNAME


def test_who_logs_in_at_beego_is_logged_in_at_django(walker: Walker) -> None:
    walker.go_to_beego()
    before = walker.cookie
    walker.log_in()
    assert "Welcome, demo." in walker.told()
    assert walker.cookie not in {before, None}
    assert walker.user_at_django() == USERNAME
    assert walker.user_at_beego() == USERNAME


def test_wrong_password_logs_nobody_in_at_beego(walker: Walker) -> None:
    walker.go_to_beego()
    walker.log_in("wrong")
    assert "do not belong together" in walker.told()
    walker.fill(User_name="nobody", Password=PASSWORD)
    walker.press("Log in")
    assert "do not belong together" in walker.told()
    assert (walker.user(), walker.user_at_django()) == (None, None)


def test_logout_at_django_is_one_at_beego(walker: Walker) -> None:
    walker.go_to_beego()
    walker.log_in()
    walker.go_to_django()
    walker.press("Log out")
    assert walker.user_at_beego() is None


def test_logout_at_beego_is_one_at_django(walker: Walker) -> None:
    walker.go_to_django()
    walker.log_in()
    old = walker.cookie
    walker.go_to_beego()
    walker.press("Log out")
    assert walker.user_at_django() is None
    # Nor does it open anything for who has kept the cookie.
    walker.context.add_cookies([{"name": "beesession_demo", "value": str(old), "url": walker.both.url}])
    assert walker.user_at_django() is None
    assert walker.user_at_beego() is None


def test_both_count_on_alternately(walker: Walker) -> None:
    assert walker.count_at_beego() == "1"
    assert walker.count() == "1", "Django's page shows how many came before"
    assert walker.count_at_beego() == "3"
    assert walker.count() == "3"


def test_both_fill_one_cart(walker: Walker) -> None:
    walker.go_to_django()
    walker.press(f"Add one {HONEY}")
    walker.go_to_beego()
    walker.press(f"Add one {HONEY}")
    walker.press(f"Add one {SEEDS}")
    assert (walker.in_cart(HONEY), walker.in_cart(SEEDS)) == ("2", "1")
    walker.go_to_django()
    assert (walker.in_cart(HONEY), walker.in_cart(SEEDS)) == ("2", "1")
    walker.press(f"Remove one {HONEY}")
    walker.go_to_beego()
    assert walker.in_cart(HONEY) == "1"


def test_regenerated_at_either_side_goes_on_at_the_other(walker: Walker) -> None:
    walker.go_to_django()
    walker.log_in()
    seen = {walker.cookie}
    for go_there in (walker.go_to_beego, walker.go_to_django):
        go_there()
        walker.press("Regenerate the id")
        seen.add(walker.cookie)
        assert (walker.user_at_django(), walker.user_at_beego()) == (USERNAME, USERNAME)
    assert len(seen) == 3


def test_django_shows_the_struct_of_beego_and_keeps_it(walker: Walker) -> None:
    walker.count_at_beego()
    walker.go_to_django()
    assert re.fullmatch(r'"counted, at \d\d:\d\d:\d\d UTC"', walker.held()["beego"])
    walker.set("colour", "amber")
    walker.go_to_beego()
    assert "Last done here: counted" in walker.shown("visit")


def test_each_page_links_to_the_other(walker: Walker) -> None:
    walker.go_to_django()
    walker.page.get_by_role("link", name="beego", exact=True).click()
    walker.page.wait_for_url(walker.both.beego_url)
    walker.page.get_by_role("link", name="Django", exact=True).click()
    walker.page.wait_for_url(walker.both.url)


def test_beego_refuses_a_form_of_another_site(both: DemoWithBeego) -> None:
    connection = HTTPConnection(both.host, both.port + 1, timeout=10)
    connection.request("POST", "/count", headers={"Sec-Fetch-Site": "same-site", "Origin": both.url.rstrip("/")})
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_at_beego(walker: Walker, width: str) -> None:
    walker.page.set_viewport_size({"width": WIDTHS[width], "height": 800})
    walker.go_to_beego()
    walker.log_in()
    for go_there in (walker.go_to_beego, walker.go_to_django):
        go_there()
        wide, visible = walker.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= visible


def test_both_end_together() -> None:
    go()
    with running(DemoWithBeego) as demo:
        process, ports = demo.process, (demo.port, demo.port + 1)
        demo.stop()
        assert process is not None
        assert process.returncode == 128 + SIGTERM
        assert not any(listens(demo.host, port) for port in ports)
