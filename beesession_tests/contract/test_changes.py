"""What counts as a change, and nothing for nothing: an unchanged session is not written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from beesession_tests.contract.visits import Site, Visit


def _opened(site: Site, **data: Any) -> Visit:
    visit = site.visit(site.session(**data))
    site.recorder.taken()
    return visit


def test_a_request_that_does_not_use_its_session_does_no_io(site: Site) -> None:
    visit = _opened(site, before=0)
    assert visit.store.is_empty() is False
    assert visit.modified is False
    assert site.recorder.taken() == []


def test_a_request_that_only_reads_does_one_read(site: Site) -> None:
    visit = _opened(site, cart=["book"], before=0)
    visit.get("before")
    visit.get("cart")
    visit.call("has_key", "other")
    assert visit.data()
    assert visit.modified is False
    assert site.recorder.taken() == ["read"]


def test_a_changed_session_costs_a_read_and_a_swap(site: Site) -> None:
    visit = _opened(site, before=0)
    visit.set(mine=1).save()
    assert site.recorder.taken() == ["read", "swap"]


def test_an_unchanged_session_is_touched_and_not_rewritten(site: Site) -> None:
    visit = _opened(site, before=0)
    visit.get("before")
    visit.save()
    assert site.recorder.taken() == ["read", "touch"]


def test_a_session_marked_modified_by_hand_without_a_change_is_touched_and_not_rewritten(site: Site) -> None:
    visit = _opened(site, before=0)
    visit.get("before")
    visit.store.modified = True
    visit.save()
    assert visit.modified is True
    assert site.recorder.taken() == ["read", "touch"]


@pytest.mark.parametrize("first", ["create", "change", "touch", "cycle_key"])
def test_a_second_save_without_changes_does_no_io(site: Site, first: str) -> None:
    visit = site.visit().set(before=0) if first == "create" else _opened(site, before=0)
    if first == "change":
        visit.set(mine=1)
    if first == "cycle_key":
        visit.cycle_key()
    visit.save()
    site.recorder.taken()
    visit.save()
    assert site.recorder.taken() == []


def test_save_leaves_modified_as_it_is(site: Site) -> None:
    visit = _opened(site, before=0)
    visit.set(mine=1).save()
    assert visit.modified is True


def test_an_empty_session_is_stored_only_by_hand(site: Site) -> None:
    visit = site.visit()
    visit.get("anything")
    assert visit.modified is False
    assert visit.store.is_empty()
    assert site.recorder.taken() == []
    visit.save()
    assert visit.key is not None
    assert site.recorder.taken() == ["create"]
    assert site.opens(visit.key)


def test_saving_twice_and_changing_in_between_stores_both_changes(site: Site) -> None:
    visit = _opened(site, before=0)
    visit.set(first=1).save()
    visit.set(second=2).remove("before").save()
    assert site.stored(visit.key) == {"first": 1, "second": 2}


def _append(visit: Visit) -> None:
    visit.get("nested")["list"].append(3)


def _change_deeply(visit: Visit) -> None:
    visit.get("nested")["dict"]["deep"]["deeper"] = 3


def _delete_deeply(visit: Visit) -> None:
    del visit.get("nested")["dict"]["deep"]


def _append_through_items(visit: Visit) -> None:
    for _, value in visit.call("items"):
        value["list"].append(3)


def _append_through_values(visit: Visit) -> None:
    for value in visit.call("values"):
        value["list"].append(3)


def _append_through_setdefault(visit: Visit) -> None:
    visit.call("setdefault", "nested", {})["list"].append(3)


def _append_through_an_item(visit: Visit) -> None:
    visit.store["nested"]["list"].append(3)


NESTED = [
    (_append, {"list": [1, 2, 3], "dict": {"deep": {"deeper": 1}}}),
    (_append_through_items, {"list": [1, 2, 3], "dict": {"deep": {"deeper": 1}}}),
    (_append_through_values, {"list": [1, 2, 3], "dict": {"deep": {"deeper": 1}}}),
    (_append_through_setdefault, {"list": [1, 2, 3], "dict": {"deep": {"deeper": 1}}}),
    (_append_through_an_item, {"list": [1, 2, 3], "dict": {"deep": {"deeper": 1}}}),
    (_change_deeply, {"list": [1, 2], "dict": {"deep": {"deeper": 3}}}),
    (_delete_deeply, {"list": [1, 2], "dict": {}}),
]


def test_a_change_inside_a_value_is_noticed_and_saved(site: Site, subtests: pytest.Subtests) -> None:
    for change, after in NESTED:
        with subtests.test(change.__name__.strip("_")):
            visit = _opened(site, nested={"list": [1, 2], "dict": {"deep": {"deeper": 1}}})
            change(visit)
            assert visit.modified is True
            visit.save()
            assert site.stored(visit.key) == {"nested": after}


def test_a_change_inside_a_value_is_noticed_again_after_a_save(site: Site) -> None:
    visit = _opened(site, cart=["book"])
    cart = visit.get("cart")
    for thing in ("pen", "ink"):
        cart.append(thing)
        visit.save()
    assert site.stored(visit.key) == {"cart": ["book", "pen", "ink"]}


def test_a_change_inside_a_value_that_this_request_has_set_is_saved(site: Site) -> None:
    visit = site.visit()
    cart: list[str] = []
    visit.set(cart=cart).save()
    cart.append("book")
    visit.save()
    assert site.stored(visit.key) == {"cart": ["book"]}


def test_a_change_inside_a_value_that_is_taken_back_is_no_change(site: Site) -> None:
    visit = _opened(site, cart=["book"])
    visit.get("cart").append("pen")
    visit.get("cart").pop()
    assert visit.modified is False


def test_a_site_can_do_without_the_search_for_changes_inside_values(site: Site) -> None:
    visit = _opened(site.configured(DETECT_NESTED_CHANGES=False), cart=["book"])
    visit.get("cart").append("pen")
    assert visit.modified is False


ALIKE: list[tuple[Any, Any]] = [
    *((1, True), (1, 1.0), (0, False), (1.0, True)),
    *(([1], [True]), ({"a": 0}, {"a": False}), ("", None), ([], {})),
]


def test_a_value_of_another_type_is_a_change_even_if_python_finds_it_equal(
    site: Site, subtests: pytest.Subtests
) -> None:
    for before, after in ALIKE:
        with subtests.test(f"{before!r} to {after!r}"):
            visit = _opened(site, value=before)
            visit.set(value=after).save()
            stored = site.stored(visit.key)["value"]
            assert stored == after
            assert repr(stored) == repr(after)


@pytest.mark.json_form
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        ({1: "one", "nested": {2: (3,)}}, {"1": "one", "nested": {"2": [3]}}),
        ({None: 1, True: 2}, {"null": 1, "true": 2}),
    ],
    ids=["tuple", "int-key", "other-keys"],
)
def test_a_value_that_the_format_changes_does_not_stay_dirty(site: Site, written: Any, read: Any) -> None:
    visit = site.visit().set(value=written).save()
    site.recorder.taken()
    visit.get("value")
    visit.save()
    assert site.recorder.taken() == []

    again = site.visit(visit.key)
    assert again.get("value") == read
    assert again.modified is False
    again.set(value=written).save()
    assert site.recorder.taken() == ["read", "touch"]
    assert site.stored(again.key) == {"value": read}


def test_not_a_number_does_not_stay_dirty(site: Site) -> None:
    visit = _opened(site, value=math.nan, nested=[math.nan])
    assert math.isnan(visit.get("value"))
    visit.get("nested")
    assert visit.modified is False
    visit.save()
    assert site.recorder.taken() == ["read", "touch"]


def test_an_equal_value_set_again_sets_modified_but_is_not_written(site: Site) -> None:
    visit = _opened(site, cart=["book"])
    visit.set(cart=["book"])
    assert visit.modified is True
    visit.save()
    assert site.recorder.taken() == ["read", "touch"]


def test_the_order_of_keys_is_no_change(site: Site) -> None:
    visit = _opened(site, value={"a": 1, "b": 2})
    visit.set(value={"b": 2, "a": 1}).save()
    assert site.recorder.taken() == ["read", "touch"]
