"""Diff and three-way merge, without a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beesession.codecs.gob import Int64, Slice
from beesession.delta import LOGIN, RAISE, Clash, Delta, LoginLost, add, diff, login, merge, same, unite

ANN = dict(zip(LOGIN, ("1", "backend", "hash-of-ann"), strict=True))
BOB = dict(zip(LOGIN, ("2", "backend", "hash-of-bob"), strict=True))


NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
EAST = timezone(timedelta(hours=2))


@dataclass
class Point:
    x: Any


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=True) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner, max_size=2),
    max_leaves=4,
)
SESSIONS = st.dictionaries(st.sampled_from("abcd"), VALUES)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1, True),
        (1, True, False),
        (Point(1), Point(1), True),
        (Point(1), Point(True), False),
        ([Point([1])], [Point([1.0])], False),
        (0.0, -0.0, False),
        (0j, complex(0, -0.0), False),
        (complex(float("nan"), 1), complex(float("nan"), 1), True),
        (-0.0, -0.0, True),
        (NOON, NOON.astimezone(EAST), False),
        (NOON, NOON.replace(), True),
        (Int64(1), Int64(1), True),
        (Int64(1), 1, False),
        (Slice.of("[]string")(["a"]), Slice.of("[]string")(["a"]), True),
        (Slice.of("[]string")(["a"]), ["a"], False),
        (0, False, False),
        (1, 1.0, False),
        (float("nan"), float("nan"), True),
        ([1, [2]], [1, [2]], True),
        ([1, [2]], [1, [True]], False),
        ((1, 2), [1, 2], False),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, False),
        ({1: "x"}, {True: "x"}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (None, False, False),
        ("1", 1, False),
    ],
)
def test_values_are_the_same_only_with_their_types(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


@given(SESSIONS, SESSIONS)
def test_a_diff_turns_one_state_into_the_other(base: dict[str, Any], mine: dict[str, Any]) -> None:
    changes = diff(base, mine)
    assert same(changes.apply(base), mine)
    assert bool(changes) is not same(base, mine)


@given(SESSIONS, SESSIONS, SESSIONS)
def test_changes_of_different_keys_all_survive(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    changes, other = diff(base, mine), diff(base, theirs)
    touched = {*other.set, *other.deleted} - {*changes.set, *changes.deleted}
    merged = merge(base, changes, theirs, {})
    for key in "abcd":
        winner = theirs if key in touched else mine
        assert (key in merged) is (key in winner)
        assert key not in merged or same(merged[key], winner[key])


@given(SESSIONS, SESSIONS, SESSIONS)
def test_a_cleared_session_holds_only_what_was_set_afterwards(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    assert same(merge(base, diff(base, mine, cleared=True), theirs, {}), mine)


def test_clearing_an_empty_session_is_a_change() -> None:
    assert diff({}, {}, cleared=True)
    assert not diff({}, {})


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        ({"n": 5}, {"n": 6}, {"n": 7}, {"n": 8}),
        ({}, {"n": 1}, {"n": 1}, {"n": 2}),
        ({"n": 5}, {}, {"n": 7}, {}),
        ({"n": 5}, {"n": 6}, {}, {"n": 6}),
        ({"n": 5}, {"n": 5, "x": 1}, {"n": 7}, {"n": 7, "x": 1}),
    ],
    ids=["both set", "both set the same", "I deleted", "they deleted", "only they set"],
)
def test_a_rule_function_is_asked_when_both_sides_set_the_key(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert merge(base, diff(base, mine), theirs, {"n": add}) == merged


@pytest.mark.parametrize("mine", [{"n": 6}, {}])
@pytest.mark.parametrize("theirs", [{"n": 7}, {"n": True}])
def test_the_rule_raise_refuses_to_choose(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    with pytest.raises(Clash) as clash:
        merge({"n": 5}, diff({"n": 5}, mine), theirs, {"n": RAISE})
    assert clash.value.key == "n"


def test_the_rule_raise_accepts_what_both_sides_agree_on() -> None:
    assert merge({"n": 5}, diff({"n": 5}, {"n": 6}), {"n": 6}, {"n": RAISE}) == {"n": 6}
    assert merge({"n": 5}, diff({"n": 5}, {}), {}, {"n": RAISE}) == {}


@pytest.mark.parametrize("stored", [{}, BOB, {**ANN, "_auth_user_hash": "after a new password"}])
def test_nothing_is_merged_once_the_login_has_ended_or_changed(stored: dict[str, Any]) -> None:
    base = {**ANN, "cart": []}
    with pytest.raises(LoginLost):
        merge(base, diff(base, {**base, "cart": ["tea"]}), stored, {})


def test_two_different_logins_at_once_are_nobody() -> None:
    with pytest.raises(Clash):
        merge({}, diff({}, ANN), BOB, {})


def test_the_same_login_on_both_sides_is_no_clash() -> None:
    assert merge({}, diff({}, ANN), {**ANN, "x": 1}, {}) == {**ANN, "x": 1}


def test_an_anonymous_change_joins_the_login_that_came_meanwhile() -> None:
    assert merge({}, diff({}, {"x": 1}), ANN, {}) == {**ANN, "x": 1}


def test_a_login_moves_as_a_whole() -> None:
    base = {**ANN, "x": 1}
    mine = {**ANN, "_auth_user_hash": "new", "x": 1}
    assert merge(base, diff(base, mine), {**ANN, "x": 2}, {}) == {**mine, "x": 2}
    assert merge(base, diff(base, {"x": 1}), {**ANN, "x": 2}, {}) == {"x": 2}


@pytest.mark.parametrize(
    ("data", "unit"),
    [({}, None), ({"x": 1}, None), (ANN, ("1", "backend", "hash-of-ann")), ({LOGIN[0]: "1"}, ("1", None, None))],
)
def test_a_login_is_one_value(data: dict[str, Any], unit: tuple[Any, ...] | None) -> None:
    assert login(data) == unit


@given(
    st.lists(st.integers(0, 4), unique=True),
    st.lists(st.integers(0, 4), unique=True),
    st.lists(st.integers(0, 4), unique=True),
)
def test_united_lists_hold_what_a_set_would(base: list[int], mine: list[int], theirs: list[int]) -> None:
    added, removed = set(mine) - set(base), set(base) - set(mine)
    merged = unite(base, mine, theirs)
    assert set(merged) == (set(theirs) - removed) | added
    assert len(merged) == len(set(merged))


def test_united_lists_keep_the_type_that_they_have_in_go() -> None:
    strings = Slice.of("[]string")
    assert same(unite(strings(["a"]), strings(["a", "b"]), strings(["a", "c"])), strings(["a", "c", "b"]))


def test_a_delta_of_nothing_is_false() -> None:
    assert not Delta({}, frozenset())
