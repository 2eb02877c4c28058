"""What one kind of database has to tell of itself: a few expressions of SQL, and what its errors mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import ClassVar

from django.db.utils import Error

from beesession.causes import causes
from beesession.provider import Record, Unavailable
from beesession.sql.layout import Layout


class Verdict(Enum):
    """What an error says of the statement that it answers."""

    TAKEN = auto()
    """There is a row under this key."""

    NO_TABLE = auto()
    """The table is not there, or has other columns."""

    REFUSED = auto()
    """It was not run, and may be in a moment: a lock, a deadlock, too many connections."""

    UNSENT = auto()
    """There was no connection, or it had ended before; nothing was run."""

    LOST = auto()
    """The connection ended, and nobody knows whether the statement was run."""

    BROKEN = auto()
    """An earlier error has ended the transaction that it was to be a part of; nothing was run."""

    DENIED = auto()
    """The user may not do that, or the password is wrong. It does not pass by itself."""

    FAILED = auto()
    """Anything else. To repeat it would not help."""


class StatementFailed(Exception):
    """The database, or the way to it, has not done what a statement says.

    :ivar verdict: what the error means
    :ivar error: Django's error, whose cause is the driver's
    """

    def __init__(self, verdict: Verdict, error: Error) -> None:
        super().__init__(verdict.name)
        self.verdict = verdict
        self.error = error


class AccessDenied(Unavailable):
    """The database does not take the user or the password, or does not let the user do that."""


class Dialect(ABC):
    """The SQL of one kind of database.

    The expressions may hold these parameters: ``%(sid)s``; ``%(store_lifetime)s``, and ``%(shift)s``, what the
    lifetime of a record differs from it by, both in seconds; ``%(digest)s``, see :meth:`digest`; ``%(zone)s``, the
    time zone of the column; ``%(limit)s``.

    :cvar vendor: Django's name of it
    :cvar key_matches: this row is that of ``sid``, in exactly these letters
    :cvar live: this row has not expired, by the clock of the database
    :cvar expired: this row has
    :cvar expiry: what to store as the expiry
    :cvar remaining: seconds until this row expires
    :cvar data: the stored bytes
    :cvar unchanged: the stored bytes are still those of ``digest``
    :cvar if_taken: ends an INSERT that is to do nothing where the key is taken; without it, that is an error
    :cvar collect: removes expired rows, ``limit`` at most
    :cvar error_ends_transaction: an error inside a transaction leaves nothing of it but the way back
    :cvar layout: the table
    """

    vendor: ClassVar[str]
    key_matches: ClassVar[str]
    live: ClassVar[str]
    expired: ClassVar[str]
    expiry: ClassVar[str]
    remaining: ClassVar[str]
    data: ClassVar[str]
    unchanged: ClassVar[str]
    if_taken: ClassVar[str]
    collect: ClassVar[str]
    error_ends_transaction: ClassVar[bool]
    layout: ClassVar[Layout]

    @abstractmethod
    def digest(self, record: Record) -> str | bytes:
        """Return what the database's own hash makes of the bytes of a record."""

    @abstractmethod
    def verdict(self, error: Error) -> Verdict:
        """Return what an error of Django's means, whose cause is the driver's."""

    @abstractmethod
    def told(self, error: Error) -> tuple[object, ...]:
        """Return what may be shown of an error: its number or SQLSTATE, and the text only where it quotes no data."""

    def scrub(self, error: Error) -> Error:
        """Take out of an error, and of those that it came from, what they quote of ids and data. Returns it.

        Its ``except`` block must have been left: what is being handled is taken for the caller's.
        """
        args = self.told(error)
        for each in causes(error):
            each.args = args
        return error
