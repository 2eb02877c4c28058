"""``session_table`` on the two engines that have one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings

from beesession.sql.provider import SQLProvider
from beesession_tests.commands.conftest import HOUR, run, stored
from beesession_tests.engines import ENGINES, RunningEngine
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers, free_port
from beesession_tests.sql.databases import database_entry

SQL = pytest.mark.parametrize("engine", [each for each in ENGINES if each.is_sql], indirect=True)
WITHOUT_TABLE = [each for each in ENGINES if each.name in ("memory", "file")]


@pytest.fixture
def server(engine: RunningEngine, servers: Servers) -> Iterator[MariaDBServer | PostgreSQLServer]:
    """The server of the engine, without the table."""
    server = servers.postgresql if engine.name == "postgresql" else servers.mariadb
    server.execute("DROP TABLE session")
    yield server
    server.execute("DROP TABLE IF EXISTS session")


def engine_class(engine: RunningEngine) -> type[SQLProvider]:
    found = engine.SessionStore.provider_class
    assert issubclass(found, SQLProvider)
    return found


def columns(server: MariaDBServer | PostgreSQLServer) -> list[Any]:
    schema = "DATABASE()" if isinstance(server, MariaDBServer) else "current_schema()"
    rows = server.execute(
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_name = 'session' AND table_schema = {schema} ORDER BY ordinal_position"
    )
    return [name for (name,) in rows]


@SQL
def test_it_makes_the_table_once_and_keeps_what_is_in_it(
    engine: RunningEngine, server: MariaDBServer | PostgreSQLServer
) -> None:
    first = run("session_table")
    where = "The table session of BEESESSION['PROVIDER_CONFIG']"
    assert (first.code, first.out, first.error) == (0, f"{where} has been made.\n", "")
    assert columns(server) == ["session_key", "session_data", "session_expiry"]
    (sid,) = stored(engine, 1, HOUR)
    again = run("session_table")
    assert (again.code, again.out, again.error) == (0, f"{where} is there.\n", "")
    assert engine.provider.read(sid) is not None


@SQL
@pytest.mark.usefixtures("engine")
def test_a_dry_run_writes_statements_that_make_the_same_table(server: MariaDBServer | PostgreSQLServer) -> None:
    shown = run("session_table", "--dry-run").out
    assert columns(server) == []
    for statement in shown.rstrip().removesuffix(";").split(";\n"):
        server.execute(statement)
    assert run("session_table").out.endswith("is there.\n")
    assert run("session_table").error == ""


@SQL
def test_beegos_statement_is_shown_works_and_what_it_costs_is_told_with_remedies(
    engine: RunningEngine, server: MariaDBServer | PostgreSQLServer
) -> None:
    shown = run("session_table", "--beego").out
    assert columns(server) == []
    server.execute(shown.rstrip().removesuffix(";"))
    outcome = run("session_table")
    assert outcome.code == 0
    assert outcome.out.endswith("is there.\n")
    remedies = re.findall(r"To mend it: (.*);", outcome.error)
    assert len(remedies) == (4 if engine.name == "mysql" else 1)
    for remedy in remedies:
        server.execute(remedy)
    assert run("session_table").error == ""


@SQL
def test_it_makes_the_table_in_the_database_that_is_named(
    engine: RunningEngine, server: MariaDBServer | PostgreSQLServer
) -> None:
    with database_entry("others", dict(engine_class(engine).entry(server.provider_config))):
        assert run("session_table", "--database", "others").out == (
            "The table session of DATABASES['others'] has been made.\n"
        )
    assert columns(server) != []


@SQL
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("alias", "complaint"),
    [("nowhere", "DATABASES has no entry 'nowhere'"), ("default", "is a database of the kind 'sqlite'")],
)
def test_a_database_that_will_not_do_is_refused(engine: RunningEngine, alias: str, complaint: str) -> None:
    outcome = run("session_table", "--database", alias)
    assert outcome.code == 1
    assert complaint in outcome.error


@SQL
@pytest.mark.usefixtures("engine")
def test_a_table_that_is_another_is_told_and_left_alone(server: MariaDBServer | PostgreSQLServer) -> None:
    server.execute("CREATE TABLE session (id integer)")
    outcome = run("session_table")
    assert outcome.code == 1
    assert "is not beego's: it has no column session_key" in outcome.error
    assert columns(server) == ["id"]


@SQL
def test_a_database_that_cannot_be_reached_has_an_exit_code_of_its_own(
    engine: RunningEngine, server: MariaDBServer | PostgreSQLServer
) -> None:
    nobody = server.provider_config.replace(f":{server.port}", f":{free_port()}")
    with engine.configured(PROVIDER_CONFIG=nobody):
        outcome = run("session_table")
    assert (outcome.code, outcome.error) == (75, "The session store cannot be reached (OperationalError).")


@pytest.mark.parametrize("engine", WITHOUT_TABLE, indirect=True)
def test_an_engine_without_a_table_says_so(engine: RunningEngine) -> None:
    outcome = run("session_table")
    assert outcome.code == 1
    assert outcome.error == (
        f"The {engine.name} engine keeps its sessions in no table; "
        "session_table is for the engines mysql and postgresql."
    )


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
def test_djangos_own_engine_is_none_of_ours() -> None:
    assert "none of beesession's engines" in run("session_table").error


@SQL
@pytest.mark.usefixtures("server")
def test_a_missing_table_is_told_by_the_other_commands(engine: RunningEngine) -> None:
    commands: list[Callable[[], Any]] = [lambda: run("session_gc"), lambda: run("session_active")]
    for command in commands:
        outcome = command()
        assert outcome.code == 1
        assert "make it with manage.py session_table" in outcome.error
