"""The SQL of PostgreSQL."""

from __future__ import annotations

import hashlib

from django.db.utils import Error, InterfaceError, OperationalError

from beesession.provider import Record
from beesession.sql import layout
from beesession.sql.dialect import Dialect, Verdict
from beesession.sql.layout import TABLE

# By SQLSTATE, or its class.
_VERDICTS = {
    "23505": Verdict.TAKEN,  # unique_violation
    "3F000": Verdict.NO_TABLE,  # invalid_schema_name
    "42P01": Verdict.NO_TABLE,  # undefined_table
    "42703": Verdict.NO_TABLE,  # undefined_column
    "25P02": Verdict.BROKEN,  # in_failed_sql_transaction
    "42501": Verdict.DENIED,  # insufficient_privilege
    "40001": Verdict.REFUSED,  # serialization_failure
    "40P01": Verdict.REFUSED,  # deadlock_detected
    "55P03": Verdict.REFUSED,  # lock_not_available: lock_timeout
    # The server says goodbye, which it may also do in the middle of a statement.
    "57P01": Verdict.LOST,  # admin_shutdown
    "57P02": Verdict.LOST,  # crash_shutdown
    "57P05": Verdict.LOST,  # idle_session_timeout
    "08": Verdict.LOST,  # connection exceptions
}


class PostgreSQLDialect(Dialect):
    """PostgreSQL 14 and later, the versions that Django supports.

    The moment is that of the statement: ``now()`` would be that at which the site's own transaction began. It is
    turned into the column's time zone last, so that its difference to another is right on either side of a change of
    the clocks.
    """

    vendor = "postgresql"
    _cutoff = "(statement_timestamp() - make_interval(secs => %(store_lifetime)s)) AT TIME ZONE %(zone)s"
    key_matches = "session_key = %(sid)s"
    live = f"session_expiry > {_cutoff}"
    expired = f"session_expiry <= {_cutoff}"
    expiry = "(statement_timestamp() + make_interval(secs => %(shift)s)) AT TIME ZONE %(zone)s"
    remaining = f"EXTRACT(EPOCH FROM session_expiry - {_cutoff})"
    data = "COALESCE(session_data, '')"
    unchanged = f"sha256({data}) = %(digest)s"
    if_taken = " ON CONFLICT (session_key) DO NOTHING"
    # Rows that another process is collecting at the moment are left to it. ANY (ARRAY(...)) is evaluated once.
    collect = (
        f"DELETE FROM {TABLE} WHERE session_key = ANY (ARRAY(SELECT session_key FROM {TABLE} WHERE {expired} "
        "ORDER BY session_expiry LIMIT %(limit)s FOR UPDATE SKIP LOCKED))"
    )
    error_ends_transaction = True
    layout = layout.POSTGRESQL

    def digest(self, record: Record) -> bytes:
        return hashlib.sha256(record.data).digest()

    def verdict(self, error: Error) -> Verdict:
        state = _state(error)
        if state is None:
            # The client's own word: there is no connection (any more). What a server that refuses one says for it has
            # no SQLSTATE; psycopg puts its half-made connection into such an error.
            if getattr(error.__cause__, "pgconn", None) is not None:
                return Verdict.UNSENT
            return Verdict.LOST if isinstance(error, (OperationalError, InterfaceError)) else Verdict.FAILED
        return _VERDICTS.get(state) or _VERDICTS.get(state[:2], Verdict.FAILED)

    def told(self, error: Error) -> tuple[object, ...]:
        state = _state(error)
        if state is None and isinstance(error, OperationalError):
            return error.args
        return (f"SQLSTATE {state}",)


def _state(error: Error) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)
