"""The two databases, and Django's own way to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from beesession.beego import dsn
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers


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
