"""Sessions in PostgreSQL, in beego's table. Needs the extra ``postgresql``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured

try:
    import psycopg  # noqa: F401
except ImportError as error:
    raise ImproperlyConfigured(
        "The postgresql session engine needs psycopg 3: pip install beesession[postgresql]"
    ) from error

from beesession import store
from beesession.beego import dsn
from beesession.clients import PerLoop
from beesession.conf import Options
from beesession.provider import Capabilities
from beesession.sql.asyncpool import AsyncPool
from beesession.sql.connections import Database, Entry
from beesession.sql.execution import judged
from beesession.sql.postgresql import PostgreSQLDialect
from beesession.sql.provider import SQLProvider
from beesession.sql.statements import Result, Statement


class PostgreSQLProvider(SQLProvider):
    """Keeps sessions in one table of a PostgreSQL database."""

    name = "postgresql"
    dialect = PostgreSQLDialect()
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=True,
        touch=True,
        gc=True,
        active=True,
        scan=False,
        native_async=True,
        store_expires=False,
        max_bytes=256 * 1024 * 1024,  # written out in hex, it is half of what a statement may hold
        max_lifetime=10**10,  # three centuries, far inside the range of TIMESTAMP
        shareable=True,
    )

    def __init__(self, database: Database, options: Options) -> None:
        super().__init__(database, options)
        self._has_async_pool = options.async_pool
        self._pools = PerLoop(lambda: AsyncPool(database.new()), AsyncPool.close)

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Entry:
        return dsn.postgresql(value).django_database()

    def close(self) -> None:
        self._pools.close()
        super().close()

    async def _aexecute_alone(self, statement: Statement) -> Result:
        if self._has_async_pool:
            with judged(self.dialect):
                pool = await self._pools.get()
                return await pool.execute(statement)
        if self._database.alias is not None:
            return await sync_to_async(self._execute, thread_sensitive=True)(statement)
        return await super()._aexecute_alone(statement)


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.postgresql"``"""

    provider_class = PostgreSQLProvider
