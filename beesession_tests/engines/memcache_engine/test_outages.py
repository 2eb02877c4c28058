"""Connections that break, servers that are silent, stop, or answer with something else."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from pymemcache.exceptions import MemcacheUnexpectedCloseError  # type: ignore[import-untyped, unused-ignore]

from beesession.provider import Gone, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.memcache_engine.log import commands
from beesession_tests.engines.memcache_engine.records import HOUR, NEW_SID, SID, Form, Make, stored
from beesession_tests.faults import Proxy
from beesession_tests.servers import MemcachedServer, memcached_server

WRITES: dict[str, Callable[[Verbs, Record], Any]] = {
    "create": lambda verbs, record: verbs.create(NEW_SID, b"new", HOUR),
    "swap": lambda verbs, record: verbs.swap(SID, record, b"new", HOUR),
    "regenerate": lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR),
}
REPEATABLE: dict[str, Callable[[Verbs, Record], Any]] = {
    "read": lambda verbs, record: verbs.read(SID),
    "touch": lambda verbs, record: verbs.touch(SID, record, HOUR),
    "destroy": lambda verbs, record: verbs.destroy(SID),
}
VERBS = {**WRITES, **REPEATABLE}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())


@pytest.fixture
def behind(make: Make, form: Form, proxy: Proxy) -> Verbs:
    """The verbs of a provider that reaches its server through the proxy."""
    return form(make(f"{proxy.host}:{proxy.port}"))


# Broken connections ------------------------------------------------------------------------------------------


@each_verb
def test_a_connection_that_was_closed_meanwhile_costs_nothing(
    behind: Verbs, proxy: Proxy, server: MemcachedServer, verb: Callable[[Verbs, Record], Any]
) -> None:
    record = stored(behind)
    proxy.cut()
    with commands(server) as seen:
        verb(behind, record)
    # Nothing was sent on the broken connection, so that nothing had to be sent again.
    assert len(seen) == (2 if verb is WRITES["regenerate"] else 1)


@pytest.mark.parametrize(
    ("write", "lost", "sent"),
    [
        ("create", "ADD", ["add"]),
        ("swap", "CAS", ["cas"]),
        ("regenerate", "ADD", ["add", "gets", "delete"]),
        ("regenerate", "CAS", ["add", "cas", "delete"]),
    ],
)
def test_a_write_whose_reply_is_lost_runs_once_and_is_unavailable(
    behind: Verbs, proxy: Proxy, server: MemcachedServer, write: str, lost: str, sent: list[str]
) -> None:
    record = stored(behind)
    proxy.lose_reply(lost)
    with commands(server) as seen, pytest.raises(Unavailable) as caught:
        WRITES[write](behind, record)
    assert isinstance(caught.value.__cause__, (ConnectionError, MemcacheUnexpectedCloseError))
    assert seen == sent


@pytest.mark.parametrize(("lost", "left"), [("ADD", [SID]), ("CAS", [])])
def test_a_rotation_whose_reply_is_lost_leaves_one_session_at_most(
    behind: Verbs, proxy: Proxy, server: MemcachedServer, lost: str, left: list[str]
) -> None:
    record = stored(behind)
    proxy.lose_reply(lost)
    with pytest.raises(Unavailable):
        WRITES["regenerate"](behind, record)
    assert [*server.admin.get_many([SID, NEW_SID])] == left


def test_a_rotation_whose_first_reply_is_lost_leaves_the_item_of_somebody_else(
    behind: Verbs, proxy: Proxy, server: MemcachedServer
) -> None:
    record = stored(behind)
    server.admin.set(NEW_SID, b"of somebody else")
    proxy.lose_reply("ADD")
    with pytest.raises(Unavailable):
        WRITES["regenerate"](behind, record)
    assert server.admin.get(NEW_SID) == b"of somebody else"


def test_a_rotation_that_a_logout_has_beaten_is_gone_though_the_server_fails_then(
    behind: Verbs, server: MemcachedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = stored(behind)
    server.admin.delete(SID)

    def fail(sid: str) -> bool:
        raise Unavailable("stopped")

    monkeypatch.setattr(behind.provider, "destroy", fail)
    with pytest.raises(Gone):
        WRITES["regenerate"](behind, record)


@pytest.mark.parametrize("verb", REPEATABLE.values(), ids=REPEATABLE.keys())
def test_read_touch_and_destroy_are_repeated_once(
    behind: Verbs, proxy: Proxy, server: MemcachedServer, verb: Callable[[Verbs, Record], Any]
) -> None:
    record = stored(behind)
    proxy.lose_reply()
    with commands(server) as seen:
        # A destroy that ran unheard finds the record gone at its repetition, which is as true.
        verb(behind, record)
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_a_touch_that_removes_runs_once_and_does_not_tell_that_the_record_was_gone(
    behind: Verbs, proxy: Proxy, server: MemcachedServer
) -> None:
    record = stored(behind)
    proxy.lose_reply()
    with commands(server) as seen, pytest.raises(Unavailable):
        behind.touch(SID, record, 0)
    assert seen == ["touch"]
    assert behind.data(SID) is None


@pytest.mark.parametrize("tells_ttl", [False, True], ids=["gets", "mg"])
def test_a_reply_that_breaks_off_is_no_record(make: Make, form: Form, tells_ttl: bool) -> None:
    replies = {False: b"VALUE %s 0 10 1\r\nhalf\r\n", True: b"VA 10 c1 t50\r\nhalf\r\n"}
    with answering(replies[tells_ttl].replace(b"%s", SID.encode()), then_close=True) as address:
        verbs = form(make(address, touch_interval=60 if tells_ttl else 0))
        with pytest.raises(Unavailable):
            verbs.read(SID)


# Servers that are away ---------------------------------------------------------------------------------------


def test_a_restart_between_requests_is_noticed_and_costs_nothing_but_the_data(make: Make, form: Form) -> None:
    with memcached_server() as server:
        verbs = form(make(server.provider_config))
        stored(verbs)
        server.restart()
        assert verbs.read(SID) is None
        record = stored(verbs)
        server.restart()
        assert verbs.create(SID, b"new", HOUR) is not None
        server.restart()
        assert verbs.destroy(record.sid) is False


def test_a_stopped_server_is_unavailable_at_once_and_comes_back(make: Make, form: Form) -> None:
    with memcached_server() as server:
        verbs = form(make(server.provider_config))
        record = stored(verbs)
        server.stop()
        began = time.monotonic()
        for _ in range(5):
            for verb in VERBS.values():
                with pytest.raises(Unavailable) as caught:
                    verb(verbs, record)
                assert isinstance(caught.value.__cause__, ConnectionError)
            with pytest.raises(Unavailable):
                verbs.active()
        assert time.monotonic() - began < 5
        server.start()
        assert verbs.read(SID) is None
        stored(verbs)


@each_verb
def test_a_silent_server_is_unavailable_in_the_time_that_the_configuration_says(
    make: Make, form: Form, verb: Callable[[Verbs, Record], Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        verbs = form(make({"save_path": f"127.0.0.1:{silent.getsockname()[1]}", "timeout": 0.2}))
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            verb(verbs, Record(b"data", b"1", SID))
        # A rotation tries to take back what it may have begun.
        assert 0.1 < time.monotonic() - began < 3
    assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.slow
def test_a_silent_server_costs_less_than_ten_seconds_where_nothing_is_configured(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = make(f"127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Unavailable):
            provider.read(SID)
        assert time.monotonic() - began < 10


def test_a_name_that_does_not_exist_is_unavailable(make: Make, form: Form) -> None:
    with pytest.raises(Unavailable):
        form(make("no-such-host.invalid:11211")).read(SID)


# Servers that say something else -----------------------------------------------------------------------------


@contextmanager
def answering(reply: bytes, *, then_close: bool = False) -> Iterator[str]:
    """Answer each request with the same bytes; give the address."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            while client.recv(65536):
                client.sendall(reply)
                if then_close:
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        # Closing alone would leave the thread in accept().
        listener.shutdown(socket.SHUT_RDWR)


