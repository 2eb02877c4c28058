"""Sessions in MySQL or MariaDB, in beego's table. Needs the extra ``mysql``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper

try:
    import MySQLdb  # type: ignore[import-untyped, unused-ignore]  # noqa: F401
except ImportError as error:
    raise ImproperlyConfigured("The mysql session engine needs mysqlclient: pip install beesession[mysql]") from error

from beesession import store
from beesession.beego import dsn
from beesession.conf import Options
from beesession.exceptions import SessionTooLarge
from beesession.provider import Capabilities
from beesession.sql.connections import Database, Entry
from beesession.sql.execution import execute
from beesession.sql.mysql import ESCAPED, FOUND_ROWS, LIMITS, REST_OF_PACKET, MySQLDialect
from beesession.sql.provider import SQLProvider
from beesession.sql.statements import DEADLINE, LONG_DEADLINE, Result, Statement
from beesession.stepping import Call

ALWAYS_FITS = 60_000
"""Bytes that each documented table can hold; for more the table is asked."""


class _PatientDatabase(Database):
    """The same database; the client waits for an answer as long as a statement that goes through the table may take."""

    def new(self) -> BaseDatabaseWrapper:
        connection = super().new()
        there = connection.settings_dict
        connection.settings_dict = {**there, "OPTIONS": {**there["OPTIONS"], "read_timeout": int(LONG_DEADLINE)}}
        return connection


class MySQLProvider(SQLProvider):
    """Keeps sessions in one table of a MySQL or MariaDB database."""

    name = "mysql"
    dialect = MySQLDialect()
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=True,
        touch=True,
        gc=True,
        active=True,
        scan=False,
        native_async=False,
        store_expires=False,
        max_bytes=None,  # the column and the server have limits of their own, see _demand_that_it_fits
        max_lifetime=10**9,  # 31 years: for half a century to come, no expiry leaves the range of INT UNSIGNED
        shareable=True,
    )

    def __init__(self, database: Database, options: Options) -> None:
        super().__init__(database, options)
        self._patient = _PatientDatabase(database.alias, database.entry, database.origin)
        self._always_fits = ALWAYS_FITS

    def close(self) -> None:
        self._patient.close()
        super().close()

    @classmethod
    def database(cls, value: str | Mapping[str, Any], options: Options) -> Database:
        found = super().database(value, options)
        flags = found.entry.get("OPTIONS", {}).get("client_flag", FOUND_ROWS)
        if not flags & FOUND_ROWS:
            raise ImproperlyConfigured(
                f"{found.origin}['OPTIONS']['client_flag'] must include MySQLdb.constants.CLIENT.FOUND_ROWS: without "
                "it, a write that changes nothing looks like a session that is gone. Or remove it."
            )
        return found

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Entry:
        return dsn.mysql(value).django_database()

    def _execute(self, statement: Statement) -> Result:
        if not self._takes_patience(statement):
            return super()._execute(statement)
        result = self._execute_in_transaction(statement)
        return self._execute_alone(statement) if result is None else result

    def _execute_alone(self, statement: Statement) -> Result:
        if not self._takes_patience(statement):
            return super()._execute_alone(statement)
        with self._patient.lent() as connection:
            return execute(connection, statement, self.dialect)

    def _takes_patience(self, statement: Statement) -> bool:
        """Return whether the client would stop waiting before the deadline of a long statement: by its read_timeout."""
        read_timeout = self._database.entry.get("OPTIONS", {}).get("read_timeout", LONG_DEADLINE)
        return bool(statement.deadline > DEADLINE and read_timeout < statement.deadline)

    async def _demand_that_it_fits(self, call: Call, data: bytes) -> None:
        if len(data) <= self._always_fits:
            return
        # Asked again for each session of such a size: somebody may have widened the column meanwhile.
        _, rows = await self._send(call, LIMITS)
        if not rows:
            return  # there is no such table, which the write itself will tell best
        column, packet = (int(limit) for limit in rows[0])
        # The client escapes what would end a literal, so that one byte may become two.
        sent, room = len(data) + sum(data.count(byte) for byte in ESCAPED), packet - REST_OF_PACKET
        if len(data) > column:
            limit, what = column, "the column session_data"
        elif sent > room:
            limit, what = room * len(data) // sent, "the server's max_allowed_packet"
        else:
            self._always_fits = max(self._always_fits, min(column, room // 2))
            return
        raise SessionTooLarge(f"The session has {len(data)} bytes; {what} allows {limit}.", size=len(data), limit=limit)


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.mysql"``"""

    provider_class = MySQLProvider
