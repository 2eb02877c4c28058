"""The PostgreSQL and MariaDB servers of the tests."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db.utils import ConnectionHandler, OperationalError
from pytest_django import DjangoDbBlocker

from beesession.beego import dsn
from beesession_tests import skips
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers, mariadb_server, postgresql_server
from beesession_tests.servers.certificates import certificate

Server = PostgreSQLServer | MariaDBServer


@dataclass(frozen=True)
class Kind:
    """One of the two servers.

    :ivar shared: its name among the shared servers
    :ivar run: runs one of its own
    :ivar by_socket: its provider string by the unix socket
    :ivar parse: reads its provider string
    :ivar cipher: a statement whose row ends with the cipher of the connection
    """

    shared: str
    run: Callable[..., Any]
    parse: Callable[[str], Any]
    by_socket: Callable[[Any], str]
    cipher: str

    def __str__(self) -> str:
        return self.shared


KINDS = [
    Kind(
        "postgresql",
        postgresql_server,
        dsn.postgresql,
        lambda server: server.socket_words,
        "SELECT 'cipher', cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    ),
    Kind("mariadb", mariadb_server, dsn.mysql, lambda server: server.socket_dsn, "SHOW STATUS LIKE 'Ssl_cipher'"),
]


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Kind]:
    with django_db_blocker.unblock():
        yield request.param


@pytest.fixture
def server(kind: Kind, servers: Servers) -> Iterator[Server]:
    server: Server = getattr(servers, kind.shared)
    server.execute("DROP TABLE IF EXISTS fruit, vegetables")
    yield server
    server.execute("DROP TABLE IF EXISTS fruit, vegetables")


def _query(entry: dict[str, Any], statement: str, *, after: Callable[[], object] = lambda: None) -> Any:
    """Return the row of a statement that a Django connection of its own runs."""
    with closing(ConnectionHandler({"default": entry})["default"]) as connection, connection.cursor() as cursor:
        after()
        cursor.execute(statement)
        return cursor.fetchone()


def test_beegos_string_for_the_server_connects(kind: Kind, server: Server) -> None:
    for text in (server.provider_config, kind.by_socket(server)):
        assert _query(kind.parse(text).django_database(), "SELECT 1") == (1,)


def test_a_wrong_password_is_refused(kind: Kind, server: Server) -> None:
    entry = {**kind.parse(server.provider_config).django_database(), "PASSWORD": "wrong"}
    with pytest.raises(OperationalError):
        _query(entry, "SELECT 1")


def test_a_flush_empties_one_table(server: Server) -> None:
    for table in ("fruit", "vegetables"):
        server.execute(f"CREATE TABLE {table} (name char(8))")
        server.execute(f"INSERT INTO {table} VALUES (%s), (%s)", ("a", "b"))
    server.flush("fruit")
    assert server.execute("SELECT count(*) FROM fruit") == [(0,)]
    assert server.execute("SELECT count(*) FROM vegetables") == [(2,)]


def test_to_flush_a_table_that_is_not_there_is_no_error(server: Server) -> None:
    server.flush("fruit")
    assert server.execute("SELECT 1") == [(1,)]


def test_connections_of_clients_are_counted_and_those_made_here_are_not(kind: Kind, server: Server) -> None:
    with closing(server.connect()):
        before = server.connections()
        during: list[int] = []
        entry = kind.parse(server.provider_config).django_database()
        _query(entry, "SELECT 1", after=lambda: during.extend(server.connections()))
        assert len(during) == len(before) + 1


def test_clients_can_be_disconnected(kind: Kind, server: Server) -> None:
    ended: list[int] = []
    entry = kind.parse(server.provider_config).django_database()
    with pytest.raises(OperationalError):
        _query(entry, "SELECT 1", after=lambda: ended.append(server.disconnect_clients()))
    assert ended[0] >= 1
    assert server.connections() == []


@pytest.mark.slow
def test_a_restart_keeps_the_data_and_the_port(kind: Kind) -> None:
    with kind.run() as server:
        server.execute("CREATE TABLE fruit (name char(1))")
        server.execute("INSERT INTO fruit VALUES (%s)", ("a",))
        process, config = server.process, server.provider_config
        server.restart()
        assert server.process is not process
        assert server.provider_config == config
        assert server.execute("SELECT name FROM fruit") == [("a",)]
        server.stop()
        assert process.returncode is not None
        server.start()
        assert server.execute("SELECT name FROM fruit") == [("a",)]


@pytest.mark.slow
def test_with_a_certificate_clients_speak_tls(kind: Kind, tmp_path: Path) -> None:
    with kind.run(certificate=certificate(tmp_path)) as server:
        _, cipher = _query(kind.parse(server.provider_config).django_database(), kind.cipher)
        assert cipher.startswith("TLS_")
        if kind.shared == "postgresql":
            plain = kind.parse(server.provider_config.partition("?")[0] + "?sslmode=disable").django_database()
            with pytest.raises(OperationalError):
                _query(plain, "SELECT 1")


def test_a_program_is_found_in_directories_beside_path(tmp_path: Path) -> None:
    for version in ("15", "16"):
        program = tmp_path / version / "bin" / "no-such-program-on-path"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    found = skips.require_program("no-such-program-on-path", "none", also_in=os.fspath(tmp_path / "*" / "bin"))
    assert found == os.fspath(tmp_path / "16" / "bin" / "no-such-program-on-path")
    with pytest.raises(pytest.skip.Exception, match="apt-get install none"):
        skips.require_program("no-such-program-on-path", "none")
