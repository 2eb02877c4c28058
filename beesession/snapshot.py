"""What a request knows of the record that it works on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from beesession.provider import Record


class Snapshot:
    """A record as it was read or written last, what it held, and when it expires.

    :param record: the record, or None where there is none
    :param decode: gives what the record holds
    :param base: what it holds, where that is known already; nobody changes it
    :param remaining: seconds until it expires, where the record itself does not tell
    :param written: this request wrote it
    """

    def __init__(
        self,
        record: Record | None,
        decode: Callable[[], dict[str, Any]],
        *,
        base: dict[str, Any] | None = None,
        remaining: float | None = None,
        written: bool = False,
    ) -> None:
        self.record = record
        self._decode = decode
        self._base = base
        self._written = written
        if record is not None and record.remaining is not None:
            remaining = record.remaining
        self._expires = None if remaining is None else time.monotonic() + remaining

    def base(self) -> dict[str, Any]:
        """Return what the record holds, decoded when it is first asked for."""
        if self._base is None:
            self._base = self._decode()
        return self._base

    @property
    def base_if_decoded(self) -> dict[str, Any] | None:
        """What the record holds, if that is known by now."""
        return self._base

    def must_move(self, lifetime: float, interval: float) -> bool:
        """Return whether the expiry is not yet where a lifetime from now on would put it.

        :param interval: seconds by which it may be off
        """
        if self._expires is None:
            return True
        # Stores count in whole seconds, so what this request wrote a moment ago has moved it far enough.
        slack = max(min(interval, lifetime / 2), 1 if self._written else 0)
        return abs(time.monotonic() + lifetime - self._expires) > slack


NOTHING = Snapshot(None, dict, base={})
"""The snapshot of a session that is not stored."""
