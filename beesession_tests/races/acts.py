"""What the workers of a race do. Each has read its session before they all meet, and acts on it after that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from beesession.delta import LOGIN
from beesession.exceptions import SessionConflict, SessionGone

Meet = Callable[[], object]


def login_of(user: str) -> dict[str, str]:
    """Return the three keys of a login, all of which tell the user."""
    return dict.fromkeys(LOGIN, user)


def opened(store_class: Any, key: str) -> Any:
    """Return the session of a request that has read it."""
    store = store_class(key)
    assert store.keys(), "the session is there before the race"
    return store


def add_keys(store_class: Any, meet: Meet, key: str, worker: int, count: int) -> None:
    """Set ``count`` keys that nobody else sets, each in a request of its own."""
    meet()
    for number in range(count):
        store = store_class(key)
        store[f"{worker}/{number}"] = number
        store.save()


def save_late(store_class: Any, meet: Meet, keys: list[str], change: bool) -> None:
    """Save each session, changed or not, while it may be ended."""
    for key in keys:
        store = opened(store_class, key)
        if change:
            store["late"] = 1
        meet()
        with suppress(SessionGone):  # the other was faster
            store.save()


def end(store_class: Any, meet: Meet, keys: list[str]) -> list[bool]:
    """End each session; return of each whether it was still there."""
    ended = []
    for key in keys:
        opened(store_class, key)
        meet()
        ended.append(store_class.provider.destroy(key))
    return ended


def rotate(store_class: Any, meet: Meet, keys: list[str]) -> list[str | None]:
    """Rotate each session; return the new keys, None where it was refused."""
    rotated: list[str | None] = []
    for key in keys:
        store = opened(store_class, key)
        meet()
        try:
            store.cycle_key()
        except SessionGone:
            rotated.append(None)
        else:
            rotated.append(store.session_key)
    return rotated


def log_in(store_class: Any, meet: Meet, keys: list[str], user: str) -> list[bool]:
    """Log a user in to each session, without a rotation; return of each whether it was not refused."""
    accepted = []
    for key in keys:
        store = opened(store_class, key)
        meet()
        for part, value in login_of(user).items():
            store[part] = value
        try:
            store.save()
        except (SessionConflict, SessionGone):
            accepted.append(False)
        else:
            accepted.append(True)
    return accepted
