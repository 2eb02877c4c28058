"""Where the sessions lie, and who holds which connection to there.

With an alias, which is ``BEESESSION["ALIAS"]`` or else an entry ``beesession`` of DATABASES, a thread uses the
connection that the rest of the site has to that database: sessions take part in its transactions. Without one,
``PROVIDER_CONFIG`` is read as the entry that it stands for, and a thread borrows a connection of this module's own
for each statement.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler, Error, load_backend

from beesession.aliases import ALIAS, entry_named, session_alias
from beesession.beego import dsn
from beesession.conf import Options
from beesession.sql.deadlines import deadline
from beesession.sql.dialect import StatementFailed
from beesession.sql.idle import IdleConnections, server_has_spoken
from beesession.sql.statements import DEADLINE

Entry = Mapping[str, Any]


class Database:
    """The database of the sessions. Safe to use from many threads, and after a fork; connects at first use.

    :param alias: its name in DATABASES, or None: it has none, and ``entry`` is all that is known of it
    :param entry: how to connect
    :param origin: what an error calls it
    """

    def __init__(self, alias: str | None, entry: Entry, origin: str) -> None:
        self.alias = alias
        self.entry = entry
        self.origin = origin
        # Django wants a "default". Nothing is ever connected by it.
        self._handler = connections if alias else ConnectionHandler({"default": {}, ALIAS: {**entry}})
        self._idle: IdleConnections[BaseDatabaseWrapper] = IdleConnections(fileno)
        self._closed = False
        _databases.add(self)

    @classmethod
    def find(
        cls, value: str | Mapping[str, Any], options: Options, vendor: str, entry_of: Callable[[Any], Entry]
    ) -> Database:
        """Return the database that an engine is to use.

        :param value: the engine's PROVIDER_CONFIG, used where there is no alias
        :param vendor: Django's name of the kind of database that the engine needs
        :param entry_of: makes a DATABASES entry of a provider string
        :raises ImproperlyConfigured: nothing names a database, or what does cannot be used
        """
        alias = session_alias(options, connections.settings)
        if alias is not None:
            origin = f"DATABASES[{alias!r}]"
            entry = entry_named(alias, options, "DATABASES", connections.settings)
        elif value:
            origin = f"{options.source}['PROVIDER_CONFIG']"
            try:
                entry = entry_of(value)
            except dsn.DSNError as error:
                raise ImproperlyConfigured(f"{origin}: {error}") from error
        else:
            raise ImproperlyConfigured(
                f"The {vendor} engine needs a database: name an entry of DATABASES in {options.source}['ALIAS'], or "
                f"call one {ALIAS!r}, or set {options.source}['PROVIDER_CONFIG'] to beego's string for a database."
            )
        _demand_usable(entry, origin, vendor)
        return cls(alias, entry, origin)

    def new(self) -> BaseDatabaseWrapper:
        """Return a new connection, for whoever needs one that is nobody else's. It is not connected yet."""
        made: BaseDatabaseWrapper = self._handler.create_connection(self.alias or ALIAS)
        return made

    @contextmanager
    def connection(self) -> Iterator[BaseDatabaseWrapper]:
        """Lend the calling thread a connection for one statement. One that the server has ended is not connected."""
        if self.alias is None:
            with self.lent() as connection:
                yield connection
            return
        connection = connections[self.alias]
        if _has_ended(connection):
            connection.close()
        yield connection

    @contextmanager
    def lent(self) -> Iterator[BaseDatabaseWrapper]:
        """Lend a connection that nobody else has meanwhile; with an alias, too, it is in no transaction of the site."""
        connection = self._take()
        sound = False
        try:
            yield connection
            sound = True
        except (StatementFailed, Error):
            # An error in an answer leaves the connection as it was; an interrupted wait for one does not.
            sound = not connection.errors_occurred
            raise
        finally:
            if connection.connection is not None:
                if sound and not self._closed:
                    self._idle.put(connection)
                else:
                    connection.close()

    def close(self) -> None:
        """Close the connections of its own; one that is lent follows when it comes back."""
        self._closed = True
        # Django refuses to close a connection in a thread that runs an event loop.
        closing = threading.Thread(target=_close_each, args=(self._idle.clear(),))
        closing.start()
        closing.join()

    def leave_to_the_parent(self, nowhere: int) -> None:
        """Let go of the connections, in a child of the process that made them, so that it keeps them.

        :param nowhere: the file descriptor of something that takes a goodbye and passes it on to nobody
        """
        for connection in self._idle.clear():
            os.dup2(nowhere, fileno(connection))

    def _take(self) -> BaseDatabaseWrapper:
        found, spent = self._idle.take()
        for connection in spent:
            connection.close()
        if found is None:
            found = self.new()
            # It stays one thread's at a time, but not always the same one's.
            found.inc_thread_sharing()
        return found


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    # MySQL's client says goodbye on a connection when it is freed, at the end of the process if not before.
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        for database in _databases:
            database.leave_to_the_parent(nowhere)
    finally:
        os.close(nowhere)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def _close_each(connections: list[BaseDatabaseWrapper]) -> None:
    for connection in connections:
        connection.close()


def fileno(connection: BaseDatabaseWrapper) -> int:
    """Return the file descriptor of a connection's socket.

    :raises Error: it was closed on this side
    """
    with connection.wrap_database_errors:
        return cast(int, connection.connection.fileno())


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the site has a transaction open, by ``atomic`` or by turning autocommit off."""
    return connection.connection is not None and not connection.autocommit


def connect(connection: BaseDatabaseWrapper) -> None:
    """Connect what is not connected. Where Django has a pool, it may hand out what the server has ended: not to us."""
    pool = getattr(connection, "pool", None)
    for _ in range(pool.max_size if pool else 0):
        connection.ensure_connection()
        if not _has_ended(connection):
            return
        connection.close()
    connection.ensure_connection()


def _has_ended(connection: BaseDatabaseWrapper) -> bool:
    if connection.connection is None or in_transaction(connection):
        return False
    try:
        number = fileno(connection)
    except Error:
        return True
    if not server_has_spoken(number):
        return False
    # What the site listens for (NOTIFY) comes in unasked, too, and its temporary tables and locks end with the
    # connection. So here, and only here, the server is asked; and a pool takes back none that has failed to answer.
    with deadline(number, DEADLINE):
        return not connection.is_usable()


def _demand_usable(entry: Entry, origin: str, vendor: str) -> None:
    found = getattr(load_backend(entry["ENGINE"]).DatabaseWrapper, "vendor", None)
    if found != vendor:
        raise ImproperlyConfigured(
            f"{origin} is a database of the kind {found!r}; the engine needs one of the kind {vendor!r}. Set "
            "SESSION_ENGINE to the engine of that database, or name another database."
        )
    if not entry.get("AUTOCOMMIT", True):
        raise ImproperlyConfigured(f"{origin}['AUTOCOMMIT'] must be True: otherwise no session would be committed.")
