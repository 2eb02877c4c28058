"""The test runs of a site whose sessions have an entry of DATABASES of their own, beside that of the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import override_settings
from django.test.utils import setup_databases, teardown_databases

from beesession_tests.servers import MariaDBServer
from beesession_tests.sql.databases import HOUR, SID, Kind, Make, Server, database_entry, stored
from beesession_tests.sql.test_sql_checks import messages
from beesession_tests.sql.test_table import is_there

SITES, SESSIONS = "shop", "beesession"


@pytest.fixture
def _run(kind: Kind, server: Server) -> Iterator[None]:
    """A test run, from its databases on. Both entries lead to one database; that of the sessions comes second."""
    if isinstance(server, MariaDBServer):
        server.execute("GRANT ALL ON `test\\_%%`.* TO bee@'127.0.0.1'")
    server.execute("DROP TABLE session")
    given = {**kind.provider_class.entry(server.provider_config), "TEST": {"DEPENDENCIES": [], "MIGRATE": False}}
    keys = {"PROVIDER_CONFIG": server.provider_config}
    with (
        database_entry(SITES, {**given}),
        database_entry(SESSIONS, {**given}),
        override_settings(SESSION_ENGINE=kind.module, BEESESSION=keys),
    ):
        before = setup_databases(verbosity=0, interactive=False, aliases={SITES, SESSIONS})
        yield
        connections[SESSIONS].close()
        teardown_databases(before, verbosity=0)


@pytest.mark.slow
@pytest.mark.usefixtures("_run")
def test_the_test_database_has_the_table_and_the_live_one_is_left_alone(make: Make, server: Server) -> None:
    provider = make()
    record = stored(provider)
    assert provider.swap(SID, record, b"new", HOUR).data == b"new"
    with connections[SITES].cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM session")
        assert cursor.fetchone() == (1,)
    assert not is_there(server)


@pytest.mark.slow
@pytest.mark.usefixtures("_run")
def test_the_test_database_is_no_other_one_than_the_provider_string_names(kind: Kind, server: Server) -> None:
    assert connections[SESSIONS].settings_dict["NAME"].startswith("test_")
    assert messages(kind, PROVIDER_CONFIG=server.provider_config) == []
