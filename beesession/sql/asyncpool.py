"""psycopg's async connections to one database, for the async verbs: a pool of an event loop.

It is not psycopg_pool's, for reasons that were measured: see the decision on the async pool in docs/decisions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import OperationalError
from psycopg import sql
from psycopg.pq import TransactionStatus

from beesession.sql.deadlines import deadline, hang_up
from beesession.sql.idle import IdleConnections
from beesession.sql.statements import Result, Statement

SIZE = 10
"""Connections of one process and event loop, unless ``OPTIONS["pool"]`` of the database says otherwise."""

TIMEOUT = 3
"""Seconds to wait for a free connection, and for a new one where ``OPTIONS["connect_timeout"]`` is not set."""


class AsyncPool:
    """Connections of one event loop, made when they are needed, and in autocommit. Opens nothing by itself.

    A statement that was begun runs to its end, though whoever waits for it be cancelled: to stop it would take
    another connection to the server, and leave it unknown whether it was run.

    :param database: says how to connect, as Django would; it is not connected itself
    :raises ImproperlyConfigured: ``OPTIONS["pool"]`` cannot be used
    """

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self._database = database
        self._role = database.settings_dict["OPTIONS"].get("assume_role")
        self._turns = asyncio.Semaphore(_size(database))
        self._idle: IdleConnections[_Connection] = IdleConnections(_Connection.fileno)
        self._running: set[asyncio.Task[Result]] = set()
        self._closed = False

    async def execute(self, statement: Statement) -> Result:
        """Run a statement on a connection of the pool, once.

        :raises django.db.utils.Error: as Django's own cursors do, with psycopg's error as the cause
        :raises django.db.utils.OperationalError: also when no connection became free in time
        """
        with self._database.wrap_database_errors:
            await self._wait_for_a_turn()
            try:
                connection = await self._connection()
            except BaseException:
                self._turns.release()
                raise
            run = asyncio.ensure_future(_run(connection, statement))
            # A loop keeps only weak references to its tasks.
            self._running.add(run)
            run.add_done_callback(partial(self._give_back, connection))
            await asyncio.wait([run])
            return run.result()

    async def close(self) -> None:
        """Close the connections; one that is in use follows when its statement ends."""
        self._closed = True
        for connection in self._idle.clear():
            await connection.close()

    async def _wait_for_a_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            await asyncio.wait_for(self._turns.acquire(), TIMEOUT)
        except asyncio.TimeoutError:
            raise OperationalError(f"no connection of the pool became free within {TIMEOUT} s") from None

    async def _connection(self) -> _Connection:
        found, spent = self._idle.take()
        for connection in spent:
            await connection.close()
        if found is not None:
            return found
        # Asked for each time, as by Django: a password may be one that expires.
        connection = await _Connection.connect(**_parameters(self._database))
        if self._role:
            try:
                with deadline(connection.fileno(), TIMEOUT):
                    await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._role)))
            except BaseException:
                await connection.close()
                raise
        return connection

    def _give_back(self, connection: _Connection, run: asyncio.Task[Result]) -> None:
        self._running.discard(run)
        if not run.cancelled():
            run.exception()  # so that none is logged as never retrieved: it may hold ids and data
        if self._closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.pgconn.finish()
        else:
            self._idle.put(connection)
        self._turns.release()


async def _run(connection: _Connection, statement: Statement) -> Result:
    try:
        with deadline(connection.fileno(), statement.deadline):
            cursor = await connection.execute(statement.sql.encode(), statement.parameters)
        return Result(cursor.rowcount, [] if cursor.description is None else await cursor.fetchall())
    except psycopg.OperationalError:
        if connection.was_cancelled:
            raise asyncio.CancelledError from None
        raise


class _Connection(psycopg.AsyncConnection):
    """A connection that ends when what runs on it is cancelled, as it is when an event loop shuts down.

    psycopg would ask the server to cancel, over another connection. With libpq before 17 that has no timeout, and
    meanwhile no thread of the process goes on.
    """

    was_cancelled = False

    def cancel(self) -> None:
        self.was_cancelled = True
        hang_up(self.fileno())

    async def cancel_safe(self, *, timeout: float = 0) -> None:
        self.cancel()


def _parameters(database: BaseDatabaseWrapper) -> dict[str, Any]:
    parameters: dict[str, Any] = {"connect_timeout": TIMEOUT, **database.get_connection_params()}
    binds_at_the_server = database.settings_dict["OPTIONS"].get("server_side_binding") is True
    cursor_factory = psycopg.AsyncCursor if binds_at_the_server else psycopg.AsyncClientCursor
    return {**parameters, "cursor_factory": cursor_factory, "autocommit": True}


def _size(database: BaseDatabaseWrapper) -> int:
    pool = database.settings_dict["OPTIONS"].get("pool")
    given = pool if isinstance(pool, Mapping) else {}
    # As psycopg_pool has it: without a max_size the pool keeps the size that min_size says.
    name = "min_size" if given.get("max_size") is None else "max_size"
    size = given.get(name, SIZE)
    if not isinstance(size, int) or size < 1:
        raise ImproperlyConfigured(
            f"DATABASES[{database.alias!r}]['OPTIONS']['pool'][{name!r}] must be a whole number, 1 or more."
        )
    return size
