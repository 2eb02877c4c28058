"""The test servers themselves: what they promise to the tests that lean on them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import redis

from beesession_tests.servers import RedisServer, ServerError, Servers, free_port, redis_server


def test_a_server_answers_as_soon_as_it_is_there() -> None:
    with redis_server() as server:
        assert redis.Redis.from_url(server.url).set("key", "value") is True
        assert server.client().get("key") == b"value"


def test_servers_share_no_data() -> None:
    with redis_server() as one, redis_server() as other:
        one.client().set("key", "value")
        assert other.client().dbsize() == 0


def test_a_stopped_server_refuses_and_a_started_one_has_the_same_port() -> None:
    with redis_server() as server:
        port, client = server.port, server.client(retry=None)
        client.set("key", "value")
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        server.start()
        assert server.port == port
        assert client.get("key") is None


def test_a_restart_is_another_process() -> None:
    with redis_server() as server:
        assert server.process is not None
        first = server.process.pid
        server.restart()
        assert server.process.pid != first


def test_nothing_is_left_of_a_server() -> None:
    with redis_server() as server:
        process = server.process
    assert process is not None
    assert process.returncode is not None
    assert server.process is None
    assert not server.directory.exists()
    with socket.socket() as probe:
        assert probe.connect_ex((server.host, server.port)) != 0


def test_a_server_is_stopped_when_the_test_fails() -> None:
    def failing() -> None:
        with redis_server() as server:
            processes.append(server.process)
            raise AssertionError

    processes: list[object] = []
    with pytest.raises(AssertionError):
        failing()
    assert processes[0].returncode is not None  # type: ignore[attr-defined]


def test_a_server_with_a_password_counts_as_started() -> None:
    with redis_server("--requirepass", "secret") as server:
        with pytest.raises(redis.AuthenticationError):
            server.client(retry=None).ping()
        assert server.client(password="secret").ping() is True


def test_a_server_that_cannot_start_shows_its_log() -> None:
    with pytest.raises(ServerError, match="no-such-option"), redis_server("--no-such-option", "1"):
        pass


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr("beesession_tests.servers.free_port", lambda: next(ports))
        with redis_server() as server:
            assert server.port != taken.getsockname()[1]
            assert server.client().ping() is True


def test_a_server_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(RedisServer):
        def command_line(self) -> list[str]:
            return ["sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.1; done"]

        def answers(self) -> bool:
            return "started" in self._last_lines()

    monkeypatch.setattr("beesession_tests.servers.base.STOPPED_WITHIN", 0.2)
    server = Deaf(tmp_path)
    server.start()
    process = server.process
    assert process is not None
    server.stop()
    assert process.returncode == -9


def test_a_session_starts_each_server_once_and_stops_it_at_the_end() -> None:
    with Servers() as servers:
        server = servers.redis
        process = server.process
        assert servers.redis is server
    assert process is not None
    assert process.returncode is not None
