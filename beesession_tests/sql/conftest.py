from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from beesession.conf import Options
from beesession.sql.provider import SQLProvider
from beesession.testing import Verbs
from beesession_tests.servers import Servers
from beesession_tests.sql.databases import ALIAS, KINDS, Kind, Make, Server, database_entry


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Kind]:
    with django_db_blocker.unblock():
        yield request.param


@pytest.fixture
def server(kind: Kind, servers: Servers) -> Iterator[Server]:
    """The server, its table as this package makes it, and empty."""
    server = kind.server(servers)
    kind.make_table(server)
    yield server
    kind.make_table(server)


@pytest.fixture
def make(kind: Kind, server: Server) -> Iterator[Make]:
    """Make a provider of a provider string (by default that of the server) and keys of BEESESSION."""
    with ExitStack() as stack:

        def make(value: str | None = None, **keys: Any) -> SQLProvider:
            options = Options.from_mapping({key.upper(): value for key, value in keys.items()})
            config = server.provider_config if value is None else value
            provider = kind.provider_class.from_config(config, options)
            stack.callback(provider.close)
            return provider

        yield make


@pytest.fixture
def provider(make: Make) -> SQLProvider:
    return make()


@pytest.fixture
def entry(kind: Kind, server: Server) -> Iterator[dict[str, Any]]:
    """An entry ``sessions`` of DATABASES that leads to the server."""
    with database_entry(ALIAS, dict(kind.provider_class.entry(server.provider_config))) as made:
        yield made


@pytest.fixture(params=["sync", "async"])
def form(request: pytest.FixtureRequest) -> Iterator[Callable[[SQLProvider], Verbs]]:
    """Give a provider's verbs, in both forms in turn; the async ones share one event loop."""
    if request.param == "sync":
        yield lambda provider: Verbs(provider, None)
        return
    loop = asyncio.new_event_loop()
    yield lambda provider: Verbs(provider, loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def verbs(form: Callable[[SQLProvider], Verbs], provider: SQLProvider) -> Verbs:
    return form(provider)
