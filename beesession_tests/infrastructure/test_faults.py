"""The proxy that plays faults: each fault does what it says, and ends when it is healed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from beesession_tests.faults import Proxy, Requests
from beesession_tests.servers import RedisServer, Servers


@pytest.fixture
def server(servers: Servers) -> RedisServer:
    servers.redis.flush()
    return servers.redis


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    with Proxy(server.port) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    with redis.Redis(host=proxy.host, port=proxy.port, retry=None, socket_timeout=1) as connected:
        connected.ping()
        yield connected


@pytest.fixture
def direct(server: RedisServer) -> redis.Redis:
    return server.client()


def test_without_a_fault_everything_is_passed_on(client: redis.Redis) -> None:
    value = bytes(range(256)) * 2000
    assert client.set("key", value) is True
    assert client.get("key") == value


def test_commands_are_counted_by_name(proxy: Proxy, client: redis.Redis) -> None:
    proxy.commands.clear()
    client.set("GET", "*1\r\n$3\r\nDEL\r\n")
    client.get("GET")
    client.eval("redis.call('SET', KEYS[1], '1'); return redis.call('GET', KEYS[1])", 1, "other")
    assert proxy.commands == ["SET", "GET", "EVAL"]


def test_each_command_of_a_pipeline_is_counted(proxy: Proxy, client: redis.Redis) -> None:
    proxy.commands.clear()
    pipeline = client.pipeline(transaction=False)
    pipeline.set("key", "value").get("key").delete("key")
    assert pipeline.execute() == [True, b"value", 1]
    assert proxy.commands == ["SET", "GET", "DEL"]


def test_a_lost_reply_is_one_of_a_command_that_did_run(proxy: Proxy, client: redis.Redis, direct: redis.Redis) -> None:
    proxy.lose_reply()
    with pytest.raises(redis.ConnectionError):
        client.incr("counter")
    assert direct.get("counter") == b"1"
    assert client.incr("counter") == 2


def test_only_the_reply_to_the_named_command_is_lost(proxy: Proxy, client: redis.Redis, direct: redis.Redis) -> None:
    proxy.lose_reply("INCRBY")  # which is what redis-py sends for incr()
    client.set("counter", 5)
    assert client.get("counter") == b"5"
    with pytest.raises(redis.ConnectionError):
        client.incr("counter")
    assert direct.get("counter") == b"6"


def test_a_cut_connection_fails_once(proxy: Proxy, client: redis.Redis) -> None:
    # A connection that is taken by hand, since the pool would notice the cut and quietly make another.
    connection = client.connection_pool.get_connection()

    def ping() -> None:
        connection.send_command("PING")
        connection.read_response()

    proxy.cut()
    with pytest.raises(redis.ConnectionError):
        ping()
    client.connection_pool.release(connection)
    assert client.ping() is True


def test_a_refused_client_gets_in_when_the_fault_is_healed(proxy: Proxy, client: redis.Redis) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    proxy.heal()
    assert proxy.port == port
    assert client.ping() is True


def test_a_blackhole_answers_nothing_and_runs_nothing(proxy: Proxy, client: redis.Redis, direct: redis.Redis) -> None:
    proxy.blackhole()
    with pytest.raises(redis.TimeoutError):
        client.set("key", "value")
    proxy.heal()
    assert direct.exists("key") == 0
    assert client.set("key", "value") is True


def test_a_delay_holds_each_reply_back(proxy: Proxy, client: redis.Redis) -> None:
    proxy.delay(0.2)
    started = time.monotonic()
    client.ping()
    assert 0.2 <= time.monotonic() - started < 0.9
    proxy.heal()
    started = time.monotonic()
    client.ping()
    assert time.monotonic() - started < 0.2


def test_a_stopped_server_is_a_lost_connection(servers: Servers, proxy: Proxy, client: redis.Redis) -> None:
    servers.redis.stop()
    try:
        with pytest.raises(redis.ConnectionError):
            client.ping()
    finally:
        servers.redis.start()
    assert client.ping() is True


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_requests_are_found_however_the_bytes_arrive(size: int) -> None:
    sent = b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\n*1\r\n\r\n\r\n"
    requests = Requests()
    found = [command for start in range(0, len(sent), size) for command in requests.feed(sent[start : start + size])]
    assert [name for name, _ in found] == ["GET", "PING", "SET"]
    assert b"".join(raw for _, raw in found) == sent


def test_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="RESP"):
        Requests().feed(b"GET / HTTP/1.1\r\n")
