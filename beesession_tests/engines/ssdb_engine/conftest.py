from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from beesession.conf import Options
from beesession.engines.ssdb import SSDBProvider
from beesession_tests.engines.ssdb_engine.records import Make
from beesession_tests.faults import Proxy, Stream
from beesession_tests.servers import Servers, SSDBServer


@pytest.fixture
def server(servers: Servers) -> SSDBServer:
    servers.ssdb.flush()
    return servers.ssdb


@pytest.fixture
def proxy(server: SSDBServer) -> Iterator[Proxy]:
    with Proxy(server.port, Stream) as proxy:
        yield proxy


@pytest.fixture
def make(server: SSDBServer) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(value: Any = server.provider_config, **keys: Any) -> SSDBProvider:
            options = Options.from_mapping({key.upper(): value for key, value in keys.items()})
            provider = SSDBProvider.from_config(value, options)
            stack.callback(provider.close)
            return provider

        yield make


@pytest.fixture
def provider(make: Make) -> SSDBProvider:
    return make()


@pytest.fixture
def behind(make: Make, proxy: Proxy) -> SSDBProvider:
    """A provider that reaches the server through the proxy."""
    return make(f"{proxy.host}:{proxy.port}")
