"""``session_gc``: bounds, progress, endless runs, and stores that cannot be reached."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from django.test import override_settings

from beesession import store
from beesession.engines.memory import MemoryProvider
from beesession.provider import Sweep
from beesession_tests.commands.conftest import HOUR, Terminal, run, stored, wait_until
from beesession_tests.engines import ENGINES, RunningEngine, engines_with

FILE = [each for each in ENGINES if each.name == "file"]
MEMORY = [each for each in ENGINES if each.name == "memory"]

Start = Callable[..., subprocess.Popen[str]]


class Collector(MemoryProvider):
    """Has always one more to remove, and is asked to stop while it removes the third."""

    calls = 0

    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        self.calls += 1
        if self.calls == 3:
            signal.raise_signal(signal.SIGTERM)
        return Sweep(removed=1, finished=False)


class Hoarder(MemoryProvider):
    """Neither removes expired sessions nor has a store that does, and does not count."""

    capabilities = replace(MemoryProvider.capabilities, gc=False, active=False)


class CollectorStore(store.SessionStore):
    provider_class = Collector


class HoarderStore(store.SessionStore):
    provider_class = Hoarder


@pytest.fixture
def own_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make a store of this module the engine of the site."""
    module = ModuleType("own_engine")
    module.SessionStore = request.param  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    with override_settings(SESSION_ENGINE=module.__name__):
        yield
    del sys.modules[module.__name__]


@pytest.mark.parametrize("engine", engines_with("gc"), indirect=True)
def test_it_stops_when_the_time_is_over_and_the_next_run_goes_on(engine: RunningEngine) -> None:
    expired = stored(engine, 25, 1)
    wait_until(lambda: all(engine.provider.read(sid) is None for sid in expired))
    first = run("session_gc", "--batch", "10", "--max-seconds", "0.000001")
    assert first.code == 0
    assert first.out.startswith(
        "Stopped after 1e-06 seconds: 10 expired sessions removed so far. Go on by running it again."
    )
    assert run("session_gc").out.startswith("15 expired sessions removed.")


@pytest.mark.parametrize("engine", FILE, indirect=True)
def test_a_dry_run_that_is_stopped_does_not_claim_to_go_on(engine: RunningEngine) -> None:
    stored(engine, 25, 1)
    time.sleep(1.1)
    outcome = run("session_gc", "--dry-run", "--batch", "10", "--max-seconds", "0.000001")
    assert outcome.out.endswith("10 expired sessions would be removed so far. There may be more.\n")
    assert run("session_gc").out == "25 expired sessions removed.\n"


@pytest.mark.parametrize("engine", FILE, indirect=True)
def test_a_single_session_is_told_in_the_singular(engine: RunningEngine) -> None:
    stored(engine, 1, 1)
    time.sleep(1.1)
    assert run("session_gc").out == "1 expired session removed.\n"


@pytest.mark.parametrize("engine", FILE, indirect=True)
def test_a_terminal_sees_one_line_that_changes(engine: RunningEngine) -> None:
    stored(engine, 3, 1)
    time.sleep(1.1)
    shown = run("session_gc", "--batch", "2", out=Terminal()).out
    assert "\r\x1b[K2 expired sessions removed so far, 0 s\r\x1b[K3 expired sessions removed so far" in shown
    assert shown.endswith("\r\x1b[K3 expired sessions removed.\n")


@pytest.mark.parametrize("engine", FILE, indirect=True)
@pytest.mark.usefixtures("engine")
def test_a_file_or_pipe_sees_the_closing_sentence_only() -> None:
    assert run("session_gc").out == "0 expired sessions removed.\n"


@pytest.mark.parametrize("engine", FILE, indirect=True)
@pytest.mark.usefixtures("engine")
def test_verbosity_0_writes_nothing() -> None:
    assert run("session_gc", "--verbosity", "0", out=Terminal()).out.replace("\r\x1b[K", "") == ""


