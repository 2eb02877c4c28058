"""Sessions that the real beego has written, seen through our engines: live as long as beego's own rule says.

What is in them is beego's gob, which the JSON codec cannot read; such a record opens no session, and is left alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beesession_tests.beego.rows import MAX_LIFETIME, NOT_SHARED, PEERS, Peer, Row, postgresql, rows_of
from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.servers import Servers

SHARED = [each for each in ENGINES if each.name not in NOT_SHARED]
COLLECTED = [each for each in SHARED if each.capabilities.gc]

ENDS_SOON = MAX_LIFETIME - 2
"""Seconds: the age of a session that has two seconds left."""


@pytest.fixture
def peer(engine: RunningEngine, servers: Servers, tmp_path: Path) -> Iterator[Peer]:
    """A beego application that uses the engine's store, which is empty, with the same lifetime."""
    with engine.configured(LIFETIME=MAX_LIFETIME), PEERS[engine.name](servers, tmp_path) as made:
        yield made


@pytest.fixture
def rows(engine: RunningEngine) -> list[Row]:
    return rows_of(engine.name)


def read(engine: RunningEngine, rows: list[Row]) -> list[bytes | None]:
    """Return the data that the engine's provider finds for each of these."""
    found = [engine.provider.read(row.sid) for row in rows]
    return [None if record is None else record.data for record in found]


def exist(engine: RunningEngine, rows: list[Row]) -> set[bool]:
    """Return whether the engine says of these that they exist; one answer if it is the same for all."""
    return {engine.SessionStore().exists(row.sid) for row in rows}


def active(engine: RunningEngine) -> int | None:
    """Return how many live sessions the engine counts, or None where it cannot count."""
    return engine.provider.active().number if engine.capabilities.active else None


def test_each_engine_is_shared_with_beego_or_said_not_to_be() -> None:
    assert {each.name for each in ENGINES} == PEERS.keys() | NOT_SHARED.keys()
    assert not PEERS.keys() & NOT_SHARED.keys()


@pytest.mark.parametrize("engine", SHARED, indirect=True)
@pytest.mark.parametrize("age", [0, MAX_LIFETIME / 2, MAX_LIFETIME - 60])
def test_what_beego_wrote_is_live_until_its_lifetime_is_over(
    engine: RunningEngine, peer: Peer, rows: list[Row], age: float
) -> None:
    for row in rows:
        peer.put(row, age)
    assert read(engine, rows) == [row.stored for row in rows]
    assert exist(engine, rows) == {True}
    assert active(engine) in {None, len(rows)}


@pytest.mark.parametrize("engine", SHARED, indirect=True)
def test_the_time_that_is_left_is_what_beego_would_give_it(engine: RunningEngine, peer: Peer, rows: list[Row]) -> None:
    peer.put(rows[0], age=600)
    record = engine.provider.read(rows[0].sid)
    assert record is not None
    assert record.remaining is None or MAX_LIFETIME - 610 < record.remaining <= MAX_LIFETIME - 599


@pytest.mark.slow
@pytest.mark.parametrize("engine", SHARED, indirect=True)
def test_what_beego_wrote_is_gone_when_its_lifetime_is_over(engine: RunningEngine, peer: Peer, rows: list[Row]) -> None:
    ending, staying = rows[:3], rows[3:]
    for row in staying:
        peer.put(row)
    for row in ending:
        peer.put(row, age=ENDS_SOON)
    assert read(engine, ending) == [row.stored for row in ending]
    deadline = time.monotonic() + 5
    while read(engine, ending) != [None] * len(ending):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert exist(engine, ending) == {False}
    assert read(engine, staying) == [row.stored for row in staying]
    assert active(engine) in {None, len(staying)}


@pytest.mark.parametrize("engine", COLLECTED, indirect=True)
def test_gc_removes_what_has_expired_by_beegos_rule_and_nothing_else(
    engine: RunningEngine, peer: Peer, rows: list[Row]
) -> None:
    expired, live = rows[::2], rows[1::2]
    for row in expired:
        peer.put(row, age=MAX_LIFETIME + 2)
    for row in live:
        peer.put(row, age=MAX_LIFETIME - 60)
    assert read(engine, expired) == [None] * len(expired)
    assert exist(engine, expired) == {False}
    assert active(engine) == len(live)
    assert [peer.look(row.place) for row in expired] == [row.stored for row in expired]
    assert engine.provider.gc(1000).removed == len(expired)
    assert [peer.look(row.place) for row in expired] == [None] * len(expired)
    assert [peer.look(row.place) for row in live] == [row.stored for row in live]
    assert engine.provider.gc(1000).removed == 0


@pytest.mark.parametrize("engine", SHARED, indirect=True)
def test_a_record_that_the_codec_cannot_read_opens_no_session_and_is_left_alone(
    engine: RunningEngine, peer: Peer, rows: list[Row], caplog: pytest.LogCaptureFixture
) -> None:
    for row in rows:
        peer.put(row)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            session = engine.SessionStore(row.sid)
            assert session.load() == {}
        assert session.session_key is None
        (logged,) = caplog.messages
        assert "cannot be decoded" in logged
        assert row.sid not in logged
        session["name"] = "astaxie"
        session.save()
        assert session.session_key not in {None, row.sid}
        assert peer.look(row.place) == row.stored


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "postgresql"], indirect=True)
@pytest.mark.parametrize("zone", ["America/Phoenix", "Asia/Tokyo"])
def test_a_row_of_postgresql_has_its_time_in_the_zone_that_the_settings_name(
    engine: RunningEngine, servers: Servers, tmp_path: Path, rows: list[Row], zone: str
) -> None:
    expired, live = rows[0], rows[1]
    with engine.configured(LIFETIME=MAX_LIFETIME, STORE_TIMEZONE=zone), postgresql(servers, tmp_path, zone) as peer:
        peer.put(expired, age=MAX_LIFETIME + 2)
        peer.put(live, age=600)
        assert read(engine, [expired, live]) == [None, live.stored]
        assert active(engine) == 1
        assert engine.provider.gc(1000).removed == 1
        assert peer.look(live.place) == live.stored
