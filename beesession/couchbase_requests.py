"""What the couchbase engine asks of a cluster: operations on one document, lists of all keys, and which still exist."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from beesession.beego import dsn
from beesession.couchbase_clients import Opened, errors, kv_range_scan, options, plain

LISTING_TIMEOUT = timedelta(seconds=60)
"""How long a walk through all keys may take."""

_ASKED_AT_ONCE = 1000


@dataclass(frozen=True)
class Operation:
    """A call of one of the collection's methods, on one document.

    :ivar repeatable: it does no harm to run it twice
    """

    method: str
    arguments: tuple[Any, ...] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    repeatable: bool = False

    def run(self, opened: Opened) -> Any:
        """Return the SDK's result."""
        return getattr(opened.collection, self.method)(*self.arguments, **self.options)

    async def arun(self, opened: Opened) -> Any:
        """Return the SDK's result. If the caller is cancelled meanwhile, the command still runs to its end."""
        # The SDK's callbacks fail, on the loop, when they find that nobody waits any more.
        return await asyncio.shield(getattr(opened.collection, self.method)(*self.arguments, **self.options))


@dataclass(frozen=True)
class Look:
    """Two documents, read at once; the second may have been read before the first.

    :ivar options: those of ``get`` for the first. The SDK's sync half takes none for several documents, so with any
        they are read one after the other there.
    """

    keys: tuple[str, str] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    repeatable = True

    def run(self, opened: Opened) -> list[Any]:
        """Return the SDK's result for each document, None for one that does not exist."""
        if not self.options:
            replies = opened.collection.get_multi([*self.keys])
            return [_existing({**replies.exceptions, **replies.results}[key]) for key in self.keys]
        return [_existing(_answer(opened, key, options)) for key, options in self._calls()]

    async def arun(self, opened: Opened) -> list[Any]:
        """As :meth:`run`, and always at once. If the caller is cancelled meanwhile, both commands run to their end."""
        gets = (opened.collection.get(key, **options) for key, options in self._calls())
        return [_existing(answer) for answer in await asyncio.shield(asyncio.gather(*gets, return_exceptions=True))]

    def _calls(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [(self.keys[0], self.options), (self.keys[1], {})]


def _answer(opened: Opened, key: str, options: Mapping[str, Any]) -> Any:
    try:
        return opened.collection.get(key, **options)
    except errors.CouchbaseException as error:
        return error


def _existing(answer: Any) -> Any:
    if not isinstance(answer, BaseException):
        return answer
    # That there is no second document is the rule: nothing of the error may stay.
    failure = plain(answer) if isinstance(answer, errors.CouchbaseException) else answer
    if isinstance(failure, errors.DocumentNotFoundException):
        return None
    raise failure


# The SDK keeps Python's lock while it begins a scan, and waits for its own thread meanwhile. That thread wants the lock
# for each reply to an async operation, and so both would wait for ever: there are no async twins here.


def scan(opened: Opened, prefix: str) -> list[str]:
    """Return the keys behind a prefix, by a range scan. Needs Couchbase 7.6, and no index. Sync connections only.

    It reads what is on disk: documents that expired a while ago are among them, and the very newest are not.
    """
    kind = kv_range_scan.PrefixScan(prefix) if prefix else kv_range_scan.RangeScan()
    found = opened.collection.scan(kind, options.ScanOptions(ids_only=True, timeout=LISTING_TIMEOUT))
    return [each.id for each in found]


def query(opened: Opened, prefix: str, config: dsn.CouchbaseConfig) -> list[str]:
    """Return the keys behind a prefix, by a query. Needs the query service, and a primary index of the collection.

    They are those of the index, which lags behind: it may name expired documents, and miss the newest.
    """
    path = [config.bucket]
    if not config.in_default_collection:  # before Couchbase 7.0, a query knows buckets only
        path += [config.scope, config.collection]
    place = ".".join("`" + name.replace("`", "``") + "`" for name in path)
    pattern = re.sub(r"([\\%_])", r"\\\1", prefix) + "%"
    found = opened.cluster.query(
        f"SELECT RAW META(s).id FROM {place} AS s WHERE META(s).id LIKE $pattern",
        options.QueryOptions(named_parameters={"pattern": pattern}, read_only=True, timeout=LISTING_TIMEOUT),
    )
    return list(found.rows())


def count_existing(opened: Opened, keys: Sequence[str]) -> int:
    """Return how many of these documents exist. Expired ones do not, whatever lists their keys."""
    found = 0
    for begin in range(0, len(keys), _ASKED_AT_ONCE):
        replies = opened.collection.exists_multi(keys[begin : begin + _ASKED_AT_ONCE], return_exceptions=False)
        found += sum(reply.exists for reply in replies.results.values())
    return found
