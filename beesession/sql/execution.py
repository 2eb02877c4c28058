"""Running a statement on a connection of Django's, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from django.db.utils import Error

from beesession.sql.connections import connect, fileno, in_transaction
from beesession.sql.deadlines import deadline
from beesession.sql.dialect import Dialect, StatementFailed, Verdict
from beesession.sql.statements import Result, Statement


@contextmanager
def judged(dialect: Dialect, *, within: bool = False) -> Iterator[None]:
    """Turn the errors of a database into StatementFailed.

    :param within: the site's own transaction is open; a repetition on its connection would not be in it
    :raises TransactionManagementError: the site goes on after an error in a transaction: no fault of the database
    """
    try:
        yield
    except TransactionManagementError:
        raise
    except Error as error:
        verdict = dialect.verdict(error)
        if verdict is Verdict.BROKEN:
            raise TransactionManagementError("An earlier error has ended the transaction around this.") from error
        if within and verdict in (Verdict.REFUSED, Verdict.UNSENT, Verdict.LOST):
            verdict = Verdict.FAILED
        raise StatementFailed(verdict, error) from error


def execute(connection: BaseDatabaseWrapper, statement: Statement, dialect: Dialect) -> Result:
    """Run a statement. In a transaction that the site has begun it is a part of that, else it is one by itself.

    :raises StatementFailed: it was not done, or perhaps not
    """
    within = in_transaction(connection)
    with judged(dialect, within=within):
        try:
            if statement.may_collide and dialect.error_ends_transaction and within:
                # The savepoint, too, is a word to the server, and waits for its answer.
                with deadline(fileno(connection), statement.deadline), transaction.atomic(using=connection.alias):
                    return _execute(connection, statement)
            return _execute(connection, statement)
        except Error as error:
            if dialect.verdict(error) in (Verdict.UNSENT, Verdict.LOST) and not within:
                connection.close()
            raise


def _execute(connection: BaseDatabaseWrapper, statement: Statement) -> Result:
    connect(connection)
    with connection.cursor() as cursor:
        # Django's own log of queries, if it is on, would keep ids and data.
        unlogged = connection.make_cursor(cursor.cursor)
        with deadline(fileno(connection), statement.deadline):
            unlogged.execute(statement.sql, statement.parameters)
            rows = [] if unlogged.description is None else unlogged.fetchall()
        return Result(unlogged.rowcount, list(rows))
