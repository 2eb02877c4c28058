"""A browser, the demo site on each engine that it offers, and visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from beesession_tests.browser.site import DemoSite, Visitor
from beesession_tests.engines import ENGINES, Engine
from beesession_tests.servers import Servers
from beesession_tests.skips import require_program

OFFERED = [engine for engine in ENGINES if engine.name in {"file", "memory", "cookie", "redis"}]
"""The engines that conf/app.conf of the demo site tells how to switch to."""

_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)

NewVisitor = Callable[..., Visitor]


# For one module only: Playwright keeps an event loop in this thread, beside which other tests cannot run theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require_program("chromium-headless-shell", "chromium-headless-shell")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_QUIET)
        yield started
        started.close()


@contextmanager
def served(directory: Path, provider: str, provider_config: str) -> Iterator[DemoSite]:
    """Run the demo site on one engine."""
    site = DemoSite(directory, provider, provider_config)
    site.migrate()
    site.start()
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="module", params=OFFERED)
def site(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoSite]:
    """The demo site on each engine in turn."""
    engine: Engine = request.param
    directory = tmp_path_factory.mktemp(engine.name)
    with served(directory, engine.name, engine.provider_config(servers, lambda: directory) or "{}") as running:
        yield running


@pytest.fixture
def new_visitor(browser: Browser, site: DemoSite) -> Iterator[NewVisitor]:
    """Makes visitors, each with a browser context (of these options). No browser may have had to complain."""
    visitors: list[Visitor] = []
    with ExitStack() as open_contexts:

        def make(**options: Any) -> Visitor:
            context = browser.new_context(**options)
            open_contexts.callback(context.close)
            visitors.append(Visitor(context, site))
            return visitors[-1]

        yield make
        complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    assert complaints == []


@pytest.fixture
def visitor(new_visitor: NewVisitor) -> Visitor:
    """Somebody who has just opened the workbench for the first time."""
    visitor = new_visitor()
    visitor.open()
    return visitor
