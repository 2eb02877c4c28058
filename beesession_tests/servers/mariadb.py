"""A MariaDB server for tests, which stands for MySQL as well."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import AbstractContextManager, ExitStack, closing
from functools import cached_property
from pathlib import Path
from typing import Any

import MySQLdb  # type: ignore[import-untyped, unused-ignore]
from MySQLdb.connections import Connection  # type: ignore[import-untyped, unused-ignore]

from beesession_tests.servers.base import Server, ServerError, running
from beesession_tests.servers.certificates import Certificate
from beesession_tests.skips import require_program

USER, PASSWORD, DATABASE = "bee", "pw-of-mariadb", "beesession"


class MariaDBServer(Server):
    """A MariaDB server with one database, and a user who may do everything in it.

    A restart keeps its data, even after a kill. The user gives a password; the administrator, who comes by the unix
    socket, gives none.

    :param certificate: it takes TLS connections with this certificate
    :param settings: further settings of the server, such as ``"wait_timeout=1"``; they win over ours
    """

    # On a machine that is busy; otherwise it takes a fraction of a second.
    ready_within = 60.0

    def __init__(self, directory: Path, certificate: Certificate | None = None, settings: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        # Not on the PATH of every account.
        self._program = require_program("mariadbd", "mariadb-server", also_in="/usr/sbin")
        self._install = require_program("mariadb-install-db", "mariadb-server")
        self._certificate = certificate
        self._settings = settings
        self._connections = ExitStack()

    @property
    def dsn(self) -> str:
        """The server as beego writes it, by TCP; with a certificate by TLS, which does not verify the server."""
        tls = "&tls=skip-verify" if self._certificate is not None else ""
        return f"{USER}:{PASSWORD}@tcp({self.host}:{self.port})/{DATABASE}?charset=utf8mb4{tls}"

    @property
    def socket_dsn(self) -> str:
        """The same by its unix socket."""
        return f"{USER}:{PASSWORD}@unix({self._socket})/{DATABASE}?charset=utf8mb4"

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server."""
        return self.dsn

    def connect(self, **options: Any) -> Connection:
        """Return a new connection of the administrator, in autocommit, which is closed with the server.

        :param options: further arguments of ``MySQLdb.connect``
        """
        administrator = {"unix_socket": str(self._socket), "user": "root", "database": DATABASE}
        connection = MySQLdb.connect(
            **{**administrator, "charset": "utf8mb4", "autocommit": True, "connect_timeout": 5, **options}
        )
        self._connections.callback(_close, connection)
        return connection

    @cached_property
    def _admin(self) -> Connection:
        return self.connect()

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator and return its rows; of one that returns none the list is empty."""
        with self._admin.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return [] if cursor.description is None else [*cursor.fetchall()]

    def flush(self, table: str = "session") -> None:
        """Remove the rows of a table, if there is such a table."""
        if self.execute("SHOW TABLES LIKE %s", (table,)):
            self.execute(f"DELETE FROM `{table}`")

    def connections(self) -> list[int]:
        """Return the numbers of the connections that the user has, and so not of those made here."""
        rows = self.execute("SELECT id FROM information_schema.processlist WHERE user = %s ORDER BY id", (USER,))
        return [number for (number,) in rows]

    def disconnect_clients(self) -> int:
        """End each connection of the user from the server's side; return how many that were."""
        numbers = self.connections()
        for number in numbers:
            self.execute("KILL CONNECTION %s", (number,))
        deadline = time.monotonic() + self.ready_within
        while {*numbers} & {*self.connections()} and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(numbers)

    def prepare(self) -> None:
        as_root = ["--user=root"] if os.getuid() == 0 else []
        self._temporary.mkdir()
        own = [f"--datadir={self._data}", f"--tmpdir={self._temporary}"]
        options = ["--no-defaults", *as_root, *own, "--skip-test-db"]
        install = subprocess.run(
            [self._install, *options, "--auth-root-authentication-method=normal"],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if install.returncode != 0:
            raise ServerError(f"mariadb-install-db failed:\n{install.stdout}{install.stderr}")
        # Run at each start. Connections by TCP and by the socket are of different hosts.
        (self.directory / "start.sql").write_text(
            f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS {USER}@'{self.host}' IDENTIFIED BY '{PASSWORD}';\n"
            f"CREATE USER IF NOT EXISTS {USER}@localhost IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON {DATABASE}.* TO {USER}@'{self.host}', {USER}@localhost;\n"
        )

    def command_line(self) -> list[str]:
        as_root = ["user=root"] if os.getuid() == 0 else []
        settings = [
            *as_root,
            f"datadir={self._data}",
            f"tmpdir={self._temporary}",
            f"socket={self._socket}",
            f"pid-file={self.directory / 'pid'}",
            f"init-file={self.directory / 'start.sql'}",
            f"bind-address={self.host}",
            f"port={self.port}",
            "max-connections=100",
            "innodb-buffer-pool-size=64M",
            "innodb-flush-log-at-trx-commit=2",  # written at each commit, so that a kill loses nothing
            "performance-schema=OFF",
            "skip-log-bin",
            "skip-name-resolve",
        ]
        if self._certificate is not None:
            settings += [f"ssl-cert={self._certificate.cert}", f"ssl-key={self._certificate.key}"]
        return [self._program, "--no-defaults", *(f"--{setting}" for setting in (*settings, *self._settings))]

    def answers(self) -> bool:
        try:
            with closing(MySQLdb.connect(unix_socket=str(self._socket), user="root", connect_timeout=1)) as connection:
                connection.query("SELECT 1")
                return True
        except MySQLdb.OperationalError:
            return False

    def start(self) -> None:
        """Start the server and wait until it answers. Connections of an earlier start are of no use any more."""
        self.__dict__.pop("_admin", None)
        super().start()

    def close(self) -> None:
        """Close the connections made here and stop the server for good."""
        self._connections.close()
        self.stop()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _temporary(self) -> Path:
        # A server that starts removes the temporary tables of the others that share its folder for these.
        return self.directory / "tmp"

    @property
    def _socket(self) -> Path:
        return self.directory / "socket"


def _close(connection: Connection) -> None:
    if connection.open:  # to close it twice is an error
        connection.close()


def mariadb_server(*settings: str, certificate: Certificate | None = None) -> AbstractContextManager[MariaDBServer]:
    """Run a MariaDB server; skip the test when none is installed (with ``CI=true``: fail).

    :param settings: further settings of the server
    :param certificate: for TLS
    """
    return running(lambda directory: MariaDBServer(directory, certificate, settings))
