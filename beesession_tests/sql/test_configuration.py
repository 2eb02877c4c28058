"""Which database the engine uses, and which configurations it refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from MySQLdb.constants import CLIENT  # type: ignore[import-untyped, unused-ignore]

from beesession.conf import Options
from beesession.exceptions import SessionTooLarge
from beesession.sql.provider import SQLProvider
from beesession_tests.servers.base import eventually
from beesession_tests.sql.databases import (
    ALIAS,
    HOUR,
    KINDS,
    NEW_SID,
    SID,
    Kind,
    Make,
    Server,
    database_entry,
    stored,
)

MYSQL = [kind for kind in KINDS if kind.is_mysql]
POSTGRESQL = [kind for kind in KINDS if not kind.is_mysql]


# Which one ----------------------------------------------------------------------------------------------------


def _used(provider: SQLProvider) -> str:
    """Return what the provider connects by, which has to work."""
    assert provider.read(SID) is None
    return provider._database.origin


def test_the_alias_comes_first_then_the_entry_beesession_then_the_provider_string(
    make: Make, entry: dict[str, Any]
) -> None:
    assert _used(make()) == "BEESESSION['PROVIDER_CONFIG']"
    with database_entry("beesession", entry):
        assert _used(make()) == "DATABASES['beesession']"
        assert _used(make("")) == "DATABASES['beesession']"
        assert _used(make(alias=ALIAS)) == f"DATABASES['{ALIAS}']"


@pytest.mark.usefixtures("entry")
def test_an_alias_uses_the_connection_of_the_site(make: Make, server: Server) -> None:
    server.disconnect_clients()
    connections[ALIAS].close()
    connections[ALIAS].ensure_connection()
    before = server.connections()
    assert _used(make(alias=ALIAS)) == f"DATABASES['{ALIAS}']"
    assert server.connections() == before


def test_a_provider_string_uses_connections_that_the_site_does_not_know(make: Make, server: Server) -> None:
    server.disconnect_clients()
    known = [connection.alias for connection in connections.all(initialized_only=True)]
    _used(make())
    assert len(server.connections()) == 1
    assert [connection.alias for connection in connections.all(initialized_only=True)] == known


def test_nothing_is_connected_before_the_first_use(make: Make, server: Server) -> None:
    server.disconnect_clients()
    provider = make()
    assert server.connections() == []
    provider.read(SID)
    assert len(server.connections()) == 1


def test_threads_that_end_leave_no_connection_behind(server: Server, provider: SQLProvider) -> None:
    server.disconnect_clients()
    for _ in range(20):
        thread = threading.Thread(target=provider.read, args=[SID])
        thread.start()
        thread.join()
    assert len(server.connections()) == 1
    provider.close()
    eventually(lambda: server.connections() == [])


def test_localhost_means_the_port_that_is_named(make: Make, server: Server) -> None:
    _used(make(server.provider_config.replace(server.host, "localhost")))
    assert server.connections()


@pytest.mark.parametrize("kind", POSTGRESQL, ids=str, indirect=True)
@pytest.mark.parametrize("parameter", ["sslsni=0", "sslinline=false", "lock_timeout=5s", "options=-c geqo=off"])
def test_a_parameter_of_lib_pq_reaches_no_server_that_does_not_know_it(
    make: Make, server: Server, parameter: str
) -> None:
    _used(make(f"{server.provider_config}&{parameter}"))


# What is refused ------------------------------------------------------------------------------------------------


def _refusal(kind: Kind, value: str = "", **keys: Any) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        kind.provider_class.from_config(
            value, Options.from_mapping({key.upper(): value for key, value in keys.items()})
        )
    return str(caught.value)


def test_no_database_is_refused_with_the_three_ways_to_name_one(kind: Kind) -> None:
    text = _refusal(kind)
    assert all(way in text for way in ("BEESESSION['ALIAS']", "'beesession'", "BEESESSION['PROVIDER_CONFIG']"))


def test_an_alias_that_does_not_exist_is_refused(kind: Kind) -> None:
    assert "DATABASES has no entry 'nowhere'; it has default" in _refusal(kind, alias="nowhere")


def test_a_database_of_another_kind_is_refused(kind: Kind) -> None:
    text = _refusal(kind, alias="default")
    assert "DATABASES['default'] is a database of the kind 'sqlite'" in text
    assert f"'{kind}'" in text


def test_a_string_that_cannot_be_read_is_refused_without_its_password(kind: Kind) -> None:
    text = _refusal(kind, "user:the-password@somewhere" if kind.is_mysql else "postgres://user:the-password@host:port/")
    assert text.startswith("BEESESSION['PROVIDER_CONFIG']: ")
    assert "the-password" not in text


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"key_prefix": "shop:"}, "BEESESSION['KEY_PREFIX'] must be empty"),
        ({"id_length": 33}, "ids of 66 characters do not fit"),
        ({"id_length": 32, "id_prefix": "x"}, "ids of 65 characters do not fit"),
        ({"store_timezone": "Europe/Atlantis"}, "BEESESSION['STORE_TIMEZONE']: 'Europe/Atlantis' is no time zone"),
        ({"store_timezone": "../etc/passwd"}, "BEESESSION['STORE_TIMEZONE']"),
    ],
    ids=["prefix", "long-ids", "long-ids-by-prefix", "zone", "no-zone-at-all"],
)
def test_keys_that_the_table_cannot_follow_are_refused(kind: Kind, keys: dict[str, Any], named: str) -> None:
    assert named in _refusal(kind, "", **keys)


@pytest.mark.parametrize("keys", [{"id_length": 32}, {"id_length": 64, "hash_keys": True}], ids=["64", "hashed"])
def test_ids_that_just_fit_are_taken(make: Make, keys: dict[str, Any]) -> None:
    provider = make(**keys)
    sid = "f" * 64
    assert stored(provider, sid=sid).sid == sid
    assert provider.read(sid) is not None


def test_an_id_that_the_column_cannot_hold_is_never_sent(kind: Kind) -> None:
    ids = kind.provider_class.ids(Options())
    assert ids.accepts("f" * 64)
    assert not ids.accepts("f" * 65)
    assert kind.provider_class.ids(Options(hash_keys=True)).accepts("f" * 65)


@pytest.mark.parametrize("name", ["AUTOCOMMIT"])
def test_an_entry_that_would_commit_nothing_is_refused(kind: Kind, entry: dict[str, Any], name: str) -> None:
    entry[name] = False
    assert f"DATABASES['{ALIAS}']['{name}'] must be True" in _refusal(kind, alias=ALIAS)


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
@pytest.mark.parametrize(("flags", "fine"), [(0, False), (CLIENT.MULTI_STATEMENTS, False), (CLIENT.FOUND_ROWS, True)])
def test_found_rows_must_not_be_turned_off(kind: Kind, entry: dict[str, Any], flags: int, fine: bool) -> None:
    entry["OPTIONS"]["client_flag"] = flags
    if fine:
        kind.provider_class.from_config("", Options(alias=ALIAS)).close()
    else:
        assert "['OPTIONS']['client_flag'] must include" in _refusal(kind, alias=ALIAS)


def test_a_write_that_changes_nothing_is_not_taken_for_a_session_that_is_gone(provider: SQLProvider) -> None:
    record = stored(provider)
    for _ in range(3):
        record = provider.swap(SID, record, b"data", HOUR)
        provider.touch(SID, record, HOUR)


@pytest.mark.parametrize(
    ("kind", "driver"),
    [(kind, "MySQLdb" if kind.is_mysql else "psycopg") for kind in KINDS],
    ids=str,
    indirect=["kind"],
)
def test_a_missing_driver_names_the_extra(kind: Kind, driver: str) -> None:
    code = f"import sys; sys.modules[{driver!r}] = None; import {kind.module}"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.stderr.splitlines()[-1].endswith(f"pip install beesession[{kind}]")


# Limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
@pytest.mark.parametrize(
    ("column", "limit"), [("BLOB", 65_535), ("MEDIUMBLOB", 16_777_215)], ids=["beegos-blob", "mediumblob"]
)
def test_a_session_that_the_column_cannot_hold_is_refused_before_it_is_sent(
    server: Server, provider: SQLProvider, column: str, limit: int
) -> None:
    server.execute(f"ALTER TABLE session MODIFY session_data {column}")
    server.execute("SET GLOBAL max_allowed_packet = 67108864")
    record = stored(provider, b"x" * 65_535)
    for write in (
        lambda: provider.swap(SID, record, b"y" * (limit + 1), HOUR),
        lambda: provider.create(NEW_SID, b"y" * (limit + 1), HOUR),
        lambda: provider.regenerate(SID, NEW_SID, record, b"y" * (limit + 1), HOUR),
    ):
        with pytest.raises(SessionTooLarge, match="the column session_data") as caught:
            write()
        assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    found = provider.read(SID)
    assert found is not None
    assert found.data == record.data


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
@pytest.mark.parametrize(("byte", "fits"), [(b"x", True), (b"\0", False)], ids=["plain", "escaped"])
def test_a_session_that_the_servers_packet_cannot_hold_is_refused_by_name(
    server: Server, make: Make, byte: bytes, fits: bool
) -> None:
    ((before,),) = server.execute("SELECT @@global.max_allowed_packet")
    server.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        provider = make()
        data = byte * 1_000_000
        if fits:
            stored(provider, data)
            found = provider.read(SID)
            assert found is not None
            assert found.data == data
        else:
            with pytest.raises(SessionTooLarge, match="max_allowed_packet") as caught:
                provider.create(SID, data, HOUR)
            assert caught.value.limit < caught.value.size == 1_000_000
            assert provider.read(SID) is None
    finally:
        server.execute("SET GLOBAL max_allowed_packet = %s", (before,))


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
def test_a_column_that_was_widened_meanwhile_is_noticed(server: Server, provider: SQLProvider) -> None:
    server.execute("ALTER TABLE session MODIFY session_data BLOB")
    with pytest.raises(SessionTooLarge):
        provider.create(SID, b"x" * 100_000, HOUR)
    server.execute("ALTER TABLE session MODIFY session_data MEDIUMBLOB")
    assert stored(provider, b"x" * 100_000).data == b"x" * 100_000


@pytest.mark.parametrize("kind", POSTGRESQL, ids=str, indirect=True)
def test_postgresql_refuses_what_no_statement_can_hold(provider: SQLProvider) -> None:
    limit = provider.capabilities.max_bytes
    assert limit is not None
    with pytest.raises(SessionTooLarge):
        provider.create(SID, bytes(limit + 1), HOUR)
