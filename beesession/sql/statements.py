"""The statements on the table, one function each.

``session_expiry`` is beego's: the moment of the last write, and a row lives for the store lifetime from then on. A
record with a lifetime of its own gets the moment at which it would have to be written for that. The clock is always
the database's, at a write as at a read, so it does not matter how the clocks of the web servers differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from beesession.provider import Record
from beesession.sql.dialect import Dialect
from beesession.sql.layout import TABLE

DEADLINE = 5.0
"""Seconds after which a connection is given up, because the server does not answer."""

LONG_DEADLINE = 60.0
"""The same for a statement that goes through the whole table."""


class Result(NamedTuple):
    """What a statement did.

    :ivar rowcount: rows that it matched, whether or not they looked different afterwards
    :ivar rows: what it returned
    """

    rowcount: int
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Statement:
    """What is sent to the database.

    :ivar sql: the text, with placeholders of the form ``%(name)s``
    :ivar parameters: at least those that the text names
    :ivar repeatable: it does no harm to run it twice
    :ivar may_collide: it may find a key taken, and a transaction around it must survive that
    :ivar deadline: seconds until an answer must be there
    """

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    repeatable: bool = False
    may_collide: bool = False
    deadline: float = DEADLINE


class Statements:
    """The statements of one configuration.

    :param lifetime: the store lifetime in seconds
    :param zone: the time zone of the expiry column, where that has none
    """

    def __init__(self, dialect: Dialect, lifetime: int, zone: str) -> None:
        self._sql = dialect
        self._lifetime = lifetime
        self._zone = zone

    # Of one record: the number of rows says whether there was one --------------------------------------------

    def read(self, sid: str, *, newest: bool = False) -> Statement:
        """Return (data, seconds until it expires) of a live record.

        :param newest: inside a transaction, too: what has been committed by now, not what was when it began
        """
        text = f"SELECT {self._sql.data}, {self._sql.remaining} FROM {TABLE} WHERE {self._live}"
        return self._statement(text + (" FOR UPDATE" if newest else ""), sid=sid, repeatable=True)

    def insert(self, sid: str, data: bytes, lifetime: int) -> Statement:
        """Store a record under a key that no row has."""
        return self._statement(
            f"INSERT INTO {TABLE} (session_key, session_data, session_expiry) "
            f"VALUES (%(sid)s, %(data)s, {self._sql.expiry}){self._sql.if_taken}",
            sid=sid,
            data=data,
            lifetime=lifetime,
        )

    def replace_expired(self, sid: str, data: bytes, lifetime: int) -> Statement:
        """Store a record in the place of one that has expired."""
        return self._update(self._expired, sid=sid, data=data, lifetime=lifetime)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: int) -> Statement:
        """Store a record in the place of ``record``."""
        return self._update(self._unchanged, sid=sid, record=record, data=data, lifetime=lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: int) -> Statement:
        """Store a record in the place of ``record``, under another key."""
        return self._statement(
            f"UPDATE {TABLE} SET session_key = %(new_sid)s, session_data = %(data)s, "
            f"session_expiry = {self._sql.expiry} WHERE {self._unchanged}",
            sid=sid,
            new_sid=new_sid,
            record=record,
            data=data,
            lifetime=lifetime,
            may_collide=True,
        )

    def touch(self, sid: str, lifetime: int) -> Statement:
        """Move the expiry of a live record."""
        return self._statement(
            f"UPDATE {TABLE} SET session_expiry = {self._sql.expiry} WHERE {self._live}",
            sid=sid,
            lifetime=lifetime,
            repeatable=True,
        )

    def delete(self, sid: str) -> Statement:
        """Remove a live record."""
        return self._delete(self._live, sid=sid, repeatable=True)

    def delete_unchanged(self, sid: str, record: Record) -> Statement:
        """Remove a live record if it is still ``record``."""
        return self._delete(self._unchanged, sid=sid, record=record)

    def delete_expired(self, sid: str) -> Statement:
        """Remove a record that has expired."""
        return self._delete(self._expired, sid=sid, repeatable=True)

    # Of all records -----------------------------------------------------------------------------------------

    def count(self) -> Statement:
        """Return (number) of the live records."""
        return self._statement(
            f"SELECT COUNT(*) FROM {TABLE} WHERE {self._sql.live}", repeatable=True, deadline=LONG_DEADLINE
        )

    def collect(self, limit: int) -> Statement:
        """Remove up to ``limit`` records that have expired, the oldest first."""
        return self._statement(self._sql.collect, limit=limit, repeatable=True, deadline=LONG_DEADLINE)

    def count_expired(self, limit: int, skipped: int) -> Statement:
        """Return (number) of the records that have expired, from the ``skipped``-th on, ``limit`` at most."""
        return self._statement(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM {TABLE} WHERE {self._sql.expired} "
            "LIMIT %(limit)s OFFSET %(skipped)s) AS batch",
            limit=limit,
            skipped=skipped,
            repeatable=True,
            deadline=LONG_DEADLINE,
        )

    # ----------------------------------------------------------------------------------------------------------

    @property
    def _live(self) -> str:
        return f"{self._sql.key_matches} AND {self._sql.live}"

    @property
    def _unchanged(self) -> str:
        return f"{self._live} AND {self._sql.unchanged}"

    @property
    def _expired(self) -> str:
        return f"{self._sql.key_matches} AND {self._sql.expired}"

    def _update(self, condition: str, **values: Any) -> Statement:
        return self._statement(
            f"UPDATE {TABLE} SET session_data = %(data)s, session_expiry = {self._sql.expiry} WHERE {condition}",
            **values,
        )

    def _delete(self, condition: str, **values: Any) -> Statement:
        return self._statement(f"DELETE FROM {TABLE} WHERE {condition}", **values)

    def _statement(
        self,
        text: str,
        *,
        record: Record | None = None,
        lifetime: int = 0,
        repeatable: bool = False,
        may_collide: bool = False,
        deadline: float = DEADLINE,
        **values: Any,
    ) -> Statement:
        digest = {} if record is None else {"digest": self._sql.digest(record)}
        shift = lifetime - self._lifetime
        parameters = {"store_lifetime": self._lifetime, "zone": self._zone, "shift": shift, **digest, **values}
        return Statement(text, parameters, repeatable, may_collide, deadline)
