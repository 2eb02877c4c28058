"""Rotation is safe: the data moves to a new key, and the old one opens nothing."""

from __future__ import annotations

import pytest

from beesession.exceptions import SessionConflict, SessionGone
from beesession_tests.contract.visits import Site, login_of


def test_cycle_key_keeps_the_data_under_a_new_key(site: Site) -> None:
    key = site.session(before=0, cart=["book"])
    visit = site.visit(key)
    visit.data()
    visit.cycle_key()
    assert visit.key != key
    assert visit.data() == {"before": 0, "cart": ["book"]}
    assert site.stored(visit.key) == {"before": 0, "cart": ["book"]}


def test_the_old_key_opens_nothing_after_cycle_key(site: Site) -> None:
    site.require("revocable")
    key = site.session(before=0)
    visit = site.visit(key)
    visit.cycle_key()
    assert not site.opens(key)
    assert site.visit().call("exists", key) is False
    assert site.visit().call("exists", visit.key) is True


def test_cycle_key_of_a_session_that_was_not_read_yet_keeps_its_data(site: Site) -> None:
    key = site.session(before=0)
    visit = site.visit(key)
    visit.cycle_key()
    assert site.stored(visit.key) == {"before": 0}


def test_cycle_key_stores_the_changes_made_so_far(site: Site) -> None:
    key = site.session(before=0, cart=["book"])
    visit = site.visit(key)
    visit.set(mine=1)
    visit.get("cart").append("pen")
    visit.cycle_key()
    assert site.stored(visit.key) == {"before": 0, "cart": ["book", "pen"], "mine": 1}


def test_cycle_key_without_a_session_creates_one(site: Site) -> None:
    visit = site.visit().set(mine=1)
    visit.cycle_key()
    assert visit.key is not None
    assert site.stored(visit.key) == {"mine": 1}


def test_cycle_key_sets_modified_so_that_the_new_key_reaches_the_browser(site: Site) -> None:
    visit = site.visit(site.session(before=0))
    visit.cycle_key()
    assert visit.modified is True


def test_a_session_can_be_changed_and_rotated_again_after_cycle_key(site: Site) -> None:
    visit = site.visit(site.session(before=0))
    for number in range(3):
        visit.cycle_key()
        visit.set(**{f"after {number}": number}).save()
    assert site.stored(visit.key) == {"before": 0, "after 0": 0, "after 1": 1, "after 2": 2}


def test_cycle_key_keeps_the_expiry_that_the_session_has_set(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", 500)
    visit.save()
    visit.cycle_key()
    assert site.visit(visit.key).call("get_expiry_age") == 500
    assert site.recorder.lifetimes[-1] == 500


def test_rotation_keeps_what_another_request_added_meanwhile(site: Site) -> None:
    site.require("swap")
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.set(mine=2).cycle_key()
    assert site.stored(mine.key) == {"before": 0, "theirs": 1, "mine": 2}
    assert not site.opens(key)


def test_a_late_writer_on_the_old_key_is_refused(site: Site) -> None:
    site.require("revocable")
    key = site.session(before=0)
    mine, late = site.two_visits(key)
    mine.cycle_key()
    with pytest.raises(SessionGone):
        late.set(late=1).save()
    assert not site.opens(key)
    assert site.stored(mine.key) == {"before": 0}


def test_of_two_rotations_of_a_logged_in_session_the_second_is_refused(site: Site) -> None:
    site.require("revocable")
    key = site.session(**login_of("anna"))
    first, second = site.two_visits(key)
    first.cycle_key()
    with pytest.raises(SessionGone):
        second.cycle_key()
    assert not site.opens(key)
    assert site.stored(first.key) == login_of("anna")


def test_of_two_rotations_of_an_anonymous_session_the_second_gets_none_of_its_data(site: Site) -> None:
    site.require("revocable")
    key = site.session(cart=["book"])
    first, second = site.two_visits(key)
    first.cycle_key()
    second.cycle_key()
    assert not site.opens(key)
    assert site.stored(first.key) == {"cart": ["book"]}
    assert site.stored(second.key) == {}


def test_a_rotation_of_a_session_that_cannot_be_merged_is_refused_and_moves_nothing(site: Site) -> None:
    site.require("swap")
    key = site.session(cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.login("anna").save()
    mine.login("bert")
    with pytest.raises(SessionConflict):
        mine.cycle_key()
    assert site.stored(key) == {"cart": ["book"], **login_of("anna")}
