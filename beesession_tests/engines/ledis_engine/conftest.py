from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from beesession.engines.ledis import LedisProvider
from beesession.testing import Verbs
from beesession_tests.engines.ledis_engine.records import Form, Make
from beesession_tests.engines.redis_engine.fixtures import form, providers_of
from beesession_tests.faults import Proxy
from beesession_tests.servers import LedisServer, Servers

__all__ = ["form"]


@pytest.fixture
def server(servers: Servers) -> LedisServer:
    servers.ledis.flush()
    return servers.ledis


@pytest.fixture
def admin(server: LedisServer) -> Iterator[Any]:
    with server.client() as client:
        yield client


@pytest.fixture
def proxy(server: LedisServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def make(server: LedisServer) -> Iterator[Make]:
    """Make a provider of a provider string (by default the server's) and keys of BEESESSION."""
    with providers_of(LedisProvider, server.provider_config) as make:
        yield make


@pytest.fixture
def verbs(form: Form, make: Make) -> Verbs:
    return form(make())
