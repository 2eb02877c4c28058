"""The one list of engines. Tests that hold for each engine take the fixture ``engine``, which goes through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from django.test import override_settings

from beesession.binding import close_all
from beesession.provider import Capabilities, Provider
from beesession.sql.dialect import Dialect
from beesession.sql.mysql import MySQLDialect
from beesession.sql.postgresql import PostgreSQLDialect
from beesession.store import SessionStore
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers

Directory = Callable[[], Path]
"""Makes a directory of a test's own. Most engines need none, and pytest makes each in some milliseconds."""


@dataclass(frozen=True)
class Engine:
    """One engine, and how it is set up for a test.

    :ivar name: beego's name of it
    :ivar empty_store: empties its store, and returns the PROVIDER_CONFIG that leads there; given its server, and what
        makes a directory of the test's own
    :ivar server: the property of ``Servers`` that is its server; "" where it has none
    :ivar is_sql: it connects through Django's database backends
    :ivar codec: the CODEC that it runs with
    """

    name: str
    empty_store: Callable[[Any, Directory], str]
    server: str = ""
    is_sql: bool = False
    codec: str = "json"

    def __str__(self) -> str:
        return self.name if self.codec == "json" else f"{self.name}-{self.codec}"

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

    def provider_config(self, servers: Servers, directory: Directory) -> str:
        """Return a PROVIDER_CONFIG that leads to an empty store, in that directory or on that server."""
        return self.empty_store(getattr(servers, self.server) if self.server else None, directory)

    @contextmanager
    def running(self, servers: Servers, directory: Directory) -> Iterator[RunningEngine]:
        """Make this the engine of the settings, with an empty store, until the block ends."""
        keys = {"PROVIDER_CONFIG": self.provider_config(servers, directory), "CODEC": self.codec}
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
    def codec(self) -> str:
        """The CODEC that it runs with."""
        return self.engine.codec

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

    def session_of(self, **data: Any) -> str:
        """Save a session that holds this, and return its key."""
        store = self.SessionStore()
        store.update(data)
        store.save()
        assert store.session_key is not None
        return store.session_key

    def configured(self, **keys: Any) -> override_settings:
        """Return a context manager under which BEESESSION has these keys, too."""
        return override_settings(BEESESSION={**self.settings, **keys})


class _Server(Protocol):
    @property
    def provider_config(self) -> str: ...
    def flush(self) -> None: ...


def _nothing(server: None, directory: Directory) -> str:
    return ""


def _directory(server: None, directory: Directory) -> str:
    return str(directory() / "sessions")


def _flushed(server: _Server, directory: Directory) -> str:
    server.flush()
    return server.provider_config


def _table(dialect: Dialect) -> Callable[[MariaDBServer | PostgreSQLServer, Directory], str]:
    def empty_table(server: MariaDBServer | PostgreSQLServer, directory: Directory) -> str:
        for statement in dialect.layout.create:
            server.execute(statement)
        return _flushed(server, directory)

    return empty_table


ENGINES = [
    Engine("memory", _nothing),
    Engine("file", _directory),
    Engine("cookie", _nothing),
    Engine("mysql", _table(MySQLDialect()), "mariadb", is_sql=True),
    Engine("postgresql", _table(PostgreSQLDialect()), "postgresql", is_sql=True),
    Engine("redis", _flushed, "redis"),
    Engine("redis_cluster", _flushed, "redis_cluster"),
    Engine("redis_sentinel", _flushed, "redis_sentinel"),
    Engine("memcache", _flushed, "memcached"),
    Engine("couchbase", _flushed, "couchbase"),
    Engine("ledis", _flushed, "ledis"),
    Engine("ssdb", _flushed, "ssdb"),
]

IN_GOB = Engine("memory", _nothing, codec="gob")
"""What is built on the engines does not depend on what the records look like; this one writes them as beego does."""

WITH_SERVER = [engine for engine in ENGINES if engine.server]

EACH_KIND = [engine for engine in ENGINES if engine.name in {"memory", "cookie", "mysql", "redis"}]
"""Engines that between them do all that one can do differently: inline, self-contained, in threads, natively async."""


def engines_with(*capabilities: str) -> list[Engine]:
    """Return the engines whose Capabilities promise each of these.

    Restricts the fixture: ``@pytest.mark.parametrize("engine", engines_with("swap"), indirect=True)``.
    """
    return [engine for engine in ENGINES if all(getattr(engine.capabilities, name) for name in capabilities)]
