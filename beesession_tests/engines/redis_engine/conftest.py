from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from beesession.conf import Options
from beesession.engines.redis import RedisProvider
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.records import Form, Make
from beesession_tests.faults import Proxy
from beesession_tests.servers import RedisServer, Servers


@pytest.fixture
def server(servers: Servers) -> RedisServer:
    servers.redis.flush()
    return servers.redis


@pytest.fixture
def admin(server: RedisServer) -> redis.Redis:
    return server.client(retry=None)


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def make(server: RedisServer) -> Iterator[Make]:
    """Make a provider of a provider string (by default that of the server) and keys of BEESESSION."""
    with ExitStack() as stack:

        def make(value: str | dict[str, Any] = f"127.0.0.1:{server.port}", **keys: Any) -> RedisProvider:
            provider = RedisProvider.from_config(value, Options.from_mapping({k.upper(): v for k, v in keys.items()}))
            stack.callback(provider.close)
            return provider

        yield make


@pytest.fixture
def provider(make: Make) -> RedisProvider:
    return make()


@pytest.fixture(params=["sync", "async"])
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    """Give a provider's verbs, in both forms in turn; the async ones share one event loop."""
    if request.param == "sync":
        yield lambda provider: Verbs(provider, None)
        return
    loop = asyncio.new_event_loop()
    yield lambda provider: Verbs(provider, loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def verbs(form: Form, provider: RedisProvider) -> Verbs:
    return form(provider)
