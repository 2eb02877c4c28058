"""Text that does not show itself.

Django's error pages and mails show each setting, and hide only those whose name tells that it is secret. A provider
string holds a password under a name that does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Masked(str):
    """A string like any other, but for its ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(hidden)'"


def masked(value: Any) -> Any:
    """Return ``value`` with the text in it masked, inside dicts and lists, too; anything else as it is."""
    if isinstance(value, str):
        return Masked(value) if value else value
    if isinstance(value, Mapping):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    return value
