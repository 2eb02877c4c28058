"""Each engine that processes can share, behind gunicorn: loaded and used before the fork, then two workers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from beesession_tests.deployment import site
from beesession_tests.engines import RunningEngine, engines_with
from beesession_tests.servers import WebServer, running

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("engine", engines_with("shareable"), indirect=True)]

ROOT = Path(__file__).resolve().parents[2]


class Gunicorn(WebServer):
    """The site of :mod:`beesession_tests.deployment.site`, with a given engine."""

    def __init__(self, directory: Path, engine: RunningEngine) -> None:
        super().__init__(directory)
        self._settings = {"SESSION_ENGINE": engine.engine.module, "BEESESSION": engine.settings}

    def command_line(self) -> list[str]:
        options = f"--preload --workers 2 --threads 4 --bind {self.host}:{self.port}".split()
        return [sys.executable, "-m", "gunicorn", *options, f"{site.__name__}:application"]

    def process_options(self) -> dict[str, Any]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), site.ENVIRONMENT: json.dumps(self._settings)}
        return {"env": environment}


@pytest.fixture
def gunicorn(engine: RunningEngine) -> Iterator[Gunicorn]:
    with running(lambda directory: Gunicorn(directory, engine)) as server:
        yield server


class Visitor:
    """A browser without keep-alive, so that either worker may get its next request."""

    def __init__(self, server: Gunicorn) -> None:
        self._server = server
        self._cookies: SimpleCookie = SimpleCookie()

    def get(self, page: str) -> Any:
        connection = HTTPConnection(self._server.host, self._server.port, timeout=30)
        try:
            cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())
            connection.request("GET", f"/{page}", headers={"Cookie": cookies, "Connection": "close"})
            response = connection.getresponse()
            assert response.status == 200, page
            for header in response.headers.get_all("Set-Cookie", []):
                self._cookies.load(header)
            return json.loads(response.read())
        finally:
            connection.close()


def test_workers_that_were_forked_from_a_user_of_the_engine_share_sessions_and_lose_nothing(
    engine: RunningEngine, gunicorn: Gunicorn
) -> None:
    visitor = Visitor(gunicorn)
    workers = set()
    for number in range(1, 201):
        seen = visitor.get("visit")
        assert seen["visits"] == number
        workers.add(seen["process"])
        if len(workers) == 2 and number >= 20:
            break
    assert len(workers) == 2
    names = [f"key-{number:02}" for number in range(40)]
    with ThreadPoolExecutor(8 if engine.capabilities.swap else 1) as threads:
        list(threads.map(lambda name: visitor.get(f"put?key={name}"), names))
    assert visitor.get("keys")["keys"] == [*names, "visits"]
