"""What the tests have in common: the verbs as one act each, and what an SSDB server holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beesession.engines.ssdb import SSDBProvider
from beesession.provider import Record
from beesession_tests.servers import SSDBServer

HOUR = 3600
SID, NEW_SID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
PREFIX = "shop:"
LOCK = SID.encode() + b":lock"

Make = Callable[..., SSDBProvider]
"""Makes a provider of a provider string (by default the server's) and keys of BEESESSION."""

VERBS: dict[str, Callable[[SSDBProvider, Record], Any]] = {
    "read": lambda provider, record: provider.read(SID),
    "create": lambda provider, record: provider.create(NEW_SID, b"new", HOUR),
    "swap": lambda provider, record: provider.swap(SID, record, b"new", HOUR),
    "touch": lambda provider, record: provider.touch(SID, record, HOUR),
    "regenerate": lambda provider, record: provider.regenerate(SID, NEW_SID, record, b"new", HOUR),
    "destroy": lambda provider, record: provider.destroy(SID),
}
"""What may be done with the record of SID, by name of the verb."""


def stored(provider: SSDBProvider, data: bytes = b"data", sid: str = SID, lifetime: float = HOUR) -> Record:
    record = provider.create(sid, data, lifetime)
    assert record is not None
    return record


def data_of(provider: SSDBProvider, sid: str = SID) -> bytes | None:
    record = provider.read(sid)
    return None if record is None else record.data


def everything(server: SSDBServer) -> dict[bytes, bytes]:
    """Return all entries."""
    (found,) = server.admin.send((b"scan", b"", b"", b"100000"))
    assert found is not None
    return dict(zip(found[::2], found[1::2], strict=True))


def ttl(server: SSDBServer, key: bytes) -> int:
    """Return the seconds that are left to an entry, -1 without an expiry."""
    (left,) = server.admin.send((b"ttl", key))
    assert left is not None
    return int(left[0])
