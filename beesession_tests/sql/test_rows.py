"""What is in the table: beego's columns, beego's meaning of the expiry, and keys compared letter by letter."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from django.test import override_settings

from beesession.provider import Gone
from beesession.sql.provider import SQLProvider
from beesession.testing import Verbs
from beesession_tests.sql.databases import HOUR, KINDS, NEW_SID, SID, Kind, Make, Server, database_entry, stored

LIFETIME = 1000


def test_a_row_is_the_id_the_bytes_and_the_moment_of_the_last_write(kind: Kind, server: Server, make: Make) -> None:
    stored(make(lifetime=LIFETIME), b"bytes\x00\xff", lifetime=LIFETIME)
    ((key, data),) = server.execute("SELECT TRIM(session_key), session_data FROM session")
    assert (key, bytes(data)) == (SID, b"bytes\x00\xff")
    assert -1 <= kind.written(server) <= 2


@pytest.mark.parametrize("lifetime", [100, LIFETIME, 5 * LIFETIME])
def test_a_lifetime_of_its_own_moves_the_moment_of_the_write(
    kind: Kind, server: Server, make: Make, lifetime: int
) -> None:
    provider = make(lifetime=LIFETIME)
    record = stored(provider, lifetime=lifetime)
    assert kind.written(server) == pytest.approx(LIFETIME - lifetime, abs=2)
    record = provider.swap(SID, record, b"new", 2 * lifetime)
    assert kind.written(server) == pytest.approx(LIFETIME - 2 * lifetime, abs=2)
    provider.touch(SID, record, lifetime)
    assert kind.written(server) == pytest.approx(LIFETIME - lifetime, abs=2)
    provider.regenerate(SID, NEW_SID, record, b"new", 3 * lifetime)
    assert kind.written(server, NEW_SID) == pytest.approx(LIFETIME - 3 * lifetime, abs=2)


@pytest.mark.parametrize(("seconds_ago", "is_live"), [(0, True), (LIFETIME - 5, True), (LIFETIME + 5, False)])
def test_a_row_of_beegos_lives_for_the_store_lifetime_after_its_last_write(
    kind: Kind, server: Server, make: Make, seconds_ago: int, is_live: bool
) -> None:
    kind.insert(server, SID, b"from beego", seconds_ago)
    provider = make(lifetime=LIFETIME)
    record = provider.read(SID)
    assert (record is not None and record.data == b"from beego") is is_live
    assert provider.active().number == int(is_live)
    assert provider.gc(10, dry_run=True).removed == int(not is_live)
    if record is not None:
        assert record.remaining == pytest.approx(LIFETIME - seconds_ago, abs=2)


def test_garbage_collection_and_reading_agree_on_what_has_expired(kind: Kind, server: Server, make: Make) -> None:
    """Around the border, row by row: nothing that can be read is collected, nothing that cannot be is kept."""
    provider = make(lifetime=LIFETIME)
    ids = {f"{number:032x}": LIFETIME + (number - 10) / 5 for number in range(20)}
    for sid, seconds_ago in ids.items():
        kind.insert(server, sid, b"", seconds_ago)
    live_before = {sid for sid in ids if provider.read(sid) is not None}
    provider.gc(100)
    live_after = {sid for sid in ids if provider.read(sid) is not None}
    left = {sid for (sid,) in server.execute("SELECT TRIM(session_key) FROM session")}
    assert live_after <= left <= live_before


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.is_mysql], ids=str, indirect=True)
def test_whole_seconds_let_no_session_die_early(provider: SQLProvider) -> None:
    time.sleep(random.uniform(0, 1))
    born = time.monotonic()
    stored(provider, lifetime=1)
    while provider.read(SID) is not None:
        time.sleep(0.01)
    assert 1 <= time.monotonic() - born < 2.2


@pytest.mark.parametrize("store_lifetime", [1, LIFETIME, 400 * 24 * HOUR])
@pytest.mark.parametrize("lifetime", [5, 20 * 365 * 24 * HOUR])
def test_extreme_lifetimes_are_kept(make: Make, store_lifetime: int, lifetime: int) -> None:
    provider = make(lifetime=store_lifetime)
    record = stored(provider, lifetime=lifetime)
    for moved in (record, provider.swap(SID, record, b"new", lifetime), provider.touch(SID, record, lifetime)):
        assert moved.remaining == lifetime
        found = provider.read(SID)
        assert found is not None
        assert found.remaining == pytest.approx(lifetime, abs=2)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.is_mysql], ids=str, indirect=True)
def test_a_lifetime_beyond_the_range_of_the_column_is_clamped(kind: Kind, server: Server, make: Make) -> None:
    stored(make(lifetime=10**12), lifetime=10**12)
    ((expiry,),) = server.execute("SELECT session_expiry FROM session")
    assert 0 < expiry < 2**32
    found = make(lifetime=10**12).read(SID)
    assert found is not None
    assert found.remaining == pytest.approx(10**9, abs=2)


def test_null_data_reads_as_empty_and_can_be_replaced(kind: Kind, server: Server, provider: SQLProvider) -> None:
    kind.make_table(server, beegos=True)
    kind.insert(server, SID, None, 0)
    record = provider.read(SID)
    assert record is not None
    assert record.data == b""
    assert provider.swap(SID, record, b"new", HOUR).data == b"new"


# Keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beegos", [False, True], ids=["our-table", "beegos-table"])
@pytest.mark.parametrize("near", ["CASEcase" * 4, "casecase" * 3], ids=["case", "shorter"])
def test_a_key_that_looks_alike_opens_nothing(
    kind: Kind, server: Server, verbs: Verbs, beegos: bool, near: str
) -> None:
    sid = "casecase" * 4
    kind.make_table(server, beegos=beegos)
    record = stored(verbs, sid=sid)
    assert verbs.read(near) is None
    assert verbs.destroy(near) is False
    for late in (
        lambda: verbs.swap(near, record, b"late", HOUR),
        lambda: verbs.touch(near, record, HOUR),
        lambda: verbs.regenerate(near, NEW_SID, record, b"late", HOUR),
    ):
        with pytest.raises(Gone):
            late()
    assert verbs.data(sid) == b"data"


@pytest.mark.parametrize("beegos", [False, True], ids=["our-table", "beegos-table"])
def test_the_exact_comparison_finds_its_row_by_the_primary_key(
    kind: Kind, server: Server, provider: SQLProvider, beegos: bool
) -> None:
    kind.make_table(server, beegos=beegos)
    for number in range(300):
        kind.insert(server, f"{number:032x}", b"", 0)
    server.execute("ANALYZE TABLE session" if kind.is_mysql else "ANALYZE session")
    read = provider._statements.read(f"{7:032x}")
    with provider._database.connection() as connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {read.sql}", read.parameters)
        plan = str(cursor.fetchall())
    assert ("'PRIMARY'" in plan and "'const'" in plan) if kind.is_mysql else "Index Scan using session_pkey" in plan


# An id that was taken, and is expired -------------------------------------------------------------------------


def test_create_takes_the_place_of_an_expired_row(kind: Kind, server: Server, verbs: Verbs) -> None:
    kind.insert(server, SID, b"expired", 10**8)
    assert stored(verbs, b"new").data == b"new"
    assert verbs.data(SID) == b"new"


def test_regenerate_takes_the_place_of_an_expired_row(kind: Kind, server: Server, verbs: Verbs) -> None:
    record = stored(verbs)
    kind.insert(server, NEW_SID, b"expired", 10**8)
    assert verbs.regenerate(SID, NEW_SID, record, b"moved", HOUR).sid == NEW_SID
    assert verbs.data(NEW_SID) == b"moved"
    assert verbs.read(SID) is None


def test_destroy_removes_an_expired_row_though_there_was_none(kind: Kind, server: Server, verbs: Verbs) -> None:
    kind.insert(server, SID, b"expired", 10**8)
    assert verbs.destroy(SID) is False
    assert server.execute("SELECT COUNT(*) FROM session") == [(0,)]


# Time zones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
@pytest.mark.parametrize("use_tz", [False, True])
def test_time_zones_of_the_application_and_the_connection_change_nothing(
    kind: Kind, server: Server, make: Make, entry: dict[str, Any], zone: str, use_tz: bool
) -> None:
    plain = make(lifetime=LIFETIME)
    stored(plain)
    with override_settings(TIME_ZONE=zone, USE_TZ=use_tz):
        if kind.is_mysql:
            entry["OPTIONS"]["init_command"] = "SET time_zone = '+11:00'"
        else:
            entry["TIME_ZONE"] = zone if use_tz else None
            entry["OPTIONS"]["options"] = f"-c TimeZone={zone}"
        with database_entry("abroad", entry):
            abroad = make(alias="abroad", lifetime=LIFETIME)
            seen = abroad.read(SID)
            assert seen is not None
            assert seen.remaining == pytest.approx(HOUR, abs=2)
            stored(abroad, sid=NEW_SID, lifetime=LIFETIME)
            assert abroad.gc(100, dry_run=True).removed == 0
    assert kind.written(server, NEW_SID) == pytest.approx(0, abs=2)
    assert plain.read(NEW_SID) is not None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_mysql], ids=str, indirect=True)
@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Etc/GMT-5", 5), ("Etc/GMT+8", -8)])
def test_store_timezone_is_the_zone_of_the_zoneless_column(
    kind: Kind, server: Server, make: Make, zone: str, hours: int
) -> None:
    provider = make(lifetime=LIFETIME, store_timezone=zone)
    record = stored(provider, lifetime=LIFETIME)
    ((ahead,),) = server.execute(
        "SELECT EXTRACT(EPOCH FROM session_expiry - statement_timestamp() AT TIME ZONE 'UTC') FROM session"
    )
    assert float(ahead) == pytest.approx(hours * HOUR, abs=2)
    assert provider.read(SID) is not None
    assert provider.touch(SID, record, HOUR).remaining == HOUR
    assert provider.active().number == 1
