from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from beesession_tests.engines import RunningEngine
from beesession_tests.races.crowd import Crowd, crowd, processes


@pytest.fixture(scope="session")
def pool() -> Iterator[Executor]:
    with processes() as pool:
        yield pool


@pytest.fixture
def racers(engine: RunningEngine, pool: Executor) -> Iterator[Crowd]:
    with crowd(engine, pool) as gathered:
        yield gathered
