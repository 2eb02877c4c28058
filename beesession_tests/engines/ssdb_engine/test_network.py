"""Connections of the ssdb engine: who has which, until when, and what a fault of the server is called."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from beesession.engines.ssdb import SSDBProvider
from beesession.provider import Record, Unavailable
from beesession.ssdb_protocol import Client, Lost, Refused, Reply, Request, Server, SSDBError, Unreached
from beesession_tests.engines.ssdb_engine.records import (
    HOUR,
    LOCK,
    NEW_SID,
    SID,
    VERBS,
    Make,
    data_of,
    everything,
    stored,
    ttl,
)  # fmt: skip
from beesession_tests.faults import Proxy, Stream
from beesession_tests.servers import HOST, SSDBServer, ssdb_server
from beesession_tests.servers.base import eventually


@contextmanager
def answering(answer: bytes, *, hangs_up: bool = True) -> Iterator[tuple[int, list[int]]]:
    """Run a server that answers the first request of each connection with these bytes, and reads no other one.

    Gives its port, and its calls.
    """
    calls: list[int] = []
    kept: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                link = listener.accept()[0]
                calls.append(len(link.recv(65536)))
                link.sendall(answer)
                if hangs_up:
                    link.close()
                else:
                    kept.append(link)

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], calls
        listener.shutdown(socket.SHUT_RDWR)
        for link in kept:
            link.close()


# Connections -------------------------------------------------------------------------------------------------


def test_nothing_is_connected_before_the_first_use(make: Make, server: SSDBServer) -> None:
    server.info(b"links")
    before = server.connections()
    provider = make()
    eventually(lambda: server.connections() <= before)
    provider.read(SID)
    assert server.connections() == before + 1
    provider.close()
    eventually(lambda: server.connections() <= before)


def test_twenty_threads_share_the_connections_of_a_small_pool(make: Make, server: SSDBServer) -> None:
    before = server.connections()
    provider = make({"host": server.host, "port": server.port, "pool_size": 3})
    stored(provider)
    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda _: data_of(provider), range(400)))
    assert found == [b"data"] * 400
    assert before < server.connections() <= before + 3


def test_more_tasks_than_connections_take_turns(make: Make, server: SSDBServer) -> None:
    provider = make({"host": server.host, "port": server.port, "pool_size": 2})
    stored(provider)

    async def read_at_once() -> list[Record | None]:
        return await asyncio.gather(*(provider.aread(SID) for _ in range(200)))

    assert [record.data for record in asyncio.run(read_at_once()) if record] == [b"data"] * 200


def test_who_waits_too_long_for_a_connection_is_told_so(server: SSDBServer) -> None:
    client = Client(Server(server.host, server.port), size=1, timeout=0.1)
    with client._pool().connection(), pytest.raises(Unreached, match="in use"):
        client.send((b"ping",))
    assert client.send((b"ping",)) == [[]]
    client.close()


@pytest.mark.parametrize("slow", ["a free one", "the login"])
def test_what_has_no_connection_in_time_is_not_sent(slow: str) -> None:
    with ssdb_server("hunter2") as server, Proxy(server.port, Stream) as proxy:
        client = Client(Server(proxy.host, proxy.port, "hunter2"), size=1)
        if slow == "the login":
            proxy.delay(0.3)
        else:
            borrowed = client._pool().connection()
            borrowed.__enter__()
            threading.Timer(0.3, borrowed.__exit__, (None, None, None)).start()
        with pytest.raises(Unreached, match="slow"):
            client.send((b"set", b"late", b"data"), not_after=time.monotonic() + 0.1)
        client.close()
        assert server.admin.send((b"get", b"late")) == [None]


def test_a_connection_with_an_answer_that_nobody_asked_for_is_not_used_again() -> None:
    with answering(b"2\nok\n5\nfirst\n\n" + b"2\nok\n9\nleft over\n\n", hangs_up=False) as (port, calls):
        client = Client(Server(HOST, port), size=1, timeout=0.5)
        assert [client.send((b"get", b"key")) for _ in range(2)] == [[[b"first"]], [[b"first"]]]
        assert len(calls) == 2
        client.close()


def test_a_connection_with_an_answer_that_is_none_is_not_used_again() -> None:
    with answering(b"5\nhello\n\n", hangs_up=False) as (port, calls):
        client = Client(Server(HOST, port), size=1, timeout=0.5)
        for _ in range(2):
            with pytest.raises(Lost, match="status"):
                client.send((b"get", b"key"))
        assert len(calls) == 2
        client.close()


def test_a_connection_in_use_is_closed_when_it_is_free(server: SSDBServer) -> None:
    before = server.connections()
    client = Client(Server(server.host, server.port), size=1)
    with client._pool().connection() as connection:
        client.close()
        assert connection.exchange([(b"ping",)]) == [[b"ok"]]
    eventually(lambda: server.connections() <= before)


@pytest.mark.parametrize("verb", ["create", "swap", "regenerate"])
def test_a_connection_that_the_server_has_closed_is_replaced_before_a_write(
    behind: SSDBProvider, proxy: Proxy, verb: str
) -> None:
    record = stored(behind)
    proxy.cut()
    assert VERBS[verb](behind, record).data == b"new"


# Faults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "trips_before"), [("create", 0), ("swap", 2), ("regenerate", 2), ("regenerate", 3)])
def test_a_write_whose_reply_is_lost_runs_once_and_is_unavailable(
    behind: SSDBProvider, proxy: Proxy, server: SSDBServer, verb: str, trips_before: int
) -> None:
    record = stored(behind)
    proxy.commands.clear()
    proxy.lose_reply(after=trips_before)
    with pytest.raises(Unavailable) as caught:
        VERBS[verb](behind, record)
    assert isinstance(caught.value.__cause__, Lost)
    cleared_up = verb == "regenerate" and trips_before == 2  # nothing of the session was touched, so the lock goes
    assert len(proxy.commands) == trips_before + 1 + cleared_up
    assert b"new" in everything(server).values()


@pytest.mark.parametrize("verb", ["read", "touch"])
def test_what_can_be_repeated_is_repeated_once(behind: SSDBProvider, proxy: Proxy, verb: str) -> None:
    record = stored(behind)
    proxy.commands.clear()
    proxy.lose_reply()
    assert VERBS[verb](behind, record).data == b"data"
    assert len(proxy.commands) == 2


def test_the_expiry_of_a_new_entry_is_repeated_since_without_it_the_entry_would_stay_for_ever(
    behind: SSDBProvider, proxy: Proxy, server: SSDBServer
) -> None:
    proxy.lose_reply(after=1)
    stored(behind)
    assert len(proxy.commands) == 3
    assert ttl(server, SID.encode()) > 0


@pytest.mark.parametrize("verb", ["swap", "regenerate", "destroy"])
def test_a_write_that_could_not_be_sent_leaves_neither_a_lock_nor_a_half_made_entry(
    behind: SSDBProvider, proxy: Proxy, server: SSDBServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    record, send = stored(behind), behind._client.send

    def refused_once(*requests: Request, **options: Any) -> list[Reply]:
        if len(requests) == 1 or requests[-1] != (b"del", LOCK):
            return send(*requests, **options)
        proxy.refuse()
        try:
            return send(*requests, **options)
        finally:
            proxy.heal()

    monkeypatch.setattr(behind._client, "send", refused_once)
    with pytest.raises(Unavailable) as caught:
        VERBS[verb](behind, record)
    assert isinstance(caught.value.__cause__, Unreached)
    assert everything(server) == {SID.encode(): b"data"}


@pytest.mark.parametrize(("verb", "tries"), [("read", 2), ("touch", 2), ("create", 1), ("swap", 1), ("destroy", 1)])
def test_a_server_that_hangs_up_is_not_asked_for_ever(make: Make, verb: str, tries: int) -> None:
    with answering(b"") as (port, calls), pytest.raises(Unavailable):
        VERBS[verb](make(f"{HOST}:{port}"), Record(b"data"))
    assert len(calls) == tries


def test_a_stopped_server_is_unavailable_and_comes_back(make: Make) -> None:
    with ssdb_server() as server:
        provider = make(server.provider_config)
        record = stored(provider)
        server.stop()
        began = time.monotonic()
        for verb in (*VERBS.values(), lambda provider, record: provider.active()):
            with pytest.raises(Unavailable) as caught:
                verb(provider, record)
            assert isinstance(caught.value.__cause__, Unreached)
        assert time.monotonic() - began < 10
        server.start()
        assert provider.read(SID) is None
        stored(provider)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["read", "swap"])
def test_a_silent_server_costs_less_than_ten_seconds(make: Make, verb: str) -> None:
    with socket.create_server((HOST, 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            VERBS[verb](make(f"{HOST}:{silent.getsockname()[1]}"), Record(b"data"))
        assert time.monotonic() - began < 10
    assert isinstance(caught.value.__cause__, Lost)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"2\nok\n",
        b"2\nok\n-1\n\n",
        b"2\nok\n5\nab",
        b"\n\n",
        b"9" * 100,
        b"2\nok\n3\nabc\n\n2\nok\n3\nabc\n\n",
        b"\xff\n\n",
        b"2\nok\n999999999999999\n",
        b"2\nok\n99999999999999999999\n",
    ],
    ids=["http", "cut", "negative", "short", "empty", "long-line", "no-number", "no-digits", "too-large", "no-size"],
)
@pytest.mark.parametrize("verb", ["read", "create", "swap", "touch", "destroy"])
def test_what_is_no_answer_is_unavailable(make: Make, answer: bytes, verb: str) -> None:
    with answering(answer) as (port, _), pytest.raises(Unavailable):
        VERBS[verb](make(f"{HOST}:{port}"), Record(b"data"))


def test_data_that_an_answer_lacks_is_unavailable_and_no_miss(make: Make) -> None:
    with answering(b"2\nok\n2\n60\n\n" + b"2\nok\n\n") as (port, _), pytest.raises(Unavailable, match="data"):
        make(f"{HOST}:{port}").read(SID)


@pytest.mark.parametrize("status", [b"error", b"fail", b"client_error", b"noauth"])
def test_an_answer_that_is_an_error_is_told_by_its_status_alone(status: bytes) -> None:
    words = b"%d\n%b\n17\nof-another-visit!\n\n" % (len(status), status)
    with answering(words) as (port, _):
        client = Client(Server(HOST, port), size=1)
        with pytest.raises(Refused, match=f"^get was answered with {status.decode()}$"):
            client.send((b"get", SID.encode()))
        client.close()


def test_no_error_and_no_repr_shows_an_id_data_or_a_password(make: Make) -> None:
    data = b"of the visitor"
    with answering(b"14\nof the visitor\n\n" * 9) as (port, _):
        provider = make({"host": HOST, "port": port, "password": "hunter" + "2"})
        with pytest.raises(Unavailable) as caught:
            provider.create(SID, data, HOUR)
    shown = "".join(traceback.format_exception(caught.value)) + repr(provider) + repr(provider._client)
    shown += repr(Server(HOST, port, "hunter" + "2"))
    for secret in (SID, NEW_SID, data.decode(), "hunter" + "2"):
        assert secret not in shown


def test_each_error_of_the_client_is_an_ssdb_error() -> None:
    assert all(issubclass(each, SSDBError) for each in (Lost, Refused, Unreached))
