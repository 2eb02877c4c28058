"""Connections of the couchbase engine: one per process for the sync verbs, and one per event loop for the async ones.

A connection of the SDK does not live through a fork: its threads stay behind, so what a child asks over it never
returns. Hence each process makes its own, and leaves alone what it has inherited.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from weakref import WeakSet

from django.core.exceptions import ImproperlyConfigured

from beesession.beego.dsn import CouchbaseConfig

try:
    from acouchbase.cluster import AsyncCluster  # type: ignore[import-untyped, unused-ignore]
    from couchbase import exceptions as errors  # type: ignore[import-untyped, unused-ignore]
    from couchbase import kv_range_scan, options  # type: ignore[import-untyped, unused-ignore]
    from couchbase.auth import PasswordAuthenticator  # type: ignore[import-untyped, unused-ignore]
    from couchbase.cluster import Cluster  # type: ignore[import-untyped, unused-ignore]
    from couchbase.transcoder import Transcoder  # type: ignore[import-untyped, unused-ignore]
except ImportError as error:
    raise ImproperlyConfigured(
        "The couchbase session engine needs Couchbase's own SDK, version 4: pip install beesession[couchbase]"
    ) from error

__all__ = [
    "CONNECT_TIMEOUT", "TIMEOUT", "AsyncConnection", "Opened", "SyncConnection",
    "errors", "kv_range_scan", "options", "plain",
]  # fmt: skip

CONNECT_TIMEOUT = timedelta(seconds=5)
"""How long to look for the cluster, and then for the bucket."""

TIMEOUT = timedelta(seconds=2.5)
"""How long to wait for the reply to one command, repeats of the SDK's own included."""


@dataclass(frozen=True)
class Opened:
    """A connection that is up: the SDK's cluster, and the collection in it that holds the sessions."""

    cluster: Any
    collection: Any


class BytesTranscoder(Transcoder):  # type: ignore[misc, unused-ignore]
    """Writes bytes as they are, with the flags 0, as beego does; reads them whatever the flags."""

    def encode_value(self, value: bytes) -> tuple[bytes, int]:
        return value, 0

    def decode_value(self, value: bytes, flags: int) -> bytes:
        return value


def plain(error: Any) -> Any:
    """Return an error of the SDK that can be shown: without the key, and without the frames that hold it.

    The frames are also taken from the error itself. Those of the async verbs hold on to a request that Python's
    collector cannot see, and with it to all else that the operation needed: 5 KiB for each failure.
    """
    error.__traceback__ = None
    reasons = getattr(error.error_context, "retry_reasons", None) or ()
    message = "; ".join([error.message or "no message", *sorted(reasons)])
    return type(error)(message=message)


class SyncConnection:
    """The connection of the sync verbs. The thread that asks first makes it, the others wait for that."""

    def __init__(self, config: CouchbaseConfig) -> None:
        self._config = config
        self._attempts: dict[int, Future[Opened]] = {}  # by process

    def get(self) -> Opened:
        """Return the connection of this process; make it if there is none. May wait for twice CONNECT_TIMEOUT.

        :raises couchbase.exceptions.CouchbaseException: it cannot be made. Whoever has waited meanwhile gets the same
            error, and the next call tries anew.
        """
        process = os.getpid()
        current = self._attempts.get(process)
        if current is None:
            mine = Future[Opened]()
            current = self._attempts.setdefault(process, mine)
            if current is mine:
                self._make(process, mine)
        return current.result()

    def close(self) -> None:
        """Close the connection of this process, if there is one."""
        attempt = self._attempts.pop(os.getpid(), None)
        if attempt is not None:
            attempt.add_done_callback(_close_if_made)

    def _make(self, process: int, attempt: Future[Opened]) -> None:
        try:
            attempt.set_result(_connect(self._config))
        except BaseException as error:
            self._attempts.pop(process, None)
            attempt.set_exception(plain(error) if isinstance(error, errors.CouchbaseException) else error)


class AsyncConnection:
    """The connection of the async verbs on one event loop. The task that asks first makes it, the others wait."""

    def __init__(self, config: CouchbaseConfig) -> None:
        self._config = config
        self._attempt: asyncio.Task[Opened] | None = None

    async def get(self) -> Opened:
        """Return the connection; make it if there is none. Who is cancelled meanwhile does not stop the others.

        :raises couchbase.exceptions.CouchbaseException: as :meth:`SyncConnection.get`
        """
        if self._attempt is None:
            self._attempt = asyncio.ensure_future(_aconnect(self._config))
            self._attempt.add_done_callback(self._forget_failure)
        return await asyncio.shield(self._attempt)

    async def close(self) -> None:
        """Close the connection, if there is one, and give up making it."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        if attempt.done() and not attempt.cancelled() and attempt.exception() is None:
            cluster = attempt.result().cluster
            await cluster.close()
            _open.discard(cluster)
        else:
            attempt.cancel()

    def _forget_failure(self, attempt: asyncio.Task[Opened]) -> None:
        if self._attempt is attempt and (attempt.cancelled() or attempt.exception() is not None):
            self._attempt = None


_open: set[Any] = set()
"""The cluster objects that are not closed. An event loop that was closed without shutting down its generators leaves
one behind, and to let Python's collector have it can crash the process.
"""

_made: WeakSet[Any] = WeakSet()
"""All cluster objects that are still in memory."""


def _note(cluster: Any) -> None:
    _made.add(cluster)
    _open.add(cluster)
    _watch_forks()


@cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_keep_inherited)


def _keep_inherited() -> None:
    """Never let go of what the parent process had: the SDK waits for threads then that are not there, and crashes."""
    gc.freeze()
    for cluster in _made:
        # A reference from Python would be gone when the interpreter ends.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(cluster))


def _connect(config: CouchbaseConfig) -> Opened:
    cluster = Cluster(config.connection_string, _options(config))
    _note(cluster)
    try:
        bucket = cluster.bucket(config.bucket)
    except errors.CouchbaseException:
        _close(cluster)
        raise
    return Opened(cluster, bucket.scope(config.scope).collection(config.collection))


async def _aconnect(config: CouchbaseConfig) -> Opened:
    cluster = AsyncCluster(config.connection_string, _options(config))
    _note(cluster)
    try:
        await cluster.on_connect()
        bucket = cluster.bucket(config.bucket)
        await bucket.on_connect()
    except errors.CouchbaseException as error:
        failure = plain(error)
    else:
        return Opened(cluster, bucket.scope(config.scope).collection(config.collection))
    with suppress(errors.CouchbaseException):  # it complains when there is nothing to close
        await cluster.close()
    _open.discard(cluster)
    raise failure


def _close(cluster: Any) -> None:
    cluster.close()
    _open.discard(cluster)


def _close_if_made(attempt: Future[Opened]) -> None:
    if attempt.exception() is None:
        _close(attempt.result().cluster)


def _options(config: CouchbaseConfig) -> Any:
    return options.ClusterOptions(
        PasswordAuthenticator(config.username, config.password, cert_path=config.ca_file),
        timeout_options=options.ClusterTimeoutOptions(bootstrap_timeout=CONNECT_TIMEOUT, kv_timeout=TIMEOUT),
        transcoder=BytesTranscoder(),
        # They would run a thread each, and write to the site's log now and then.
        enable_tracing=False,
        enable_metrics=False,
    )
