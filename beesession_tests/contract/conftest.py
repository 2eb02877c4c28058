from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from beesession_tests.contract.visits import Site
from beesession_tests.engines import RunningEngine


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, engine: RunningEngine) -> Iterator[Site]:
    """Each engine, through the sync and the async half of Django's API in turn."""
    if request.param == "sync":
        yield Site(engine.SessionStore, None)
        return
    loop = asyncio.new_event_loop()
    yield Site(engine.SessionStore, loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
