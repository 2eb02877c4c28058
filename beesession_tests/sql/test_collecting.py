"""Garbage collection and counting on 300,000 rows."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from beesession.conf import Options
from beesession.operations import GC_BATCH
from beesession.sql.provider import SQLProvider
from beesession_tests.sql.databases import KINDS, Kind, Server

LIVE, EXPIRED = 100_000, 200_000
LIFETIME = 14 * 24 * 3600

pytestmark = pytest.mark.slow


def fill(kind: Kind, server: Server, number: int, age: int) -> None:
    """Store so many rows, written so many seconds ago or up to a day earlier."""
    seconds = f"({age} + 86400.0 * number / {number})"
    if kind.is_mysql:
        rows = f"(SELECT seq AS number FROM seq_1_to_{number}) AS numbers"
        values = f"MD5(CONCAT({age}, '-', number)), REPEAT('x', 60), UNIX_TIMESTAMP() - {seconds}"
        order = " ORDER BY 1"  # its tables are kept in the order of the key
    else:
        rows, order = f"generate_series(1, {number}) AS number", ""
        values = (
            f"md5({age} || '-' || number), convert_to(repeat('x', 60), 'UTF8'), "
            f"statement_timestamp() AT TIME ZONE 'UTC' - make_interval(secs => {seconds})"
        )
    server.execute(f"INSERT INTO session SELECT {values} FROM {rows}{order}")


def timed(provider: SQLProvider) -> tuple[int, list[float]]:
    """Collect until there is nothing left; return how many were removed, and the seconds of each statement."""
    removed, seconds, finished = 0, [], False
    while not finished:
        began = time.monotonic()
        sweep = provider.gc(GC_BATCH)
        seconds.append(time.monotonic() - began)
        removed, finished = removed + sweep.removed, sweep.finished
    return removed, seconds


@pytest.mark.parametrize("kind", KINDS, ids=str, indirect=True)
def test_two_hundred_thousand_expired_go_in_short_statements_and_the_live_stay(
    kind: Kind, record_property: Any
) -> None:
    # As large as a server of today has it, so that what is measured is no disk.
    settings = ["innodb-buffer-pool-size=256M"] if kind.is_mysql else []
    with kind.run(*settings) as server:
        kind.make_table(server)
        fill(kind, server, LIVE, 0)
        fill(kind, server, EXPIRED, LIFETIME + 60)
        server.execute("ANALYZE TABLE session" if kind.is_mysql else "ANALYZE session")
        first, second = (
            kind.provider_class.from_config(server.provider_config, Options(lifetime=LIFETIME)) for _ in range(2)
        )
        assert first.active().number == LIVE
        with ThreadPoolExecutor(2) as threads:
            # Two machines at once, over the half of them.
            half = [threads.submit(_collect, provider, EXPIRED // GC_BATCH // 4) for provider in (first, second)]
            removed_at_once = sum(each.result() for each in half)
        assert removed_at_once == EXPIRED // 2
        removed, seconds = timed(first)
        record_property("longest statement in ms", round(max(seconds) * 1000))
        assert removed_at_once + removed == EXPIRED
        assert first.active().number == LIVE
        assert server.execute("SELECT COUNT(*) FROM session") == [(LIVE,)]
        # 0.2 s are promised for the longest. Other processes of the machine that tests run on delay some statements.
        assert statistics.median(seconds) < 0.2
        assert max(seconds) < 2
        first.close()
        second.close()


def _collect(provider: SQLProvider, batches: int) -> int:
    return sum(provider.gc(GC_BATCH).removed for _ in range(batches))
