"""Beside a running beego: the marks of ended sessions, and that no verb needs a round trip more for them."""

from __future__ import annotations

import pytest

from beesession.engines.ssdb import LONGEST_PREFIX, SSDBProvider
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession_tests.engines.ssdb_engine.records import (
    HOUR,
    LOCK,
    NEW_SID,
    SID,
    VERBS,
    Make,
    data_of,
    everything,
    stored,
    ttl,
)  # fmt: skip
from beesession_tests.faults import Proxy
from beesession_tests.servers import SSDBServer

KEY, NEW_KEY = SID.encode(), NEW_SID.encode()
MARK = KEY + b":r"
LIFETIME = 1000


@pytest.fixture
def provider(make: Make) -> SSDBProvider:
    return make(codec="gob", lifetime=LIFETIME)


def revive(server: SSDBServer, data: bytes = b"data") -> None:
    """Save the session as beego does at the end of a request."""
    server.admin.send((b"setx", KEY, data, b"%d" % LIFETIME))


@pytest.mark.parametrize(
    ("verb", "trips"),
    [("read", 1), ("create", 2), ("swap", 3), ("touch", 1), ("regenerate", 4), ("destroy", 3)],
)
def test_each_verb_costs_as_many_round_trips_as_without_marks(make: Make, proxy: Proxy, verb: str, trips: int) -> None:
    behind = make(f"{proxy.host}:{proxy.port}", codec="gob")
    record = stored(behind)
    proxy.commands.clear()
    VERBS[verb](behind, record)
    assert len(proxy.commands) == trips


def test_a_mark_is_an_entry_of_one_byte_that_lives_two_lifetimes(provider: SSDBProvider, server: SSDBServer) -> None:
    provider.destroy(SID)
    assert everything(server) == {MARK: b"1"}
    assert 2 * LIFETIME - 3 <= ttl(server, MARK) <= 2 * LIFETIME


def test_no_lock_is_left_whatever_came_of_it(provider: SSDBProvider, server: SSDBServer) -> None:
    record = stored(provider)
    provider.destroy(SID)
    for verb in ("swap", "touch", "regenerate"):
        revive(server)
        with pytest.raises(Gone):
            VERBS[verb](provider, record)
        assert everything(server) == {MARK: b"1"}
    revive(server)
    assert provider.destroy(SID) is False
    assert provider.create(SID, b"anew", HOUR) is None
    assert everything(server) == {MARK: b"1"}


def test_a_rotation_that_is_refused_leaves_no_mark(provider: SSDBProvider, server: SSDBServer) -> None:
    record = stored(provider, b"read by both")
    revive(server, b"of beego")
    with pytest.raises(Conflict) as caught:
        provider.regenerate(SID, NEW_SID, record, b"mine", HOUR)
    assert caught.value.record == Record(b"of beego", sid=SID)
    assert everything(server) == {KEY: b"of beego"}


def test_a_rotation_to_a_revoked_id_is_refused_and_leaves_the_record_as_it_is(
    provider: SSDBProvider, server: SSDBServer
) -> None:
    record = stored(provider)
    provider.destroy(NEW_SID)
    for lifetime in (HOUR, 0):
        with pytest.raises(Conflict):
            provider.regenerate(SID, NEW_SID, record, b"moved", lifetime)
    assert everything(server) == {KEY: b"data", NEW_KEY + b":r": b"1"}


def test_a_destroy_leaves_alone_what_is_not_a_session_yet(provider: SSDBProvider, server: SSDBServer) -> None:
    server.admin.send((b"set", KEY, b"half made"))
    assert provider.destroy(SID) is False
    assert everything(server) == {KEY: b"half made", MARK: b"1"}


def test_neither_marks_nor_what_beego_has_revived_count(provider: SSDBProvider, server: SSDBServer) -> None:
    stored(provider, sid=NEW_SID)
    provider.destroy(SID)
    assert provider.active().number == 1
    revive(server)
    assert provider.active().number == 1
    server.admin.send((b"del", MARK))
    assert provider.active().number == 2


def test_a_mark_without_an_expiry_is_none(provider: SSDBProvider, server: SSDBServer) -> None:
    """As an entry without one is no session: whoever left it did not finish, or is not one of us."""
    server.admin.send((b"set", MARK, b"1"))
    revive(server)
    assert data_of(provider) == b"data"


def test_a_mark_is_renewed_by_the_read_that_removes_what_was_revived(
    provider: SSDBProvider, server: SSDBServer
) -> None:
    provider.destroy(SID)
    server.admin.send((b"expire", MARK, b"10"))
    assert provider.read(SID) is None
    assert ttl(server, MARK) <= 10
    revive(server)
    assert provider.read(SID) is None
    assert everything(server) == {MARK: b"1"}
    assert ttl(server, MARK) > LIFETIME


def test_whether_a_session_has_ended_is_unknown_when_the_reply_to_its_end_is_lost(
    make: Make, proxy: Proxy, server: SSDBServer
) -> None:
    behind = make(f"{proxy.host}:{proxy.port}", codec="gob")
    stored(behind)
    proxy.lose_reply(after=2)
    with pytest.raises(Unavailable):
        behind.destroy(SID)
    revive(server)
    assert behind.read(SID) is None
    assert everything(server).keys() <= {MARK, LOCK}


def test_the_longest_prefix_leaves_room_for_the_longest_id_and_its_mark(make: Make, server: SSDBServer) -> None:
    longest = "p" * 32 + "f" * 128
    provider = make(key_prefix="k" * LONGEST_PREFIX, id_prefix="p" * 32, codec="gob")
    stored(provider, sid=longest)
    assert provider.destroy(longest) is True
    assert list(everything(server)) == [b"k" * LONGEST_PREFIX + longest.encode() + b":r"]
