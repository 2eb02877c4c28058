"""What the couchbase engine stores, what it sends for that, and what it counts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from beesession.couchbase_requests import scan
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import PAYLOADS, Verbs
from beesession_tests.engines.couchbase_engine.records import (
    DAY,
    HOUR,
    NEW_SID,
    PREFIX,
    SID,
    VERBS,
    Form,
    Make,
    config,
    each_write,
    stored,
)  # fmt: skip
from beesession_tests.servers import CouchbaseServer, couchbase_server


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n", b'{"json": 1}'])
def test_a_document_is_just_these_bytes_under_prefix_and_id(
    make: Make, form: Form, server: CouchbaseServer, prefix: str, data: bytes
) -> None:
    stored(form(make(key_prefix=prefix)), data)
    document = server.document(prefix + SID)
    assert document is not None
    assert (document.value, document.flags, document.datatype) == (data, 0, 0)


@each_write
def test_each_write_sets_the_expiry(
    verbs: Verbs, server: CouchbaseServer, write: Callable[[Verbs, Record], Record]
) -> None:
    record = write(verbs, stored(verbs, lifetime=7))
    assert record.remaining == 100
    document = server.document(record.sid)
    assert document is not None
    assert document.left == pytest.approx(100, abs=2)


@pytest.mark.parametrize("days", [29, 30, 31, 365, 50 * 365, 100 * 365])
def test_a_lifetime_of_more_than_thirty_days_is_kept(verbs: Verbs, server: CouchbaseServer, days: int) -> None:
    record = stored(verbs, lifetime=days * DAY)
    for _ in range(2):
        document = server.document(SID)
        assert document is not None
        assert document.left == pytest.approx(min(days, 50 * 365) * DAY, abs=3)
        record = verbs.touch(SID, record, days * DAY)


def test_a_session_is_over_after_its_lifetime_and_not_before(make: Make, form: Form) -> None:
    with couchbase_server() as server:
        verbs = form(make(server.provider_config))
        stored(verbs, lifetime=40 * DAY)
        server.travel(39 * DAY)
        assert verbs.data(SID) == b"data"
        server.travel(2 * DAY)
        assert verbs.data(SID) is None


@pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_the_time_left_is_told_when_touch_interval_needs_it(
    make: Make, form: Form, server: CouchbaseServer, data: bytes
) -> None:
    verbs = form(make(touch_interval=60))
    stored(verbs, data, lifetime=50)
    server.commands()
    record = verbs.read(SID)
    assert record is not None
    assert record.data == data
    assert record.remaining == pytest.approx(50, abs=3)
    assert len(server.commands()) == 1
    verbs.swap(SID, record, b"new", HOUR)
    assert verbs.data(SID) == b"new"
    assert verbs.read(NEW_SID) is None


def test_a_document_that_was_stored_for_ever_has_no_time_left_to_tell(
    make: Make, form: Form, server: CouchbaseServer
) -> None:
    provider = make(touch_interval=60)
    provider._connection.get().collection.upsert(SID, b"data")
    record = form(provider).read(SID)
    assert record is not None
    assert (record.data, record.remaining) == (b"data", None)


def test_touch_shows_what_another_request_has_stored_meanwhile(verbs: Verbs) -> None:
    record = stored(verbs, b"read by both")
    verbs.swap(SID, record, b"theirs", HOUR)
    touched = verbs.touch(SID, record, HOUR)
    assert touched.data == b"theirs"
    verbs.swap(SID, touched, b"merged", HOUR)
    assert verbs.data(SID) == b"merged"


def test_a_touch_makes_the_record_another_one(verbs: Verbs) -> None:
    record = stored(verbs)
    verbs.touch(SID, record, HOUR)
    with pytest.raises(Conflict):
        verbs.swap(SID, record, b"new", HOUR)


@pytest.mark.parametrize("lifetime", [HOUR, 0])
def test_a_record_without_a_token_overwrites_nothing(verbs: Verbs, lifetime: float) -> None:
    stored(verbs)
    with pytest.raises(Conflict):
        verbs.swap(SID, Record(b"data", sid=SID), b"new", lifetime)
    with pytest.raises(Conflict):
        verbs.regenerate(SID, NEW_SID, Record(b"data", sid=SID), b"new", lifetime)
    assert verbs.data(SID) == b"data"
    assert verbs.data(NEW_SID) is None


def test_a_taken_id_is_taken_for_a_lifetime_of_zero_too(verbs: Verbs) -> None:
    stored(verbs, b"first")
    assert verbs.create(SID, b"second", 0) is None
    assert verbs.data(SID) == b"first"


def test_more_than_couchbase_can_hold_is_refused_before_it_is_sent(verbs: Verbs, server: CouchbaseServer) -> None:
    limit = 20 * 1024 * 1024
    record = stored(verbs)
    server.commands()
    for write in (
        lambda: verbs.create(NEW_SID, bytes(limit + 1), HOUR),
        lambda: verbs.swap(SID, record, bytes(limit + 1), HOUR),
        lambda: verbs.regenerate(SID, NEW_SID, record, bytes(limit + 1), HOUR),
    ):
        with pytest.raises(SessionTooLarge) as caught:
            write()
        assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert server.commands() == []


def test_a_large_record_fits(verbs: Verbs) -> None:
    data = os.urandom(3 * 1024 * 1024)
    stored(verbs, data)
    assert verbs.data(SID) == data


SENT = {
    "read": ["GET"],
    "create": ["ADD"],
    "swap": ["REPLACE"],
    "touch": ["GAT"],
    "regenerate": ["ADD", "DELETE"],
    "destroy": ["DELETE"],
}


@pytest.mark.parametrize(("verb", "sent"), [(VERBS[name], sent) for name, sent in SENT.items()], ids=SENT.keys())
def test_each_verb_is_one_command_and_a_rotation_two(
    verbs: Verbs, server: CouchbaseServer, verb: Callable[[Verbs, Record], Any], sent: list[str]
) -> None:
    record = stored(verbs)
    server.commands()
    verb(verbs, record)
    assert server.commands() == sent


@pytest.mark.parametrize(
    ("meanwhile", "raised"),
    [
        (lambda verbs, record: verbs.destroy(SID), Gone),
        (lambda verbs, record: verbs.swap(SID, record, b"theirs", HOUR), Conflict),
    ],
    ids=["gone", "changed"],
)
def test_a_rotation_that_loses_takes_back_what_it_stored(
    verbs: Verbs, server: CouchbaseServer, meanwhile: Callable[[Verbs, Record], Any], raised: type[Exception]
) -> None:
    record = stored(verbs)
    meanwhile(verbs, record)
    server.commands()
    with pytest.raises(raised):
        verbs.regenerate(SID, NEW_SID, record, b"mine", HOUR)
    assert server.commands() == ["ADD", "DELETE", "DELETE"]
    assert server.document(NEW_SID) is None


# Counting -----------------------------------------------------------------------------------------------


def test_active_counts_documents_behind_the_prefix_that_are_named_like_sessions(
    make: Make, form: Form, server: CouchbaseServer
) -> None:
    verbs, others = form(make(key_prefix="a%_:")), Verbs(make(), None)
    for number in range(130):
        stored(verbs, sid=f"{number:032x}")
    for foreign in (SID, "axx:" + SID, "a%_:not/an/id", "a%_:", "a%_:" + SID.upper(), "other"):
        stored(others, sid=foreign)
    expired = stored(verbs, sid="e" * 32)
    verbs.touch("e" * 32, expired, 0)
    count = verbs.active()
    assert count.number == 130
    assert "KEY_PREFIX" in count.how
    assert "counted as well" not in count.how


def test_active_without_a_prefix_says_what_else_it_may_have_counted(verbs: Verbs) -> None:
    stored(verbs, sid="of-another-program")
    stored(verbs, sid="a" * 40)
    stored(verbs)
    count = verbs.active()
    assert count.number == 2
    assert "without KEY_PREFIX" in count.how


def test_active_counts_hashed_keys_although_the_ids_have_a_prefix(make: Make) -> None:
    provider = make(hash_keys=True, id_prefix="site-")
    stored(Verbs(provider, None), sid="f" * 64)
    stored(Verbs(provider, None), sid="site-" + SID)
    assert provider.active().number == 1


def test_active_counts_no_document_that_has_expired_although_it_is_still_listed(make: Make, form: Form) -> None:
    with couchbase_server() as server:
        verbs = form(make(server.provider_config))
        for lifetime in (HOUR, 2 * HOUR, DAY):
            stored(verbs, sid=f"{lifetime:032x}", lifetime=lifetime)
        server.travel(3 * HOUR)
        assert len(scan(verbs.provider._connection.get(), "")) == 3
        count = verbs.active()
        assert count.number == 1
        assert "not on disk yet" in count.how


@contextmanager
def answering_queries(**reply: object) -> Iterator[CouchbaseServer]:
    """Run a server of before Couchbase 7.6, whose query service, if it has one, gives this reply."""
    with couchbase_server("-no-range-scan", "-query-reply", json.dumps(reply) if reply else "") as server:
        yield server


def failed(code: int, message: str) -> dict[str, object]:
    return {"errors": [{"code": code, "msg": message}], "status": "fatal"}


@pytest.mark.parametrize(
    "reply",
    [{}, failed(4000, "No index available on keyspace `default`:`sessions` that matches your query.")],
    ids=["no-query-service", "no-index"],
)
def test_a_cluster_that_can_list_nothing_says_so_instead_of_zero(
    make: Make, form: Form, reply: dict[str, object]
) -> None:
    with answering_queries(**reply) as server:
        count = form(make(server.provider_config)).active()
        assert count.number is None
        assert "7.6" in count.how
        assert "index" in count.how


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (failed(13014, "User does not have credentials to run SELECT queries."), "rights on the bucket"),
        (failed(5000, "The index node is down."), "InternalServerFailure"),
    ],
    ids=["no-rights", "out-of-order"],
)
def test_a_query_that_fails_is_an_outage_and_not_a_missing_index(
    make: Make, form: Form, reply: dict[str, object], told: str
) -> None:
    with answering_queries(**reply) as server, pytest.raises(Unavailable, match=told):
        form(make(server.provider_config)).active()


def test_active_by_a_query_counts_what_is_listed_and_still_there(make: Make, form: Form) -> None:
    with answering_queries(results=[SID, NEW_SID, "a" * 32, "other"], status="success") as server:
        verbs = form(make(server.provider_config))
        for sid in (SID, NEW_SID, "other", "b" * 32):
            stored(verbs, sid=sid)
        count = verbs.active()
        assert count.number == 2
        assert "index may lag behind" in count.how


@pytest.mark.usefixtures("soon")
def test_a_silent_cluster_is_not_counted_for_long(make: Make, form: Form, server: CouchbaseServer) -> None:
    verbs = form(make())
    stored(verbs)
    server.silence()
    with pytest.raises(Unavailable):
        verbs.active()


# Collections --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_collection() -> Iterator[CouchbaseServer]:
    with couchbase_server("-collections", "shop.visits") as server:
        yield server


def test_sessions_lie_in_the_collection_that_is_named(make: Make, form: Form, with_collection: CouchbaseServer) -> None:
    with_collection.flush()
    verbs = form(make(config(with_collection, scope="shop", collection="visits")))
    record = stored(verbs)
    assert with_collection.document(SID) is None
    document = with_collection.document(SID, scope="shop", collection="visits")
    assert document is not None
    assert document.value == b"data"
    record = verbs.swap(SID, verbs.touch(SID, record, HOUR), b"new", HOUR)
    assert verbs.active().number == 1
    assert verbs.regenerate(SID, NEW_SID, record, b"newer", HOUR).data == verbs.data(NEW_SID)
    assert form(make(with_collection.provider_config)).read(NEW_SID) is None
