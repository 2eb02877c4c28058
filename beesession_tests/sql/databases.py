"""The two kinds of database, and what tests ask of them past the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.utils import ConnectionHandler

from beesession.engines.mysql import MySQLProvider
from beesession.engines.postgresql import PostgreSQLProvider
from beesession.provider import Record
from beesession.sql.provider import SQLProvider
from beesession.testing import Verbs
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers, mariadb_server, postgresql_server

HOUR = 3600
SID, NEW_SID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
ALIAS = "sessions"

Server = MariaDBServer | PostgreSQLServer
Make = Callable[..., SQLProvider]
"""Makes a provider of a provider string (by default the server's) and keys of BEESESSION."""


@dataclass(frozen=True)
class Kind:
    """One kind of database.

    :ivar run: runs a server of it, with further settings
    :ivar now: the clock of the server, as Unix seconds
    :ivar expiry: the expiry column as Unix seconds, if its zone is UTC
    :ivar ago: the value of the expiry column so many seconds ago, if its zone is UTC
    """

    provider_class: type[SQLProvider]
    run: Callable[..., Any]
    now: str
    expiry: str
    ago: str

    def __str__(self) -> str:
        return self.provider_class.name

    @property
    def is_mysql(self) -> bool:
        return self.provider_class is MySQLProvider

    @property
    def module(self) -> str:
        return f"beesession.engines.{self}"

    def server(self, servers: Servers) -> Server:
        return servers.mariadb if self.is_mysql else servers.postgresql

    def make_table(self, server: Server, *, beegos: bool = False) -> None:
        """Replace the table by an empty one: that of this package, or beego's."""
        layout = self.provider_class.dialect.layout
        server.execute("DROP TABLE IF EXISTS session")
        for statement in [layout.beegos] if beegos else layout.create:
            server.execute(statement)

    def insert(self, server: Server, sid: str, data: bytes | None, seconds_ago: float) -> None:
        """Store a row past the engine, as a beego application would have done so long ago."""
        server.execute(f"INSERT INTO session VALUES (%s, %s, {self.ago})", (sid, data, seconds_ago))

    def written(self, server: Server, sid: str = SID) -> float:
        """Return how many seconds ago beego would have written a row that expires when this one does."""
        ((ago,),) = server.execute(f"SELECT {self.now} - {self.expiry} FROM session WHERE session_key = %s", (sid,))
        return float(ago)


KINDS = [
    Kind(
        MySQLProvider,
        mariadb_server,
        now="CAST(UNIX_TIMESTAMP() AS SIGNED)",
        expiry="CAST(session_expiry AS SIGNED)",
        ago="UNIX_TIMESTAMP() - %s",
    ),
    Kind(
        PostgreSQLProvider,
        postgresql_server,
        now="EXTRACT(EPOCH FROM statement_timestamp())",
        expiry="EXTRACT(EPOCH FROM session_expiry AT TIME ZONE 'UTC')",
        ago="(statement_timestamp() AT TIME ZONE 'UTC') - make_interval(secs => %s)",
    ),
]


def stored(verbs: Verbs | SQLProvider, data: bytes = b"data", sid: str = SID, lifetime: float = HOUR) -> Record:
    record = verbs.create(sid, data, lifetime)
    assert record is not None
    return record


@contextmanager
def database_entry(alias: str, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Have an entry of DATABASES until the block ends."""
    made = connections.settings[alias] = ConnectionHandler({"default": {}, alias: entry}).settings[alias]
    try:
        yield made
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@contextmanager
def statements_at(server: Server) -> Iterator[list[str]]:
    """Note the statements on the table that the server gets until the block ends; the list is filled at its end."""
    found: list[str] = []
    if isinstance(server, MariaDBServer):
        server.execute("TRUNCATE mysql.general_log")
        server.execute("SET GLOBAL log_output = 'TABLE', general_log = ON")
        yield found
        server.execute("SET GLOBAL general_log = OFF")
        rows = server.execute("SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log ORDER BY event_time")
        found += [text for (text,) in rows if " session " in f"{text} "]
        return
    log = Path(server.directory / "log")
    _set_log(server, "all")
    start = log.stat().st_size
    yield found
    _set_log(server, "none")
    text = log.read_bytes()[start:].decode(errors="replace")
    found += [each for each in re.findall(r"LOG:  (?:statement|execute .*?): (.*)", text) if " session " in f"{each} "]


def _set_log(server: Server, which: str) -> None:
    server.execute(f"ALTER SYSTEM SET log_statement = '{which}'")
    server.execute("SELECT pg_reload_conf()")
    server.execute("SELECT pg_sleep(0.1)")  # the processes take note of it one by one
