"""``python -m beesession_tests.servers up``: all servers for a person to use, and nothing of them left afterwards."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from beesession_tests.servers.__main__ import NAMES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
STOPPED_WITHIN = 60


@pytest.fixture
def up() -> Iterator[subprocess.Popen[str]]:
    """The command, in a session of its own, by which its processes are found even when it has left them behind."""
    with subprocess.Popen(
        [sys.executable, "-m", "beesession_tests.servers", "up"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        yield running
        running.terminate()


def next_line(up: subprocess.Popen[str]) -> tuple[str, str]:
    """Return the name and the provider string of the server that is ready next, or why it is not."""
    assert up.stdout is not None
    name, _, config = up.stdout.readline().rstrip("\n").partition(": ")
    return name, config


def processes(session: int) -> set[int]:
    """Return the processes of a session, those aside that are dead and not waited for."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session, *_ = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if int(its_session) == session and state != "Z":
            found.add(int(path.parent.name))
    return found


def accepts(host: str, port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_each_server_says_where_it_is_and_ctrl_c_leaves_none_of_them(up: subprocess.Popen[str]) -> None:
    lines = dict(next_line(up) for _ in NAMES)
    if missing := [config for config in lines.values() if "is not installed" in config]:
        pytest.skip("; ".join(missing))
    assert set(lines) == set(NAMES)
    addresses = [address for config in lines.values() for address in re.findall(r"(127\.0\.0\.1):(\d+)", config)]
    assert len(addresses) >= len(NAMES)
    assert all(accepts(*address) for address in addresses)
    assert len(processes(session=up.pid)) > len(NAMES)
    os.killpg(up.pid, SIGINT)  # as a terminal does: the servers get it, too
    assert up.wait(STOPPED_WITHIN) == 0
    assert processes(session=up.pid) == set()
    assert not any(accepts(*address) for address in addresses)


def test_a_stop_while_servers_are_still_starting_leaves_none_of_them(up: subprocess.Popen[str]) -> None:
    next_line(up)
    assert len(processes(session=up.pid)) > 1
    up.send_signal(SIGTERM)
    assert up.wait(STOPPED_WITHIN) == 0
    assert processes(session=up.pid) == set()