@pytest.mark.parametrize("engine", MEMORY, indirect=True)
@pytest.mark.usefixtures("engine")
def test_memory_says_that_other_processes_are_out_of_its_reach() -> None:
    assert "Of this process only" in run("session_gc").out


@pytest.mark.parametrize("engine", FILE, indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_stopped_and_outlives_an_outage(
    engine: RunningEngine, process: Start, tmp_path: Path, number: signal.Signals
) -> None:
    root, away = tmp_path / "sessions", tmp_path / "away"
    (live,) = stored(engine, 1, HOUR)
    running = process("session_gc", "--every", "0.1")
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline() == "0 expired sessions removed.\n"

    root.rename(away)
    complaint = running.stderr.readline()
    away.rename(root)
    assert complaint == ("The session store cannot be reached (FileNotFoundError). Trying again in 0.1 seconds.\n")

    (expired,) = stored(engine, 1, 1)
    wait_until(lambda: not (root / expired[0] / expired[1] / expired).exists())
    running.send_signal(number)
    _, errors = running.communicate(timeout=20)
    assert running.returncode == 0
    assert "Traceback" not in errors
    assert engine.provider.read(live) is not None


@pytest.mark.parametrize("own_engine", [CollectorStore], indirect=True)
@pytest.mark.usefixtures("own_engine")
def test_a_single_run_that_is_stopped_says_how_far_it_came() -> None:
    before = signal.getsignal(signal.SIGTERM)
    outcome = run("session_gc")
    assert outcome.code == 0
    assert outcome.out.startswith(
        "Stopped when asked to: 3 expired sessions removed so far. Go on by running it again."
    )
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("own_engine", [HoarderStore], indirect=True)
@pytest.mark.usefixtures("own_engine")
def test_an_engine_that_can_do_neither_says_so() -> None:
    outcome = run("session_gc")
    assert (outcome.code, outcome.error) == (1, "The memory engine cannot remove expired sessions.")
    assert run("clearsessions").code == 1
    assert run("session_active").out == "unknown\nThe memory engine cannot count its sessions.\n"


@pytest.mark.parametrize("engine", MEMORY, indirect=True)
@pytest.mark.usefixtures("engine")
def test_it_runs_outside_the_main_thread_too() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, "session_gc").result(30).code == 0


@pytest.mark.parametrize("engine", FILE, indirect=True)
def test_a_store_that_cannot_be_reached_has_an_exit_code_of_its_own(engine: RunningEngine, tmp_path: Path) -> None:
    stored(engine, 1, HOUR)
    (tmp_path / "sessions").rename(tmp_path / "away")
    outcome = run("session_gc")
    assert (outcome.code, outcome.error) == (75, "The session store cannot be reached (FileNotFoundError).")


@pytest.mark.parametrize("engine", MEMORY, indirect=True)
@pytest.mark.parametrize(
    ("option", "value"),
    [("--batch", "0"), ("--batch", "many"), ("--every", "-1"), ("--every", "0"), ("--max-seconds", "nan")],
)
@pytest.mark.usefixtures("engine")
def test_a_number_that_makes_no_sense_is_refused(option: str, value: str) -> None:
    outcome = run("session_gc", option, value)
    assert outcome.code != 0
    assert option in outcome.error


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
@pytest.mark.parametrize("command", ["session_gc", "session_active", "session_config"])
def test_an_engine_that_is_none_of_ours_is_named(command: str) -> None:
    outcome = run(command)
    assert outcome.code == 1
    assert "SESSION_ENGINE is 'django.contrib.sessions.backends.db'" in outcome.error


@override_settings(SESSION_ENGINE="beesession.engines.rediss")
def test_a_misspelt_engine_gets_the_nearest_name() -> None:
    outcome = run("session_gc")
    assert outcome.code == 1
    assert "Did you mean 'beesession.engines.redis'?" in outcome.error
