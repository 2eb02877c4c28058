"""With CI=true a skip fails the run, unless an engine's Capabilities are the reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from beesession import testing
from beesession_tests import skips

ROOT = Path(__file__).resolve().parents[2]

RULES = "from beesession_tests.conftest import pytest_make_collect_report, pytest_runtest_makereport"

SAMPLE = """
import pytest
from beesession.testing import not_promised

def test_no_server():
    pytest.skip("no server")

def test_no_driver():
    pytest.importorskip("no_such_driver")

@pytest.mark.skipif(True, reason="the wrong day")
def test_wrong_day():
    pass

def test_not_promised():
    not_promised("swap")

def test_known_fault():
    pytest.xfail("known")

def test_good():
    pass
"""

OUTCOMES = {
    "true": {
        "no_server": "FAILED",
        "no_driver": "FAILED",
        "wrong_day": "ERROR",
        "not_promised": "SKIPPED",
        "known_fault": "XFAIL",
        "good": "PASSED",
    },
    "": {
        "no_server": "SKIPPED",
        "no_driver": "SKIPPED",
        "wrong_day": "SKIPPED",
        "not_promised": "SKIPPED",
        "known_fault": "XFAIL",
        "good": "PASSED",
    },
}


def run(folder: Path, sample: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run a suite of its own under the rules of this one."""
    (folder / "test_sample.py").write_text(sample)
    (folder / "conftest.py").write_text(RULES)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:django", str(folder)],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "beesession_tests.settings"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_an_engine_does_not_promise_may_be_skipped() -> None:
    with pytest.raises(pytest.skip.Exception) as skipped:
        testing.not_promised("swap")
    assert skips.is_allowed(str(skipped.value))


@pytest.mark.slow
@pytest.mark.parametrize("ci", OUTCOMES)
def test_a_skip_that_nobody_asked_for_fails_in_ci(tmp_path: Path, ci: str) -> None:
    shown = re.findall(r"^test_sample.py::test_(\w+) (\w+)", run(tmp_path, SAMPLE, ci).stdout, re.MULTILINE)
    assert dict(shown) == OUTCOMES[ci]


@pytest.mark.slow
def test_a_module_that_skips_itself_fails_in_ci(tmp_path: Path) -> None:
    ended = run(tmp_path, "import pytest\npytest.skip('no driver', allow_module_level=True)", "true")
    assert "1 error" in ended.stdout
    assert "no driver" in ended.stdout
    assert ended.returncode != 0


def test_a_missing_program_names_the_package_that_brings_it() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install the-package"):
        skips.require_program("no-such-program", "the-package")
