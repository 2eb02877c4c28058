"""What a request changed in a session, and how two requests' changes become one. Pure; imports no Django.

Three states of a session meet in a merge: *base*, as this request read it; *mine*, as this request left it; and
*theirs*, as another request has stored it meanwhile. A merge without the base would bring deleted keys back.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Rule = Callable[[Any, Any, Any], Any]
"""``(base, mine, theirs) -> value`` for a key that both sides have set; ``base`` is None where there was none."""

RAISE = "raise"

LOGIN = ("_auth_user_id", "_auth_user_backend", "_auth_user_hash")
"""Django's login. The three keys are one unit: half of one login and half of another is nobody's."""


class Clash(Exception):
    """A key that both sides changed has the rule ``"raise"``, or both sides logged somebody in.

    :ivar key: the session key
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"both sides changed {key!r}")
        self.key = key


class LoginLost(Exception):
    """The session that was read carried a login, and the one that is stored now carries another, or none."""


@dataclass(frozen=True)
class Delta:
    """The changes of one request.

    :ivar set: keys with new values
    :ivar deleted: keys that were there and are not any more
    :ivar cleared: the request emptied the session, so what others add meanwhile goes, too
    """

    set: Mapping[str, Any]
    deleted: frozenset[str]
    cleared: bool = False

    def __bool__(self) -> bool:
        return bool(self.set or self.deleted or self.cleared)

    def normalised(self, base: Mapping[str, Any], normalise: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Delta:
        """Return what is left of the changes when the new values are what they will be once they have been stored.

        :param normalise: gives data as it comes back from the store; a key may come back as another, too
        """
        values = normalise(self.set)
        return Delta(
            set={key: value for key, value in values.items() if self.cleared or _differ(key, base, values)},
            deleted=self.deleted - values.keys(),
            cleared=self.cleared,
        )

    def apply(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``data`` with these changes made; ``data`` stays as it is."""
        kept = {} if self.cleared else {key: value for key, value in data.items() if key not in self.deleted}
        return {**kept, **self.set}


def same(one: object, other: object) -> bool:
    """Return whether two values are equal in value *and* type, all the way down; NaN equals itself.

    Zeros of two signs differ, and so does one moment at two offsets from UTC: a store keeps them apart.

    >>> same(1, True), same([1, {"a": 2}], [1, {"a": 2}]), same(float("nan"), float("nan"))
    (False, True, True)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        # Python takes 1, 1.0 and True for one key; a store need not.
        if {(type(key), key) for key in one} != {(type(key), key) for key in other}:
            return False
        return all(same(value, other[key]) for key, value in one.items())
    if hasattr(one, "__dataclass_fields__") and hasattr(one, "__dict__"):
        # Its own == would take 1 for True, and may leave fields out.
        return same(vars(one), vars(other))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        # Two zeros of different signs are equal, too.
        return (one == other and math.copysign(1, one) == math.copysign(1, other)) or (one != one and other != other)
    if isinstance(one, complex) and isinstance(other, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, datetime.datetime) and isinstance(other, datetime.datetime):
        return one == other and one.utcoffset() == other.utcoffset()
    return bool(one == other or (one != one and other != other))


def diff(base: Mapping[str, Any], mine: Mapping[str, Any], *, cleared: bool = False) -> Delta:
    """Return what turns ``base`` into ``mine``."""
    deleted = frozenset(key for key in base if key not in mine)
    if cleared:
        return Delta(set=dict(mine), deleted=deleted, cleared=True)
    return Delta(set={key: value for key, value in mine.items() if _differ(key, base, mine)}, deleted=deleted)


def merge(
    base: Mapping[str, Any], mine: Delta, theirs: Mapping[str, Any], rules: Mapping[str, str | Rule]
) -> dict[str, Any]:
    """Return ``theirs`` with this request's changes made to it, as the rules of both-sided keys have it.

    :param rules: session key to ``"raise"`` or a :data:`Rule`; without one, this request's value wins. A rule function
        is asked only when both sides *set* the key; a key that either side deleted is this request's to decide.
    :raises LoginLost: nothing may be merged into another user's session, nor into none
    :raises Clash: for a key with the rule ``"raise"``, and for two different logins
    """
    changed_login = _login_changed(base, mine, theirs)
    merged = mine.apply(theirs)
    if not mine.cleared:
        for key, rule in rules.items():
            if not (key in mine.set or key in mine.deleted) or not _differ(key, base, theirs):
                continue
            if isinstance(rule, str):
                if _differ(key, merged, theirs):
                    raise Clash(key)
            elif key in mine.set and key in theirs:
                # Asked even if both came to the same value: two counts from 10 to 11 are a count to 12.
                merged[key] = rule(base.get(key), mine.set[key], theirs[key])
    if changed_login:
        own = mine.apply(base)
        merged = {key: value for key, value in merged.items() if key not in LOGIN}
        merged.update({key: own[key] for key in LOGIN if key in own})
    return merged


def login(data: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the login that a session carries, as one value to compare; None for an anonymous session."""
    unit = tuple(data.get(key) for key in LOGIN)
    return None if unit == (None,) * len(LOGIN) else unit


def _login_changed(base: Mapping[str, Any], mine: Delta, theirs: Mapping[str, Any]) -> bool:
    """Return whether this request changed the login; refuse what would mix two users' sessions."""
    before, stored = login(base), login(theirs)
    if before is not None and stored != before:
        raise LoginLost
    changed = any(key in mine.set or key in mine.deleted for key in LOGIN)
    if changed and stored != before and stored != login(mine.apply(base)):
        raise Clash(LOGIN[0])
    return changed


def _differ(key: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if key in one and key in other:
        return not same(one[key], other[key])
    return key in one or key in other


# Ready-made rules --------------------------------------------------------------------------------------------------


def add(base: Any, mine: Any, theirs: Any) -> Any:
    """A rule for counters: both sides' increments count.

    >>> add(10, 11, 15), add(None, 1, 1)
    (16, 2)
    """
    return mine + theirs - (base or 0)


def unite(base: Iterable[Any] | None, mine: Iterable[Any], theirs: Iterable[Any]) -> list[Any]:
    """A rule for lists that are used as sets: both sides' additions and removals count.

    What comes out is of the class of ``theirs`` where that is a kind of list, such as one of a Go type.

    >>> unite(["a", "b"], ["b", "c"], ["a", "b", "d"])
    ['b', 'd', 'c']
    """
    before, own, stored = list(base or ()), list(mine), list(theirs)
    kept = [item for item in stored if item in own or item not in before]
    united = kept + [item for item in own if item not in before and item not in stored]
    # A list of a type of its own stays one.
    return type(theirs)(united) if isinstance(theirs, list) else united
