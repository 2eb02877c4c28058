from __future__ import annotations

from collections.abc import Iterator

import pytest

from beesession.engines.redis_sentinel import RedisSentinelProvider
from beesession_tests.engines.redis_engine.fixtures import form, providers_of
from beesession_tests.engines.redis_engine.records import Make

__all__ = ["form"]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make a provider of a provider string and keys of BEESESSION."""
    with providers_of(RedisSentinelProvider) as make:
        yield make
