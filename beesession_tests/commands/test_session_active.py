"""``session_active``: watching, and a store that cannot be reached. The numbers: test_true_numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable

import pytest
from django.test import override_settings

from beesession.management.base import outage
from beesession.provider import Unavailable
from beesession_tests.commands.conftest import HOUR, Terminal, run, stored
from beesession_tests.engines import EACH_KIND, RunningEngine, engines_with
from beesession_tests.servers import Servers, free_port

SHARED = engines_with("active", "shareable")


@pytest.mark.parametrize("engine", [each for each in SHARED if each in EACH_KIND], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watching_goes_on_until_it_is_stopped(
    engine: RunningEngine, process: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    running = process("session_active", "--json", "--watch", "0.05")
    assert running.stdout is not None
    assert json.loads(running.stdout.readline())["active"] == 0
    stored(engine, 2, HOUR)
    seen = [json.loads(running.stdout.readline())["active"] for _ in range(20)]
    assert seen[-1] == 2
    running.send_signal(number)
    _, errors = running.communicate(timeout=20)
    assert (running.returncode, errors) == (0, "")


@pytest.mark.parametrize("engine", SHARED[:1], indirect=True)
def test_a_terminal_that_watches_has_one_line(engine: RunningEngine) -> None:
    stored(engine, 2, HOUR)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    outcome = run("session_active", "--watch", "0.05", out=Terminal())
    assert outcome.code == 0
    line = "\r\x1b[K2 live sessions"
    assert outcome.out.startswith(line * 2)
    assert outcome.out.replace(line, "") == "\n"


@pytest.mark.parametrize("engine", engines_with("active"), indirect=True)
def test_the_number_is_told_with_how_it_was_found(engine: RunningEngine) -> None:
    stored(engine, 1, HOUR)
    number, how = run("session_active").out.splitlines()
    beyond = " in this process; those of the site's own processes cannot be seen"
    assert number == f"1 live session{'' if engine.capabilities.shareable else beyond}"
    assert how.lower() == f"{engine.provider.active().how}.".lower()


@override_settings(SESSION_ENGINE="beesession.engines.redis")
def test_an_unreachable_server_is_told_by_the_class_of_the_cause() -> None:
    with override_settings(BEESESSION={"PROVIDER_CONFIG": f"127.0.0.1:{free_port()}"}):
        outcome = run("session_active", "--json")
    assert (outcome.out, outcome.code) == ("", 75)
    assert outcome.error == "The session store cannot be reached (ConnectionError)."


@override_settings(SESSION_ENGINE="beesession.engines.redis")
@pytest.mark.parametrize(
    ("given", "refusal"),
    [({"db_num": 99}, "ResponseError"), ({"username": "nobody", "password": "secret"}, "AuthenticationError")],
    ids=["database", "password"],
)
def test_a_server_that_refuses_has_been_reached(servers: Servers, given: dict[str, object], refusal: str) -> None:
    address = f"127.0.0.1:{servers.redis.port}"
    with override_settings(BEESESSION={"PROVIDER_CONFIG": {"redis": {"save_path": address, **given}}}):
        outcome = run("session_active")
    assert outcome.code == 1
    assert outcome.error == (
        f"The session store refused ({refusal}): see the user, password and database number that the engine is given."
    )


class OutOfMemoryError(Exception):
    """Named like one of redis-py's."""


def test_a_refusal_that_may_pass_is_an_outage() -> None:
    error = Unavailable()
    error.__cause__ = OutOfMemoryError()
    assert outage(error).returncode == 75


@pytest.mark.parametrize("engine", SHARED[:1], indirect=True)
@pytest.mark.usefixtures("engine")
def test_a_reader_that_has_seen_enough_ends_it_quietly(process: Callable[..., subprocess.Popen[str]]) -> None:
    running = process("session_active", "--json", "--watch", "0.05")
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.stderr is not None
    assert running.stderr.read() == ""
    assert running.wait(timeout=20) == 0


@pytest.mark.parametrize("name", ["", None, "redis"])
def test_what_is_no_engine_is_told_as_the_checks_do(name: str | None) -> None:
    with override_settings(SESSION_ENGINE=name):
        outcome = run("session_active")
    assert outcome.code == 1
    assert "'beesession.engines.redis'" in outcome.error


@override_settings(BEESESSION={"LIFETIEM": 60})
def test_a_wrong_setting_is_told_as_it_is() -> None:
    outcome = run("session_active")
    assert outcome.code == 1
    assert "Did you mean 'LIFETIME'?" in outcome.error
