"""Connections that break, servers that are silent, refuse, or answer with an error."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis

from beesession.engines import redis as redis_engine
from beesession.engines.redis import RedisProvider
from beesession.provider import Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.network import cut_connections
from beesession_tests.engines.redis_engine.records import HOUR, NEW_SID, SID, Form, Make, each_write, stored
from beesession_tests.faults import Proxy
from beesession_tests.monitor import commands
from beesession_tests.servers import RedisServer, redis_server


@each_write
def test_a_connection_that_the_server_closed_meanwhile_costs_nothing(
    verbs: Verbs, server: RedisServer, write: Callable[[Verbs, Record], Record]
) -> None:
    record = stored(verbs)
    assert cut_connections(server) >= 1
    record = write(verbs, record)
    cut_connections(server)
    assert verbs.read(record.sid) is not None
    cut_connections(server)
    assert verbs.destroy(record.sid) is True


def test_an_async_write_notices_a_cut_although_its_loop_had_no_turn_since(
    provider: RedisProvider, server: RedisServer
) -> None:
    async def write_right_after_a_cut() -> Record:
        record = await provider.acreate(SID, b"0", HOUR)
        assert record is not None
        for number in range(5):
            assert cut_connections(server) >= 1
            record = await provider.aswap(SID, record, b"%d" % number, HOUR)
        return record

    assert asyncio.run(write_right_after_a_cut()).data == b"4"


@pytest.mark.parametrize(
    ("write", "sent"),
    [
        (lambda verbs, record: verbs.create(NEW_SID, b"new", HOUR), "SET"),
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), "EVALSHA"),
        (lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR), "EVALSHA"),
    ],
    ids=["create", "swap", "regenerate"],
)
@pytest.mark.parametrize("options", [{}, {"max_retries": 5}], ids=["plain", "max_retries"])
def test_a_write_whose_reply_is_lost_runs_once_and_is_unavailable(
    make: Make,
    form: Form,
    proxy: Proxy,
    admin: redis.Redis,
    write: Callable[[Verbs, Record], Any],
    sent: str,
    options: dict[str, int],
) -> None:
    verbs = form(make({"save_path": f"127.0.0.1:{proxy.port}", **options}))
    record = verbs.swap(SID, stored(verbs), b"old", HOUR)
    other = stored(verbs, sid="a" * 32)
    verbs.regenerate("a" * 32, "b" * 32, other, b"", HOUR)
    proxy.lose_reply()
    with commands(admin) as seen, pytest.raises(Unavailable) as caught:
        write(verbs, record)
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
    assert seen == [sent]
    assert b"new" in (admin.get(SID), admin.get(NEW_SID))


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        (lambda verbs, record: verbs.read(SID), "GET"),
        (lambda verbs, record: verbs.touch(SID, record, HOUR), "PEXPIRE"),
        (lambda verbs, record: verbs.destroy(SID), "DEL"),
    ],
    ids=["read", "touch", "destroy"],
)
def test_read_touch_and_destroy_are_repeated_once(
    make: Make,
    form: Form,
    proxy: Proxy,
    admin: redis.Redis,
    verb: Callable[[Verbs, Record], Any],
    sent: str,
) -> None:
    verbs = form(make(f"127.0.0.1:{proxy.port}"))
    record = stored(verbs)
    with commands(admin) as seen:
        proxy.lose_reply()
        # A touch or destroy that ran unheard may find the record gone at its repetition, which is as true.
        verb(verbs, record)
    assert seen == [sent, sent]


@pytest.mark.parametrize(
    ("verb", "tries"),
    [
        (lambda verbs: verbs.read(SID), 2),
        (lambda verbs: verbs.touch(SID, Record(b""), HOUR), 2),
        (lambda verbs: verbs.destroy(SID), 2),
        (lambda verbs: verbs.create(SID, b"", HOUR), 1),
        (lambda verbs: verbs.swap(SID, Record(b""), b"", HOUR), 1),
        (lambda verbs: verbs.regenerate(SID, NEW_SID, Record(b""), b"", HOUR), 1),
    ],
    ids=["read", "touch", "destroy", "create", "swap", "regenerate"],
)
def test_a_server_that_hangs_up_is_not_asked_for_ever(
    make: Make, form: Form, verb: Callable[[Verbs], Any], tries: int
) -> None:
    calls = 0

    def hang_up() -> None:
        nonlocal calls
        with suppress(OSError):
            while True:
                listener.accept()[0].close()
                calls += 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(Unavailable):
            verb(form(make(f"127.0.0.1:{listener.getsockname()[1]}")))
        time.sleep(0.05)
    assert calls == tries


def test_a_cancelled_read_leaves_its_reply_to_nobody(make: Make, proxy: Proxy) -> None:
    provider = make(f"127.0.0.1:{proxy.port}")

    async def cancel_a_read_that_is_under_way() -> bytes | None:
        await provider.acreate(SID, b"mine", HOUR)
        await provider.acreate(NEW_SID, b"another's", HOUR)
        proxy.delay(0.3)
        reading = asyncio.ensure_future(provider.aread(SID))
        await asyncio.sleep(0.1)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        proxy.delay(0)
        record = await provider.aread(NEW_SID)
        return record.data if record else None

    assert asyncio.run(cancel_a_read_that_is_under_way()) == b"another's"


def test_a_stopped_server_is_unavailable_and_comes_back(form: Form, make: Make) -> None:
    with redis_server() as server:
        verbs = form(make(f"127.0.0.1:{server.port}"))
        record = stored(verbs)
        server.stop()
        began = time.monotonic()
        for verb in (
            lambda: verbs.read(SID),
            lambda: verbs.create(NEW_SID, b"", HOUR),
            lambda: verbs.swap(SID, record, b"", HOUR),
            lambda: verbs.touch(SID, record, HOUR),
            lambda: verbs.regenerate(SID, NEW_SID, record, b"", HOUR),
            lambda: verbs.destroy(SID),
            verbs.active,
        ):
            with pytest.raises(Unavailable) as caught:
                verb()
            assert isinstance(caught.value.__cause__, redis.ConnectionError)
        assert time.monotonic() - began < 10
        server.start()
        assert verbs.read(SID) is None
        stored(verbs)


def test_a_silent_server_is_unavailable_in_the_time_that_the_configuration_says(make: Make, form: Form) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=0.2"
        verbs = form(make(address))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            verbs.read(SID)
        assert 0.1 < time.monotonic() - began < 2


@pytest.fixture
def read_only(admin: redis.Redis) -> Iterator[Callable[[bool], None]]:
    """Turn the server into a replica of nobody, and back."""

    def turn(on: bool) -> None:
        admin.slaveof(*(("127.0.0.1", 1) if on else ()))

    yield turn
    turn(False)


@each_write
def test_a_write_that_the_server_refuses_for_a_moment_is_sent_again(
    verbs: Verbs, read_only: Callable[[bool], None], write: Callable[[Verbs, Record], Record]
) -> None:
    record = write(verbs, stored(verbs))
    verbs.destroy(record.sid)
    record = stored(verbs)
    read_only(True)
    timer = threading.Timer(0.3, read_only, [False])
    timer.start()
    began = time.monotonic()
    record = write(verbs, record)
    assert time.monotonic() - began > 0.2
    assert verbs.read(record.sid) is not None
    timer.join()


def test_a_server_that_goes_on_refusing_is_unavailable(
    verbs: Verbs, read_only: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_engine, "PATIENCE", 0.3)
    record = stored(verbs)
    read_only(True)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        verbs.swap(SID, record, b"new", HOUR)
    assert 0.2 < time.monotonic() - began < 2
    assert isinstance(caught.value.__cause__, redis.ReadOnlyError)


@pytest.mark.parametrize(
    "verb",
    [
        lambda verbs: verbs.read(SID),
        lambda verbs: verbs.swap(SID, Record(b"data"), b"new", HOUR),
        lambda verbs: verbs.regenerate(SID, NEW_SID, Record(b"data"), b"new", HOUR),
    ],
    ids=["read", "swap", "regenerate"],
)
def test_a_key_that_holds_something_else_is_unavailable_and_left_alone(
    verbs: Verbs, admin: redis.Redis, verb: Callable[[Verbs], Any]
) -> None:
    admin.rpush(SID, "an entry of a list")
    with pytest.raises(Unavailable):
        verb(verbs)
    assert admin.lrange(SID, 0, -1) == [b"an entry of a list"]


def test_no_error_shows_an_id_or_data_even_where_the_server_repeats_them(form: Form, make: Make) -> None:
    with redis_server("--rename-command", "EVALSHA", "") as server:
        verbs = form(make(f"127.0.0.1:{server.port}"))
        record, data = stored(verbs), b"of the visitor"
        with pytest.raises(Unavailable) as caught:
            verbs.swap(SID, record, data, HOUR)
    shown = "".join(traceback.format_exception(caught.value))
    assert "unknown command" in shown
    assert SID not in shown
    assert data.decode() not in shown
