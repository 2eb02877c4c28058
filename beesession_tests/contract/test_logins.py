"""No merge across users: a login is one unit, and one user's request never writes into another's session."""

from __future__ import annotations

import pytest

from beesession.delta import LOGIN
from beesession.exceptions import SessionConflict, SessionGone
from beesession_tests.contract.visits import Site, login_of


@pytest.fixture(autouse=True)
def _comparing(site: Site) -> None:
    site.require("swap")


def test_two_logins_of_different_users_are_a_conflict_and_the_first_stays_whole(site: Site) -> None:
    key = site.session(cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.login("anna").save()
    with pytest.raises(SessionConflict):
        mine.login("bert").save()
    assert site.stored(key) == {"cart": ["book"], **login_of("anna")}


def test_two_logins_of_one_user_are_none(site: Site) -> None:
    key = site.session(cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.login("anna").save()
    mine.login("anna").set(mine=1).save()
    assert site.stored(key) == {"cart": ["book"], "mine": 1, **login_of("anna")}


def test_a_login_keeps_what_another_request_added_meanwhile(site: Site) -> None:
    key = site.session(cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.login("anna").save()
    assert site.stored(key) == {"cart": ["book"], "theirs": 1, **login_of("anna")}


def test_a_request_that_began_anonymous_adds_to_a_session_that_was_logged_in_meanwhile(site: Site) -> None:
    key = site.session(cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.login("anna").save()
    mine.set(mine=1).save()
    assert site.stored(key) == {"cart": ["book"], "mine": 1, **login_of("anna")}


def test_a_late_request_of_one_user_writes_nothing_into_anothers_session(site: Site) -> None:
    key = site.session(**login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.login("bert").save()
    with pytest.raises(SessionGone):
        mine.set(secret="of anna").save()
    assert site.stored(key) == login_of("bert")


def test_a_late_request_of_a_user_who_logged_out_in_place_writes_nothing(site: Site) -> None:
    key = site.session(before=0, **login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.logout_in_place().save()
    with pytest.raises(SessionGone):
        mine.set(secret="of anna").save()
    assert site.stored(key) == {"before": 0}


def test_a_late_rotation_of_one_users_session_does_not_take_over_anothers(site: Site) -> None:
    key = site.session(**login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.login("bert").save()
    with pytest.raises(SessionGone):
        mine.cycle_key()
    assert site.stored(key) == login_of("bert")


def test_a_late_clear_of_one_users_session_does_not_empty_anothers(site: Site) -> None:
    key = site.session(**login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.login("bert").save()
    with pytest.raises(SessionGone):
        mine.clear().save()
    assert site.stored(key) == login_of("bert")


def test_a_request_of_an_old_password_writes_nothing_after_the_password_was_changed(site: Site) -> None:
    key = site.session(**login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.set(_auth_user_hash="hash of the new password").save()
    with pytest.raises(SessionGone):
        mine.set(mine=1).save()
    assert site.stored(key)["_auth_user_hash"] == "hash of the new password"


def test_a_logout_in_place_keeps_what_another_request_added(site: Site) -> None:
    key = site.session(before=0, **login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.logout_in_place().save()
    assert site.stored(key) == {"before": 0, "theirs": 1}


@pytest.mark.parametrize("part", LOGIN)
def test_a_part_of_a_login_is_not_mixed_with_the_rest_of_another(site: Site, part: str) -> None:
    key = site.session(cart=[])
    anna, bert = site.two_visits(key)
    anna.login("anna").save()
    with pytest.raises(SessionConflict):
        bert.set(**{part: login_of("bert")[part]}).save()
    assert site.stored(key) == {"cart": [], **login_of("anna")}
