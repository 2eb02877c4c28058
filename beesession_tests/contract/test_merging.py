"""No update is lost: what two requests change in one session at once becomes one session."""

from __future__ import annotations

import pytest

from beesession.delta import Rule, add, unite
from beesession.exceptions import SessionConflict
from beesession_tests.contract.visits import Site


@pytest.fixture(autouse=True)
def _comparing(site: Site) -> None:
    site.require("swap")


def test_changes_of_different_keys_both_survive(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.set(mine=2).save()
    assert site.stored(key) == {"before": 0, "theirs": 1, "mine": 2}


def test_a_key_that_the_other_deleted_stays_deleted(site: Site) -> None:
    key = site.session(coupon="X", before=0)
    mine, theirs = site.two_visits(key)
    theirs.remove("coupon").save()
    mine.set(mine=2).save()
    assert site.stored(key) == {"before": 0, "mine": 2}


def test_a_key_that_this_request_deleted_stays_deleted(site: Site) -> None:
    key = site.session(coupon="X", before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.remove("coupon").save()
    assert site.stored(key) == {"before": 0, "theirs": 1}


def test_a_merge_is_seen_in_the_view_at_once(site: Site) -> None:
    key = site.session(coupon="X")
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=[1]).remove("coupon").save()
    mine.set(mine=2).save()
    assert mine.data() == {"theirs": [1], "mine": 2}


def test_after_a_merge_the_session_can_be_changed_and_merged_again(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(first=1).save()
    mine.set(mine=2).save()
    site.visit(key).set(second=1).remove("first").save()
    mine.get("mine")
    mine.set(again=3).save()
    assert site.stored(key) == {"before": 0, "second": 1, "mine": 2, "again": 3}


def test_after_a_merge_nothing_is_left_to_save(site: Site) -> None:
    key = site.session(before=[0])
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=[1]).save()
    mine.set(mine=2).save()
    mine.data()
    site.recorder.taken()
    mine.save()
    assert site.recorder.taken() == []


def test_three_requests_at_once_lose_nothing(site: Site) -> None:
    key = site.session(before=0)
    first, second = site.two_visits(key)
    third, _ = site.two_visits(key)
    for number, visit in enumerate((third, first, second)):
        visit.set(**{f"number {number}": number}).save()
    assert site.stored(key) == {"before": 0, "number 0": 0, "number 1": 1, "number 2": 2}


def test_the_later_save_wins_a_key_that_both_set(site: Site) -> None:
    key = site.session(colour="red")
    mine, theirs = site.two_visits(key)
    theirs.set(colour="green").save()
    mine.set(colour="blue").save()
    assert site.stored(key) == {"colour": "blue"}


def test_the_later_save_wins_a_key_that_the_other_deleted(site: Site) -> None:
    key = site.session(colour="red")
    mine, theirs = site.two_visits(key)
    theirs.remove("colour").set(other=1).save()
    mine.set(colour="blue").save()
    assert site.stored(key) == {"colour": "blue", "other": 1}


def test_the_later_deletion_wins_a_key_that_the_other_set(site: Site) -> None:
    key = site.session(colour="red", other=1)
    mine, theirs = site.two_visits(key)
    theirs.set(colour="green").save()
    mine.remove("colour").save()
    assert site.stored(key) == {"other": 1}


def test_a_nested_change_is_merged_like_an_assignment(site: Site) -> None:
    key = site.session(cart=["book"])
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.get("cart").append("pen")
    mine.save()
    assert site.stored(key) == {"cart": ["book", "pen"], "theirs": 1}


@pytest.mark.parametrize(
    ("rule", "base", "mine", "theirs", "merged"),
    [
        (add, 10, 11, 15, 16),
        (add, 10, 11, 11, 12),
        (unite, ["a", "b"], ["b", "c"], ["a", "b", "d"], ["b", "d", "c"]),
        (lambda base, mine, theirs: [base, mine, theirs], 1, 2, 3, [1, 2, 3]),
    ],
    ids=["add", "add-the-same", "unite", "own"],
)
def test_a_rule_decides_a_key_that_both_set(
    site: Site, rule: Rule, base: object, mine: object, theirs: object, merged: object
) -> None:
    site = site.configured(MERGE_RULES={"value": rule})
    key = site.session(value=base, other=0)
    first, second = site.two_visits(key)
    first.set(value=theirs).save()
    second.set(value=mine).save()
    assert site.stored(key) == {"value": merged, "other": 0}


def test_a_rule_gets_none_as_the_base_of_a_key_that_both_have_added(site: Site) -> None:
    site = site.configured(MERGE_RULES={"value": lambda base, mine, theirs: [base, mine, theirs]})
    key = site.session(other=0)
    mine, theirs = site.two_visits(key)
    theirs.set(value=1).save()
    mine.set(value=2).save()
    assert site.stored(key) == {"value": [None, 2, 1], "other": 0}


def test_a_rule_is_not_asked_when_one_side_left_the_key_alone(site: Site) -> None:
    site = site.configured(MERGE_RULES={"value": lambda base, mine, theirs: "asked"})
    key = site.session(value=1)
    mine, theirs = site.two_visits(key)
    theirs.set(value=2).save()
    mine.set(other=3).save()
    assert site.stored(key) == {"value": 2, "other": 3}


def test_a_key_with_the_rule_raise_is_a_conflict_and_nothing_is_written(site: Site) -> None:
    site = site.configured(MERGE_RULES={"step": "raise"})
    key = site.session(step=1)
    mine, theirs = site.two_visits(key)
    theirs.set(step=2).save()
    with pytest.raises(SessionConflict, match="'step'"):
        mine.set(step=3, mine=1).save()
    assert site.stored(key) == {"step": 2}


def test_a_key_that_both_set_to_the_same_value_is_no_conflict(site: Site) -> None:
    site = site.configured(MERGE_RULES={"step": "raise"})
    key = site.session(step=1)
    mine, theirs = site.two_visits(key)
    theirs.set(step={"number": 2}).save()
    mine.set(step={"number": 2}, mine=1).save()
    assert site.stored(key) == {"step": {"number": 2}, "mine": 1}


def test_a_site_that_wants_no_merges_gets_a_conflict_and_nothing_is_written(site: Site) -> None:
    site = site.configured(ON_CONFLICT="raise")
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    with pytest.raises(SessionConflict, match="ON_CONFLICT"):
        mine.set(mine=2).save()
    assert site.stored(key) == {"before": 0, "theirs": 1}


def test_clear_removes_what_the_other_added(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.clear().save()
    assert site.opens(key)
    assert site.stored(key) == {}


def test_what_is_set_after_clear_is_all_that_stays(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1, before=5).save()
    mine.clear().set(mine=2).save()
    assert site.stored(key) == {"mine": 2}


def test_clear_without_a_load_empties_the_stored_session(site: Site) -> None:
    key = site.session(before=0)
    site.visit(key).clear().set(mine=2).save()
    assert site.stored(key) == {"mine": 2}


def test_nothing_is_merged_into_a_record_that_cannot_be_decoded(site: Site) -> None:
    key = site.session(before=0)
    mine, _ = site.two_visits(key)
    record = site.provider.read(key)
    assert record is not None
    site.provider.swap(key, record, b"damaged", 60)
    with pytest.raises(SessionConflict, match="decode"):
        mine.set(mine=2).save()
    damaged = site.provider.read(key)
    assert damaged is not None
    assert damaged.data == b"damaged"


def test_a_change_after_a_touch_keeps_what_another_request_added(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(theirs=1).save()
    mine.save()
    mine.set(mine=2).save()
    assert site.stored(key) == {"before": 0, "theirs": 1, "mine": 2}


def test_a_touch_moves_the_expiry_and_keeps_what_another_request_changed(site: Site) -> None:
    key = site.session(before=0)
    mine, theirs = site.two_visits(key)
    theirs.set(before=1).save()
    site.recorder.taken()
    mine.save()
    assert site.recorder.taken() == ["touch"]
    assert site.stored(key) == {"before": 1}
