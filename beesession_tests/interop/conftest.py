"""Fixtures of the tests with the real beego."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from beesession_tests.engines import RunningEngine
from beesession_tests.gob.registrations import taken_back
from beesession_tests.interop.beego import BeegoApp
from beesession_tests.interop.crowds import application
from beesession_tests.interop.django_site import register_types, sharing
from beesession_tests.races.conftest import pool as pool


@pytest.fixture
def site(engine: RunningEngine) -> Iterator[RunningEngine]:
    """A Django site on the engine, which shares its store with a beego application."""
    with taken_back(), sharing(engine) as shared:
        register_types()
        yield shared


@pytest.fixture
def ours(request: pytest.FixtureRequest) -> bool:
    """Whether that application has our Go providers, or beego's own: those, unless a test says otherwise."""
    return bool(getattr(request, "param", False))


@pytest.fixture
def beside(site: RunningEngine, ours: bool) -> Iterator[BeegoApp]:
    """That application."""
    with application(site, ours=ours) as app:
        yield app
