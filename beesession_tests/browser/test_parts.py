"""The parts of the demo site that need no browser."""

from __future__ import annotations

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings

from beesession.provider import Capabilities
from beesession_tests.browser.conftest import OFFERED
from beesession_tests.engines import Engine
from example_project import cart, panel, problems
from example_project.forms import ValueForm
from example_project.secret import secret_key


@pytest.mark.parametrize("status", problems.WORDS)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_each_status_with_words_gets_its_page_and_keeps_its_headers(status: int, kind: str) -> None:
    def respond(request: HttpRequest) -> HttpResponse:
        return HttpResponse("plain", status=status, headers={"Retry-After": "5", "Content-Length": "5"})

    async def arespond(request: HttpRequest) -> HttpResponse:
        return respond(request)

    templates = Path(problems.__file__).parent / "templates"
    backend = {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [templates]}
    with override_settings(TEMPLATES=[backend], STATIC_URL="static/"):
        if kind == "sync":
            response = problems.friendly_pages(respond)(HttpRequest())
        else:
            response = asyncio.run(problems.friendly_pages(arespond)(HttpRequest()))
    assert isinstance(response, HttpResponse)
    assert response.status_code == status
    assert problems.WORDS[status].title in response.content.decode()
    assert response.headers["Retry-After"] == "5"
    assert int(response.headers["Content-Length"]) == len(response.content)


@pytest.mark.parametrize("name", ["", "_auth_user_id", "_session_expiry", "asta", "cart", "two words", "1st", "a" * 41])
def test_name_that_is_not_the_visitors_to_set_is_refused(name: str) -> None:
    assert "name" in ValueForm({"name": name, "value": "1"}).errors


@pytest.mark.parametrize("name", ["colour", "Colour-2", "a_b", "a" * 40])
def test_name_of_letters_and_digits_is_taken(name: str) -> None:
    assert ValueForm({"name": name, "value": ""}).is_valid()


def test_first_starts_at_once_agree_on_one_secret_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(secret_key, [path] * 8))
    assert keys == {path.read_text()}
    assert len(path.read_text()) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret_key"]


@pytest.mark.parametrize("engine", OFFERED)
def test_panel_has_words_for_each_capability(engine: Engine) -> None:
    promises = {promise.name: promise for promise in panel.promises(engine.capabilities)}
    assert promises.keys() == {field.name for field in fields(Capabilities)}
    assert promises["swap"].kept is engine.capabilities.swap
    assert (promises["swap"].amount, promises["max_bytes"].kept) == ("", None)


@pytest.mark.parametrize(
    ("limits", "size", "life"),
    [
        ({"max_bytes": None, "max_lifetime": None}, "no limit", "no limit"),
        ({"max_bytes": 3024, "max_lifetime": 30 * 86_400}, "3.0\xa0KB", "30 days"),
        ({"max_bytes": 512 * 2**20, "max_lifetime": 9 * 10**12}, "512.0\xa0MB", "more than a century"),
    ],
)
def test_limits_of_an_engine_are_told_in_units_for_people(limits: dict[str, int | None], size: str, life: str) -> None:
    capabilities = replace(OFFERED[0].capabilities, **limits)  # type: ignore[arg-type]
    promises = {promise.name: promise for promise in panel.promises(capabilities)}
    assert (promises["max_bytes"].amount, promises["max_lifetime"].amount) == (size, life)


def test_cart_line_is_gone_when_its_last_item_is_removed() -> None:
    lines: list[cart.Line] = []
    for slug in ("acacia", "candle", "acacia"):
        cart.add(lines, slug)
    assert cart.total(lines) == "£17.20"
    for slug in ("candle", "candle", "acacia"):
        cart.remove(lines, slug)
    assert lines == [{"good": "acacia", "quantity": 1}]
