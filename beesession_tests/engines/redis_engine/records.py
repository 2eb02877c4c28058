"""What the tests have in common: ids, records and the writes to them, ways to name a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.sentinel import MasterNotFoundError

from beesession.engines.redis import RedisProvider
from beesession.provider import Record
from beesession.testing import Verbs

HOUR = 3600
SID, NEW_SID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
PREFIX = "shop:"

Make = Callable[..., RedisProvider]
"""Makes a provider of a provider string (by default the place's) and keys of BEESESSION."""

Form = Callable[[RedisProvider], Verbs]
"""Gives a provider's verbs, sync or async."""


def stored(verbs: Verbs, data: bytes = b"data", sid: str = SID, lifetime: float = HOUR) -> Record:
    record = verbs.create(sid, data, lifetime)
    assert record is not None
    return record


def cache(location: Any, **options: Any) -> dict[str, Any]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}


WRITES: dict[str, Callable[[Verbs, Record], Record]] = {
    "swap": lambda verbs, record: verbs.swap(SID, record, b"new", 100),
    "touch": lambda verbs, record: verbs.touch(SID, record, 100),
    "regenerate": lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", 100),
}
only_redis = pytest.mark.parametrize("place", ["redis"], indirect=True)
"""For what is not different with the other engines of the family: how an entry of CACHES is read, for one."""

each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())

each_handled = pytest.mark.parametrize(
    "handled",
    [ConnectionRefusedError("a mail server"), redis.ReadOnlyError("a cache"), MasterNotFoundError("a cache")],
    ids=lambda handled: type(handled).__name__,
)
"""Errors of other servers that a caller may be handling; from ours they would mean that a command was not run."""
