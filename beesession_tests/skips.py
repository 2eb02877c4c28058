"""Which tests may be left out. A skip that nobody asked for is a test that silently tests nothing.

With ``CI=true`` each skip fails, unless it was made by :func:`beesession.testing.not_promised`: an engine's own
Capabilities say that there is nothing to test. On a developer's machine a missing server or tool only leaves its tests
out.
"""

from __future__ import annotations

import glob
import os
import shutil

import pytest

NOT_PROMISED = "not promised by Capabilities: "
"""How the reason begins that :func:`beesession.testing.not_promised` gives."""

Report = pytest.TestReport | pytest.CollectReport


def in_ci() -> bool:
    """Return whether this run must leave nothing out."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def is_allowed(reason: str) -> bool:
    """Return whether a test may be skipped for this reason everywhere."""
    return reason.removeprefix("Skipped: ").startswith(NOT_PROMISED)


def refuse(report: Report) -> None:
    """Turn a skip into a failure unless it is allowed. An expected failure is no skip."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    if not is_allowed(reason):
        report.outcome = "failed"
        report.longrepr = f"{reason}\nWith CI=true nothing may be skipped but what an engine's Capabilities rule out."


def require_program(name: str, package: str, *, also_in: str = "") -> str:
    """Return the path of a program; skip the test when it is not installed.

    :param package: the Debian package that brings it
    :param also_in: a pattern of directories to look in after PATH, the last one in alphabetical order first
    """
    directories = [*os.get_exec_path(), *sorted(glob.glob(also_in), reverse=True)]
    path = shutil.which(name, path=os.pathsep.join(directories))
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path
