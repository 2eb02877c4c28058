"""No logout undone, and expired means gone: whatever a late request does, an ended session stays ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import BadRequest

from beesession.exceptions import BeeSessionError, SessionGone
from beesession_tests.contract.visits import Site, Visit, login_of


def _change(visit: Visit) -> None:
    visit.set(late=1).save()


def _delete_a_key(visit: Visit) -> None:
    visit.remove("before").save()


def _change_inside(visit: Visit) -> None:
    visit.get("cart").append("pen")
    visit.save()


def _clear(visit: Visit) -> None:
    visit.clear().save()


def _touch(visit: Visit) -> None:
    visit.save()


def _mark_modified(visit: Visit) -> None:
    visit.store.modified = True
    visit.save()


def _rotate(visit: Visit) -> None:
    visit.cycle_key()


LATE = [_change, _delete_a_key, _change_inside, _clear, _touch, _mark_modified, _rotate]
Act = Callable[[Visit], None]


@pytest.fixture
def _revocable(site: Site) -> None:
    site.require("revocable")


@pytest.mark.usefixtures("_revocable")
def test_a_late_request_after_logout_is_refused(site: Site, subtests: pytest.Subtests) -> None:
    for late in LATE:
        with subtests.test(late.__name__.strip("_")):
            key = site.session(before=0, cart=["book"], **login_of("anna"))
            mine, theirs = site.two_visits(key)
            theirs.flush()
            with pytest.raises(SessionGone):
                late(mine)
            assert not site.opens(key)
            assert not site.opens(mine.key)


@pytest.mark.usefixtures("_revocable")
def test_a_late_request_after_the_end_of_an_anonymous_session_is_refused(site: Site, subtests: pytest.Subtests) -> None:
    for late in LATE:
        if late is _rotate:
            continue  # which starts a session of its own
        with subtests.test(late.__name__.strip("_")):
            key = site.session(before=0, cart=["book"])
            mine, theirs = site.two_visits(key)
            theirs.flush()
            with pytest.raises(SessionGone):
                late(mine)
            assert not site.opens(key)


@pytest.mark.usefixtures("_revocable")
def test_a_late_rotation_of_an_ended_anonymous_session_starts_from_its_own_changes_only(site: Site) -> None:
    key = site.session(before=0, cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.flush()
    mine.set(mine=1)
    mine.cycle_key()
    assert not site.opens(key)
    assert mine.key != key
    assert site.stored(mine.key) == {"mine": 1}
    assert mine.data() == {"mine": 1}


@pytest.mark.usefixtures("_revocable")
def test_a_login_after_a_double_click_opens_a_session_of_its_own(site: Site) -> None:
    key = site.session(cart=["book"])
    first, second = site.two_visits(key)
    first.cycle_key()
    first.login("anna").save()
    second.cycle_key()
    second.login("anna").save()
    assert len({key, first.key, second.key}) == 3
    assert site.stored(first.key) == {"cart": ["book"], **login_of("anna")}
    assert site.stored(second.key) == login_of("anna")


@pytest.mark.usefixtures("_revocable")
def test_the_refusal_answers_400_wherever_it_is_raised(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.flush()
    with pytest.raises(SessionGone) as caught:
        mine.set(late=1).save()
    assert isinstance(caught.value, (BeeSessionError, UpdateError, SessionInterrupted, BadRequest))
    assert all(
        isinstance(caught.value, kind) for kind in (BeeSessionError, UpdateError, SessionInterrupted, BadRequest)
    )


@pytest.mark.usefixtures("_revocable")
def test_a_refused_request_stays_refused(site: Site) -> None:
    key = site.session(before=0, **login_of("anna"))
    mine, theirs = site.two_visits(key)
    theirs.flush()
    mine.set(late=1)
    for _ in range(2):
        with pytest.raises(SessionGone):
            mine.save()
    assert not site.opens(key)


def test_flush_ends_the_session_and_leaves_an_empty_one_without_a_key(site: Site) -> None:
    key = site.session(before=0, **login_of("anna"))
    visit = site.visit(key)
    visit.data()
    visit.flush()
    assert visit.key is None
    assert visit.store.is_empty()
    assert visit.data() == {}
    site.require("revocable")
    assert not site.opens(key)


def test_a_session_can_be_begun_anew_after_flush(site: Site) -> None:
    key = site.session(before=0)
    visit = site.visit(key)
    visit.data()
    visit.flush()
    visit.set(anew=1).save()
    assert visit.key != key
    assert site.stored(visit.key) == {"anew": 1}


def test_to_delete_what_is_not_there_is_no_error(site: Site) -> None:
    key = site.session(before=0)
    site.visit().call("delete")
    for _ in range(2):
        site.visit(key).call("delete")
        site.visit().call("delete", key)
    site.require("revocable")
    assert not site.opens(key)


def test_delete_of_another_key_leaves_the_own_session_alone(site: Site) -> None:
    site.require("revocable")
    key, other = site.session(mine=1), site.session(theirs=1)
    visit = site.visit(key)
    visit.data()
    visit.call("delete", other)
    assert not site.opens(other)
    visit.set(more=2).save()
    assert site.stored(key) == {"mine": 1, "more": 2}


def test_an_expired_session_opens_nothing_and_a_late_save_does_not_bring_it_back(site: Site) -> None:
    expiring = site.visit().set(before=0, **login_of("anna"))
    expiring.call("set_expiry", 1)
    key = expiring.save().key
    mine = site.visit(key)
    mine.data()
    site.wait_until_expired(key, 1)
    assert not site.opens(key)
    assert site.visit().call("exists", key) is False
    mine.call("set_expiry", 3600)
    with pytest.raises(SessionGone):
        mine.set(late=1).save()
    assert not site.opens(key)
