"""The two databases, and Django's own way to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from beesession.beego import dsn
from beesession_tests.engines import RunningEngine
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers

Server = PostgreSQLServer | MariaDBServer


@pytest.fixture
def server(engine: RunningEngine, servers: Servers) -> Server:
    """The engine's server, which no client is connected to."""
    server: Server = servers.postgresql if engine.name == "postgresql" else servers.mariadb
    server.disconnect_clients()
    return server


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Keep everybody else from the table."""
    is_postgresql = isinstance(server, PostgreSQLServer)
    with closing(server.connect(autocommit=False)) as connection:
        connection.cursor().execute(
            "LOCK TABLE session IN ACCESS EXCLUSIVE MODE" if is_postgresql else "LOCK TABLES session WRITE"
        )
        yield


@pytest.fixture
def postgresql(servers: Servers) -> PostgreSQLServer:
    servers.postgresql.disconnect_clients()
    return servers.postgresql


@pytest.fixture
def mariadb(servers: Servers) -> MariaDBServer:
    servers.mariadb.disconnect_clients()
    return servers.mariadb


@pytest.fixture
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[Callable[..., BaseDatabaseWrapper]]:
    """Makes a DatabaseWrapper for a provider string: ``database(string, **OPTIONS)``. It is not connected."""

    def wrapper(config: str, **options: Any) -> BaseDatabaseWrapper:
        parse = dsn.postgresql if config.startswith("postgresql:") else dsn.mysql
        entry = parse(config).django_database()
        entry["OPTIONS"] |= options
        made: BaseDatabaseWrapper = ConnectionHandler({"default": entry}).create_connection("default")
        return made

    with django_db_blocker.unblock():
        yield wrapper
