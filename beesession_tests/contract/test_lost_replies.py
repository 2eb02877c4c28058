"""A write whose reply is lost: whoever sent it hears that its fate is unknown, and the next write finds out.

That a verb tells a lost reply as Unavailable, and does not send twice, is for the tests of each engine.
"""

from __future__ import annotations

import pytest

from beesession.delta import add
from beesession.exceptions import SessionGone
from beesession.provider import Unavailable
from beesession.testing import not_promised
from beesession_tests.contract.visits import Site, Visit, login_of

ROUNDS = 8


@pytest.fixture
def site(site: Site) -> Site:
    """A site whose counters add up."""
    site.require("swap")
    return site.configured(MERGE_RULES={"count": add})


def _count(visit: Visit, more: int = 1) -> Visit:
    return visit.set(count=visit.get("count") + more)


def _unanswered(site: Site, visit: Visit, write: str = "save", *, after: int = 0) -> None:
    site.recorder.lose_reply(after=after)
    with pytest.raises(Unavailable):
        visit.call(write)


def test_a_write_whose_reply_is_lost_is_sent_once(site: Site) -> None:
    visit = _count(site.visit(site.session(count=0)))
    site.recorder.taken()
    _unanswered(site, visit)
    assert site.recorder.taken() == ["swap"]
    assert site.stored(visit.key) == {"count": 1}


def test_a_counter_of_two_writers_ends_exact_though_replies_are_lost(site: Site) -> None:
    key = site.session(count=0)
    for number in range(ROUNDS):
        mine, theirs = site.two_visits(key)
        _count(mine)
        _count(theirs)
        if number % 2:
            theirs.save()
            mine.save()
        else:
            _unanswered(site, mine)
            theirs.save()
    assert site.stored(key) == {"count": 2 * ROUNDS}


def test_to_save_again_after_a_lost_reply_finds_the_own_write_and_loses_nothing(site: Site) -> None:
    visit = site.visit(site.session(count=0)).set(mine=1)
    _unanswered(site, visit)
    visit.set(more=2).save()
    assert site.stored(visit.key) == {"count": 0, "mine": 1, "more": 2}


def test_to_save_again_after_a_lost_reply_does_not_count_twice(site: Site) -> None:
    visit = _count(site.visit(site.session(count=0)))
    _unanswered(site, visit)
    visit.save()
    assert site.stored(visit.key) == {"count": 1}


def test_to_save_again_after_a_lost_conflict_counts_once(site: Site) -> None:
    mine, theirs = site.two_visits(site.session(count=0))
    _count(theirs, 5).save()
    _count(mine)
    _unanswered(site, mine)
    mine.save()
    assert site.stored(mine.key) == {"count": 6}


def test_to_save_again_after_a_lost_reply_keeps_what_was_merged(site: Site) -> None:
    mine, theirs = site.two_visits(site.session(count=0))
    _count(theirs, 5).set(theirs=1).save()
    _unanswered(site, _count(mine), after=1)
    mine.set(later=1).save()
    assert site.stored(mine.key) == {"count": 6, "theirs": 1, "later": 1}


def test_to_rotate_after_a_lost_reply_does_not_count_twice(site: Site) -> None:
    key = site.session(count=0)
    visit = _count(site.visit(key))
    _unanswered(site, visit)
    visit.cycle_key()
    assert site.stored(visit.key) == {"count": 1}
    assert not site.opens(key)


def test_a_rotation_whose_reply_was_lost_is_found_by_the_next_save(site: Site) -> None:
    site.require("atomic_rotation")
    key = site.session(count=0)
    visit = _count(site.visit(key))
    _unanswered(site, visit, "cycle_key")
    visit.save()
    assert visit.key != key
    assert site.stored(visit.key) == {"count": 1}
    assert not site.opens(key)


def test_a_rotation_in_two_steps_whose_reply_was_lost_is_taken_back_by_the_next_save(site: Site) -> None:
    if site.provider.capabilities.atomic_rotation:
        not_promised("atomic_rotation")
    key = site.session(count=0, **login_of("anna"))
    visit = _count(site.visit(key))
    _unanswered(site, visit, "cycle_key")
    # The second step may have failed because of a logout: whose id opens nothing is not given another one.
    with pytest.raises(SessionGone):
        visit.save()
    assert not [each for each in site.recorder.seen if site.opens(each)]


def test_a_rotation_whose_reply_is_lost_leaves_no_old_key_that_opens_the_session(site: Site) -> None:
    key = site.session(count=0)
    visit, late = site.two_visits(key)
    _unanswered(site, visit, "cycle_key")
    assert not site.opens(key)
    with pytest.raises(SessionGone):
        late.set(late=1).save()
