"""How long a statement waits for a lock of somebody else's, by the provider string and by the entry that beego's
configuration becomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from beesession import BeegoManager
from beesession.provider import Record, Unavailable
from beesession.sql.provider import SQLProvider
from beesession.testing import Verbs
from beesession_tests.sql.databases import ALIAS, HOUR, KINDS, SID, Kind, Make, Server, database_entry, stored

IMPATIENT = "&readTimeout=1s"
MYSQL = [kind for kind in KINDS if kind.is_mysql]

THROUGH_THE_TABLE: dict[str, Callable[[Verbs], Any]] = {
    "gc": lambda verbs: verbs.gc(10).removed,
    "active": lambda verbs: verbs.active().number,
}


@pytest.fixture
def beegos_entry(kind: Kind, server: Server) -> Iterator[dict[str, Any]]:
    """An entry ``sessions`` of DATABASES, as BeegoManager makes one."""
    keys = {"sessionon": True, "sessionprovider": str(kind), "sessionproviderconfig": server.provider_config}
    with database_entry(ALIAS, BeegoManager.from_keys(keys).as_settings()["DATABASES"]["beesession"]) as entry:
        yield entry


@contextmanager
def table_locked(server: Server, seconds: float) -> Iterator[None]:
    """Lock MySQL's table against everybody for so long. No lock timeout of ours is about that, as about a full scan."""
    connection = server.connect()
    connection.query("LOCK TABLES session WRITE")
    with ThreadPoolExecutor(1) as threads:

        def unlock() -> None:
            time.sleep(seconds)
            connection.query("UNLOCK TABLES")

        unlocking = threads.submit(unlock)
        yield
        unlocking.result()


@pytest.mark.slow
@pytest.mark.usefixtures("beegos_entry")
def test_by_beegos_configuration_the_server_gives_up_on_a_locked_row_and_never_writes_it(
    server: Server, make: Make
) -> None:
    provider = make("", alias=ALIAS)
    record = stored(provider)
    with server.connect(autocommit=False).cursor() as other:
        other.execute("SELECT 1 FROM session WHERE session_key = %s FOR UPDATE", (SID,))
        with pytest.raises(Unavailable):
            provider.swap(SID, record, b"late", HOUR)
        other.connection.rollback()
    time.sleep(0.2)
    assert server.execute("SELECT session_data FROM session") == [(b"data",)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
@pytest.mark.parametrize("alias", [None, ALIAS], ids=["string", "entry"])
@pytest.mark.parametrize("act", THROUGH_THE_TABLE.values(), ids=THROUGH_THE_TABLE.keys())
def test_what_goes_through_the_whole_table_may_take_longer_than_the_read_timeout(
    server: Server,
    make: Make,
    form: Callable[[SQLProvider], Verbs],
    beegos_entry: dict[str, Any],
    act: Callable[[Verbs], Any],
    alias: str | None,
) -> None:
    beegos_entry["OPTIONS"]["read_timeout"] = 1
    verbs = form(make(server.provider_config + IMPATIENT, alias=alias))
    stored(verbs)
    with table_locked(server, 2.5):
        assert act(verbs) == (1 if act is THROUGH_THE_TABLE["active"] else 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
def test_a_verb_of_one_session_ends_by_the_read_timeout_beside_a_count_that_does_not(
    server: Server, make: Make
) -> None:
    provider = make(server.provider_config + IMPATIENT)
    stored(provider)
    with table_locked(server, 4), ThreadPoolExecutor(1) as threads:
        counting = threads.submit(provider.active)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            provider.swap(SID, Record(b"data"), b"new", HOUR)
        assert time.monotonic() - began == pytest.approx(1, abs=0.5)
        assert not counting.done()
        assert counting.result(10).number == 1


@pytest.mark.parametrize("kind", MYSQL, ids=str, indirect=True)
@pytest.mark.usefixtures("beegos_entry")
def test_in_a_transaction_of_the_site_the_count_is_of_that_transaction(make: Make) -> None:
    provider = make("", alias=ALIAS)
    with transaction.atomic(using=ALIAS):
        stored(provider)
        assert provider.active().number == 1
        transaction.set_rollback(True, using=ALIAS)
    assert provider.active().number == 0
