from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
import redis

from beesession.engines.redis import RedisProvider
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.fixtures import form, providers_of
from beesession_tests.engines.redis_engine.places import PLACES, Place
from beesession_tests.engines.redis_engine.records import Form, Make
from beesession_tests.faults import Proxy
from beesession_tests.servers import RedisServer, Servers

__all__ = ["form"]


@pytest.fixture(scope="session")
def places(servers: Servers) -> Iterator[Callable[[str], Place]]:
    """Return where an engine keeps its sessions; it is made when a test first asks for it."""
    with ExitStack() as stack:
        yield cache(lambda engine: stack.enter_context(PLACES[engine](servers)))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Iterator[Place]:
    """Where each engine of the family in turn keeps its sessions: empty, and in good health."""
    place = places(request.param)
    place.server.flush()
    yield place
    place.proxy.heal()


@pytest.fixture
def server(place: Place) -> RedisServer:
    return place.server


@pytest.fixture
def admin(server: RedisServer) -> redis.Redis:
    return server.client(retry=None)


@pytest.fixture
def proxy(place: Place) -> Proxy:
    return place.proxy


@pytest.fixture
def make(place: Place) -> Iterator[Make]:
    """Make a provider of a provider string (by default that of the place) and keys of BEESESSION."""
    with providers_of(place.provider_class, place.members) as make:
        yield make


@pytest.fixture
def provider(make: Make) -> RedisProvider:
    return make()


@pytest.fixture
def verbs(form: Form, provider: RedisProvider) -> Verbs:
    return form(provider)
