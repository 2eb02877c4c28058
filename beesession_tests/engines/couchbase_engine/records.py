"""What the tests have in common: ids, records and the writes to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from beesession.engines.couchbase import CouchbaseProvider
from beesession.provider import Record
from beesession.testing import Verbs
from beesession_tests.servers import CouchbaseServer

HOUR = 3600
DAY = 24 * HOUR
SID, NEW_SID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
PREFIX = "shop:"

Make = Callable[..., CouchbaseProvider]
"""Makes a provider of a provider string (by default the server's) and keys of BEESESSION."""

Form = Callable[[CouchbaseProvider], Verbs]
"""Gives a provider's verbs, sync or async."""


def stored(verbs: Verbs, data: bytes = b"data", sid: str = SID, lifetime: float = HOUR) -> Record:
    record = verbs.create(sid, data, lifetime)
    assert record is not None
    return record


def config(server: CouchbaseServer, **members: Any) -> str:
    """Return the provider string of a server as JSON, with these members."""
    address = f"couchbase://{server.user}:{server.password}@{server.host}:{server.port}"
    return json.dumps({"save_path": address, "bucket": server.bucket, **members})


WRITES: dict[str, Callable[[Verbs, Record], Record]] = {
    "swap": lambda verbs, record: verbs.swap(SID, record, b"new", 100),
    "touch": lambda verbs, record: verbs.touch(SID, record, 100),
    "regenerate": lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", 100),
}
each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())

VERBS: dict[str, Callable[[Verbs, Record], Any]] = {
    "read": lambda verbs, record: verbs.read(SID),
    "create": lambda verbs, record: verbs.create(NEW_SID, b"new", 100),
    **WRITES,
    "destroy": lambda verbs, record: verbs.destroy(SID),
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
