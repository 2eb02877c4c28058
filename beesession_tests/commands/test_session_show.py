"""``session_show``: one session for people to read, and nothing of it where it does not belong."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from django.test import override_settings

from beesession.codecs import gob
from beesession.sid import fingerprint
from beesession_tests.commands.conftest import HOUR, run
from beesession_tests.engines import ENGINES, IN_GOB, RunningEngine, engines_with

MEMORY = [each for each in ENGINES if each.name == "memory"]
FILE = [each for each in ENGINES if each.name == "file"]
WITH_KEYS_IN_THE_STORE = [each for each in ENGINES if not each.capabilities.self_contained]

TEXT = {"json": ["str"], "gob": ["string"]}
LIST = {"json": ["list"], "gob": ["[]interface", "{}"]}

POINT = (
    "0d7f040102ff80000110011000003aff80000106737472696e670c0300016b0a6d61696e2e506f696e74ffa903010105506f696e7401ffaa00"
    "0102010158010400010159010400000008ffaa050106010700"
)

SECRET_VALUE = "4111-1111-1111-1111"


def saved(engine: RunningEngine, **data: Any) -> str:
    session = engine.SessionStore()
    session.update(data)
    session.save()
    assert session.session_key is not None
    return session.session_key


def fields(text: str) -> dict[str, str]:
    """Return what the lines of the upper part say."""
    return {line[:14].strip(): line[14:].strip() for line in text.splitlines() if not line.startswith(" ")}


def test_it_shows_the_keys_and_types_and_hides_the_values(engine: RunningEngine) -> None:
    with engine.configured(LIFETIME=HOUR):
        sid = saved(engine, card=SECRET_VALUE, cart=[1, 2, 3], visits=7)
        outcome = run("session_show", "--", sid)
    about = fields(outcome.out)
    assert about["engine"] == engine.name
    assert about["fingerprint"] == fingerprint(sid)
    assert int(about["bytes"]) > 0
    assert HOUR - 60 < int(about["seconds left"]) <= HOUR
    assert about["keys"] == "3"
    rows = [line.split() for line in outcome.out.splitlines() if line.startswith(" ")]
    assert rows == [
        ["card", *TEXT[engine.codec], "of", "19"],
        ["cart", *LIST[engine.codec], "of", "3"],
        ["visits", "int"],
    ]
    assert SECRET_VALUE not in outcome.out
    assert sid not in outcome.out


def test_it_shows_the_values_when_asked(engine: RunningEngine) -> None:
    shown = run("session_show", "--values", "--", saved(engine, card=SECRET_VALUE)).out
    assert repr(SECRET_VALUE) in shown


@pytest.mark.parametrize("engine", WITH_KEYS_IN_THE_STORE, indirect=True)
@pytest.mark.parametrize(
    "keys", [{"HASH_KEYS": True}, {"ENCRYPTION_KEYS": ["k" * 8 + "0123456789abcdef"]}, {"ID_PREFIX": "shop-"}]
)
def test_it_finds_the_session_under_other_keys(engine: RunningEngine, keys: dict[str, Any]) -> None:
    with engine.configured(**keys):
        assert fields(run("session_show", "--", saved(engine, asta=1)).out)["keys"] == "1"


def test_the_id_may_come_from_the_standard_input(engine: RunningEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    sid = saved(engine, asta=1)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{sid}\n"))
    assert fields(run("session_show", "-").out)["fingerprint"] == fingerprint(sid)


def test_a_deleted_session_is_an_error_that_does_not_show_the_id(engine: RunningEngine) -> None:
    sid = type(engine.provider).ids(engine.SessionStore.bound_options()).new()
    outcome = run("session_show", "--", sid)  # a token of the cookie engine may begin with a dash
    assert outcome.code == 1
    assert outcome.error == f"There is no such session, or it has expired ({fingerprint(sid)})."


@pytest.mark.parametrize("sid", ["../../etc/passwd", "short", "UPPER0123456789AB", "0123456789abcdef\n", ""])
@pytest.mark.parametrize("engine", WITH_KEYS_IN_THE_STORE, indirect=True)
@pytest.mark.usefixtures("engine")
def test_what_cannot_be_an_id_is_refused_and_not_shown(sid: str) -> None:
    outcome = run("session_show", sid)
    assert outcome.code == 1
    assert "not the form" in outcome.error
    assert not sid or sid not in outcome.error


@pytest.mark.parametrize("engine", FILE, indirect=True)
@pytest.mark.parametrize("arguments", [["-0123456789abcdef"], ["0123456789abcdef", "fedcba9876543210"], []])
def test_a_wrong_command_line_shows_no_id_either(
    engine: RunningEngine, process: Callable[..., subprocess.Popen[str]], arguments: list[str]
) -> None:
    running = process("session_show", *arguments)
    out, errors = running.communicate(timeout=30)
    assert running.returncode == 2
    assert "one SID is needed" in errors
    assert not any(argument.lstrip("-") in out + errors for argument in arguments)


@pytest.mark.parametrize("engine", engines_with("swap"), indirect=True)
def test_a_damaged_record_is_told_from_a_missing_one(engine: RunningEngine) -> None:
    sid = saved(engine, card=SECRET_VALUE)
    record = engine.provider.read(sid)
    assert record is not None
    engine.provider.swap(sid, record, b"damaged " + record.data, HOUR)
    outcome = run("session_show", sid)
    assert outcome.code == 1
    assert f"The record of session {fingerprint(sid)} cannot be decoded (BadSignature)" in outcome.error
    assert sid not in outcome.error


@pytest.mark.parametrize("engine", MEMORY, indirect=True)
def test_control_characters_reach_no_terminal(engine: RunningEngine) -> None:
    shown = run("session_show", saved(engine, **{"\x1b[2J": "\x1b]0;title\x07"}), "--values").out
    assert "\x1b" not in shown
    assert r"'\x1b[2J'" in shown


@pytest.mark.parametrize("engine", MEMORY, indirect=True)
def test_an_empty_session_has_no_keys(engine: RunningEngine) -> None:
    assert fields(run("session_show", saved(engine)).out)["keys"] == "0"


def test_the_question_for_the_expiry_leaves_it_where_it_is(engine: RunningEngine) -> None:
    with engine.configured(LIFETIME=HOUR, TOUCH_INTERVAL=1):
        sid = saved(engine, asta=1)
        before = engine.provider.read(sid)
        assert before is not None
        run("session_show", sid)
        after = engine.provider.read(sid)
        assert after is not None
        assert after.remaining is not None
        assert before.remaining is not None
        assert replace(after, remaining=None) == replace(before, remaining=None)
        assert after.remaining <= before.remaining


@override_settings(BEESESSION={"LIFETIEM": 60})
def test_a_wrong_setting_is_told_as_it_is() -> None:
    assert "LIFETIME" in run("session_show", "0123456789abcdef").error


@pytest.mark.parametrize("engine", [IN_GOB], indirect=True)
def test_it_shows_the_types_of_go_where_beego_shares_the_sessions(engine: RunningEngine) -> None:
    point = gob.loads(bytes.fromhex(POINT))["k"]
    values = {
        "count": gob.Int64(7),
        "tags": gob.Slice.of("[]string")(["a", "b"]),
        "when": datetime(2024, 2, 29, tzinfo=timezone.utc),
        "user": gob.Opaque("main.\x1bUser", point.go, point.value),
        "nothing": None,
    }
    outcome = run("session_show", "--", saved(engine, **values))
    rows = [line.split(maxsplit=1) for line in outcome.out.splitlines() if line.startswith(" ")]
    assert [[name, kind.strip()] for name, kind in rows] == [
        ["nothing", "nil"],
        ["count", "int64"],
        ["tags", "[]string of 2"],
        ["when", "time.Time"],
        ["user", repr("main.\x1bUser")],
    ]
