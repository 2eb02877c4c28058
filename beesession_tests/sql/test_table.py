"""The table: made once, and beego's own works as it is."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db.models.signals import post_migrate
from django.test import override_settings

from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.sql.provider import SQLProvider
from beesession.sql.table import Flaw, Kind, create, flaws
from beesession.testing import Verbs
from beesession_tests.servers import MariaDBServer, free_port
from beesession_tests.sql.databases import ALIAS, HOUR, NEW_SID, SID, Make, Server, stored
from beesession_tests.sql.databases import Kind as Database


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


# migrate ------------------------------------------------------------------------------------------------------


def is_there(server: Server) -> bool:
    schema = "DATABASE()" if isinstance(server, MariaDBServer) else "current_schema()"
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = {schema}"
    return ("session",) in server.execute(tables)


def migrated(using: str) -> None:
    """Send what ``migrate --database`` sends at its end, to this app: the others would look for tables of theirs."""
    sender = apps.get_app_config("beesession")
    post_migrate.send(sender, app_config=sender, verbosity=1, interactive=False, using=using, apps=apps, plan=[])


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
