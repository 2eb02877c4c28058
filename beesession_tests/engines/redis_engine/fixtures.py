"""Fixtures of the three engines of the family."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from beesession.conf import Options
from beesession.engines.redis import RedisProvider
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.records import Form, Make


@contextmanager
def providers_of(provider_class: type[RedisProvider], default: Any = "") -> Iterator[Make]:
    """Give what makes providers of a provider string and keys of BEESESSION; they are closed when the block ends."""
    with ExitStack() as stack:

        def make(value: Any = default, **keys: Any) -> RedisProvider:
            options = Options.from_mapping({key.upper(): value for key, value in keys.items()})
            provider = provider_class.from_config(value, options)
            stack.callback(provider.close)
            return provider

        yield make


@pytest.fixture(params=["sync", "async"])
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    """Give a provider's verbs, in both forms in turn; the async ones share one event loop."""
    if request.param == "sync":
        yield lambda provider: Verbs(provider, None)
        return
    loop = asyncio.new_event_loop()
    yield lambda provider: Verbs(provider, loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
