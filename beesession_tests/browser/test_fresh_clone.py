"""What a newcomer does first: clone, and ``./dev demo``, with nothing but a Python."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from playwright.sync_api import Browser

from beesession_tests.servers import WebServer
from beesession_tests.skips import require_program

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]


class FreshClone(WebServer):
    """The demo site as ``./dev demo`` serves it from a clone of what is committed, with an empty home."""

    ready_within: ClassVar[float] = 240.0  # it makes a virtual environment, and installs packages into it

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        (directory / "home").mkdir()
        git = require_program("git", "git")
        subprocess.run([git, "clone", "--quiet", str(ROOT), str(directory / "clone")], check=True)

    def command_line(self) -> list[str]:
        environment = [f"PATH={os.environ['PATH']}", f"HOME={self.directory / 'home'}"]
        # What the machine needs to reach its package index; nothing else of this process's environment.
        environment += [f"{name}={value}" for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))]
        return [
            require_program("env", "coreutils"),
            "-i",
            *environment,
            str(self.directory / "clone" / "dev"),
            "demo",
            str(self.port),
        ]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[FreshClone]:
    site = FreshClone(tmp_path)
    site.start()
    yield site
    site.stop()


def test_the_demo_starts_from_a_fresh_clone_with_an_empty_home(clone: FreshClone, browser: Browser) -> None:
    page = browser.new_page()
    for seen in ("0", "1", "2"):
        page.goto(f"http://{clone.host}:{clone.port}/counter/")
        assert page.locator(".num").inner_text() == seen
    page.close()
