"""The dict that a view sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from beesession.tracking import SessionData


@pytest.mark.parametrize(
    "read",
    [
        lambda data: data["list"],
        lambda data: data.get("list"),
        lambda data: list(data.values()),
        lambda data: list(data.items()),
        lambda data: data.setdefault("list", None),
    ],
)
def test_a_mutable_value_is_remembered_when_it_is_read(read: Callable[[SessionData], Any]) -> None:
    data = SessionData({"list": [], "text": "x", "number": 1})
    read(data)
    assert data.watched == {"list"}
    assert not data.changed


@pytest.mark.parametrize(
    "look", [len, list, dict, bool, lambda data: "list" in data, lambda data: {**data}, lambda data: data.keys()]
)
def test_looking_at_the_keys_or_copying_hands_nothing_out(look: Callable[[SessionData], Any]) -> None:
    data = SessionData({"list": []})
    look(data)
    assert not data.watched


@pytest.mark.parametrize(
    "write",
    [
        lambda data: data.__setitem__("a", 1),
        lambda data: data.__delitem__("a"),
        lambda data: data.pop("a"),
        lambda data: data.popitem(),
        lambda data: data.clear(),
        lambda data: data.update(a=1),
        lambda data: data.__ior__({"a": 1}),
        lambda data: data.setdefault("b", 1),
    ],
)
def test_each_way_to_write_is_noticed(write: Callable[[SessionData], Any]) -> None:
    data = SessionData({"a": 1})
    write(data)
    assert data.changed


@pytest.mark.parametrize(
    "refused", [lambda data: data.pop("b", None), lambda data: data.setdefault("a", 2), lambda data: data.get("b", [])]
)
def test_what_changes_nothing_is_no_change(refused: Callable[[SessionData], Any]) -> None:
    data = SessionData({"a": 1})
    refused(data)
    assert not data.changed
    assert data == {"a": 1}


def test_errors_are_those_of_a_dict() -> None:
    data = SessionData()
    for write in (lambda: data["a"], lambda: data.pop("a"), lambda: data.popitem(), lambda: data.__delitem__("a")):
        with pytest.raises(KeyError):
            write()
    assert not data.changed


def test_becoming_another_state_is_seen_by_whoever_holds_the_dict() -> None:
    data = held = SessionData({"a": 1})
    data.become({"b": 2})
    assert held == {"b": 2}
    assert not data.changed


def test_what_is_taken_back_still_counts_as_changed_for_a_save() -> None:
    data = SessionData({"list": []})
    data["list"].append(1)
    data.take_back()
    assert data.changed
    assert not data.watched
