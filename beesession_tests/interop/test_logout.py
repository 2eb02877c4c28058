"""A logout holds against a beego that saves, at the end of each request, whatever it has loaded at its beginning."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

import pytest
from django.contrib import auth
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.interop.beego import BeegoApp
from beesession_tests.interop.crowds import ENGINES_OF_OURS, races_against_logout
from beesession_tests.interop.django_site import Walker
from beesession_tests.interop.sides import on, stock, with_ours
from beesession_tests.interop.values import NIL, tagged
from beesession_tests.races.acts import login_of

pytestmark = pytest.mark.slow

RACES = 100
HOLDS = {each.name for each in ENGINES if each.capabilities.revokes or each.is_sql} - {"couchbase"}
"""Where beego can begin sessions, and Django can end them for good."""

each_that_holds = on(*stock(*HOLDS))
each_of_ours = on(*with_ours(*HOLDS))

ENDS: dict[str, Callable[[HttpRequest], object]] = {
    "logout": auth.logout,
    "flush": lambda request: request.session.flush(),
    "expiry": lambda request: request.session.set_expiry(-1),
    "rotation": lambda request: request.session.cycle_key(),
}
"""What Django does to end an id."""

each_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def logged_in(app: BeegoApp) -> Walker:
    walker = Walker(app)
    walker.set_in_django(**login_of("ann"), secret="of ann")
    return walker


@each_that_holds
@each_end
def test_a_slow_request_to_beego_brings_nothing_back_for_django(
    beside: BeegoApp, end: Callable[[HttpRequest], object]
) -> None:
    walker = logged_in(beside)
    kept, leaving = walker.twin(), walker.twin()
    with walker.beego.slowly("late", "yes"):
        leaving.in_django(end)
    # beego has stored it again, but for SQL, where it changes no row that is not there; and here once more.
    if beside.provider not in ("mysql", "postgresql"):
        assert kept.twin().beego.get("secret", "late") == [tagged("of ann"), tagged("yes")]
    for _ in range(2):
        assert kept.twin().get_in_django(SESSION_KEY, "secret", "late") == [None, None, None]


@each_that_holds
def test_who_was_rotated_in_django_keeps_the_session_beside_a_slow_request_to_beego(beside: BeegoApp) -> None:
    walker = logged_in(beside)
    moving = walker.twin()
    with walker.beego.slowly("late", "yes"):
        moving.in_django(ENDS["rotation"])
    assert moving.get_in_django(SESSION_KEY, "late") == ["ann", None]
    assert moving.beego.get(SESSION_KEY, "late") == [tagged("ann"), NIL]


@each_of_ours
@each_end
def test_with_our_providers_a_slow_request_brings_nothing_back_for_anybody(
    beside: BeegoApp, end: Callable[[HttpRequest], object]
) -> None:
    walker = logged_in(beside)
    kept, leaving = walker.twin(), walker.twin()
    with walker.beego.slowly("late", "yes"):
        leaving.in_django(end)
    assert kept.twin().beego.get(SESSION_KEY, "secret", "late") == [NIL, NIL, NIL]
    assert kept.twin().get_in_django(SESSION_KEY, "secret", "late") == [None, None, None]
    assert kept.twin().beego.get(SESSION_KEY, "secret", "late") == [NIL, NIL, NIL]


@each_of_ours
def test_with_our_providers_a_logout_at_beego_holds_against_a_slow_request_to_beego(beside: BeegoApp) -> None:
    walker = logged_in(beside)
    kept, leaving = walker.twin(), walker.twin()
    with walker.beego.slowly("late", "yes"):
        leaving.beego.destroy()
    assert kept.twin().beego.get(SESSION_KEY, "late") == [NIL, NIL]
    assert kept.twin().get_in_django(SESSION_KEY, "late") == [None, None]


@each_that_holds
def test_a_slow_view_of_django_does_not_bring_back_what_beego_has_destroyed(beside: BeegoApp) -> None:
    walker = logged_in(beside)
    kept, leaving = walker.twin(), walker.twin()

    def slow(request: HttpRequest) -> None:
        request.session["late"] = "yes"
        leaving.beego.destroy()

    assert walker.try_in_django(slow) == 400
    assert kept.get_in_django(SESSION_KEY, "late") == [None, None]


@pytest.mark.crowd
@on(*stock(*HOLDS), *with_ours(*HOLDS))
def test_of_a_hundred_races_against_a_logout_none_brings_the_session_back(
    site: RunningEngine, ours: bool, pool: Executor, record_property: Callable[[str, object], None]
) -> None:
    outcome = races_against_logout(site, pool, RACES, ours=ours)
    record_property("logins that beego has brought back for itself", outcome.revived_for_beego)
    print(outcome)
    assert outcome.overtaken > 0, "there were races to be lost"
    assert outcome.revived_for_django == 0
    if ours:
        assert outcome.revived_for_beego == 0
    # In SQL there are no marks. There, a request that finds the row, and then finds it gone, makes a new and empty one.
    if site.capabilities.revokes:
        assert outcome.reopened_for_django == 0


def test_these_are_the_engines_on_which_a_logout_holds() -> None:
    in_redis = {"redis", "redis_cluster", "redis_sentinel"}
    assert {*in_redis, "memcache", "file", "mysql", "postgresql", "ssdb"} == HOLDS
    assert {*ENGINES_OF_OURS} < HOLDS
