"""What the tests have in common: the verbs as one act each, and what a LedisDB server holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from beesession.engines.ledis import LedisProvider
from beesession.provider import Record
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.fixtures import providers_of
from beesession_tests.engines.redis_engine.records import HOUR, NEW_SID, PREFIX, SID, Form, Make, cache, stored
from beesession_tests.servers import LedisServer

__all__ = ["HOUR", "NEW_SID", "PREFIX", "SID", "VERBS", "Form", "Make", "cache", "stored"]

VERBS: dict[str, Callable[[Verbs, Record], Any]] = {
    "read": lambda verbs, record: verbs.read(SID),
    "create": lambda verbs, record: verbs.create(NEW_SID, b"new", HOUR),
    "swap": lambda verbs, record: verbs.swap(SID, record, b"new", HOUR),
    "touch": lambda verbs, record: verbs.touch(SID, record, HOUR),
    "regenerate": lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR),
    "destroy": lambda verbs, record: verbs.destroy(SID),
}
"""What may be done with the record of SID, by name of the verb."""


@contextmanager
def on(server: LedisServer, form: Form) -> Iterator[Verbs]:
    """Give the verbs of a provider for this server."""
    with providers_of(LedisProvider, server.provider_config) as make:
        yield form(make())


def teach_all_scripts(verbs: Verbs) -> None:
    """Let the server know each script; afterwards it holds no session."""
    record = verbs.touch(SID, verbs.swap(SID, stored(verbs), b"data", HOUR), HOUR)
    verbs.regenerate(SID, NEW_SID, record, b"data", HOUR)
    verbs.destroy(NEW_SID)


def everything(admin: Any) -> list[bytes]:
    """Return the keys of all entries."""
    _, keys = admin.execute_command("XSCAN", "KV", "", "COUNT", 10_000)
    return list(keys)
