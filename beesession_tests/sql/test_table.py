"""The table: made once, and beego's own works as it is."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from beesession.apps import make_session_table
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.sql.dialect import AccessDenied
from beesession.sql.provider import SQLProvider
from beesession.sql.table import Flaw, Kind, create, flaws
from beesession.testing import Verbs
from beesession_tests.commands.conftest import run
from beesession_tests.servers import MariaDBServer, free_port
from beesession_tests.sql.databases import ALIAS, HOUR, KINDS, NEW_SID, SID, Make, Server, database_entry, stored
from beesession_tests.sql.databases import Kind as Database

MYSQL = [kind for kind in KINDS if kind.is_mysql]


def found(provider: SQLProvider) -> list[Flaw] | None:
    with provider._database.connection() as connection:
        return flaws(connection, provider.dialect)


def made(provider: SQLProvider) -> bool:
    with provider._database.connection() as connection:
        return create(connection, provider.dialect)


def test_it_is_made_once_and_has_no_flaw(server: Server, provider: SQLProvider) -> None:
    server.execute("DROP TABLE session")
    assert found(provider) is None
    assert made(provider) is True
    assert found(provider) == []
    stored(provider)
    assert made(provider) is False
    assert provider.read(SID) is not None


def test_beegos_table_is_left_as_it_is(kind: Database, server: Server, provider: SQLProvider) -> None:
    kind.make_table(server, beegos=True)
    stored(provider)
    before = found(provider)
    assert made(provider) is False
    assert found(provider) == before
    assert provider.read(SID) is not None


def test_what_beegos_table_costs_is_told_with_a_remedy_that_works(
    kind: Database, server: Server, provider: SQLProvider
) -> None:
    kind.make_table(server, beegos=True)
    stored(provider)
    costs = found(provider)
    assert costs is not None
    expected = [Kind.ENGINE, Kind.SMALL, Kind.FOLDS_CASE, Kind.NO_INDEX] if kind.is_mysql else [Kind.NO_INDEX]
    assert [flaw.kind for flaw in costs] == expected
    told = " ".join(str(flaw) for flaw in costs)
    assert all(word in told for word in (["MyISAM", "65,535", "utf8", "no index"] if kind.is_mysql else ["no index"]))
    for flaw in costs:
        server.execute(flaw.remedy)
    assert found(provider) == []
    assert provider.read(SID) is not None


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("CREATE TABLE session (id integer)", "it has no column session_key"),
        (
            "CREATE TABLE session (session_key char(64), session_data date, session_expiry integer)",
            "its column session_data is of the type",
        ),
    ],
    ids=["other-columns", "other-types"],
)
def test_a_table_that_is_another_is_recognised(
    server: Server, provider: SQLProvider, statement: str, detail: str
) -> None:
    server.execute("DROP TABLE session")
    server.execute(statement)
    unfit = found(provider)
    assert unfit is not None
    assert {flaw.kind for flaw in unfit} == {Kind.UNFIT}
    assert detail in " ".join(str(flaw) for flaw in unfit)


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
def test_a_key_that_is_filled_up_with_zeros_is_told(server: Server, provider: SQLProvider) -> None:
    server.execute("ALTER TABLE session MODIFY session_key BINARY(64)")
    stored(provider)
    assert provider.read(SID) is None
    assert found(provider) == [Flaw(Kind.UNFIT, "its column session_key is of the type binary")]


def test_a_database_that_cannot_be_reached_is_unavailable(server: Server, make: Make) -> None:
    with pytest.raises(Unavailable):
        made(make(server.provider_config.replace(str(server.port), str(free_port()))))


def test_each_verb_works_on_beegos_table(kind: Database, server: Server, verbs: Verbs) -> None:
    kind.make_table(server, beegos=True)
    record = stored(verbs, b"first")
    assert verbs.create(SID, b"another", HOUR) is None
    record = verbs.swap(SID, record, b"second", HOUR)
    record = verbs.touch(SID, record, 2 * HOUR)
    with pytest.raises(Conflict) as caught:
        verbs.swap(SID, Record(b"first"), b"late", HOUR)
    assert caught.value.record is not None
    assert caught.value.record.data == b"second"
    record = verbs.regenerate(SID, NEW_SID, record, b"third", HOUR)
    assert (verbs.data(SID), verbs.data(NEW_SID)) == (None, b"third")
    for number in range(5):
        kind.insert(server, f"{number:032x}", b"", 10**8)
    assert verbs.active().number == 1
    assert [verbs.gc(3).removed for _ in range(2)] == [3, 2]
    assert verbs.destroy(NEW_SID) is True
    with pytest.raises(Gone):
        verbs.swap(NEW_SID, record, b"late", HOUR)
    assert server.execute("SELECT COUNT(*) FROM session") == [(0,)]


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
@pytest.mark.parametrize(
    ("sql_mode", "beegos", "data"),
    [
        ("PAD_CHAR_TO_FULL_LENGTH", False, b"data"),
        ("PAD_CHAR_TO_FULL_LENGTH", True, b"data"),
        ("EMPTY_STRING_IS_NULL", True, b""),
    ],
)
def test_no_sql_mode_of_the_sites_changes_what_is_found(
    kind: Database, server: Server, make: Make, entry: dict[str, Any], sql_mode: str, beegos: bool, data: bytes
) -> None:
    kind.make_table(server, beegos=beegos)
    entry["OPTIONS"]["sql_mode"] = sql_mode
    with database_entry("moody", entry):
        provider = make(alias="moody")
        stored(provider, data)
        found = provider.read(SID)
        assert found is not None
        assert found.data == data
        assert provider.swap(SID, found, b"after", HOUR).data == b"after"


# Rights -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stranger(server: Server) -> Iterator[str]:
    """The provider string of a user who may connect, and do nothing else."""
    user, password = server.provider_config.removeprefix("postgresql://").partition("@")[0].split(":")
    if isinstance(server, MariaDBServer):
        account = f"stranger@'{server.host}'"
        server.execute(f"CREATE USER {account} IDENTIFIED BY '{password}'")
        server.execute(f"GRANT CREATE TEMPORARY TABLES ON *.* TO {account}")
    else:
        account = "stranger"
        server.execute(f"CREATE ROLE stranger LOGIN PASSWORD '{password}'")
    yield server.provider_config.replace(f"{user}:", "stranger:", 1)
    server.execute(f"DROP USER {account}")


def test_a_user_who_may_not_use_the_table_is_refused_and_no_id_is_shown(make: Make, stranger: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        make(stranger).read(SID)
    assert isinstance(caught.value, Unavailable)
    assert SID not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("command", ["session_table", "session_gc", "session_active"])
def test_a_command_whose_user_may_not_do_that_has_failed_for_good(
    kind: Database, server: Server, stranger: str, command: str
) -> None:
    if command == "session_table":
        server.execute("DROP TABLE session")
    with override_settings(SESSION_ENGINE=kind.module, BEESESSION={"PROVIDER_CONFIG": stranger}):
        outcome = run(command)
    assert outcome.code == 1
    assert re.fullmatch(r"The session store refused \(\w+\): see the user and password .*", outcome.error)


# migrate ------------------------------------------------------------------------------------------------------


def is_there(server: Server) -> bool:
    schema = "DATABASE()" if isinstance(server, MariaDBServer) else "current_schema()"
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {schema}"
    return ("session",) in server.execute(tables)


def migrated(using: str) -> None:
    """Do what this app does at the end of ``migrate --database``; ``test_test_runs`` has the command itself."""
    make_session_table(using=using, verbosity=1)


@pytest.mark.usefixtures("entry")
def test_migrate_makes_the_table_in_the_database_of_the_engine_only(
    kind: Database, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.execute("DROP TABLE session")
    with override_settings(SESSION_ENGINE=kind.module, BEESESSION={"ALIAS": ALIAS}):
        migrated("default")
        assert not is_there(server)
        migrated(ALIAS)
        assert is_there(server)
        migrated(ALIAS)
    assert capsys.readouterr().out == "  Made the table of the sessions.\n"


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize("engine", ["beesession.engines.memory", "django.contrib.sessions.backends.db"])
def test_migrate_makes_no_table_for_another_engine(server: Server, engine: str) -> None:
    server.execute("DROP TABLE session")
    with override_settings(SESSION_ENGINE=engine, BEESESSION={}):
        migrated(ALIAS)
    assert not is_there(server)


@pytest.mark.usefixtures("entry")
def test_migrate_leaves_alone_what_only_a_provider_string_names(kind: Database, server: Server) -> None:
    server.execute("DROP TABLE session")
    keys = {"PROVIDER_CONFIG": server.provider_config}
    with override_settings(SESSION_ENGINE=kind.module, BEESESSION=keys):
        for using in ("default", ALIAS):
            migrated(using)
    assert not is_there(server)
