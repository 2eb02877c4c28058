"""The one list of engines. Tests that hold for each engine take the fixture ``engine``, which goes through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.test import override_settings

from beesession.binding import close_all
from beesession.provider import Capabilities, Provider
from beesession.sql.dialect import Dialect
from beesession.sql.mysql import MySQLDialect
from beesession.sql.postgresql import PostgreSQLDialect
from beesession.store import SessionStore
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers


@dataclass(frozen=True)
class Engine:
    """One engine, and how it is set up for a test.

    :ivar name: beego's name of it
    :ivar provider_config: makes its PROVIDER_CONFIG, pointing at an empty store, from the servers and a directory of
        the test's own
    :ivar is_sql: it connects through Django's database backends
    """

    name: str
    provider_config: Callable[[Servers, Path], str]
    is_sql: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def module(self) -> str:
        """The value of SESSION_ENGINE. The module, and so the driver, is imported by who needs more than that."""
        return f"beesession.engines.{self.name}"

    @property
    def store_class(self) -> type[SessionStore]:
        """Its SessionStore."""
        found: type[SessionStore] = import_module(self.module).SessionStore
        return found

    @property
    def capabilities(self) -> Capabilities:
        """What it promises."""
        return self.store_class.provider_class.capabilities

    @contextmanager
    def running(self, servers: Servers, directory: Path) -> Iterator[RunningEngine]:
        """Make this the engine of the settings, with an empty store, until the block ends."""
        keys = {"PROVIDER_CONFIG": self.provider_config(servers, directory)}
        with override_settings(SESSION_ENGINE=self.module, BEESESSION=keys):
            try:
                yield RunningEngine(self, keys)
            finally:
                close_all()


@dataclass(frozen=True)
class RunningEngine:
    """An engine that the settings name.

    :ivar engine: its entry in the list
    :ivar settings: the BEESESSION that it runs with
    """

    engine: Engine
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """beego's name of it."""
        return self.engine.name

    @property
    def SessionStore(self) -> type[SessionStore]:
        """The class that ``request.session`` is made of."""
        return self.engine.store_class

    @property
    def provider(self) -> Provider:
        """The provider under the present settings."""
        provider: Provider = self.SessionStore.provider
        return provider

    @property
    def capabilities(self) -> Capabilities:
        """What it promises."""
        return self.engine.capabilities

    def configured(self, **keys: Any) -> override_settings:
        """Return a context manager under which BEESESSION has these keys, too."""
        return override_settings(BEESESSION={**self.settings, **keys})


def _nothing(servers: Servers, directory: Path) -> str:
    return ""


def _directory(servers: Servers, directory: Path) -> str:
    return str(directory / "sessions")


def _redis(servers: Servers, directory: Path) -> str:
    servers.redis.flush()
    return f"{servers.redis.host}:{servers.redis.port}"


def _redis_cluster(servers: Servers, directory: Path) -> str:
    servers.redis_cluster.flush()
    return servers.redis_cluster.provider_config


def _redis_sentinel(servers: Servers, directory: Path) -> str:
    servers.redis_sentinel.flush()
    return servers.redis_sentinel.provider_config


def _memcache(servers: Servers, directory: Path) -> str:
    servers.memcached.flush()
    return servers.memcached.provider_config


def _couchbase(servers: Servers, directory: Path) -> str:
    servers.couchbase.flush()
    return servers.couchbase.provider_config


def _ledis(servers: Servers, directory: Path) -> str:
    servers.ledis.flush()
    return servers.ledis.provider_config


def _mysql(servers: Servers, directory: Path) -> str:
    return _empty_table(servers.mariadb, MySQLDialect())


def _postgresql(servers: Servers, directory: Path) -> str:
    return _empty_table(servers.postgresql, PostgreSQLDialect())


def _empty_table(server: MariaDBServer | PostgreSQLServer, dialect: Dialect) -> str:
    for statement in dialect.layout.create:
        server.execute(statement)
    server.flush()
    return server.provider_config


def _ssdb(servers: Servers, directory: Path) -> str:
    servers.ssdb.flush()
    return servers.ssdb.provider_config


ENGINES = [
    Engine("memory", _nothing),
    Engine("file", _directory),
    Engine("cookie", _nothing),
    Engine("mysql", _mysql, is_sql=True),
    Engine("postgresql", _postgresql, is_sql=True),
    Engine("redis", _redis),
    Engine("redis_cluster", _redis_cluster),
    Engine("redis_sentinel", _redis_sentinel),
    Engine("memcache", _memcache),
    Engine("couchbase", _couchbase),
    Engine("ledis", _ledis),
    Engine("ssdb", _ssdb),
]


def engines_with(*capabilities: str) -> list[Engine]:
    """Return the engines whose Capabilities promise each of these.

    Restricts the fixture: ``@pytest.mark.parametrize("engine", engines_with("swap"), indirect=True)``.
    """
    return [engine for engine in ENGINES if all(getattr(engine.capabilities, name) for name in capabilities)]
