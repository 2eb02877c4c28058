"""Locks, a table that is not there, and what an error shows. Connections that end are in ``sql_async``."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.test import Client, override_settings

from beesession.provider import Record, Unavailable
from beesession.sql.provider import SQLProvider, TableMissing
from beesession.testing import Verbs
from beesession_tests.faults import Proxy, Stream
from beesession_tests.sql.databases import ALIAS, HOUR, KINDS, NEW_SID, SID, Kind, Make, Server, database_entry, stored

SECRET = "the-visitor's-secret"

VERBS: dict[str, Callable[[Verbs, Record], Any]] = {
    "read": lambda verbs, record: verbs.read(SID),
    "create": lambda verbs, record: verbs.create(NEW_SID, SECRET.encode(), HOUR),
    "swap": lambda verbs, record: verbs.swap(SID, record, SECRET.encode(), HOUR),
    "touch": lambda verbs, record: verbs.touch(SID, record, HOUR),
    "regenerate": lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, SECRET.encode(), HOUR),
    "destroy": lambda verbs, record: verbs.destroy(SID),
    "gc": lambda verbs, record: verbs.gc(10),
    "active": lambda verbs, record: verbs.active(),
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())


@contextmanager
def locked_row(server: Server) -> Iterator[Any]:
    """Hold the lock of the row in a transaction of somebody else's; gives its cursor."""
    with server.connect(autocommit=False).cursor() as cursor:
        cursor.execute("SELECT 1 FROM session WHERE session_key = %s FOR UPDATE", (SID,))
        yield cursor
        cursor.connection.rollback()


# Locks --------------------------------------------------------------------------------------------------------


def test_a_row_that_is_locked_for_a_moment_is_waited_for(server: Server, provider: SQLProvider) -> None:
    record = stored(provider)
    with ThreadPoolExecutor(1) as threads:
        with locked_row(server):
            writing = threads.submit(provider.swap, SID, record, b"new", HOUR)
            time.sleep(0.3)
            assert not writing.done()
        assert writing.result(10).data == b"new"


@pytest.mark.slow
def test_a_row_that_stays_locked_is_an_outage_before_ten_seconds_are_over(
    server: Server, provider: SQLProvider
) -> None:
    record = stored(provider)
    began = time.monotonic()
    with locked_row(server), pytest.raises(Unavailable):
        provider.swap(SID, record, b"new", HOUR)
    assert time.monotonic() - began < 10
    assert provider.swap(SID, record, b"new", HOUR).data == b"new"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_mysql], ids=str, indirect=True)
def test_a_statement_that_could_not_be_serialised_is_run_again(
    server: Server, make: Make, entry: dict[str, Any]
) -> None:
    entry["OPTIONS"]["options"] = "-c default_transaction_isolation=serializable"
    with database_entry("strict", entry):
        provider = make(alias="strict")
        stored(provider)
        touched = threading.Event()

        def touch() -> None:
            provider.touch(SID, Record(b""), 2 * HOUR)
            touched.set()
            connections["strict"].close()

        with ThreadPoolExecutor(1) as threads, locked_row(server) as other:
            touching = threads.submit(touch)
            time.sleep(0.2)
            other.execute("UPDATE session SET session_data = 'theirs' WHERE session_key = %s", (SID,))
            assert not touched.is_set()
            other.connection.commit()
            touching.result(10)
        found = provider.read(SID)
        assert found is not None
        assert found.data == b"theirs"
        assert found.remaining == pytest.approx(2 * HOUR, abs=2)


# A table that is not there ------------------------------------------------------------------------------------


@each_verb
@pytest.mark.parametrize("damage", ["DROP TABLE session", "ALTER TABLE session RENAME COLUMN session_data TO data"])
def test_a_missing_table_or_column_is_told_with_the_command_that_makes_it(
    server: Server, provider: SQLProvider, form: Callable[[SQLProvider], Verbs], verb: Any, damage: str
) -> None:
    if verb in (VERBS["touch"], VERBS["destroy"], VERBS["gc"], VERBS["active"]) and "COLUMN" in damage:
        damage = damage.replace("session_data TO data", "session_expiry TO expiry")
    verbs = form(provider)
    record = stored(verbs)
    server.execute(damage)
    with pytest.raises(TableMissing, match="manage.py session_table") as caught:
        verb(verbs, record)
    assert isinstance(caught.value, ImproperlyConfigured)
    assert not isinstance(caught.value, Unavailable)
    assert SID not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("entry")
