"""Beside a running beego: documents in the form of its driver, and marks; what that costs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from beesession.engines.couchbase import CouchbaseProvider
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import PAYLOADS, ProviderContract, Verbs
from beesession_tests.beego.rows import Row, rows_of
from beesession_tests.engines.couchbase_engine.records import (
    DAY,
    HOUR,
    NEW_SID,
    SID,
    VERBS,
    Form,
    Make,
    each_write,
    stored,
)  # fmt: skip
from beesession_tests.servers import CouchbaseServer

MARK = f"{SID}:r"


class TestItKeepsTheContractWhenItTellsTheTimeLeft(ProviderContract):
    @pytest.fixture
    def provider(self, make: Make) -> CouchbaseProvider:
        return make(codec="gob", touch_interval=60)

    def test_an_id_is_free_again_after_destroy(self, verbs: Verbs) -> None:
        """It is not: its mark outlives it."""
        first = verbs.store(b"first")
        verbs.destroy(first.sid)
        assert verbs.create(first.sid, b"second", HOUR) is None


@pytest.fixture
def provider(make: Make) -> CouchbaseProvider:
    return make(codec="gob")


def put(provider: CouchbaseProvider, document: bytes, key: str = SID) -> None:
    """Store a document past the engine."""
    provider._connection.get().collection.upsert(key, document)


def quoted(data: bytes) -> bytes:
    return b'"' + base64.b64encode(data) + b'"'


# The form ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows_of("couchbase"), ids=lambda row: row.sid)
def test_a_document_of_beegos_opens_and_is_written_back_the_same(
    provider: CouchbaseProvider, server: CouchbaseServer, row: Row
) -> None:
    put(provider, row.stored, row.sid)
    record = provider.read(row.sid)
    assert record is not None
    assert record.data == base64.b64decode(json.loads(row.stored))
    provider.swap(row.sid, record, record.data, HOUR)
    document = server.document(row.sid)
    assert document is not None
    assert (document.value, document.flags, document.datatype) == (row.stored, 0, 0)


@pytest.mark.parametrize("touch_interval", [0, 60])
@pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_each_write_makes_that_form_and_each_read_takes_it(
    make: Make, form: Form, server: CouchbaseServer, data: bytes, touch_interval: int
) -> None:
    verbs = form(make(codec="gob", touch_interval=touch_interval))
    record = stored(verbs, data)
    assert (record.data, _value(server, SID)) == (data, quoted(data))
    record = verbs.swap(SID, record, data + b"!", HOUR)
    assert (record.data, _value(server, SID)) == (data + b"!", quoted(data + b"!"))
    assert verbs.touch(SID, record, HOUR).data == verbs.data(SID) == data + b"!"
    record = verbs.regenerate(SID, NEW_SID, verbs.touch(SID, record, HOUR), data, HOUR)
    assert (record.data, _value(server, NEW_SID)) == (data, quoted(data))


def _value(server: CouchbaseServer, key: str) -> bytes:
    document = server.document(key)
    assert document is not None
    return document.value


@pytest.mark.parametrize("document", [b'""', b"null"], ids=["empty", "null"])
def test_what_beego_takes_for_an_empty_session_is_one(provider: CouchbaseProvider, document: bytes) -> None:
    put(provider, document)
    record = provider.read(SID)
    assert record is not None
    assert record.data == b""


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b"[1]",
        b"0",
        b"raw bytes \x00\xff",
        b'"not base64!"',
        b'"AQ="',
        b'"AQ=="x',
        b'"AQ==',
        b'"AQ==\xff"',
        b'"\xc3\xa9"',
        b'"',
    ],
    ids=repr,
)
def test_what_is_no_session_comes_as_it_is_so_that_no_codec_takes_it_for_one(
    verbs: Verbs, provider: CouchbaseProvider, server: CouchbaseServer, document: bytes
) -> None:
    put(provider, document)
    assert verbs.data(SID) == document
    assert _value(server, SID) == document


def test_a_document_of_nothing_is_no_empty_session(verbs: Verbs, provider: CouchbaseProvider) -> None:
    put(provider, b"")
    assert verbs.data(SID) not in (None, b"")


def test_what_counts_is_the_size_of_the_document(verbs: Verbs, server: CouchbaseServer) -> None:
    limit = 20 * 1024 * 1024
    fits = (limit - len('""')) // 4 * 3
    record = stored(verbs)
    server.commands()
    for write in (
        lambda data: verbs.create(NEW_SID, data, HOUR),
        lambda data: verbs.swap(SID, record, data, HOUR),
        lambda data: verbs.regenerate(SID, NEW_SID, record, data, HOUR),
    ):
        with pytest.raises(SessionTooLarge) as caught:
            write(bytes(fits + 1))
        assert caught.value.size > caught.value.limit == limit
    assert set(server.commands()) <= {"GETMETA"}
    assert verbs.swap(SID, record, bytes(fits), HOUR).data == verbs.data(SID) == bytes(fits)


# The marks -----------------------------------------------------------------------------------------------


def test_a_mark_is_a_document_of_one_byte_that_lives_two_lifetimes(
    make: Make, form: Form, server: CouchbaseServer
) -> None:
    form(make(codec="gob", lifetime=20 * DAY)).destroy(SID)
    document = server.document(MARK)
    assert document is not None
    assert (document.value, document.flags) == (b"1", 0)
    assert document.left == pytest.approx(40 * DAY, abs=3)


SENT = {
    "read": ["GET", "GET"],
    "create": ["GETMETA", "ADD"],
    "swap": ["REPLACE"],
    "touch": ["GAT", "GETMETA"],
    "regenerate": ["GETMETA", "GETMETA", "ADD", "DELETE", "SET"],
    "destroy": ["SET", "DELETE"],
}


@pytest.mark.parametrize(("verb", "sent"), [(VERBS[name], sent) for name, sent in SENT.items()], ids=SENT.keys())
def test_what_each_verb_sends(
    verbs: Verbs, server: CouchbaseServer, verb: Callable[[Verbs, Record], Any], sent: list[str]
) -> None:
    record = stored(verbs)
    server.commands()
    verb(verbs, record)
    assert server.commands() == sent


def test_the_time_left_is_told_together_with_the_mark(make: Make, form: Form, server: CouchbaseServer) -> None:
    verbs = form(make(codec="gob", touch_interval=60))
    stored(verbs, lifetime=50)
    server.commands()
    record = verbs.read(SID)
    assert sorted(server.commands()) == ["GET", "SUBDOCMULTILOOKUP"]
    assert record is not None
    assert record.remaining == pytest.approx(50, abs=3)


@each_write
def test_a_write_of_what_beego_has_revived_is_gone_and_removes_it(
    verbs: Verbs,
    provider: CouchbaseProvider,
    server: CouchbaseServer,
    write: Callable[[Verbs, Record], Record],
) -> None:
    record = stored(verbs)
    verbs.destroy(SID)
    put(provider, quoted(record.data))
    with pytest.raises(Gone):
        write(verbs, record)
    assert server.document(SID) is None
    assert server.document(NEW_SID) is None


def test_a_swap_that_loses_tells_what_it_found(
    verbs: Verbs, provider: CouchbaseProvider, server: CouchbaseServer
) -> None:
    record = stored(verbs)
    put(provider, quoted(b"of beego"))
    server.commands()
    with pytest.raises(Conflict) as caught:
        verbs.swap(SID, record, b"mine", HOUR)
    assert server.commands() == ["REPLACE", "GET", "GET"]
    assert caught.value.record is not None
    assert verbs.swap(SID, caught.value.record, b"merged", HOUR).data == verbs.data(SID) == b"merged"


def test_a_rotation_that_comes_too_late_does_not_revoke_the_id_that_nobody_was_told(
    verbs: Verbs, provider: CouchbaseProvider, server: CouchbaseServer
) -> None:
    record = stored(verbs)
    put(provider, quoted(b"of beego"))
    with pytest.raises(Conflict):
        verbs.regenerate(SID, NEW_SID, record, b"mine", HOUR)
    assert [server.document(key) for key in (NEW_SID, f"{NEW_SID}:r", MARK)] == [None] * 3


def test_a_rotation_does_not_move_what_beego_has_revived_to_an_id_without_a_mark(
    verbs: Verbs, provider: CouchbaseProvider, server: CouchbaseServer
) -> None:
    record = stored(verbs)
    provider._connection.get().collection.upsert(MARK, b"1")
    with pytest.raises(Gone):
        verbs.regenerate(SID, NEW_SID, record, b"moved", HOUR)
    assert [server.document(key) for key in (SID, NEW_SID)] == [None, None]


@pytest.mark.parametrize(
    ("end", "answered"),
    [
        (lambda verbs, record: verbs.swap(SID, record, b"", 0), 0),
        (lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"moved", HOUR), 3),
    ],
    ids=["swap-with-no-lifetime", "regenerate"],
)
def test_an_end_of_which_the_reply_was_lost_leaves_its_mark(
    verbs: Verbs, server: CouchbaseServer, end: Callable[[Verbs, Record], Record], answered: int
) -> None:
    record = stored(verbs)
    server.lose_reply(after=answered)
    with pytest.raises(Unavailable):
        end(verbs, record)
    assert [server.document(key) is not None for key in (SID, NEW_SID, MARK)] == [False, False, True]


def test_an_end_that_is_cancelled_while_it_removes_leaves_its_mark(
    provider: CouchbaseProvider, server: CouchbaseServer
) -> None:
    async def cancel_one() -> None:
        record = await provider.acreate(SID, b"data", HOUR)
        assert record is not None
        server.delay(0.2)
        ending = asyncio.ensure_future(provider.aswap(SID, record, b"", 0))
        await asyncio.sleep(0.05)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        server.heal()

    asyncio.run(cancel_one())
    assert [server.document(key) is not None for key in (SID, MARK)] == [False, True]


def test_neither_marks_nor_what_beego_has_revived_count(verbs: Verbs, provider: CouchbaseProvider) -> None:
    stored(verbs, sid=NEW_SID)
    verbs.destroy(SID)
    assert verbs.active().number == 1
    put(provider, quoted(b"late"))
    assert verbs.active().number == 1


def test_a_read_that_is_cancelled_disturbs_no_other(provider: CouchbaseProvider, server: CouchbaseServer) -> None:
    stored(Verbs(provider, None))

    async def cancel_one() -> Record | None:
        await provider.aread(SID)
        server.delay(0.2)
        task = asyncio.ensure_future(provider.aread(SID))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.heal()
        return await provider.aread(SID)

    found = asyncio.run(cancel_one())
    assert found is not None
    assert found.data == b"data"
