"""The dict that a view sees as its session: it remembers which values could have been changed in place."""

from __future__ import annotations

import datetime
from collections.abc import ItemsView, Mapping, ValuesView
from typing import Any

_IMMUTABLE = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    }
)


class SessionData(dict[str, Any]):
    """Session data with a memory of what was done to it.

    A list that was read may have been appended to, and no dict sees that happen. Only the values that were handed out
    can have changed so; they alone need to be compared.

    :ivar changed: something was set or deleted, or the dict was made other than by a load
    :ivar cleared: it stands in place of a session that was emptied
    :ivar handed_out: keys whose mutable values were read
    """

    def __init__(
        self, data: Mapping[str, Any] | tuple[()] = (), *, changed: bool = False, cleared: bool = False
    ) -> None:
        super().__init__(data)
        self.changed = changed
        self.cleared = cleared
        self.handed_out: set[str] = set()

    def settle(self) -> None:
        """Take the present state for the stored one. What was handed out stays so: the view may still hold it."""
        self.changed = self.cleared = False

    def take_back(self) -> None:
        """Stop watching what was handed out so far. What has changed in it by now still counts as changed."""
        self.changed = self.changed or bool(self.handed_out)
        self.handed_out.clear()

    def become(self, data: Mapping[str, Any]) -> None:
        """Take over ``data`` in place, so that whoever holds this dict sees it."""
        super().clear()
        super().update(data)

    # Reading ---------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        return self._handing_out(key, super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        return self._handing_out(key, super().get(key, default))

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # typeshed names a class that cannot be subclassed
        self._hand_out_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._hand_out_all()
        return super().items()

    def _hand_out_all(self) -> None:
        for key, value in super().items():
            self._handing_out(key, value)

    def _handing_out(self, key: str, value: Any) -> Any:
        if type(value) not in _IMMUTABLE:
            self.handed_out.add(key)
        return value

    # Writing ---------------------------------------------------------------------------------------------

    def __setitem__(self, key: str, value: Any) -> None:
        self.changed = True
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.changed = True

    def pop(self, key: str, *default: Any) -> Any:
        self.changed = self.changed or key in self
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        item = super().popitem()
        self.changed = True
        return item

    def clear(self) -> None:
        self.changed = self.cleared = True
        super().clear()

    def update(self, *args: Any, **kwargs: Any) -> None:
        self.changed = True
        super().update(*args, **kwargs)

    def __ior__(self, other: Any) -> SessionData:  # type: ignore[override,misc]
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]
