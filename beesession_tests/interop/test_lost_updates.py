"""No update is lost between a Django site and beego applications that have our Go providers."""

from __future__ import annotations

from concurrent.futures import Executor

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from beesession.delta import LOGIN
from beesession_tests.engines import RunningEngine
from beesession_tests.interop.beego import BeegoApp
from beesession_tests.interop.crowds import ENGINES_OF_OURS, lost_updates
from beesession_tests.interop.django_site import Walker
from beesession_tests.interop.sides import on, with_ours
from beesession_tests.interop.values import go, tagged
from beesession_tests.races.acts import login_of

pytestmark = [
    pytest.mark.slow,
    on(*with_ours(*ENGINES_OF_OURS)),
]


@pytest.mark.crowd
def test_of_two_hundred_writes_by_four_processes_each_of_django_and_beego_none_is_lost(
    site: RunningEngine, pool: Executor, ours: bool
) -> None:
    assert lost_updates(site, pool, ours=ours) == []


def test_a_request_to_beego_keeps_what_django_changed_meanwhile(beside: BeegoApp) -> None:
    walker = _visitor_with_a_session(beside)
    other = walker.twin()
    with walker.beego.slowly("late", "yes"):
        other.set_in_django(changed=2, new=3)
        other.in_django(lambda request: request.session.pop("deleted"))
    assert walker.get_in_django("kept", "changed", "new", "deleted", "late") == [1, 2, 3, None, "yes"]
    assert walker.beego.get("kept", "changed", "late") == [go("int", 1), go("int", 2), tagged("yes")]


def test_a_view_of_django_keeps_what_beego_changed_meanwhile(beside: BeegoApp) -> None:
    walker = _visitor_with_a_session(beside)
    other = walker.twin()

    def slow(request: HttpRequest) -> None:
        request.session["late"] = "yes"
        other.beego.set({"changed": go("int64", 2), "new": go("int", 3)})
        other.beego.delete("deleted")

    walker.in_django(slow)
    assert walker.get_in_django("kept", "changed", "new", "deleted", "late") == [1, 2, 3, None, "yes"]
    assert walker.beego.get("changed") == [go("int64", 2)]


def test_a_login_at_django_meanwhile_is_not_mixed_with_one_at_beego(beside: BeegoApp) -> None:
    walker = _visitor_with_a_session(beside)
    other = walker.twin()
    with walker.beego.slowly(SESSION_KEY, "7"):
        other.set_in_django(**login_of("ann"))
    assert walker.get_in_django(*LOGIN, "late") == ["ann", "ann", "ann", None]


def _visitor_with_a_session(app: BeegoApp) -> Walker:
    walker = Walker(app)
    walker.set_in_django(kept=1, changed=1, deleted=1)
    return walker
