"""Fixtures for requests that go through a middleware stack, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client, override_settings

OURS = "beesession.middleware.SessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


class Visitor:
    """A browser that asks for the same pages under WSGI or under ASGI."""

    def __init__(self, *, asynchronous: bool, raises: bool = True) -> None:
        self.asynchronous = asynchronous
        client = AsyncClient if asynchronous else Client
        self._client: Any = client(raise_request_exception=raises)

    @property
    def cookies(self) -> Any:
        return self._client.cookies

    def get(self, page: str, **headers: str) -> Any:
        """Ask for a page; under ASGI for its async twin, where there is one."""
        if not self.asynchronous:
            return self._client.get("/" + page, headers=headers)
        twin = page.partition("?")[0] in {"untouched", "read", "change", "login", "logout", "whoami"}
        return asyncio.run(self._client.get("/a/" + page if twin else "/" + page, headers=headers))


@pytest.fixture
def site(transactional_db: None) -> Iterator[None]:
    """The test site behind beesession's middleware, with two users."""
    for name in ("ann", "bob"):
        User.objects.create_user(name)
    with override_settings(ROOT_URLCONF="beesession_tests.middleware.site", MIDDLEWARE=[OURS, AUTHENTICATION]):
        yield


@pytest.fixture(params=[False, True], ids=["wsgi", "asgi"])
def visitor(request: pytest.FixtureRequest) -> Visitor:
    return Visitor(asynchronous=request.param)
