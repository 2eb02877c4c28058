"""What the ssdb engine stores, what that costs, and what it counts: protocol tests against our own stand-in."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.core.exceptions import ImproperlyConfigured

from beesession.engines.ssdb import LONGEST_PREFIX, SSDBProvider
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession_tests.engines.ssdb_engine.records import (
    HOUR,
    LOCK,
    NEW_SID,
    PREFIX,
    SID,
    VERBS,
    Make,
    data_of,
    everything,
    stored,
    ttl,
)  # fmt: skip
from beesession_tests.faults import Proxy
from beesession_tests.servers import SSDBServer, ssdb_server

TOO_LONG = "f" * 256
"""A key that SSDB takes, but not into its list of expiries."""


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n\n\n"], ids=["empty", "binary"])
def test_a_record_is_an_entry_of_just_these_bytes_under_prefix_and_id(
    make: Make, server: SSDBServer, prefix: str, data: bytes
) -> None:
    provider, key = make(key_prefix=prefix), (prefix + SID).encode()
    record = stored(provider, data)
    assert everything(server) == {key: data}
    provider.swap(SID, record, data + b"!", HOUR)
    assert everything(server) == {key: data + b"!"}


@pytest.mark.parametrize("verb", ["swap", "touch", "regenerate"])
def test_each_write_sets_the_expiry(provider: SSDBProvider, server: SSDBServer, verb: str) -> None:
    record = stored(provider, lifetime=7)
    assert 5 <= ttl(server, SID.encode()) <= 7
    record = VERBS[verb](provider, record)
    assert record.remaining == HOUR
    assert HOUR - 2 <= ttl(server, record.sid.encode()) <= HOUR


@pytest.mark.parametrize(
    ("verb", "trips"),
    [("read", 1), ("create", 2), ("swap", 3), ("touch", 1), ("regenerate", 4), ("destroy", 3)],
)
def test_what_each_verb_costs_in_round_trips(behind: SSDBProvider, proxy: Proxy, verb: str, trips: int) -> None:
    record = stored(behind)
    proxy.commands.clear()
    VERBS[verb](behind, record)
    assert len(proxy.commands) == trips


def test_no_lock_is_left_whatever_came_of_it(provider: SSDBProvider, server: SSDBServer) -> None:
    record = stored(provider)
    with pytest.raises(Conflict):
        provider.swap(SID, Record(b"another"), b"mine", HOUR)
    with pytest.raises(Conflict):
        provider.regenerate(SID, SID, record, b"mine", HOUR)
    with pytest.raises(Gone):
        provider.swap(NEW_SID, record, b"mine", HOUR)
    with pytest.raises(Gone):
        provider.touch(NEW_SID, record, 0)
    assert provider.destroy(NEW_SID) is False
    record = provider.regenerate(SID, NEW_SID, provider.swap(SID, record, b"1", HOUR), b"2", HOUR)
    assert everything(server) == {NEW_SID.encode(): b"2"}
    assert provider.destroy(NEW_SID) is True
    assert everything(server) == {}


def test_a_conflict_carries_what_is_there_even_if_it_is_empty(provider: SSDBProvider) -> None:
    record = stored(provider, b"read by both")
    provider.swap(SID, record, b"", HOUR)
    for verb in ("swap", "regenerate"):
        with pytest.raises(Conflict) as caught:
            VERBS[verb](provider, record)
        assert caught.value.record == Record(b"", sid=SID)


def test_a_taken_id_is_taken_for_a_lifetime_of_zero_too(provider: SSDBProvider) -> None:
    stored(provider, b"first")
    assert provider.create(SID, b"second", 0) is None
    moving = stored(provider, b"moving", sid=NEW_SID)
    with pytest.raises(Conflict):
        provider.regenerate(NEW_SID, SID, moving, b"", 0)
    assert data_of(provider) == b"first"


def test_an_entry_without_an_expiry_is_no_session(provider: SSDBProvider, server: SSDBServer) -> None:
    server.admin.send((b"set", SID.encode(), b"half made"))
    record = Record(b"half made", sid=SID)
    assert provider.read(SID) is None
    assert provider.active().number == 0
    assert provider.create(SID, b"data", HOUR) is None
    with pytest.raises(Gone):
        provider.swap(SID, record, b"mine", HOUR)
    assert provider.destroy(SID) is False
    assert everything(server) == {SID.encode(): b"half made"}


@pytest.mark.parametrize(
    "act",
    [
        lambda provider, record: provider.create(TOO_LONG, b"new", HOUR),
        lambda provider, record: provider.regenerate(SID, TOO_LONG, record, b"new", HOUR),
        lambda provider, record: provider.destroy(TOO_LONG[:255]),
    ],
    ids=["create", "regenerate", "lock"],
)
def test_an_expiry_that_the_server_did_not_set_is_unavailable(
    provider: SSDBProvider, act: Callable[[SSDBProvider, Record], object]
) -> None:
    with pytest.raises(Unavailable, match="expiry"):
        act(provider, stored(provider))
    assert provider.read(TOO_LONG) is None


def test_a_megabyte_is_written_and_compared(provider: SSDBProvider) -> None:
    data = bytes(range(256)) * 4096
    record = provider.swap(SID, stored(provider, data), data[::-1], HOUR)
    assert data_of(provider) == record.data == data[::-1]
    with pytest.raises(Conflict):
        provider.swap(SID, Record(data), b"late", HOUR)


def test_more_than_the_engine_takes_is_refused_before_it_is_sent(provider: SSDBProvider, server: SSDBServer) -> None:
    limit = SSDBProvider.capabilities.max_bytes
    assert limit is not None
    with pytest.raises(SessionTooLarge) as caught:
        provider.create(SID, bytes(limit + 1), HOUR)
    assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert everything(server) == {}


@pytest.mark.slow
def test_active_counts_five_thousand_among_other_data(make: Make, server: SSDBServer) -> None:
    names = [f"{PREFIX}{number:032x}" for number in range(5000)]
    foreign = [SID, "shop", "shop;" + SID, PREFIX + "not/an/id", PREFIX + SID + ":lock", PREFIX + SID + "\xff", "zzz"]
    for first in range(0, 5000, 500):
        server.admin.send(*((b"setx", name.encode(), b"data", b"3600") for name in names[first : first + 500]))
    server.admin.send(*((b"setx", name.encode("latin-1"), b"data", b"3600") for name in foreign))
    server.admin.send((b"setx", f"{PREFIX}{'a' * 32}".encode(), b"data", b"1"))
    time.sleep(1.1)
    count = make(key_prefix=PREFIX).active()
    assert count.number == 5000
    assert "counted as well" not in count.how


def test_active_without_a_prefix_says_what_else_it_may_have_counted(provider: SSDBProvider, server: SSDBServer) -> None:
    server.admin.send((b"setx", b"of-another-program", b"data", b"60"), (b"setx", b"a" * 40, b"data", b"60"))
    stored(provider)
    server.admin.send((b"setx", LOCK, b"token", b"60"))
    count = provider.active()
    assert count.number == 2
    assert "without KEY_PREFIX" in count.how


def test_the_longest_prefix_leaves_room_for_the_longest_id_and_its_lock(make: Make) -> None:
    longest = "p" * 32 + "f" * 128
    provider = make(key_prefix="k" * LONGEST_PREFIX, id_prefix="p" * 32)
    record = stored(provider, sid=longest)
    assert provider.swap(longest, record, b"new", HOUR).data == b"new"
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['KEY_PREFIX'\].*80 bytes"):
        make(key_prefix="k" * (LONGEST_PREFIX + 1))


def test_a_password_is_sent_where_it_is_demanded(make: Make) -> None:
    with ssdb_server("a password of 32 characters or more") as server:
        place = {"host": server.host, "port": server.port}
        provider = make({**place, "password": "a password of 32 characters or more"})
        assert provider.swap(SID, stored(provider), b"new", HOUR).data == b"new"
        for wrong, why in (({}, "noauth"), ({"password": "hunter2"}, "error")):
            with pytest.raises(Unavailable, match=why) as caught:
                make({**place, **wrong}).read(SID)
            assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("wrong", ["", "host", "h:1,2", {"host": "h"}, {"host": "h", "port": 1, "db": 0}], ids=str)
def test_a_string_that_names_no_server_is_told_with_its_key(make: Make, wrong: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['PROVIDER_CONFIG'\].*ssdb"):
        make(wrong)
