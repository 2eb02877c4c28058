"""Fixtures for the management commands: each runs as ``manage.py`` would run it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from beesession_tests.engines import RunningEngine

HOUR = 3600
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command wrote, and its exit code.

    :ivar error: the message of the CommandError that ended it, else what it wrote to stderr
    """

    out: str
    error: str
    code: int


class Terminal(StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def run(command: str, *arguments: str, out: StringIO | None = None) -> Outcome:
    """Run a management command in this process."""
    out, err = out or StringIO(), StringIO()
    try:
        call_command(command, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return Outcome(out.getvalue(), str(error), error.returncode)
    return Outcome(out.getvalue(), err.getvalue(), 0)


def stored(engine: RunningEngine, number: int, lifetime: float) -> list[str]:
    """Store so many sessions that live so long; return their ids."""
    provider, codec = engine.provider, engine.SessionStore.codec()
    ids = type(provider).ids(engine.SessionStore.bound_options())
    made = []
    for _ in range(number):
        sid = ids.new()
        record = provider.create(sid, codec.dumps({"asta": 1}, sid), lifetime)
        assert record is not None
        made.append(record.sid)
    return made


@pytest.fixture
def process(engine: RunningEngine, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start commands in processes of their own, under the settings of the engine."""
    (tmp_path / "process_settings.py").write_text(
        "from beesession_tests.settings import *\n"
        "INSTALLED_APPS = [*{app for app in INSTALLED_APPS if app != 'beesession'}, 'beesession']\n"
        f"SESSION_ENGINE = {settings.SESSION_ENGINE!r}\n"
        f"BEESESSION = {engine.settings!r}\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "process_settings",
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(REPOSITORY))),
        "PYTHONUNBUFFERED": "1",
    }
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "django", *arguments]
        pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipe))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def wait_until(condition: Callable[[], bool], within: float = 20) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
