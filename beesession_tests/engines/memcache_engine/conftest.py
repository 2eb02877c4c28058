from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from beesession.conf import Options
from beesession.engines.memcache import MemcacheProvider
from beesession.testing import Verbs
from beesession_tests.engines.memcache_engine.log import LOGS
from beesession_tests.engines.memcache_engine.network import proxied
from beesession_tests.engines.memcache_engine.records import Form, Make
from beesession_tests.faults import Proxy
from beesession_tests.servers import MemcachedServer, MemcachedServers, Servers, memcached_server


@pytest.fixture
def nodes(servers: Servers) -> MemcachedServers:
    """The two nodes that all tests share, empty."""
    servers.memcached.flush()
    return servers.memcached


@pytest.fixture(scope="session")
def logging_server() -> Iterator[MemcachedServer]:
    with memcached_server(LOGS) as server:
        yield server


@pytest.fixture
def server(logging_server: MemcachedServer) -> MemcachedServer:
    """A single server whose commands can be seen, empty."""
    logging_server.flush()
    return logging_server


@pytest.fixture
def proxy(server: MemcachedServer) -> Iterator[Proxy]:
    with proxied(server) as proxy:
        yield proxy


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make a provider of a provider string (by default that of the two nodes) and keys of BEESESSION."""
    with ExitStack() as stack:

        def make(value: str | dict[str, Any] | None = None, **keys: Any) -> MemcacheProvider:
            if value is None:
                value = request.getfixturevalue("nodes").provider_config
            options = Options.from_mapping({name.upper(): key for name, key in keys.items()})
            provider = MemcacheProvider.from_config(value, options)
            stack.callback(provider.close)
            return provider

        yield make


@pytest.fixture(params=["sync", "async"])
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    """Give a provider's verbs, in both forms in turn; the async ones share one event loop."""
    if request.param == "sync":
        yield lambda provider: Verbs(provider, None)
        return
    loop = asyncio.new_event_loop()
    yield lambda provider: Verbs(provider, loop)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
