"""Connections that the server ends between requests, on each engine that has a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from beesession_tests.engines import WITH_SERVER, RunningEngine
from beesession_tests.middleware.conftest import Visitor
from beesession_tests.servers import Servers, memcached_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("site"),
    pytest.mark.parametrize("engine", WITH_SERVER, indirect=True),
]


@pytest.fixture
def server(engine: RunningEngine, servers: Servers) -> Iterator[Any]:
    """The engine's server, which can end the connections to it."""
    if engine.name != "memcache":
        yield getattr(servers, engine.engine.server)
        return
    # It can do so only by a restart, over which it must not lose the sessions.
    with memcached_server(warm=True) as warm, engine.configured(PROVIDER_CONFIG=warm.provider_config):
        yield warm


def _get(visitor: Visitor, page: str) -> Any:
    """Ask for a page; once more after a 503, as the user of a browser would."""
    response = visitor.get(page)
    if response.status_code == 503:
        assert "Retry-After" in response.headers
        assert not response.cookies
        response = visitor.get(page)
    assert response.status_code == 200
    return response


def test_connections_that_end_between_requests_cost_one_503_at_most_and_no_login(visitor: Visitor, server: Any) -> None:
    _get(visitor, "login")
    sid = visitor.cookies[settings.SESSION_COOKIE_NAME].value
    for number in (1, 2):
        server.disconnect_clients()
        assert _get(visitor, "count").json() == {"count": number}
    assert _get(visitor, "whoami").content == b"ann"
    assert visitor.cookies[settings.SESSION_COOKIE_NAME].value == sid


def test_a_logout_between_connections_that_end_is_one(visitor: Visitor, server: Any, engine: RunningEngine) -> None:
    _get(visitor, "login")
    sid = visitor.cookies[settings.SESSION_COOKIE_NAME].value
    server.disconnect_clients()
    _get(visitor, "logout")
    server.disconnect_clients()
    visitor.cookies[settings.SESSION_COOKIE_NAME] = sid
    assert _get(visitor, "whoami").content == b""
    assert engine.provider.active().number == 0
