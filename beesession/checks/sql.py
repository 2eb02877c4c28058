"""Rules about the database of the SQL engines: its table, and its transactions."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage
from django.db.backends.base.creation import TEST_DATABASE_PREFIX

from beesession.beego import dsn
from beesession.checks.site import Site, error, warning
from beesession.provider import Unavailable
from beesession.sql.connections import Database, Entry
from beesession.sql.layout import TABLE
from beesession.sql.provider import SQLProvider
from beesession.sql.table import Flaw, Kind, flaws

_PORTS = {"mysql": "3306", "postgresql": "5432"}


def database_of_provider_config_is_looked_at(site: Site) -> Iterator[CheckMessage]:
    """W002: an entry of DATABASES comes first, and leads elsewhere.

    BeegoManager makes such an entry beside PROVIDER_CONFIG, and both lead to the same database.
    """
    if not issubclass(site.provider_class, SQLProvider) or site.options.alias or not site.provider_config:
        return
    database = _database(site)
    if database.alias is None:
        return
    try:
        given = site.provider_class.entry(site.provider_config)
        is_same = _is_same(database.entry, given, _PORTS[site.provider_class.dialect.vendor])
    except dsn.DSNError:
        is_same = False
    if not is_same:
        yield warning(
            2,
            f"BEESESSION['PROVIDER_CONFIG'] has no effect beside {database.origin}, which is where the engine connects "
            "to: the two lead to different databases.",
            f"Remove {database.origin} or PROVIDER_CONFIG, whichever is wrong.",
        )


def requests_are_no_transactions(site: Site) -> Iterator[CheckMessage]:
    """W024: the session takes part in the transaction of the view."""
    if not issubclass(site.provider_class, SQLProvider):
        return
    database = _database(site)
    if database.alias is not None and database.entry.get("ATOMIC_REQUESTS"):
        yield warning(
            24,
            f"{database.origin} has ATOMIC_REQUESTS: what a view does to its session, a login too, is undone when the "
            "view fails, and its row stays locked for the visitor's other requests until the view ends.",
            "Give the sessions an entry of DATABASES of their own, with the same values and without ATOMIC_REQUESTS, "
            "and name it 'beesession'; or silence this if that is what you want.",
        )


def table_serves(site: Site) -> Iterator[CheckMessage]:
    """E020: there is no table, or another one. W020, W021, W022, W023: it costs something. W025: nobody knows.

    Connects, so it is asked with ``check --deploy --database default`` only.
    """
    if not issubclass(site.provider_class, SQLProvider):
        return
    database = _database(site)
    try:
        with database.connection() as connection:
            found = flaws(connection, site.provider_class.dialect)
    except Unavailable as failure:
        yield warning(
            25,
            f"The database of the sessions could not be asked for its table ({type(failure.__cause__).__name__}).",
            "See that it runs, and that the user may connect; then check again.",
        )
        return
    finally:
        database.close()
    if found is None:
        where = "" if database.alias is None else f", or manage.py migrate --database {database.alias}"
        yield error(20, f"{database.origin} has no table {TABLE!r}.", f"Make it: manage.py session_table{where}.")
    else:
        yield from (_message(flaw) for flaw in found)


_NUMBERS = {Kind.ENGINE: 20, Kind.SMALL: 21, Kind.FOLDS_CASE: 22, Kind.NO_INDEX: 23}


def _message(flaw: Flaw) -> CheckMessage:
    if flaw.kind is Kind.UNFIT:
        return error(20, str(flaw), "Rename it, and make that of the sessions: manage.py session_table.")
    return warning(_NUMBERS[flaw.kind], str(flaw), f"To mend it: {flaw.remedy};")


def _database(site: Site) -> Database:
    assert issubclass(site.provider_class, SQLProvider), "each rule has looked"
    return site.provider_class.database(site.provider_config, site.options)


def _is_same(entry: Entry, given: Entry, default_port: str) -> bool:
    """Return whether an entry of DATABASES leads to where a provider string does, or to the test database of that."""
    test_name = entry["TEST"]["NAME"] or f"{TEST_DATABASE_PREFIX}{given['NAME']}"
    is_same_server = _server(entry, default_port) == _server(given, default_port)
    return is_same_server and entry["NAME"] in (given["NAME"], test_name)


def _server(entry: Entry, default_port: str) -> tuple[str, str]:
    host, port = (str(entry.get(key, "")) for key in ("HOST", "PORT"))
    return {"localhost": "127.0.0.1"}.get(host, host), port or default_port
