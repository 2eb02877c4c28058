"""The verbs of the mysql and postgresql engines.

Each verb is a step (:mod:`beesession.stepping`) of one statement, or two where the first one did not find what it
was looking for. How a statement gets to the database and back is the seam between this class and its two subclasses:
``_execute`` runs one on a connection of Django's, in the calling thread, and ``_aexecute`` does the same without
blocking an event loop. Both return a :class:`~beesession.sql.statements.Result`, and raise
:class:`~beesession.sql.dialect.StatementFailed`. Whether to run the statement again is decided here.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured

from beesession.conf import Options
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Count, Gone, Record, Sweep, Unavailable
from beesession.sid import IdRule
from beesession.sql.connections import Database, Entry, in_transaction
from beesession.sql.dialect import AccessDenied, Dialect, StatementFailed, Verdict
from beesession.sql.execution import execute, judged
from beesession.sql.executor import BoundedExecutor, sync_code_waits
from beesession.sql.fitting import ColumnIds, demand_fitting
from beesession.sql.layout import TABLE
from beesession.sql.statements import Result, Statement, Statements
from beesession.stepped import SteppedProvider
from beesession.stepping import Call, awaited, directly, run, wait

PATIENCE = 2.0
"""Seconds from the first try on in which a statement that was not run may be tried again."""

_PAUSE = 0.02

AnySQLProvider = TypeVar("AnySQLProvider", bound="SQLProvider")


class TableMissing(ImproperlyConfigured):
    """The table of the sessions is not there, or is another one.

    Not Unavailable: it does not pass by itself, so a visitor need not try again in a minute, and whoever runs the
    site must not look for an outage. A page answers 500, and no cookie is touched.
    """


class _Taken(Exception):
    """There is a row under this key."""


class SQLProvider(SteppedProvider):
    """Keeps sessions in one table of a database.

    :param database: where that is
    :param options: of these STORE_TIMEZONE and the lifetime
    :cvar dialect: the SQL of that kind of database
    """

    dialect: ClassVar[Dialect]

    def __init__(self, database: Database, options: Options) -> None:
        self._database = database
        self._executor = BoundedExecutor()
        lifetime = self.whole_seconds(options.store_lifetime())
        self._statements = Statements(self.dialect, lifetime, options.store_timezone)
        self._previewed = 0  # what a dry run has told of so far

    @classmethod
    def from_config(cls: type[AnySQLProvider], value: str | Mapping[str, Any], options: Options) -> AnySQLProvider:
        demand_fitting(options, cls.name)
        return cls(cls.database(value, options), options)

    @classmethod
    def database(cls, value: str | Mapping[str, Any], options: Options) -> Database:
        """Return the database that a provider of this configuration uses. Connects nothing.

        :raises ImproperlyConfigured: nothing names a database, or what does cannot be used
        """
        return Database.find(value, options, cls.dialect.vendor, cls.entry)

    @classmethod
    @abstractmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Entry:
        """Return the DATABASES entry that a provider string stands for.

        :raises beesession.beego.dsn.DSNError: the string cannot be used
        """

    @classmethod
    def ids(cls, options: Options) -> IdRule:
        # With HASH_KEYS the column gets 64 hex digits, whatever the id.
        return options.ids if options.hash_keys else ColumnIds(options.ids)

    def close(self) -> None:
        self._executor.close()
        self._database.close()

    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        """Remove up to ``limit`` expired records, the oldest first, in one statement."""
        return run(self._gc(directly, limit, dry_run))

    async def agc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        return await self._gc(awaited, limit, dry_run)

    def active(self) -> Count:
        """Have the database count its live rows."""
        return run(self._active(directly))

    async def aactive(self) -> Count:
        return await self._active(awaited)

    # The steps ------------------------------------------------------------------------------------------

    async def _read(self, call: Call, sid: str, *, newest: bool = False) -> Record | None:
        _, rows = await self._send(call, self._statements.read(sid, newest=newest))
        return Record(bytes(rows[0][0]), sid=sid, remaining=float(rows[0][1])) if rows else None

    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None:
        await self._demand_that_it_fits(call, data)
        seconds = self.whole_seconds(lifetime)
        stored = Record(data, sid=sid, remaining=seconds)
        if seconds <= 0:
            return stored if await self._read(call, sid) is None else None
        try:
            inserted, _ = await self._send(call, self._statements.insert(sid, data, seconds))
        except _Taken:
            inserted = 0
        if not inserted:
            # Whoever has the id may have expired, and then it is free.
            inserted, _ = await self._send(call, self._statements.replace_expired(sid, data, seconds))
        return stored if inserted else None

    async def _swap(self, call: Call, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        await self._demand_that_it_fits(call, data)
        seconds = self.whole_seconds(lifetime)
        if seconds > 0:
            statement = self._statements.swap(sid, record, data, seconds)
        else:
            statement = self._statements.delete_unchanged(sid, record)
        if not (await self._send(call, statement)).rowcount:
            raise await self._loss(call, sid)
        return Record(data, sid=sid, remaining=seconds)

    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        statement = self._statements.touch(sid, seconds) if seconds > 0 else self._statements.delete(sid)
        if not (await self._send(call, statement)).rowcount:
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        await self._demand_that_it_fits(call, data)
        seconds = self.whole_seconds(lifetime)
        if seconds > 0:
            moved = await self._move(call, self._statements.regenerate(sid, new_sid, record, data, seconds), new_sid)
        else:
            moved = (await self._send(call, self._statements.delete_unchanged(sid, record))).rowcount
        if not moved:
            raise await self._loss(call, sid)
        return Record(data, sid=new_sid, remaining=seconds)

    async def _move(self, call: Call, statement: Statement, new_sid: str) -> int:
        try:
            return (await self._send(call, statement)).rowcount
        except _Taken:
            # Whoever has the new id may have expired, and then it is free.
            if not (await self._send(call, self._statements.delete_expired(new_sid))).rowcount:
                raise Conflict from None
        try:
            return (await self._send(call, statement)).rowcount
        except _Taken:
            raise Conflict from None

    async def _loss(self, call: Call, sid: str) -> Conflict | Gone:
        """Return why a statement that compares found nothing to change."""
        current = await self._read(call, sid, newest=True)
        return Gone() if current is None else Conflict(current)

    async def _destroy(self, call: Call, sid: str) -> bool:
        if (await self._send(call, self._statements.delete(sid))).rowcount:
            return True
        # For us an expired record is gone. A beego application would still open it.
        await self._send(call, self._statements.delete_expired(sid))
        return False

    async def _gc(self, call: Call, limit: int, dry_run: bool) -> Sweep:
        if dry_run:
            _, [(found,)] = await self._send(call, self._statements.count_expired(limit, self._previewed))
        else:
            found, _ = await self._send(call, self._statements.collect(limit))
        finished = found < limit
        self._previewed = self._previewed + found if dry_run and not finished else 0
        return Sweep(found, finished)

    async def _active(self, call: Call) -> Count:
        _, [(number,)] = await self._send(call, self._statements.count())
        return Count(number, f"the database counted the rows of its table {TABLE} that have not expired")

    async def _demand_that_it_fits(self, call: Call, data: bytes) -> None:
        limit = self.capabilities.max_bytes
        if limit is not None and len(data) > limit:
            raise SessionTooLarge(
                f"The session has {len(data)} bytes; the {self.name} engine stores up to {limit}.",
                size=len(data),
                limit=limit,
            )

    # ----------------------------------------------------------------------------------------------------

    async def _send(self, call: Call, statement: Statement) -> Result:
        """Run a statement and return what it did; a second time only where that cannot do it twice.

        :raises _Taken: a row with this key is there
        :raises TableMissing: the table is not
        :raises AccessDenied: the database does not take the user, or does not let it do that
        :raises Unavailable: the database cannot be reached, answered with an error, or its reply was lost
        """
        began = time.monotonic()
        reconnected = False
        while True:
            try:
                return await call(self._execute, self._aexecute, statement)
            except StatementFailed as failed:
                verdict, error = failed.verdict, failed.error
            self.dialect.scrub(error)
            if verdict is Verdict.TAKEN:
                raise _Taken
            if verdict is Verdict.NO_TABLE:
                raise self._missing() from error
            if time.monotonic() - began < PATIENCE:
                if verdict is Verdict.REFUSED:
                    await wait(call, random.uniform(0, _PAUSE))
                    continue
                may_have_run = verdict is Verdict.LOST and not statement.repeatable
                if verdict in (Verdict.UNSENT, Verdict.LOST) and not may_have_run and not reconnected:
                    reconnected = True
                    continue
            kind = AccessDenied if verdict is Verdict.DENIED else Unavailable
            raise kind(
                f"The {self.name} store cannot be reached, or answered with an error ({type(error).__name__})."
            ) from error

    def _execute(self, statement: Statement) -> Result:
        """Run a statement on a connection of the calling thread, once.

        :raises StatementFailed: the cause is Django's error, and that of it the driver's
        """
        with self._database.connection() as connection:
            return execute(connection, statement, self.dialect)

    async def _aexecute(self, statement: Statement) -> Result:
        """Run a statement without blocking the event loop, once.

        :raises StatementFailed: as above
        """
        if self._database.alias is not None and sync_code_waits():
            try:
                result = await sync_to_async(self._execute_in_transaction, thread_sensitive=True)(statement)
            except RuntimeError:
                result = None  # asgiref's: that code did not wait for this task to its end
            if result is not None:
                return result
        return await self._aexecute_alone(statement)

    def _execute_in_transaction(self, statement: Statement) -> Result | None:
        """Run a statement in the transaction that the calling thread has open on the alias; else do nothing."""
        with self._database.connection() as connection:
            return execute(connection, statement, self.dialect) if in_transaction(connection) else None

    async def _aexecute_alone(self, statement: Statement) -> Result:
        """Run a statement in no transaction of the site, without blocking the event loop, once: here, in a thread.

        :raises StatementFailed: as above
        """
        with judged(self.dialect):
            return await self._executor.run(self._execute_alone, statement)

    def _execute_alone(self, statement: Statement) -> Result:
        with self._database.lent() as connection:
            return execute(connection, statement, self.dialect)

    def _missing(self) -> TableMissing:
        alias = self._database.alias
        by_migrate = "" if alias is None else f"manage.py migrate --database {alias}, or "
        return TableMissing(
            f"The database of {self._database.origin} has no table {TABLE!r} with beego's three columns: make it with "
            f"{by_migrate}manage.py session_table."
        )
