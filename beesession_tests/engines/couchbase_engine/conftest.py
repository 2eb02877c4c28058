from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from beesession import couchbase_clients
from beesession.conf import Options
from beesession.engines.couchbase import CouchbaseProvider
from beesession.testing import Verbs
from beesession_tests.engines.couchbase_engine.records import Form, Make
from beesession_tests.servers import CouchbaseServer, Servers


@pytest.fixture
def server(servers: Servers) -> Iterator[CouchbaseServer]:
    """The shared server: empty, and healed afterwards."""
    servers.couchbase.flush()
    servers.couchbase.commands()
    yield servers.couchbase
    servers.couchbase.heal()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up ten times sooner than a site does."""
    for name in ("CONNECT_TIMEOUT", "TIMEOUT"):
        monkeypatch.setattr(couchbase_clients, name, getattr(couchbase_clients, name) / 10)


@pytest.fixture
def make(server: CouchbaseServer) -> Iterator[Make]:
    """Make a provider of a provider string (by default that of the server) and keys of BEESESSION."""
    with ExitStack() as stack:

        def make(value: str = server.provider_config, **keys: object) -> CouchbaseProvider:
            options = Options.from_mapping({name.upper(): value for name, value in keys.items()})
            provider = CouchbaseProvider.from_config(value, options)
            stack.callback(provider.close)
            return provider

        yield make


@pytest.fixture
def provider(make: Make) -> CouchbaseProvider:
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
def verbs(form: Form, provider: CouchbaseProvider) -> Verbs:
    return form(provider)