def test_with_an_alias_migrate_is_named_too(server: Server, make: Make) -> None:
    server.execute("DROP TABLE session")
    with pytest.raises(TableMissing, match="manage.py migrate --database sessions, or manage.py session_table"):
        make(alias=ALIAS).read(SID)


def test_a_missing_table_logs_nobody_out(kind: Kind, server: Server) -> None:
    ours = "beesession.middleware.SessionMiddleware"
    with override_settings(
        ROOT_URLCONF="beesession_tests.middleware.site",
        MIDDLEWARE=[ours],
        SESSION_ENGINE=kind.module,
        BEESESSION={"PROVIDER_CONFIG": server.provider_config},
    ):
        visitor = Client(raise_request_exception=False)
        assert visitor.get("/change?to=kept").status_code == 200
        server.execute("ALTER TABLE session RENAME TO elsewhere")
        try:
            for page in ("read", "change", "rotate", "clear"):
                response = visitor.get(f"/{page}")
                assert response.status_code == 500
                assert not response.cookies
        finally:
            server.execute("ALTER TABLE elsewhere RENAME TO session")
        assert visitor.get("/read").json() == {"value": "kept"}
        assert settings.SESSION_COOKIE_NAME in visitor.cookies


# A server that does not take a connection ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_mysql], ids=str, indirect=True)
def test_a_write_that_got_no_connection_is_sent_by_the_next_one(
    server: Server, make: Make, form: Callable[[SQLProvider], Verbs]
) -> None:
    with Proxy(server.port, Stream) as proxy:
        verbs = form(make(server.provider_config.replace(f":{server.port}", f":{proxy.port}")))
        proxy.lose_reply()
        stored(verbs, b"data")
        assert verbs.data(SID) == b"data"


# What is shown ------------------------------------------------------------------------------------------------


_QUOTE = (
    "BEGIN SET @text = CONCAT(NEW.session_key, NEW.session_data); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @text; END"
)
REFUSALS = {
    "mysql": [
        f"CREATE TRIGGER refuse_insert BEFORE INSERT ON session FOR EACH ROW {_QUOTE}",
        f"CREATE TRIGGER refuse_update BEFORE UPDATE ON session FOR EACH ROW {_QUOTE}",
    ],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '%%', NEW.session_key || NEW.session_data::text; END $$""",
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON session FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
"""Triggers that refuse each write, and quote what they refuse."""


@pytest.mark.parametrize("name", ["create", "swap", "regenerate"])
def test_no_error_shows_an_id_or_data_even_where_the_server_repeats_them(
    kind: Kind, server: Server, verbs: Verbs, name: str
) -> None:
    record = stored(verbs)
    for statement in REFUSALS[str(kind)]:
        server.execute(statement)
    with pytest.raises(Unavailable) as caught:
        VERBS[name](verbs, record)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__)
    assert SECRET not in shown
    assert SECRET.encode().hex() not in shown
    assert SID not in shown
    assert NEW_SID not in shown
    assert "1644" in shown or "SQLSTATE P0001" in shown


def test_an_error_that_the_caller_is_handling_keeps_what_it_says(server: Server, verbs: Verbs) -> None:
    server.execute("DROP TABLE session")
    handled = DatabaseError("of a table of the site")
    try:
        raise handled
    except DatabaseError:
        with pytest.raises(TableMissing) as caught:
            verbs.read(SID)
    assert handled.args == ("of a table of the site",)
    assert caught.value.__cause__ is not None
    assert SID not in "".join(traceback.format_exception(caught.value))


def test_a_wrong_password_is_told_and_not_shown(kind: Kind, server: Server, make: Make) -> None:
    wrong = server.provider_config.replace("pw-of", "wrong-pw-of")
    with pytest.raises(Unavailable) as caught:
        make(wrong).read(SID)
    shown = "".join(traceback.format_exception(caught.value))
    assert "wrong-pw-of" not in shown
    assert "Access denied" in shown or "password authentication failed" in shown


@pytest.mark.usefixtures("entry")
def test_the_log_of_queries_that_django_keeps_while_debugging_knows_no_session(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    provider = make(alias=ALIAS)
    with override_settings(DEBUG=True), caplog.at_level(logging.DEBUG):
        connections[ALIAS].queries_log.clear()
        record = stored(provider, SECRET.encode())
        provider.swap(SID, record, SECRET.encode() * 2, HOUR)
        assert SECRET not in f"{connections[ALIAS].queries}{caplog.text}"
        assert SID not in f"{connections[ALIAS].queries}{caplog.text}"
