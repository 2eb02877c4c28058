"""Fixtures and rules of the whole suite."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import pytest
from pytest_django import DjangoDbBlocker

from beesession.beego import keys
from beesession_tests import skips
from beesession_tests.engines import EACH_KIND, ENGINES, IN_GOB, Engine, RunningEngine
from beesession_tests.servers import Servers

ABOVE_THE_STORE = {"commands", "contract", "django", "hostile"}
"""Folders of tests of what is built on the engines."""


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of this session; nothing is started before it is asked for."""
    with Servers() as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what one test's beego configuration was warned of from the system checks of the next one."""
    monkeypatch.setattr(keys, "_reported", {})


@pytest.fixture(params=[*ENGINES, IN_GOB])
def engine(
    request: pytest.FixtureRequest, servers: Servers, django_db_blocker: DjangoDbBlocker
) -> Iterator[RunningEngine]:
    """Each engine in turn: named by the settings, its store empty."""
    chosen: Engine = request.param
    directory = partial(request.getfixturevalue, "tmp_path")
    with database_access(chosen, django_db_blocker), chosen.running(servers, directory) as running:
        yield running


def database_access(engine: Engine, blocker: DjangoDbBlocker) -> AbstractContextManager[None]:
    """Let a test of an engine that keeps its sessions in a database connect to it, which pytest-django forbids."""
    return blocker.unblock() if engine.is_sql else nullcontext()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the thousands of tests from Python's garbage collector, which would go through them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # xdist, too, looks at the groups in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a server or a browser on one worker of xdist, and mark what repeats other tests."""
    items[:] = [item for item in items if not _is_of_another_form(item)]
    for item in items:
        group = _group(item)
        if group is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group))
        above_the_store = item.path.parent.name in ABOVE_THE_STORE
        engine = _parameter(item, "engine")
        if above_the_store and isinstance(engine, Engine) and engine not in (*EACH_KIND, IN_GOB):
            item.add_marker(pytest.mark.repeated)


def _is_of_another_form(item: pytest.Item) -> bool:
    return _parameter(item, "engine") is IN_GOB and item.get_closest_marker("json_form") is not None


def _group(item: pytest.Item) -> str | None:
    if "browser" in getattr(item, "fixturenames", ()):
        return f"browser-{item.path.stem}"
    if (engine := _parameter(item, "engine")) is not None:
        return str(engine)
    # Apart from those of the engine: one group of both would keep a worker busy when the others are done.
    if (kind := _parameter(item, "kind")) is not None:
        return f"{kind}-database"
    folder = item.path.parent
    return folder.name if folder.parent.name == "engines" else None


def _parameter(item: pytest.Item, name: str) -> object:
    """Return a parameter of a test, which a test case of Django's has as an attribute; None when it has none."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get(name, getattr(getattr(item, "cls", None), name, None))


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
