"""The dict that a view sees as its session: it knows which values could have been changed in place."""

from __future__ import annotations

import copy
import datetime
from collections.abc import ItemsView, Mapping, ValuesView
from typing import Any

from beesession.delta import same

_IMMUTABLE = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    }
)


# A codec that keeps types gives numbers and texts of classes of its own.
_ATOMS = (int, float, complex, str, bytes, datetime.date)


class SessionData(dict[str, Any]):
    """Session data with a memory of what was done to it.

    It starts as a second set of references to what was loaded. A list or dict is copied when the view first reads it,
    so that what was loaded stays as it was, to be compared with, and only the values that the view holds need to be.

    :ivar changed: something was set or deleted, or the data was made other than by a load
    :ivar cleared: it stands in place of a session that was emptied
    :ivar watched: keys of mutable values that the view may have changed in place
    """

    def __init__(
        self, loaded: Mapping[str, Any] | tuple[()] = (), *, changed: bool = False, cleared: bool = False
    ) -> None:
        super().__init__(loaded)
        self.changed = changed
        self.cleared = cleared
        # Keys whose mutable values are the view's own objects, not those that were loaded.
        self._own: set[str] = {*self} if changed else set()
        self.watched: set[str] = set()

    def settle(self) -> None:
        """Take the present state for the stored one. The view may still hold, and change, what it holds."""
        self.changed = self.cleared = False

    def take_back(self) -> None:
        """Stop watching what the view holds so far. What has changed in it by now still counts as changed."""
        self.changed = self.changed or bool(self.watched)
        self.watched.clear()

    def become(self, merged: Mapping[str, Any]) -> None:
        """Take over ``merged`` in place. An object that the view holds stays where the merged one is the same."""
        for key in [key for key in self if key not in merged]:
            super().__delitem__(key)
        for key, value in merged.items():
            if key not in self or not same(super().__getitem__(key), value):
                self._own.discard(key)
                super().__setitem__(key, value)
        self.watched &= self._own

    # Reading ---------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._handed_out(key, super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if super().__contains__(key) else default

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # typeshed names a class that cannot be subclassed
        self._hand_out_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._hand_out_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def _hand_out_all(self) -> None:
        for key in self:
            self[key]

    def _handed_out(self, key: str, value: Any) -> Any:
        if type(value) in _IMMUTABLE or isinstance(value, _ATOMS):
            return value
        if key not in self._own:
            value = _copied(value)
            super().__setitem__(key, value)
            self._own.add(key)
        self.watched.add(key)
        return value

    # Writing ---------------------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.changed = True
        self._own.add(key)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.changed = True

    def pop(self, key: str, *default: Any) -> Any:
        if not super().__contains__(key):
            return super().pop(key, *default)
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("the session is empty")

    def clear(self) -> None:
        super().clear()
        self.changed = self.cleared = True

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value
        self.changed = True

    def __ior__(self, other: Any) -> SessionData:  # type: ignore[override,misc]
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]


def _copied(value: Any) -> Any:
    # What a codec gives is mostly lists and dicts; copy.deepcopy is slower for them, and nests three calls a level.
    if type(value) is list:
        items = []
        for item in value:
            items.append(item if type(item) in _IMMUTABLE else _copied(item))
        return items
    if type(value) is dict:
        entries = {}
        for key, item in value.items():
            entries[key] = item if type(item) in _IMMUTABLE else _copied(item)
        return entries
    return copy.deepcopy(value)
