"""What the tests have in common: ids, records, and ways to name the servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beesession.engines.memcache import MemcacheProvider
from beesession.provider import Record
from beesession.testing import Verbs

HOUR = 3600
SID, NEW_SID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
PREFIX = "shop:"

Make = Callable[..., MemcacheProvider]
"""Makes a provider of a provider string (by default that of the two nodes) and keys of BEESESSION."""

Form = Callable[[MemcacheProvider], Verbs]
"""Gives a provider's verbs, sync or async."""


def stored(verbs: Verbs, data: bytes = b"data", sid: str = SID, lifetime: float = HOUR) -> Record:
    """Create a record, and return it as the store tells it: with its token."""
    assert verbs.create(sid, data, lifetime) is not None
    record = verbs.read(sid)
    assert record is not None
    return record


def cache(location: Any, **options: Any) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": location,
        "OPTIONS": options,
    }
