"""Which connection of a pool is given out next, and which are closed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from beesession.sql import idle
from beesession.sql.idle import IdleConnections

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """Three connections: our end, and the server's."""
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(3)]
        for pair in made:
            for end in pair:
                stack.enter_context(end)
        yield made


def _resting(pairs: list[Pair]) -> IdleConnections[socket.socket]:
    connections = IdleConnections(socket.socket.fileno)
    for ours, _ in pairs:
        connections.put(ours)
    return connections


def test_the_connection_used_last_comes_first(pairs: list[Pair]) -> None:
    connections = _resting(pairs)
    assert [connections.take() for _ in range(4)] == [
        (pairs[2][0], []),
        (pairs[1][0], []),
        (pairs[0][0], []),
        (None, []),
    ]


def test_a_connection_that_the_server_closed_is_not_given_out(pairs: list[Pair]) -> None:
    connections = _resting(pairs)
    pairs[2][1].close()
    assert connections.take() == (pairs[1][0], [pairs[2][0]])


def test_a_connection_on_which_the_server_says_goodbye_is_not_given_out(pairs: list[Pair]) -> None:
    connections = _resting(pairs)
    for _, server in pairs:
        server.send(b"goodbye")
    assert connections.take() == (None, [pairs[2][0], pairs[1][0], pairs[0][0]])


def test_connections_that_were_not_used_for_long_are_closed(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("beesession.sql.idle.time.monotonic", lambda: now)
    connections = _resting(pairs[:2])
    now += idle.MAX_IDLE
    connections.put(pairs[2][0])
    now += 0.1
    assert connections.take() == (pairs[2][0], [pairs[0][0], pairs[1][0]])


def test_all_of_them_can_be_let_go(pairs: list[Pair]) -> None:
    connections = _resting(pairs)
    assert {*connections.clear()} == {ours for ours, _ in pairs}
    assert connections.take() == (None, [])
