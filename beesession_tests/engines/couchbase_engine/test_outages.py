"""Connections that break, clusters that are silent, refuse, or answer with an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from beesession.couchbase_clients import errors
from beesession.engines.couchbase import CouchbaseProvider
from beesession.provider import Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.couchbase_engine.records import (
    HOUR,
    NEW_SID,
    SID,
    VERBS,
    WRITES,
    Form,
    Make,
    each_verb,
    stored,
)  # fmt: skip
from beesession_tests.servers import CouchbaseServer, couchbase_server

BUSY, OUT_OF_MEMORY, LOCKED = 0x86, 0x82, 0x09


@pytest.mark.parametrize("verb", [VERBS["read"], VERBS["swap"]], ids=["read", "swap"])
def test_a_connection_that_the_server_closed_meanwhile_costs_nothing(
    verbs: Verbs, server: CouchbaseServer, verb: Callable[[Verbs, Record], Any]
) -> None:
    record = stored(verbs)
    assert server.disconnect_clients() >= 1
    time.sleep(0.05)  # the SDK's own thread notices it
    verb(verbs, record)


@pytest.mark.parametrize(
    ("write", "sent"),
    [
        (lambda verbs, record: verbs.create(NEW_SID, b"new", HOUR), "ADD"),
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), "REPLACE"),
    ],
    ids=["create", "swap"],
)
def test_a_write_whose_reply_is_lost_runs_once_and_is_unavailable(
    verbs: Verbs, server: CouchbaseServer, write: Callable[[Verbs, Record], Any], sent: str
) -> None:
    record = stored(verbs)
    server.commands()
    server.lose_reply()
    with pytest.raises(Unavailable) as caught:
        write(verbs, record)
    assert isinstance(caught.value.__cause__, errors.RequestCanceledException)
    assert server.commands() == [sent]
    assert b"new" in (verbs.data(SID), verbs.data(NEW_SID))


@pytest.mark.parametrize("answered", [0, 1], ids=["of-the-new-document", "of-the-old-document"])
def test_a_rotation_whose_reply_is_lost_leaves_one_key_at_most(
    verbs: Verbs, server: CouchbaseServer, answered: int
) -> None:
    record = stored(verbs)
    server.lose_reply(after=answered)
    with pytest.raises(Unavailable):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert verbs.data(NEW_SID) is None
    assert verbs.data(SID) == (b"data" if answered == 0 else None)


def test_a_rotation_whose_reply_is_lost_leaves_a_foreign_record_alone(verbs: Verbs, server: CouchbaseServer) -> None:
    record = stored(verbs)
    stored(verbs, b"another's", sid=NEW_SID)
    server.lose_reply()
    with pytest.raises(Unavailable):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert verbs.data(NEW_SID) == b"another's"


@pytest.mark.parametrize(
    ("verb", "sent"),
    [(VERBS["read"], "GET"), (VERBS["touch"], "GAT"), (VERBS["destroy"], "DELETE")],
    ids=["read", "touch", "destroy"],
)
def test_read_touch_and_destroy_are_repeated_once(
    verbs: Verbs, server: CouchbaseServer, verb: Callable[[Verbs, Record], Any], sent: str
) -> None:
    record = stored(verbs)
    server.commands()
    server.lose_reply()
    # A destroy that ran unheard finds the record gone at its repetition, which is as true.
    verb(verbs, record)
    assert server.commands() == [sent, sent]


def test_a_touch_that_removes_runs_once_and_does_not_tell_that_the_record_was_gone(
    verbs: Verbs, server: CouchbaseServer
) -> None:
    record = stored(verbs)
    server.commands()
    server.lose_reply()
    with pytest.raises(Unavailable):
        verbs.touch(SID, record, 0)
    assert server.commands() == ["DELETE"]
    assert verbs.data(SID) is None


@each_verb
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    verbs: Verbs, server: CouchbaseServer, verb: Callable[[Verbs, Record], Any]
) -> None:
    record = stored(verbs)
    server.fail(BUSY, times=2)
    verb(verbs, record)


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("status", [OUT_OF_MEMORY, LOCKED], ids=hex)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_that_the_server_refuses_is_unavailable_and_changes_nothing(
    verbs: Verbs, server: CouchbaseServer, status: int, write: Callable[[Verbs, Record], Any]
) -> None:
    record = stored(verbs)
    server.fail(status)
    with pytest.raises(Unavailable):
        write(verbs, record)
    time.sleep(0.3)  # the SDK's own last try may still be on its way
    server.heal()
    assert verbs.read(SID) == Record(b"data", record.token, SID)
    assert verbs.read(NEW_SID) is None


@pytest.mark.slow
def test_a_silent_cluster_is_unavailable_in_less_than_ten_seconds(make: Make, server: CouchbaseServer) -> None:
    connected, new = make(), make()
    stored(Verbs(connected, None))
    server.silence()

    def seconds_of_a_read(provider: CouchbaseProvider) -> float:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            provider.read(SID)
        return time.monotonic() - began

    with ThreadPoolExecutor(2) as threads:
        assert max(threads.map(seconds_of_a_read, [connected, new])) < 10


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
def test_a_silent_cluster_is_unavailable_for_each_verb_until_it_speaks(verbs: Verbs, server: CouchbaseServer) -> None:
    record = stored(verbs)
    server.silence()
    for verb in VERBS.values():
        with pytest.raises(Unavailable):
            verb(verbs, record)
    server.heal()
    wait_until_answered(verbs)
    assert verbs.data(SID) == b"data"


@pytest.mark.usefixtures("soon")
def test_many_who_wait_for_a_silent_cluster_wait_together(provider: CouchbaseProvider, server: CouchbaseServer) -> None:
    server.silence()

    async def read_thirty_times() -> list[Record | BaseException | None]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(30)), return_exceptions=True)

    def read(_: int) -> type:
        with pytest.raises(Unavailable) as caught:
            provider.read(SID)
        return caught.type

    began = time.monotonic()
    assert {type(each) for each in asyncio.run(read_thirty_times())} == {Unavailable}
    with ThreadPoolExecutor(30) as threads:
        assert set(threads.map(read, range(30))) == {Unavailable}
    # One after another they would take a quarter of a minute, twice.
    assert time.monotonic() - began < 10


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
def test_a_stopped_cluster_is_unavailable_and_comes_back(make: Make, form: Form) -> None:
    with couchbase_server() as server:
        verbs = form(make(server.provider_config))
        record = stored(verbs)
        server.stop()
        for verb in VERBS.values():
            with pytest.raises(Unavailable):
                verb(verbs, record)
        server.start()
        wait_until_answered(verbs)
        assert verbs.read(SID) is None
        stored(verbs)


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
def test_a_cluster_that_refused_at_first_is_connected_to_when_it_is_back(verbs: Verbs, server: CouchbaseServer) -> None:
    server.refuse()
    for _ in range(2):
        with pytest.raises(Unavailable, match="out of reach"):
            verbs.read(SID)
    server.heal()
    stored(verbs)


def wait_until_answered(verbs: Verbs) -> None:
    """Wait until the SDK has found a server again that was away."""
    deadline = time.monotonic() + 10
    while True:
        try:
            verbs.read(SID)
            return
        except Unavailable:
            assert time.monotonic() < deadline


def test_a_cancelled_read_leaves_its_reply_to_nobody(
    provider: CouchbaseProvider, server: CouchbaseServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel_a_read_that_is_under_way() -> bytes | None:
        await provider.acreate(SID, b"mine", HOUR)
        await provider.acreate(NEW_SID, b"another's", HOUR)
        server.delay(0.2)
        reading = asyncio.ensure_future(provider.aread(SID))
        await asyncio.sleep(0.05)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        server.delay(0)
        record = await provider.aread(NEW_SID)
        return record.data if record else None

    assert asyncio.run(cancel_a_read_that_is_under_way()) == b"another's"
    assert caplog.messages == []


@pytest.mark.parametrize("done", [0.1, 0.3], ids=["before-the-new-document", "before-the-old-is-removed"])
def test_a_cancelled_rotation_leaves_one_key_at_most(
    provider: CouchbaseProvider, server: CouchbaseServer, done: float
) -> None:
    async def cancel_a_rotation_that_is_under_way() -> list[Record | None]:
        record = await provider.acreate(SID, b"data", HOUR)
        assert record is not None
        server.delay(0.2)
        rotating = asyncio.ensure_future(provider.aregenerate(SID, NEW_SID, record, b"new", HOUR))
        await asyncio.sleep(done)
        rotating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rotating
        server.delay(0)
        return [await provider.aread(sid) for sid in (SID, NEW_SID)]

    old, new = asyncio.run(cancel_a_rotation_that_is_under_way())
    assert new is None
    assert (old is None) == (done > 0.2)
