"""What Django's test classes need to run on an engine of the list."""

from __future__ import annotations

import importlib
import inspect
import unittest
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from beesession_tests import upstream
from beesession_tests.conftest import database_access
from beesession_tests.engines import Engine
from beesession_tests.servers import Servers


def django_tests() -> Any:
    """Return the module of Django's session tests; skip the calling module when it could not be fetched."""
    if upstream.folder() is None:
        pytest.skip("Django's own tests could not be downloaded by pip", allow_module_level=True)
    return importlib.import_module(f"{upstream.PACKAGE}.tests")


def names_of_tests(suite: type) -> set[str]:
    """Return the names of the tests of a class."""
    return {name for name, _ in inspect.getmembers(suite, inspect.isfunction) if name.startswith("test_")}


def expecting_failure(test: Any) -> Any:
    """Return a test that passes where this one fails, and fails where this one passes."""
    body = async_to_sync(test) if inspect.iscoroutinefunction(test) else test

    @unittest.expectedFailure
    def failing(self: Any) -> None:
        body(self)

    return failing


class OnEngine:
    """Runs each test of a Django test case with an engine of the list in the settings.

    :cvar engine: the engine
    :cvar overrides: further settings
    """

    engine: Engine
    overrides: dict[str, Any] = {}

    @pytest.fixture(autouse=True)
    def _run_engine(
        self, request: pytest.FixtureRequest, servers: Servers, django_db_blocker: DjangoDbBlocker
    ) -> Iterator[None]:
        access = database_access(self.engine, django_db_blocker)
        directory = partial(request.getfixturevalue, "tmp_path")
        with override_settings(**self.overrides), access, self.engine.running(servers, directory):
            yield
