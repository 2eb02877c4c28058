"""Where the sessions lie, and who holds which connection to there.

With an alias, which is ``BEESESSION["ALIAS"]`` or else an entry ``beesession`` of DATABASES, a thread uses the
connection that the rest of the site has to that database: sessions take part in its transactions. Without one,
``PROVIDER_CONFIG`` is read as the entry that it stands for, and a thread borrows a connection of this module's own
for each statement.
"""

from __future__ import annotations

import os
import threading
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
from beesession.sql.idle import IdleConnections, server_has_spoken

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
        self._idle: dict[int, IdleConnections[BaseDatabaseWrapper]] = {}
        self._closed = False

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
        except Exception:
            # An error in an answer leaves the connection as it was; an interrupted wait for one does not.
            sound = not connection.errors_occurred
            raise
        finally:
            if connection.connection is not None:
                if sound and not self._closed:
                    self._idle_here().put(connection)
                else:
                    connection.close()

    def close(self) -> None:
        """Close the connections of its own; one that is lent follows when it comes back."""
        self._closed = True
        # Django refuses to close a connection in a thread that runs an event loop.
        closing = threading.Thread(target=_close_each, args=(self._idle_here().clear(),))
        closing.start()
        closing.join()

    def _take(self) -> BaseDatabaseWrapper:
        found, spent = self._idle_here().take()
        for connection in spent:
            connection.close()
        if found is None:
            found = self.new()
            # It stays one thread's at a time, but not always the same one's.
            found.inc_thread_sharing()
        return found

    def _idle_here(self) -> IdleConnections[BaseDatabaseWrapper]:
        # After a fork the parent's stay where they are: to close them would end them for the parent, too.
        process = os.getpid()
        found = self._idle.get(process)
        return found if found is not None else self._idle.setdefault(process, IdleConnections(fileno))


def _close_each(connections: list[BaseDatabaseWrapper]) -> None:
    for connection in connections:
        connection.close()


def fileno(connection: BaseDatabaseWrapper) -> int:
    """Return the file descriptor of a connection's socket."""
    return cast(int, connection.connection.fileno())


def _has_ended(connection: BaseDatabaseWrapper) -> bool:
    if connection.connection is None or connection.in_atomic_block:
        return False
    try:
        with connection.wrap_database_errors:
            return server_has_spoken(fileno(connection))
    except Error:  # it was closed on this side
        return True


def _demand_usable(entry: Entry, origin: str, vendor: str) -> None:
    found = getattr(load_backend(entry["ENGINE"]).DatabaseWrapper, "vendor", None)
    if found != vendor:
        raise ImproperlyConfigured(
            f"{origin} is a database of the kind {found!r}; the engine needs one of the kind {vendor!r}. Set "
            "SESSION_ENGINE to the engine of that database, or name another database."
        )
    if not entry.get("AUTOCOMMIT", True):
        raise ImproperlyConfigured(f"{origin}['AUTOCOMMIT'] must be True: otherwise no session would be committed.")
