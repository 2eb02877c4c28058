"""The demo site as a process, and a visitor who clicks through it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, Protocol

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

from beesession_tests.servers import WebServer
from beesession_tests.servers.base import free_port
from beesession_tests.skips import require_program
from example_project.apps import PASSWORD, USERNAME

ROOT = Path(__file__).resolve().parents[2]
MANAGE = ROOT / "manage.py"
COOKIE = "beesession_demo"


class DemoSite(WebServer):
    """The demo site, as ``manage.py runserver`` serves it, with everything that it writes in its own directory.

    :param provider: beego's name of the engine
    :param provider_config: its provider string; "{}" where it needs none
    """

    def __init__(self, directory: Path, provider: str, provider_config: str) -> None:
        super().__init__(directory)
        self._environment = [
            require_program("env", "coreutils"),
            "DJANGO_SETTINGS_MODULE=example_project.settings",
            f"BEESESSION_DEMO_VAR={directory}",
            f"SESSIONPROVIDER={provider}",
            f"SESSIONPROVIDERCONFIG={provider_config}",
        ]

    @property
    def url(self) -> str:
        """The workbench's address."""
        return f"http://{self.host}:{self.port}/"

    def migrate(self) -> None:
        """Make the database, with the demo user in it."""
        subprocess.run(self._manage("migrate", "--verbosity", "0"), check=True, cwd=self.directory)

    def command_line(self) -> list[str]:
        return self._manage("runserver", "--noreload", f"{self.host}:{self.port}")

    def _manage(self, *arguments: str) -> list[str]:
        return [*self._environment, sys.executable, str(MANAGE), *arguments]


class DemoWithBeego(WebServer):
    """The demo site and the beego application beside it, as ``./dev demo --with-beego`` serves them.

    :param provider: beego's name of the engine; "" for that of the demo
    :param provider_config: its provider string
    """

    ready_within: ClassVar[float] = 240.0  # it may have to compile beego

    def __init__(self, directory: Path, provider: str = "", provider_config: str = "") -> None:
        super().__init__(directory)
        while listens(self.host, self.port + 1):
            self.port = free_port()
        self._engine = [f"SESSIONPROVIDER={provider}", f"SESSIONPROVIDERCONFIG={provider_config}"]

    @property
    def url(self) -> str:
        """The address of the Django site."""
        return f"http://{self.host}:{self.port}/"

    @property
    def beego_url(self) -> str:
        """The address of the beego application."""
        return f"http://{self.host}:{self.port + 1}/"

    def answers(self) -> bool:
        return listens(self.host, self.port + 1) and super().answers()

    def command_line(self) -> list[str]:
        settings = "DJANGO_SETTINGS_MODULE=example_project.settings"
        environment = [settings, f"BEESESSION_DEMO_VAR={self.directory}", *self._engine]
        command = [str(ROOT / "dev"), "demo", "--with-beego", str(self.port)]
        return [require_program("env", "coreutils"), *environment, *command]


def listens(host: str, port: int) -> bool:
    """Return whether anything takes connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


class Site(Protocol):
    """What a visitor has to know of a site."""

    @property
    def url(self) -> str:
        """Its address."""


class Visitor:
    """Somebody with a browser of their own.

    :ivar complaints: what the browser complained about: errors on the console or in scripts, requests that failed
    """

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self._context = context
        self._site = site
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._miss)
        self.page.on("response", self._receive)

    def open(self, path: str = "") -> Response:
        """Go to a page of the site."""
        response = self.page.goto(self._site.url + path)
        assert response is not None
        return response

    def press(self, button: str) -> None:
        """Press the button of this name, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button, exact=True).click()

    def fill(self, **fields: str) -> None:
        """Fill in fields by their labels; an underscore stands for a space."""
        for label, text in fields.items():
            self.page.get_by_label(label.replace("_", " "), exact=True).fill(text)

    def set(self, name: str, value: str) -> None:
        """Set a value of the session on the workbench."""
        self.fill(Name=name, Value=value)
        self.press("Set")

    def log_in(self, password: str = PASSWORD) -> None:
        """Log in as the demo user."""
        self.fill(User_name=USERNAME, Password=password)
        self.press("Log in")

    def count(self) -> str:
        """Visit the counter and return the number that it shows."""
        self.open("counter/")
        return self.page.locator(".num").inner_text()

    def in_cart(self, good: str) -> str:
        """Return how many of a good the cart shows."""
        return self.page.get_by_label(f"{good} in the cart").inner_text()

    def told(self) -> str:
        """Return the site's message about the last action; empty when it has none."""
        return " ".join(self.page.locator(".messages li").all_inner_texts())

    def held(self) -> dict[str, str]:
        """Return the session's values as the page shows them."""
        rows = self.page.locator(".items > div")
        return dict(zip(rows.locator("dt").all_inner_texts(), rows.locator("dd").all_inner_texts(), strict=True))

    def shown(self, name: str) -> str:
        """Return one of the facts about the session, by its HTML id."""
        return self.page.locator(f"#{name}").inner_text()

    @property
    def cookie(self) -> str | None:
        """The session id that the browser holds."""
        found = [cookie for cookie in self._context.cookies() if cookie["name"] == COOKIE]
        return found[0]["value"] if found else None

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _miss(self, request: Request) -> None:
        self.complaints.append(f"{request.method} {request.url}: {request.failure}")

    def _receive(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")
