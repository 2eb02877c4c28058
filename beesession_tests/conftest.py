"""Fixtures and rules of the whole suite."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from beesession.beego import keys
from beesession_tests import skips
from beesession_tests.engines import ENGINES, Engine, RunningEngine
from beesession_tests.servers import Servers

ABOVE_THE_STORE = {"contract", "hostile", "commands"}
"""Folders of tests of what is built on the engines."""

EACH_KIND = {"memory", "file", "cookie", "mysql", "postgresql", "redis"}
"""Engines that between them do all that an engine can do differently: inline, in threads, natively async."""


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of this session; nothing is started before it is asked for."""
    with Servers() as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what one test's beego configuration was warned of from the system checks of the next one."""
    monkeypatch.setattr(keys, "_reported", {})


@pytest.fixture(params=ENGINES)
def engine(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[RunningEngine]:
    """Each engine in turn: named by the settings, its store empty."""
    chosen: Engine = request.param
    with database_access(chosen, django_db_blocker), chosen.running(servers, tmp_path) as running:
        yield running


def database_access(engine: Engine, blocker: DjangoDbBlocker) -> AbstractContextManager[None]:
    """Let a test of an engine that keeps its sessions in a database connect to it, which pytest-django forbids."""
    return blocker.unblock() if engine.is_sql else nullcontext()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of an engine on one worker of xdist, so that its servers are started once."""
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        chosen = parameters.get("engine", getattr(getattr(item, "cls", None), "engine", None))
        if isinstance(chosen, Engine):
            item.add_marker(pytest.mark.xdist_group(chosen.name))
            above_the_store = item.path.parent.name in ABOVE_THE_STORE and item.path.stem != "test_provider"
            if above_the_store and chosen.name not in EACH_KIND:
                item.add_marker(pytest.mark.repeated)


def pytest_make_parametrize_id(val: object) -> str | None:
    return str(val) if isinstance(val, Engine) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if skips.in_ci():
        skips.refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if skips.in_ci():
        skips.refuse(report)
    return report
