"""Tests of one engine, or with one browser, run on one worker of xdist: what they need is started once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def test_the_tests_of_an_engine_stay_on_one_worker() -> None:
    tests = ["beesession_tests/contract/test_signals.py", "-k", "memory or file"]
    options = ["-v", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests], cwd=ROOT, capture_output=True, text=True, check=True
    )
    workers = defaultdict(set)
    for worker, engine in re.findall(r"^\[(gw\d)\] .* PASSED .*\[.*(memory|file)\b", done.stdout, re.MULTILINE):
        workers[engine].add(worker)
    assert {engine: len(used) for engine, used in workers.items()} == {"memory": 1, "file": 1}
