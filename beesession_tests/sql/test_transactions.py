"""Sessions in a database of the site's own take part in its transactions; elsewhere they do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db import DataError, connections, transaction
from django.db.transaction import TransactionManagementError

from beesession.provider import Conflict, Unavailable
from beesession.sql.connections import fileno
from beesession.sql.idle import server_has_spoken
from beesession.sql.provider import SQLProvider
from beesession_tests.faults import Proxy, Stream
from beesession_tests.servers.base import eventually
from beesession_tests.sql.databases import ALIAS, HOUR, KINDS, NEW_SID, SID, Kind, Make, Server, database_entry, stored

pytestmark = pytest.mark.usefixtures("entry")
on_postgresql = pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_mysql], ids=str, indirect=True)


@pytest.fixture
def provider(make: Make) -> SQLProvider:
    """A provider on the alias of the site."""
    return make(alias=ALIAS)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic(using=ALIAS):
        yield
        transaction.set_rollback(True, using=ALIAS)


def test_with_the_sites_alias_each_verb_is_undone_with_the_transaction(provider: SQLProvider) -> None:
    record = stored(provider, b"before")
    for change in (
        lambda: provider.swap(SID, record, b"after", HOUR),
        lambda: provider.regenerate(SID, NEW_SID, record, b"after", HOUR),
        lambda: provider.destroy(SID),
        lambda: stored(provider, sid="a" * 32),
    ):
        with undone():
            change()
        found = provider.read(SID)
        assert found is not None
        assert found.data == b"before"
        assert provider.active().number == 1


def test_with_a_provider_string_no_verb_is(make: Make) -> None:
    apart = make()
    with undone():
        stored(apart)
    assert apart.read(SID) is not None


def test_with_an_alias_of_its_own_no_verb_is(make: Make, entry: dict[str, Any]) -> None:
    with database_entry("beesession", entry):
        apart = make("")
        with undone():
            stored(apart)
        assert apart.read(SID) is not None


@pytest.mark.parametrize("verb", ["create", "regenerate"])
def test_a_taken_id_leaves_the_transaction_usable(provider: SQLProvider, verb: str) -> None:
    record = stored(provider, b"mine")
    stored(provider, b"foreign", sid=NEW_SID)
    with transaction.atomic(using=ALIAS):
        if verb == "create":
            assert provider.create(NEW_SID, b"new", HOUR) is None
        else:
            with pytest.raises(Conflict):
                provider.regenerate(SID, NEW_SID, record, b"moved", HOUR)
        provider.swap(SID, record, b"after", HOUR)
    found = provider.read(SID)
    assert found is not None
    assert found.data == b"after"


@pytest.mark.parametrize("verb", ["create", "regenerate"])
def test_an_expired_row_is_replaced_inside_a_transaction_too(
    kind: Kind, server: Server, provider: SQLProvider, verb: str
) -> None:
    record = stored(provider)
    kind.insert(server, NEW_SID, b"expired", 10**8)
    with transaction.atomic(using=ALIAS):
        if verb == "create":
            stored(provider, b"new", sid=NEW_SID)
        else:
            provider.regenerate(SID, NEW_SID, record, b"new", HOUR)
    found = provider.read(NEW_SID)
    assert found is not None
    assert found.data == b"new"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.is_mysql], ids=str, indirect=True)
def test_a_conflict_shows_what_is_stored_now_though_the_transaction_reads_what_was(
    make: Make, entry: dict[str, Any]
) -> None:
    """Under REPEATABLE READ a plain read goes on returning what was there when the transaction began."""
    entry["OPTIONS"]["isolation_level"] = "repeatable read"
    with database_entry("repeatable", entry):
        mine, theirs = make(alias="repeatable"), make()
        record = stored(theirs, b"before")
        with transaction.atomic(using="repeatable"):
            assert mine.read(SID) is not None
            theirs.swap(SID, record, b"theirs", HOUR)
            stale = mine.read(SID)
            assert stale is not None
            assert stale.data == b"before"
            with pytest.raises(Conflict) as caught:
                mine.swap(SID, record, b"mine", HOUR)
            assert caught.value.record is not None
            assert caught.value.record.data == b"theirs"
            mine.swap(SID, caught.value.record, b"both", HOUR)
    found = theirs.read(SID)
    assert found is not None
    assert found.data == b"both"


def test_a_transaction_that_the_site_has_broken_is_the_sites_fault_and_no_outage(provider: SQLProvider) -> None:
    with undone():
        connections[ALIAS].needs_rollback = True
        with pytest.raises(TransactionManagementError):
            provider.read(SID)


@on_postgresql
def test_a_transaction_that_an_error_of_the_sites_has_ended_is_no_outage_either(provider: SQLProvider) -> None:
    with undone():
        with connections[ALIAS].cursor() as cursor, pytest.raises(DataError, match="division by zero"):
            cursor.execute("SELECT 1/0")
        with pytest.raises(TransactionManagementError):
            provider.read(SID)


def test_without_autocommit_a_connection_that_has_ended_is_not_replaced_under_the_site(
    server: Server, provider: SQLProvider
) -> None:
    stored(provider)
    transaction.set_autocommit(False, using=ALIAS)
    provider.destroy(SID)
    server.disconnect_clients()
    with pytest.raises(Unavailable):
        provider.read(SID)
    connections[ALIAS].close()
    assert provider.read(SID) is not None


@pytest.mark.slow
def test_a_server_that_falls_silent_in_a_transaction_is_given_up_before_ten_seconds_are_over(
    make: Make, server: Server, entry: dict[str, Any]
) -> None:
    with Proxy(server.port, Stream) as proxy, database_entry("proxied", {**entry, "PORT": str(proxy.port)}):
        provider = make(alias="proxied")
        record = stored(provider)
        with transaction.atomic(using="proxied"):
            assert provider.read(SID) is not None
            proxy.blackhole()
            began = time.monotonic()
            with pytest.raises(Unavailable):
                provider.regenerate(SID, NEW_SID, record, b"after", HOUR)
            assert time.monotonic() - began < 10
            proxy.heal()
            transaction.set_rollback(True, using="proxied")


@pytest.mark.parametrize("atomic", [True, False])
def test_atomic_requests_undo_the_rotation_of_a_view_that_fails(
    provider: SQLProvider, entry: dict[str, Any], atomic: bool
) -> None:
    entry["ATOMIC_REQUESTS"] = atomic
    record = stored(provider, b"before")

    def view() -> None:
        provider.regenerate(SID, NEW_SID, record, b"after", HOUR)
        raise ValueError("the view fails")

    as_the_handler_calls_it = BaseHandler().make_view_atomic(view)
    with pytest.raises(ValueError, match="the view fails"):
        as_the_handler_calls_it()
    assert (provider.read(SID) is not None) is atomic
    assert (provider.read(NEW_SID) is None) is atomic


# The connection of the site ---------------------------------------------------------------------------------


@on_postgresql
def test_a_connection_on_which_the_site_is_told_something_stays_the_sites(
    server: Server, provider: SQLProvider
) -> None:
    told: list[str] = []
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("LISTEN news")
        cursor.execute("CREATE TEMPORARY TABLE kept AS SELECT pg_backend_pid() AS pid")
        connections[ALIAS].connection.add_notify_handler(lambda notify: told.append(notify.payload))
        server.execute("NOTIFY news, 'here'")
        eventually(lambda: server_has_spoken(fileno(connections[ALIAS])))
        stored(provider)
        cursor.execute("SELECT pid = pg_backend_pid() FROM kept")
        assert cursor.fetchall() == [(True,)]
    assert told == ["here"]


@on_postgresql
def test_what_djangos_pool_hands_out_is_replaced_where_the_server_has_ended_it(
    make: Make, server: Server, entry: dict[str, Any]
) -> None:
    entry["OPTIONS"]["pool"] = {"min_size": 4, "max_size": 4}
    with database_entry("pooled", entry):
        provider, pool = make(alias="pooled"), connections["pooled"].pool  # type: ignore[attr-defined]
        with pool:
            end_all_of_the_pool(server)
            record = stored(provider, b"before")
            end_all_of_the_pool(server)
            provider.swap(SID, record, b"after", HOUR)
            end_all_of_the_pool(server)
            for _ in range(2):
                found = provider.read(SID)
                assert found is not None
                assert found.data == b"after"
            connections["pooled"].close()


def end_all_of_the_pool(server: Server) -> None:
    eventually(lambda: len(server.connections()) == 4)
    server.disconnect_clients()
