"""A PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from signal import SIGINT
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg import sql

from beesession_tests.servers.base import Server, ServerError, running
from beesession_tests.servers.certificates import Certificate
from beesession_tests.skips import require_program

USER, PASSWORD, DATABASE = "beesession", "pw-of-postgresql", "postgres"

_ACCOUNT = "postgres"
"""Who the server runs as where the tests run as root, which it refuses to be."""


class PostgreSQLServer(Server):
    """A PostgreSQL server, of the newest version that is installed. A restart keeps its data, even after a crash.

    Over TCP a password is asked for, over the unix socket none.

    :param certificate: it takes TLS connections with this certificate, and over TCP no others
    :param settings: further settings of the server, such as ``"idle_session_timeout=100"``; they win over ours
    """

    # The gentle SIGTERM waits until each client has gone.
    stopped_by = SIGINT
    # On a machine that is busy; otherwise it takes a fraction of a second.
    ready_within = 60.0

    def __init__(self, directory: Path, certificate: Certificate | None = None, settings: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        self._program = require_program("postgres", "postgresql", also_in="/usr/lib/postgresql/*/bin")
        self._certificate = certificate
        self._settings = settings
        self._connections = ExitStack()

    @property
    def url(self) -> str:
        """The server as a URL that libpq and beego understand alike; with TLS the server is verified."""
        tls = {"sslmode": "disable"}
        if self._certificate is not None:
            tls = {"sslmode": "verify-full", "sslrootcert": str(self._certificate.cert)}
        return f"postgresql://{USER}:{PASSWORD}@{self.host}:{self.port}/{DATABASE}?{urlencode(tls)}"

    @property
    def socket_words(self) -> str:
        """The server by its unix socket, as words of ``key=value``."""
        return f"host={self.directory} port={self.port} user={USER} dbname={DATABASE} sslmode=disable"

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server."""
        return self.url

    def connect(self, **options: Any) -> psycopg.Connection:
        """Return a new connection of a superuser, in autocommit, which is closed with the server.

        :param options: further parameters of ``psycopg.connect``
        """
        connection = psycopg.connect(self.socket_words, **{"autocommit": True, "connect_timeout": 5, **options})
        self._connections.callback(connection.close)
        return connection

    @cached_property
    def _admin(self) -> psycopg.Connection:
        return self.connect()

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser and return its rows; of one that returns none the list is empty."""
        cursor = self._admin.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description is not None else []

    def flush(self, table: str = "session") -> None:
        """Remove the rows of a table, if there is such a table."""
        if self.execute("SELECT to_regclass(%s)", (table,)) != [(None,)]:
            self._admin.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))

    def connections(self) -> list[int]:
        """Return the process ids of the server that serve TCP clients, and so not of the connections made here."""
        rows = self.execute("SELECT pid FROM pg_stat_activity WHERE client_addr IS NOT NULL ORDER BY pid")
        return [pid for (pid,) in rows]

    def disconnect_clients(self) -> int:
        """End each TCP connection from the server's side; return how many that were."""
        return sum(
            bool(ended)
            for (ended,) in self.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE client_addr IS NOT NULL"
            )
        )

    def prepare(self) -> None:
        password = self.directory / "password"
        password.write_text(PASSWORD)
        if self._certificate is not None:
            # The server wants a key that none but its own account can read.
            for source in (self._certificate.cert, self._certificate.key):
                shutil.copy(source, self.directory / source.name)
                (self.directory / source.name).chmod(0o600)
        if os.getuid() == 0:
            for path in (self.directory, *self.directory.iterdir()):
                shutil.chown(path, _ACCOUNT, _ACCOUNT)
        initdb = subprocess.run(
            [
                str(Path(self._program).with_name("initdb")),
                *("-D", str(self._data), "-U", USER, "--pwfile", str(password)),
                *("--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"),
            ],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            **self.process_options(),
        )
        if initdb.returncode != 0:
            raise ServerError(f"initdb failed:\n{initdb.stderr}")
        if self._certificate is not None:
            rules = self._data / "pg_hba.conf"
            rules.write_text(rules.read_text().replace("\nhost ", "\nhostssl "))

    def command_line(self) -> list[str]:
        settings = [
            f"listen_addresses={self.host}",
            f"unix_socket_directories={self.directory}",
            "max_connections=100",
            "shared_buffers=64MB",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ]
        if self._certificate is not None:
            files = {"ssl_cert_file": self._certificate.cert, "ssl_key_file": self._certificate.key}
            settings += ["ssl=on", *(f"{name}={self.directory / path.name}" for name, path in files.items())]
        settings += self._settings
        return [
            self._program,
            *("-D", str(self._data), "-p", str(self.port)),
            *(word for setting in settings for word in ("-c", setting)),
        ]

    def process_options(self) -> dict[str, Any]:
        return {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": ()} if os.getuid() == 0 else {}

    def start(self) -> None:
        """Start the server and wait until it answers. Connections of an earlier start are of no use any more."""
        self.__dict__.pop("_admin", None)
        super().start()

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.socket_words, connect_timeout=1) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def close(self) -> None:
        """Close the connections made here and stop the server for good."""
        self._connections.close()
        self.stop()

    @property
    def _data(self) -> Path:
        return self.directory / "data"


def postgresql_server(
    *settings: str, certificate: Certificate | None = None
) -> AbstractContextManager[PostgreSQLServer]:
    """Run a PostgreSQL server; skip the test when none is installed (with ``CI=true``: fail).

    :param settings: further settings of the server
    :param certificate: for TLS
    """
    return running(lambda directory: PostgreSQLServer(directory, certificate, settings))
