"""The documentation says what the code does: its tables are taken from the code, and its examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings

from beesession import BeegoManager
from beesession.binding import close_all
from beesession_tests.servers import redis_server

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = sorted((ROOT / "docs").glob("**/*.md"))


def example(containing: str) -> str:
    """Return the one example of the README that contains this text."""
    (found,) = [text for text in EXAMPLES if containing in text]
    return found


@pytest.fixture
def settings_of_the_readme() -> Iterator[dict[str, Any]]:
    """Execute the README's settings, with the address of a running server in place of the one in the text."""
    with redis_server() as server:
        settings: dict[str, Any] = {
            "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth"],
            "MIDDLEWARE": [
                "django.middleware.security.SecurityMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
            ],
        }
        text = example("SESSION_ENGINE =")
        assert len([line for line in text.splitlines() if line]) <= 8
        exec(text.replace("127.0.0.1:6379", f"127.0.0.1:{server.port}"), settings)
        yield {name: value for name, value in settings.items() if name.isupper()}
        close_all()


@pytest.mark.django_db
def test_the_settings_of_the_readme_work(settings_of_the_readme: dict[str, Any]) -> None:
    with override_settings(ROOT_URLCONF="beesession_tests.middleware.site", **settings_of_the_readme):
        client = Client()
        client.get("/change?to=kept")
        assert client.get("/read").json() == {"value": "kept"}
    assert len(settings_of_the_readme["MIDDLEWARE"]) == 4
    assert settings_of_the_readme["MIDDLEWARE"][1] == "beesession.middleware.SessionMiddleware"


def test_the_manager_example_of_the_readme_works() -> None:
    from django.http import HttpResponse

    names: dict[str, Any] = {
        "BeegoManager": BeegoManager,
        "request": RequestFactory().get("/"),
        "response": HttpResponse(),
    }
    exec(example('BeegoManager.new("memory"'), names)
    returning = RequestFactory().get("/", headers={"cookie": names["response"].cookies.output(header="").strip()})
    assert names["sessions"].session_start(returning).get("username") == "astaxie"


def test_the_tables_are_what_the_code_says() -> None:
    checked = subprocess.run([sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_each_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_each_system_check_is_in_the_table() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "beesession" / "checks").glob("*.py"))
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    reported = set(re.findall(r"\b[EW]0\d\d\b", code))
    assert reported == set(re.findall(r"^\| ([EW]\d{3}) ", page, re.MULTILINE))


def test_each_engine_page_has_the_same_headings() -> None:
    engines = {path.stem for path in (ROOT / "beesession" / "engines").glob("[!_]*.py")}
    headings = {
        engine: re.findall(
            r"^## (.*)$", (ROOT / "docs" / "engines" / f"{engine}.md").read_text(encoding="utf-8"), re.MULTILINE
        )
        for engine in engines
    }
    assert len({tuple(found) for found in headings.values()}) == 1
    assert all(len(found) == 7 for found in headings.values())


def test_the_public_names_are_these() -> None:
    """The names that others rely on; to remove one breaks their code."""
    from importlib import import_module

    public = {
        "beesession": "BeegoManager register __version__",
        "beesession.beego.views": "BeegoSessionMixin",
        "beesession.store": "SessionStore",
        "beesession.provider": "Provider Record Capabilities Conflict Gone Unavailable",
        "beesession.exceptions": "BeeSessionError SessionGone SessionConflict SessionTooLarge EncodeError",
        "beesession.testing": "ProviderContract",
        "beesession.middleware": "SessionMiddleware",
        "beesession.signals": "session_created session_rotated session_ended session_conflict",
    }
    for module, names in public.items():
        for name in names.split():
            assert hasattr(import_module(module), name), f"{module}.{name}"
    store = import_module("beesession.store").SessionStore
    assert store.options is None
    assert "provider_class" in import_module("beesession.bound").BoundSession.__annotations__
