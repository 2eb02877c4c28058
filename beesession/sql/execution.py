"""Running a statement on a connection of Django's, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from django.db.utils import Error

from beesession.sql.connections import fileno
from beesession.sql.deadlines import deadline
from beesession.sql.dialect import Dialect, Verdict
from beesession.sql.statements import Result, Statement


class StatementFailed(Exception):
    """The database, or the way to it, has not done what a statement says.

    :ivar verdict: what the error means
    :ivar error: Django's error, whose cause is the driver's
    """

    def __init__(self, verdict: Verdict, error: Error) -> None:
        super().__init__(verdict.name)
        self.verdict = verdict
        self.error = error


@contextmanager
def judged(dialect: Dialect, *, in_transaction: bool = False) -> Iterator[None]:
    """Turn the errors of a database into StatementFailed.

    :param in_transaction: the site's own transaction is open; a repetition on its connection would not be in it
    """
    try:
        yield
    except TransactionManagementError:
        raise  # the site goes on after an error in a transaction: no fault of the database
    except Error as error:
        verdict = dialect.verdict(error)
        if in_transaction and verdict not in (Verdict.TAKEN, Verdict.NO_TABLE):
            verdict = Verdict.FAILED
        raise StatementFailed(verdict, error) from error


def execute(connection: BaseDatabaseWrapper, statement: Statement, dialect: Dialect) -> Result:
    """Run a statement. In a transaction that the site has begun it is a part of that, else it is one by itself.

    :raises StatementFailed: it was not done, or perhaps not
    """
    with judged(dialect, in_transaction=connection.in_atomic_block):
        try:
            if statement.may_collide and dialect.error_ends_transaction and connection.in_atomic_block:
                with transaction.atomic(using=connection.alias):
                    return _execute(connection, statement)
            return _execute(connection, statement)
        except Error as error:
            if dialect.verdict(error) in (Verdict.UNSENT, Verdict.LOST) and not connection.in_atomic_block:
                connection.close()
            raise


def _execute(connection: BaseDatabaseWrapper, statement: Statement) -> Result:
    with connection.cursor() as cursor:
        # Django's own log of queries, if it is on, would keep ids and data.
        unlogged = connection.make_cursor(cursor.cursor)
        with deadline(fileno(connection), statement.deadline):
            unlogged.execute(statement.sql, statement.parameters)
            rows = [] if unlogged.description is None else unlogged.fetchall()
        return Result(unlogged.rowcount, list(rows))
