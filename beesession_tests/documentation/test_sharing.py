"""The guide to sharing sessions with beego says what the code does."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from beesession.beego.sharing import FACTS
from beesession.codecs import gob

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sharing.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
EXAMPLE = [*(ROOT / "example_project").glob("*.py"), *(ROOT / "example_project" / "beego_app").glob("*.go")]

NAMES = {**vars(gob), "datetime": datetime, "timezone": timezone}


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table that begins with this head."""
    lines = PAGE[PAGE.index(head) :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


TYPES = [row for row in rows("| Go | in Python") if row[0].startswith("`")]
MESSAGES = [row[0] for row in rows("| what you see") if not row[0].startswith("beego:")]


@pytest.fixture
def app_conf(tmp_path: Path) -> Path:
    """The configuration of the page, as a file."""
    (text,) = blocks("ini")
    (tmp_path / "conf").mkdir()
    path = tmp_path / "conf" / "app.conf"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_step_makes_settings_that_share(app_conf: Path) -> None:
    settings: dict[str, Any] = {"BASE_DIR": app_conf.parents[1]}
    exec(next(text for text in blocks("python") if "BeegoManager" in text), settings)
    assert settings["SESSION_ENGINE"] == "beesession.engines.redis"
    assert settings["BEESESSION"]["CODEC"] == "gob"
    assert settings["SESSION_SAVE_EVERY_REQUEST"], "the page says so under Expiry"


def test_the_second_step_says_what_both_sides_need(app_conf: Path) -> None:
    printed = StringIO()
    call_command("session_config", str(app_conf), "--shared", stdout=printed)
    assert "Needed on both sides" in printed.getvalue()
    assert "No warnings." in printed.getvalue()


@pytest.mark.parametrize("text", [*blocks("go"), *(text for text in blocks("python") if "dataclass" in text)])
def test_the_code_of_the_page_is_that_of_the_example(text: str) -> None:
    """It is built, and walked through in a browser."""
    assert any(text.strip("\n") in path.read_text(encoding="utf-8") for path in EXAMPLE)


def test_the_provider_of_the_fifth_step_is_there() -> None:
    for package in re.findall(r"beesession/interop/go/(\w+)", PAGE):
        assert list((ROOT / "interop" / "go" / package).glob("*.go"))
    (edit,) = re.findall(r"^go mod edit .*$", PAGE, re.MULTILINE)
    assert edit in (ROOT / "interop" / "go" / "README.md").read_text(encoding="utf-8")


def test_the_example_of_a_counter_works() -> None:
    from beesession.engines.memory import SessionStore

    class Request:
        session = SessionStore()

    exec(next(text for text in blocks("python") if "Int64(41)" in text), {"request": Request})
    assert Request.session["visits"] == 42


@pytest.mark.parametrize(("go", "python"), [row[:2] for row in TYPES], ids=[row[0] for row in TYPES])
def test_each_type_of_the_table_survives_a_round_trip(go: str, python: str) -> None:
    value = eval(python.strip("`"), NAMES)
    assert gob.go_type(value) == go.strip("`")
    (back,) = gob.loads(gob.dumps({"key": value})).values()
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize(
    ("expression", "go"), [found for row in TYPES for found in re.findall(r"`([^`]+)` is `([^`]+)`", row[2])]
)
def test_each_change_of_the_table_gives_that_type(expression: str, go: str) -> None:
    assert gob.go_type(eval(expression, NAMES)) == go


@pytest.mark.parametrize(
    ("python", "name"), [(row[1], name) for row in TYPES for name in re.findall(r"`\.([^`]+)`", row[2])]
)
def test_each_property_of_the_table_is_one(python: str, name: str) -> None:
    assert not callable(getattr(eval(python.strip("`"), NAMES), name))


@pytest.mark.parametrize(
    "refused", [2**64, gob.BigInt(2**70) + 1, {1, 2}, datetime(2024, 1, 1).date(), datetime(2024, 1, 1)], ids=repr
)
def test_what_the_page_calls_refused_is_refused(refused: Any) -> None:
    with pytest.raises(gob.UnencodableError):
        gob.dumps({"key": refused})


@pytest.mark.parametrize("cell", [cell for cell in MESSAGES if cell.startswith("`")])
def test_each_message_of_the_page_is_one_of_ours(cell: str) -> None:
    (message,) = re.findall(r"`([^`]+)`", cell)
    texts = _texts()
    for part in message.split("…"):
        assert any(part.strip() in text for text in texts), part


def _texts() -> set[str]:
    """Return all that the package says, as far as it is written in one piece."""
    found = {fact.text for fact in FACTS}
    for path in (ROOT / "beesession").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"%s|'?\{.*?\}'?", "", node.value))
    return found
