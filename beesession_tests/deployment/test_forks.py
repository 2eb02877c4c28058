"""A process that was forked from one that has used an engine."""

from __future__ import annotations

import asyncio
import gc
import os
import time

import pytest

from beesession import conf
from beesession.provider import Record
from beesession_tests.engines import WITH_SERVER, RunningEngine

HOUR = 3600


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("engine", WITH_SERVER, indirect=True)
def test_a_child_process_does_not_share_the_connections_of_its_parent(engine: RunningEngine) -> None:
    provider, ids = engine.provider, engine.provider.ids(conf.options())
    record = provider.create(ids.new(), b"parent", HOUR)
    assert record is not None
    loop = asyncio.new_event_loop()
    loop.run_until_complete(provider.aread(record.sid))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for _ in range(20):
                assert _data(provider.read(record.sid)) == b"parent"
                assert _data(asyncio.run(provider.aread(record.sid))) == b"parent"
                assert provider.create(ids.new(), b"child", HOUR) is not None
            provider.close()
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    for _ in range(100):
        assert _data(provider.read(record.sid)) == b"parent"
        assert _data(loop.run_until_complete(provider.aread(record.sid))) == b"parent"
    assert _status_of(child) == 0
    assert loop.run_until_complete(provider.aread(record.sid)) is not None
    assert provider.swap(record.sid, record, b"after", HOUR).data == b"after"
    assert provider.active().number == 21
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _data(record: Record | None) -> bytes | None:
    return None if record is None else record.data


def _status_of(child: int) -> int:
    """Return how a child has ended; kill it after twenty seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")
