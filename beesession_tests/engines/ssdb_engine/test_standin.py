"""Our stand-in, asked by the Go client that beego uses, which others have written by their reading of the protocol."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from beesession.engines.ssdb import SSDBProvider
from beesession_tests import servers
from beesession_tests.engines.ssdb_engine.records import HOUR, SID, data_of, stored
from beesession_tests.servers import SSDBServer
from beesession_tests.servers.golang import build

Ask = Callable[..., list[list[str]]]

MODULE = Path(servers.__file__).parent / "ssdb_goclient"


@pytest.fixture
def ask(server: SSDBServer) -> Ask:
    """Send commands through the Go client; returns the reply to each."""
    program = build(MODULE, ".", "ssdb-goclient")

    def ask(*commands: tuple[str, ...]) -> list[list[str]]:
        lines = "".join(json.dumps(command) + "\n" for command in commands)
        done = subprocess.run(
            [program, server.host, str(server.port)],
            input=lines,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


@pytest.mark.slow
def test_beegos_client_and_the_stand_in_understand_each_other(ask: Ask) -> None:
    text = "line\nends\r\nand ünïcode \x00"
    assert ask(
        ("set", "a", text), ("get", "a"), ("ttl", "a"),
        ("setx", "b", "", "100"), ("get", "b"), ("ttl", "b"), ("exists", "b"),
        ("expire", "a", "50"), ("ttl", "a"), ("expire", "none", "50"),
        ("setnx", "a", "late"), ("setnx", "c", "first"), ("getset", "c", "second"), ("incr", "n", "5"),
        ("keys", "", "", "10"), ("keys", "a", "c", "10"), ("scan", "b", "", "1"),
        ("del", "a"), ("del", "a"), ("get", "a"), ("exists", "a"), ("multi_del", "b", "c"),
        ("no-such-command",), ("get",), ("ping",),
    ) == [
        ["ok", "1"], ["ok", text], ["ok", "-1"],
        ["ok", "1"], ["ok", ""], ["ok", "99"], ["ok", "1"],
        ["ok", "1"], ["ok", "49"], ["ok", "0"],
        ["ok", "0"], ["ok", "1"], ["ok", "first"], ["ok", "5"],
        ["ok", "a", "b", "c", "n"], ["ok", "b", "c"], ["ok", "c", "second"],
        ["ok", "1"], ["ok", "1"], ["not_found"], ["ok", "0"], ["ok", "2"],
        ["client_error", "Unknown Command: no-such-command"], ["client_error", "wrong number of arguments"], ["ok"],
    ]  # fmt: skip


@pytest.mark.slow
def test_a_large_value_comes_through_beegos_client(ask: Ask) -> None:
    large = "x" * 1_000_000
    assert ask(("setx", "a", large, "60"), ("get", "a")) == [["ok", "1"], ["ok", large]]


@pytest.mark.slow
def test_beegos_client_and_the_engine_see_the_same_session(ask: Ask, provider: SSDBProvider) -> None:
    stored(provider, b"of the engine")
    assert ask(("get", SID), ("setx", SID, "of beego", str(HOUR))) == [["ok", "of the engine"], ["ok", "1"]]
    assert data_of(provider) == b"of beego"
    ask(("del", SID))
    assert provider.read(SID) is None
