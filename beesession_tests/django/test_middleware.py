"""Django's ``SessionMiddlewareTests`` on each engine: behind Django's middleware, and behind ours."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware

from beesession.middleware import SessionMiddleware
from beesession.store import SessionStore
from beesession_tests.django.suite import OnEngine, django_tests, names_of_tests
from beesession_tests.engines import ENGINES, Engine

UPSTREAM = django_tests()

AT_LEAST = 12


class StoredSessions:
    """Stands where Django's tests look into the ``django_session`` table, and looks into the engine's store instead."""

    def __init__(self, store_class: type[SessionStore]) -> None:
        self._store_class = store_class
        self.objects = self

    def get(self, session_key: str) -> SimpleNamespace:
        """Return a row as the tests use it."""
        session = self._store_class(session_key)
        data = session.load()
        assert session.session_key == session_key, "there is a record under this key"
        return SimpleNamespace(get_decoded=lambda: data)


class BehindMiddleware(OnEngine):
    """Puts a middleware where Django's tests take theirs from."""

    middleware: type[DjangoSessionMiddleware]

    @pytest.fixture(autouse=True)
    def _use_middleware(self, _run_engine: None) -> Iterator[None]:
        stored = StoredSessions(self.engine.store_class)
        with mock.patch.multiple(UPSTREAM, SessionMiddleware=self.middleware, Session=stored):
            yield


def behind(middleware: type[DjangoSessionMiddleware], engine: Engine, prefix: str) -> type:
    """Return Django's test case for one engine behind one middleware."""
    members: dict[str, Any] = {"engine": engine, "middleware": middleware, "__module__": __name__}
    name = f"{prefix}{engine.name.title().replace('_', '')}"
    return type(name, (BehindMiddleware, UPSTREAM.SessionMiddlewareTests), members)


MIDDLEWARE = {"Stock": DjangoSessionMiddleware, "Ours": SessionMiddleware}
CASES = [behind(middleware, engine, prefix) for engine in ENGINES for prefix, middleware in MIDDLEWARE.items()]
globals().update({case.__name__: case for case in CASES})


def test_django_has_not_dropped_tests() -> None:
    assert len(names_of_tests(UPSTREAM.SessionMiddlewareTests)) >= AT_LEAST
