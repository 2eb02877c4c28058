"""Signals tell of a session's life, and name it by its fingerprint alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from beesession import signals
from beesession.exceptions import SessionConflict
from beesession.sid import fingerprint
from beesession_tests.contract.visits import Site

NAMES = ("session_created", "session_rotated", "session_ended", "session_conflict")


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The signals that were sent, with their arguments."""
    found: list[tuple[str, dict[str, Any]]] = []
    receivers = {}
    for name in NAMES:

        def receive(sender: Any, signal: Any, name: str = name, **arguments: Any) -> None:
            assert isinstance(sender, type)
            found.append((name, arguments))

        receivers[name] = receive
        getattr(signals, name).connect(receive, weak=False)
    yield found
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


def test_a_new_session_is_announced_once_it_is_stored(site: Site, heard: list[tuple[str, dict[str, Any]]]) -> None:
    key = site.session(value=1)
    assert heard == [("session_created", {"fingerprint": fingerprint(key)})]


def test_a_rotation_names_the_old_and_the_new_session(site: Site, heard: list[tuple[str, dict[str, Any]]]) -> None:
    key = site.session(value=1)
    heard.clear()
    visit = site.visit(key).cycle_key()
    assert heard == [
        ("session_rotated", {"old_fingerprint": fingerprint(key), "fingerprint": fingerprint(visit.key)}),
    ]


def test_the_end_of_a_session_is_announced_once(site: Site, heard: list[tuple[str, dict[str, Any]]]) -> None:
    site.require("swap")
    key = site.session(value=1)
    heard.clear()
    site.visit(key).flush()
    site.visit(key).flush()
    assert heard == [("session_ended", {"fingerprint": fingerprint(key)})]


def test_a_merge_is_announced(site: Site, heard: list[tuple[str, dict[str, Any]]]) -> None:
    site.require("swap")
    key = site.session(value=1)
    mine, theirs = site.two_visits(key)
    heard.clear()
    theirs.set(theirs=1).save()
    mine.set(mine=1).save()
    assert heard == [("session_conflict", {"fingerprint": fingerprint(key), "merged": True})]


def test_a_refused_merge_is_announced(site: Site, heard: list[tuple[str, dict[str, Any]]]) -> None:
    site.require("swap")
    site = site.configured(ON_CONFLICT="raise")
    key = site.session(value=1)
    mine, theirs = site.two_visits(key)
    heard.clear()
    theirs.set(theirs=1).save()
    with pytest.raises(SessionConflict):
        mine.set(mine=1).save()
    assert heard == [("session_conflict", {"fingerprint": fingerprint(key), "merged": False})]


def test_what_changes_no_session_is_not_announced(site: Site, heard: list[tuple[str, dict[str, Any]]]) -> None:
    key = site.session(value=1)
    heard.clear()
    visit = site.visit(key)
    visit.data()
    visit.save()
    visit.set(value=2).save()
    site.visit(site.unissued()).data()
    assert heard == []
