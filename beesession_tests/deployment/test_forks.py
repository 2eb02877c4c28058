"""A process that was forked from one that has used an engine."""

from __future__ import annotations

import asyncio
import gc
import os
import time

import pytest

from beesession import conf
from beesession.provider import Record
from beesession_tests.deployment.test_connections import connections
from beesession_tests.engines import WITH_SERVER, RunningEngine
from beesession_tests.servers import Servers

HOUR = 3600


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("engine", WITH_SERVER, indirect=True)
def test_a_child_process_does_not_share_the_connections_of_its_parent(engine: RunningEngine, servers: Servers) -> None:
    server = getattr(servers, engine.engine.server)
    server.disconnect_clients()  # those of other tests must not be counted
    provider, ids = engine.provider, engine.provider.ids(conf.options())
    record = provider.create(ids.new(), b"parent", HOUR)
    assert record is not None
    loop = asyncio.new_event_loop()
    loop.run_until_complete(provider.aread(record.sid))
    before = connections(server)
    (told, tell), (allowed, allow) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            provider.read(record.sid)
            os.write(tell, b".")
            os.read(allowed, 1)
            for _ in range(20):
                assert _data(provider.read(record.sid)) == b"parent"
                assert _data(asyncio.run(provider.aread(record.sid))) == b"parent"
                assert provider.create(ids.new(), b"child", HOUR) is not None
            provider.close()
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    os.close(tell)  # so that a child which fails before it tells ends the wait
    assert os.read(told, 1) == b"."
    # While the child waits, the server has the connections of both.
    apart = connections(server) > before
    os.write(allow, b".")
    for _ in range(100):
        assert _data(provider.read(record.sid)) == b"parent"
        assert _data(loop.run_until_complete(provider.aread(record.sid))) == b"parent"
    assert _status_of(child) == 0
    assert apart
    assert loop.run_until_complete(provider.aread(record.sid)) is not None
    assert provider.swap(record.sid, record, b"after", HOUR).data == b"after"
    assert provider.active().number == 21
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    for end in (told, allowed, allow):
        os.close(end)


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
