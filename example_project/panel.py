"""What the page tells about the session and its engine. The session id is not part of it, only a short hash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from django.template.defaultfilters import filesizeformat

from beesession.provider import Capabilities, Count
from beesession.sid import fingerprint
from beesession.store import SessionStore

_WORDS = {
    "swap": "No update is lost, no logout undone",
    "atomic_rotation": "A new id replaces the old in one step",
    "touch": "The expiry moves without a rewrite",
    "gc": "session_gc removes what has expired",
    "active": "Live sessions can be counted",
    "scan": "Sessions can be listed, and copied",
    "native_async": "Async requests block no thread",
    "store_expires": "The store drops expired sessions itself",
    "max_bytes": "Largest session",
    "max_lifetime": "Longest life",
    "shareable": "Several processes share the sessions",
    "revokes": "A logout holds against a beego that shares the store",
    "self_contained": "The cookie itself holds the session",
}
_DAY = 86_400
_CENTURY = 36_525 * _DAY


@dataclass(frozen=True)
class Promise:
    """One capability of an engine, in words.

    :ivar kept: whether the engine has it; None where the answer is a quantity
    :ivar amount: that quantity, with its unit
    """

    name: str
    text: str
    kept: bool | None
    amount: str = ""


@dataclass(frozen=True)
class Item:
    """One key of the session. Those with an underscore in front are Django's, such as a login, and stay hidden."""

    key: str
    value: Any

    @property
    def hidden(self) -> bool:
        return self.key.startswith("_")

    @property
    def as_json(self) -> str:
        """The value as JSON writes it; what JSON has no form for, such as a struct of beego's, in words."""
        return json.dumps(self.value, ensure_ascii=False, default=str)


@dataclass(frozen=True)
class Panel:
    """The state of one session when its request came in.

    :ivar engine: beego's name of the engine
    :ivar fingerprint: a short hash of the id; empty when there is no session
    :ivar remaining: whole seconds left in the store; None when there is no session, or the store does not tell
    :ivar lifetime: seconds that a session lives after its last request
    :ivar active: live sessions, and how they were counted
    :ivar compares: the engine notices that another request has saved meanwhile
    """

    engine: str
    fingerprint: str
    remaining: int | None
    lifetime: int
    active: Count
    compares: bool
    promises: tuple[Promise, ...]
    items: tuple[Item, ...]

    @classmethod
    def of(cls, session: SessionStore) -> Panel:
        """Look at a session; costs two commands at the store besides its own read."""
        items = tuple(Item(key, value) for key, value in sorted(session.items()))
        provider = session.provider
        # The session was loaded above, so an id that opens nothing is None by now.
        record = provider.read(session.store_key(session.session_key)) if session.session_key else None
        remaining = record.remaining if record is not None else None
        capabilities = provider.capabilities
        return cls(
            engine=provider.name,
            fingerprint=fingerprint(session.session_key),
            remaining=None if remaining is None else round(remaining),
            lifetime=session.bound_options().store_lifetime(),
            active=provider.active() if capabilities.active else Count(None, "this engine cannot count its sessions"),
            compares=capabilities.swap,
            promises=tuple(promises(capabilities)),
            items=items,
        )


def promises(capabilities: Capabilities) -> Iterator[Promise]:
    """Yield each capability in words."""
    for field in fields(capabilities):
        value = getattr(capabilities, field.name)
        text = _WORDS[field.name]
        if field.name in _AMOUNTS:
            amount = "no limit" if value is None else _AMOUNTS[field.name](value)
            yield Promise(field.name, text, None, amount)
        else:
            yield Promise(field.name, text, value)


def _duration(seconds: int) -> str:
    return "more than a century" if seconds > _CENTURY else f"{seconds // _DAY:,} days"


_AMOUNTS: dict[str, Callable[[int], str]] = {"max_bytes": filesizeformat, "max_lifetime": _duration}
