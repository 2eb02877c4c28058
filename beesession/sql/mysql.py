"""The SQL of MySQL and MariaDB. Only what both of them understand."""

from __future__ import annotations

import hashlib

from django.db.utils import Error, InterfaceError

from beesession.provider import Record
from beesession.sql import layout
from beesession.sql.dialect import Dialect, Verdict
from beesession.sql.layout import TABLE
from beesession.sql.statements import Statement

FOUND_ROWS = 2
"""The client flag that makes an UPDATE count the rows that it found, not those that look different afterwards."""

LIMITS = Statement(
    "SELECT character_octet_length, @@max_allowed_packet FROM information_schema.columns "
    f"WHERE table_schema = DATABASE() AND table_name = '{TABLE}' AND column_name = 'session_data'",
    repeatable=True,
)
"""Returns the bytes that the data column holds, and the bytes of the longest statement that the server accepts."""

REST_OF_PACKET = 4096
"""Bytes of a statement beside the data; more than enough."""

ESCAPED = b"\0\n\r\x1a\"'\\"
"""The bytes that a literal has an escape for."""

# By the numbers of the server's and the client's errors.
_VERDICTS = {
    1062: Verdict.TAKEN,  # duplicate entry
    1054: Verdict.NO_TABLE,  # unknown column
    1146: Verdict.NO_TABLE,  # no such table
    1044: Verdict.DENIED,  # no right to the database
    1045: Verdict.DENIED,  # wrong user or password
    1142: Verdict.DENIED,  # no right to the table
    1143: Verdict.DENIED,  # no right to a column
    1020: Verdict.REFUSED,  # the row has changed since the transaction began
    1040: Verdict.REFUSED,  # too many connections
    1205: Verdict.REFUSED,  # lock wait timeout
    1213: Verdict.REFUSED,  # deadlock
    1053: Verdict.UNSENT,  # shutdown in progress
    1927: Verdict.UNSENT,  # connection was killed
    4031: Verdict.UNSENT,  # disconnected for inactivity
    2006: Verdict.UNSENT,  # the client could not send all of the statement
    2013: Verdict.LOST,  # it sent the statement, and no answer came
    2055: Verdict.LOST,
}
# What these say of the way to the server quotes no statement.
_OF_CONNECTING = frozenset({1040, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 3159})


class MySQLDialect(Dialect):
    """MySQL 8 and MariaDB 10.5 and later, the versions that Django supports.

    The clock counts whole seconds, so a row counts as live until the second in which it expires has passed, as beego's
    own garbage collection has it. Nothing dies early by that, and nothing lives longer by more than a second.
    """

    vendor = "mysql"
    # Inside a signed number: the column is unsigned, and a negative difference would be an error.
    _now = "CAST(UNIX_TIMESTAMP() AS SIGNED)"
    # beego's column folds case. The first comparison finds the row by the primary key, the second compares bytes.
    # With PAD_CHAR_TO_FULL_LENGTH in sql_mode a CHAR comes with its padding.
    key_matches = "session_key = %(sid)s AND CAST(TRIM(TRAILING ' ' FROM session_key) AS BINARY) = %(sid)s"
    live = f"session_expiry >= {_now} - %(store_lifetime)s"
    expired = f"session_expiry < {_now} - %(store_lifetime)s"
    expiry = f"{_now} + %(shift)s"
    remaining = f"CAST(session_expiry AS SIGNED) + %(store_lifetime)s - {_now}"
    data = "COALESCE(session_data, x'')"  # with EMPTY_STRING_IS_NULL in sql_mode '' is NULL
    unchanged = f"SHA2({data}, 256) = %(digest)s"
    if_taken = ""
    collect = f"DELETE FROM {TABLE} WHERE {expired} ORDER BY session_expiry LIMIT %(limit)s"
    error_ends_transaction = False
    layout = layout.MYSQL

    def digest(self, record: Record) -> str:
        return hashlib.sha256(record.data).hexdigest()

    def verdict(self, error: Error) -> Verdict:
        number = _number(error)
        if isinstance(error, InterfaceError) and not number:
            return Verdict.UNSENT  # the client knows that there is no connection
        return _VERDICTS.get(number, Verdict.FAILED)

    def told(self, error: Error) -> tuple[object, ...]:
        number = _number(error)
        is_ours = not number and error.__cause__ is None
        return error.args if is_ours or 2000 <= number < 3000 or number in _OF_CONNECTING else (number,)


def _number(error: Error) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
