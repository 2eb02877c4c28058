"""The table of the sessions: made where there is none, and looked at where there is one.

A table that was made for a beego application works as it is. What it costs are :class:`Flaw` objects, each with the
statement that mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from beesession.provider import Unavailable
from beesession.sql.dialect import AccessDenied, Dialect, Verdict
from beesession.sql.layout import TABLE, Layout

T = TypeVar("T")

LARGE = 1024 * 1024
"""Bytes that a session may well have."""


class Kind(Enum):
    """What may be wrong with a table, and what that costs."""

    UNFIT = "is not beego's: {}"
    ENGINE = "is of the storage engine {}: a write locks all sessions, and takes part in no transaction"
    SMALL = "holds up to {} bytes a session: a larger one is refused (SessionTooLarge)"
    FOLDS_CASE = "compares ids by the collation {}: ids that differ in capital letters only exclude each other"
    NO_INDEX = "has no index on session_expiry: session_gc reads all of it for each batch"


@dataclass(frozen=True)
class Flaw:
    """Something that is wrong with a table.

    :ivar kind: what it is
    :ivar detail: what the database says there
    :ivar remedy: the statement that mends it; empty for a table that is none of ours
    """

    kind: Kind
    detail: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"The table {TABLE} {self.kind.value.format(self.detail)}."


class _Column(NamedTuple):
    type: str
    size: int | None
    collation: str | None


@dataclass(frozen=True)
class _Description:
    """What the database says of the table; there are no columns when there is no table."""

    columns: Mapping[str, _Column]
    indexed: frozenset[str]
    engine: str


def create(connection: BaseDatabaseWrapper, dialect: Dialect) -> bool:
    """Make the table unless it is there; return whether there was none.

    :raises Unavailable: the database cannot be reached, or refused
    """

    def make(cursor: Any) -> bool:
        is_new = not _describe(cursor, dialect.layout).columns
        if is_new:
            for statement in dialect.layout.create:
                cursor.execute(statement)
        return is_new

    return _ask(connection, dialect, make)


def flaws(connection: BaseDatabaseWrapper, dialect: Dialect) -> list[Flaw] | None:
    """Return what is wrong with the table, or None when there is none.

    :raises Unavailable: the database cannot be reached, or refused
    """
    described = _ask(connection, dialect, lambda cursor: _describe(cursor, dialect.layout))
    return list(_flaws(described, dialect.layout)) if described.columns else None


def _flaws(table: _Description, layout: Layout) -> Iterator[Flaw]:
    unfit = [
        Flaw(Kind.UNFIT, f"its column {name} is of the type {table.columns[name].type}")
        if name in table.columns
        else Flaw(Kind.UNFIT, f"it has no column {name}")
        for name, types in layout.types.items()
        if name not in table.columns or table.columns[name].type not in types
    ]
    if unfit:
        yield from unfit
        return
    size, collation = table.columns["session_data"].size, table.columns["session_key"].collation
    if table.engine and table.engine != "InnoDB":
        yield Flaw(Kind.ENGINE, table.engine, layout.change_engine)
    if size is not None and size < LARGE:
        yield Flaw(Kind.SMALL, f"{size:,}", layout.widen_data)
    if collation is not None and not collation.endswith("_bin"):
        yield Flaw(Kind.FOLDS_CASE, collation, layout.compare_exactly)
    if "session_expiry" not in table.indexed:
        yield Flaw(Kind.NO_INDEX, remedy=layout.index_expiry)


def _describe(cursor: Any, layout: Layout) -> _Description:
    cursor.execute(layout.columns)
    columns = {str(name): _Column(kind, size, collation) for name, kind, size, collation in cursor.fetchall()}
    cursor.execute(layout.indexed)
    indexed = frozenset(str(name) for (name,) in cursor.fetchall())
    engine = ""
    if layout.engine and columns:
        cursor.execute(layout.engine)
        ((engine,),) = cursor.fetchall()
    return _Description(columns, indexed, engine)


def _ask(connection: BaseDatabaseWrapper, dialect: Dialect, question: Callable[[Any], T]) -> T:
    try:
        with connection.cursor() as cursor:
            return question(cursor)
    except Error as error:
        failure = error
    kind = AccessDenied if dialect.verdict(failure) is Verdict.DENIED else Unavailable
    raise kind(
        f"The {dialect.vendor} database cannot be reached, or refused ({type(failure).__name__})."
    ) from dialect.scrub(failure)
