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
from beesession.testing import Verbs, require
from beesession_tests.engines.redis_engine.places import Place
from beesession_tests.engines.redis_engine.records import (
    HOUR,
    NEW_SID,
    SID,
    Form,
    Make,
    each_handled,
    each_write,
    only_redis,
    stored,
)  # fmt: skip
from beesession_tests.faults import Proxy
from beesession_tests.monitor import commands
from beesession_tests.servers import redis_server


@each_write
def test_a_connection_that_the_server_closed_meanwhile_costs_nothing(
    verbs: Verbs, proxy: Proxy, write: Callable[[Verbs, Record], Record]
) -> None:
    record = stored(verbs)
    proxy.cut()
    record = write(verbs, record)
    proxy.cut()
    assert verbs.read(record.sid) is not None
    proxy.cut()
    assert verbs.destroy(record.sid) is True


def test_an_async_write_notices_a_cut_although_its_loop_had_no_turn_since(
    provider: RedisProvider, proxy: Proxy
) -> None:
    async def write_right_after_a_cut() -> Record:
        record = await provider.acreate(SID, b"0", HOUR)
        assert record is not None
        for number in range(5):
            proxy.cut()
            record = await provider.aswap(SID, record, b"%d" % number, HOUR)
        return record

    assert asyncio.run(write_right_after_a_cut()).data == b"4"


@pytest.mark.parametrize(
    ("write", "sent", "needs"),
    [
        (lambda verbs, record: verbs.create(NEW_SID, b"new", HOUR), "SET", ()),
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), "EVALSHA", ()),
        (lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR), "EVALSHA", ("atomic_rotation",)),
    ],
    ids=["create", "swap", "regenerate"],
)
@pytest.mark.parametrize("options", [{}, {"max_retries": 5}], ids=["plain", "max_retries"])
def test_a_write_whose_reply_is_lost_runs_once_and_is_unavailable(
    make: Make,
    form: Form,
    place: Place,
    admin: redis.Redis,
    write: Callable[[Verbs, Record], Any],
    sent: str,
    needs: tuple[str, ...],
    options: dict[str, int],
) -> None:
    verbs = form(make({**place.members, **options}))
    require(verbs.provider, *needs)
    record = verbs.swap(SID, stored(verbs), b"old", HOUR)
    other = stored(verbs, sid="a" * 32)
    verbs.regenerate("a" * 32, "b" * 32, other, b"", HOUR)
    place.proxy.lose_reply(sent)
    with commands(admin) as seen, pytest.raises(Unavailable) as caught:
        write(verbs, record)
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
    assert seen == [sent]
    assert b"new" in (admin.get(SID), admin.get(NEW_SID))


@each_handled
def test_a_write_whose_reply_is_lost_runs_once_whatever_error_its_caller_is_handling(
    verbs: Verbs, place: Place, admin: redis.Redis, handled: Exception
) -> None:
    record = verbs.swap(SID, stored(verbs), b"old", HOUR)
    place.proxy.lose_reply("EVALSHA")
    with commands(admin) as seen:
        try:
            raise handled
        except Exception:
            with pytest.raises(Unavailable):
                verbs.swap(SID, record, b"new", HOUR)
    assert seen == ["EVALSHA"]
    assert admin.get(SID) == b"new"


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
    verbs = form(make())
    record = stored(verbs)
    with commands(admin) as seen:
        proxy.lose_reply(sent)
        # A touch or destroy that ran unheard may find the record gone at its repetition, which is as true.
        verb(verbs, record)
    assert [name for name in seen if name != "CLUSTER"] == [sent, sent]


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
@only_redis
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
    provider = make()

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


def test_a_server_that_cannot_be_reached_is_unavailable_and_comes_back(
    verbs: Verbs, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_engine, "PATIENCE", 0.1)
    record = stored(verbs)
    proxy.refuse()
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
    proxy.heal()
    assert verbs.data(SID) == b"data"
    verbs.swap(SID, record, b"new", HOUR)


@pytest.mark.parametrize("place", ["redis_cluster"], indirect=True)
def test_a_name_with_two_addresses_is_asked_again_while_nobody_listens_at_either(
    make: Make, form: Form, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def two_of_them(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        hosts = ("127.0.0.1", "127.0.0.2") if host == "two.example" else (host,)
        return [found for each in hosts for found in resolve(each, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", two_of_them)
    verbs = form(make(f"two.example:{proxy.port}"))
    proxy.refuse()
    timer = threading.Timer(0.3, proxy.heal)
    timer.start()
    assert verbs.read(SID) is None
    timer.join()


@only_redis
def test_a_silent_server_is_unavailable_in_the_time_that_the_configuration_says(make: Make, form: Form) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=0.2"
        verbs = form(make(address))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            verbs.read(SID)
        assert 0.1 < time.monotonic() - began < 2


Refuse = Callable[[bool], None]


# A node of a cluster does not let itself be made a replica in this way, nor does it ever answer READONLY.
each_refusal = pytest.mark.parametrize(
    ("place", "refuse"),
    [
        *((engine, answer) for engine in ("redis", "redis_sentinel") for answer in ("READONLY", "NOREPLICAS")),
        ("redis_cluster", "NOREPLICAS"),
    ],
    indirect=True,
)


@pytest.fixture
def refuse(request: pytest.FixtureRequest, admin: redis.Redis) -> Iterator[Refuse]:
    """Make the server one that takes no writes: a replica of nobody, or a master without replicas. And back."""

    def refuse(on: bool) -> None:
        if request.param == "READONLY":
            admin.slaveof(*(("127.0.0.1", 1) if on else ()))
        else:
            admin.config_set("min-replicas-to-write", int(on))

    yield refuse
    refuse(False)


@pytest.mark.slow
@each_refusal
@each_write
def test_a_write_that_the_server_refuses_for_a_moment_is_sent_again(
    verbs: Verbs, refuse: Refuse, write: Callable[[Verbs, Record], Record]
) -> None:
    record = write(verbs, stored(verbs))
    verbs.destroy(record.sid)
    record = stored(verbs)
    refuse(True)
    timer = threading.Timer(0.3, refuse, [False])
    timer.start()
    began = time.monotonic()
    record = write(verbs, record)
    assert time.monotonic() - began > 0.2
    assert verbs.read(record.sid) is not None
    timer.join()


@each_refusal
def test_a_server_that_goes_on_refusing_is_unavailable(
    verbs: Verbs, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_engine, "PATIENCE", 0.3)
    record = stored(verbs)
    refuse(True)
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        verbs.swap(SID, record, b"new", HOUR)
    assert 0.2 < time.monotonic() - began < 2
    assert isinstance(caught.value.__cause__, redis.RedisError)
    refuse(False)
    assert verbs.data(SID) == b"data"


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


@only_redis
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
