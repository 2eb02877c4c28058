"""Fixtures of the tests of gob."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from beesession_tests.gob.registrations import taken_back


@pytest.fixture
def registry() -> Iterator[None]:
    """Take back what a test registers."""
    with taken_back():
        yield
