"""The demo site in a real browser, on each engine that it offers."""

from __future__ import annotations

import re

import pytest

from beesession_tests.browser.conftest import OFFERED, NewVisitor
from beesession_tests.browser.site import Visitor

pytestmark = pytest.mark.browser

ON_ONE_ENGINE = pytest.mark.parametrize("site", OFFERED[:1], indirect=True)
ON_COMPARING_ENGINES = pytest.mark.parametrize(
    "site", [engine for engine in OFFERED if engine.capabilities.swap], indirect=True
)
TELLS_NO_EXPIRY = {"redis"}
"""Engines that would have to ask once more to know how long a session still lives."""


def test_counter_starts_at_zero_and_grows_by_one_with_each_visit(visitor: Visitor) -> None:
    assert [visitor.count() for _ in range(3)] == ["0", "1", "2"]


def test_looking_at_the_workbench_starts_no_session(visitor: Visitor) -> None:
    visitor.open()
    assert visitor.cookie is None
    assert visitor.shown("fingerprint") == "no session yet"


def test_a_value_can_be_set_read_and_deleted(visitor: Visitor) -> None:
    visitor.set("colour", "amber")
    assert visitor.held() == {"colour": '"amber"'}
    visitor.fill(Name="colour")
    visitor.press("Get")
    assert visitor.told() == "colour is “amber”."
    visitor.fill(Name="colour")
    visitor.press("Delete")
    assert visitor.told() == "colour is deleted."
    assert visitor.held() == {}
    visitor.fill(Name="colour")
    visitor.press("Get")
    assert visitor.told() == "The session has no value named colour."


@ON_ONE_ENGINE
def test_a_value_is_shown_as_text_and_never_as_markup(visitor: Visitor) -> None:
    visitor.set("colour", "<b>amber</b>")
    assert visitor.held() == {"colour": '"<b>amber</b>"'}


@ON_ONE_ENGINE
def test_name_that_the_site_uses_itself_is_refused(visitor: Visitor) -> None:
    visitor.set("cart", "1")
    assert "take another name" in visitor.told()
    assert visitor.held() == {}


def test_cart_changed_in_place_is_kept(visitor: Visitor) -> None:
    for _ in range(2):
        visitor.press("Add one Acacia honey")
    visitor.press("Add one Meadow seeds")
    visitor.press("Remove one Acacia honey")
    visitor.open()
    assert (visitor.in_cart("Acacia honey"), visitor.in_cart("Meadow seeds")) == ("1", "1")
    assert visitor.page.locator(".total strong").inner_text() == "£9.45"
    visitor.press("Remove one Meadow seeds")
    assert visitor.held() == {"cart": '[{"good": "acacia", "quantity": 1}]'}


def test_regenerated_session_has_a_new_id_and_the_same_data(visitor: Visitor) -> None:
    visitor.set("colour", "amber")
    before = visitor.shown("fingerprint"), visitor.cookie
    visitor.press("Regenerate the id")
    assert visitor.shown("fingerprint") != before[0]
    assert visitor.cookie not in {before[1], None}
    assert visitor.held() == {"colour": '"amber"'}


def test_login_keeps_the_data_under_a_new_id_and_logout_ends_the_session(visitor: Visitor) -> None:
    visitor.set("colour", "amber")
    before = visitor.cookie
    visitor.log_in()
    assert "Welcome, demo." in visitor.told()
    assert visitor.cookie not in {before, None}
    assert visitor.held()["colour"] == '"amber"'
    assert {value for key, value in visitor.held().items() if key.startswith("_")} == {"hidden"}
    visitor.press("Log out")
    assert visitor.told() == "You are logged out, and the session is gone."
    assert visitor.cookie is None
    assert visitor.held() == {}


@ON_ONE_ENGINE
def test_wrong_password_logs_nobody_in(visitor: Visitor) -> None:
    visitor.log_in("wrong")
    assert "do not belong together" in visitor.told()
    assert visitor.cookie is None


def test_destroyed_session_takes_its_data_and_its_cookie_along(visitor: Visitor) -> None:
    assert visitor.count() == "0"
    visitor.open()
    visitor.set("colour", "amber")
    visitor.press("Destroy the session")
    assert visitor.told() == "The session is destroyed, and its cookie removed."
    assert visitor.cookie is None
    assert visitor.held() == {}
    assert visitor.count() == "0"


def test_two_visitors_do_not_share_a_session(visitor: Visitor, new_visitor: NewVisitor) -> None:
    visitor.set("colour", "amber")
    other = new_visitor()
    assert other.count() == "0"
    other.open()
    assert other.held() == {"asta": "1"}
    visitor.open()
    assert visitor.held() == {"colour": '"amber"'}


def test_panel_tells_about_the_session_and_never_its_id(visitor: Visitor, request: pytest.FixtureRequest) -> None:
    visitor.set("colour", "amber")
    engine = request.node.callspec.params["site"]
    assert visitor.shown("engine") == engine.name
    assert re.fullmatch("[0-9a-f]{12}", visitor.shown("fingerprint"))
    assert visitor.shown("lifetime") == "1800 s"
    expected = "the store does not tell" if engine.name in TELLS_NO_EXPIRY else r"(1800|17\d\d) s"
    assert re.fullmatch(expected, visitor.shown("remaining"))
    active = visitor.shown("active")
    assert int(active) >= 1 if engine.capabilities.active else active == "unknown"
    assert visitor.cookie is not None
    assert visitor.cookie not in visitor.page.content()


@ON_COMPARING_ENGINES
def test_two_saves_at_once_are_both_kept(visitor: Visitor) -> None:
    visitor.set("colour", "amber")
    visitor.press("Save twice at once")
    assert visitor.held() == {"colour": '"amber"', "first_request": '"saved"', "second_request": '"saved"'}


@ON_COMPARING_ENGINES
def test_save_after_logout_is_refused(visitor: Visitor) -> None:
    visitor.set("colour", "amber")
    visitor.press("Save after logout")
    assert "It was refused" in visitor.told()
    assert visitor.cookie is None
    assert visitor.held() == {}


@ON_ONE_ENGINE
def test_site_works_without_scripts(new_visitor: NewVisitor) -> None:
    visitor = new_visitor(java_script_enabled=False)
    visitor.open()
    visitor.press("Add one Beeswax candle")
    assert visitor.in_cart("Beeswax candle") == "1"