SECRET = "of-the-visitor"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request: " + SECRET.encode() + b"\r\n",
        b"VALUE " + SECRET.encode() + b" 0 1 1\r\n1\r\nEND\r\n",
        b"VALUE " + SECRET.encode() + b" zero one\r\n",
        b"VA " + SECRET.encode() + b"\r\n",
        b"VA 999999999999999 c1 t50\r\n",
        b"VA 99999999999999999999 c1 t50\r\n",
        b"VA -1 c1 t50\r\n",
        b"\r\n",
    ],
    ids=["http", "another-key", "broken", "broken-meta", "too-long", "absurdly-long", "negative", "blank"],
)
@pytest.mark.parametrize("touch_interval", [0, 60], ids=["gets", "mg"])
def test_what_is_not_memcached_is_unavailable_and_no_error_shows_what_it_says(
    make: Make, form: Form, reply: bytes, touch_interval: int
) -> None:
    with answering(reply) as address:
        verbs = form(make({"save_path": address, "timeout": 0.3}, touch_interval=touch_interval))
        for verb in VERBS.values():
            with pytest.raises(Unavailable) as caught:
                verb(verbs, Record(SECRET.encode(), b"1", SID))
            assert caught.value.__cause__ is not None
            shown = "".join(traceback.format_exception(caught.value))
            assert SECRET not in shown
            assert SID not in shown


def test_the_words_of_the_server_are_told(make: Make, form: Form) -> None:
    with answering(b"SERVER_ERROR out of memory storing object\r\n") as address:
        with pytest.raises(Unavailable) as caught:
            form(make(address)).create(SID, b"data", HOUR)
        assert "out of memory" in "".join(traceback.format_exception(caught.value))


def test_an_interrupted_command_leaves_its_reply_to_nobody(
    make: Make, server: MemcachedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or the end of a worker's time, in the middle of a read."""
    verbs = Verbs(make({"save_path": server.provider_config, "pool_size": 1}), None)
    stored(verbs, b"mine")
    stored(verbs, b"another's", sid=NEW_SID)

    def interrupted(*arguments: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pymemcache.client.base._recv", interrupted)
        with pytest.raises(KeyboardInterrupt):
            verbs.read(SID)
    assert verbs.data(NEW_SID) == b"another's"
