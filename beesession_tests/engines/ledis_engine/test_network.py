"""A LedisDB server that is slow, silent, gone or cut off, and who holds which connection to it."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from beesession.provider import Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.ledis_engine.records import (
    HOUR,
    NEW_SID,
    SID,
    VERBS,
    Form,
    Make,
    cache,
    on,
    stored,
    teach_all_scripts,
)  # fmt: skip
from beesession_tests.engines.redis_engine.records import each_handled
from beesession_tests.faults import Proxy
from beesession_tests.servers import LedisServer, ledis_server
from beesession_tests.servers.base import eventually


@pytest.mark.parametrize("write", ["create", "swap", "regenerate"])
def test_a_write_whose_reply_is_lost_runs_once_and_is_unavailable(
    make: Make, form: Form, proxy: Proxy, admin: Any, write: str
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}"))
    teach_all_scripts(verbs)
    record = stored(verbs)
    proxy.commands.clear()
    proxy.lose_reply("EVALSHA")
    with pytest.raises(Unavailable) as caught:
        VERBS[write](verbs, record)
    assert isinstance(caught.value.__cause__, redis.ConnectionError)
    assert [each for each in proxy.commands if each.startswith("EVAL")] == ["EVALSHA"]
    assert b"new" in (admin.get(SID), admin.get(NEW_SID))


@each_handled
def test_a_write_whose_reply_is_lost_runs_once_whatever_error_its_caller_is_handling(
    make: Make, form: Form, proxy: Proxy, admin: Any, handled: Exception
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}"))
    teach_all_scripts(verbs)
    record = stored(verbs)
    proxy.commands.clear()
    proxy.lose_reply("EVALSHA")
    try:
        raise handled
    except Exception:
        with pytest.raises(Unavailable):
            verbs.swap(SID, record, b"new", HOUR)
    assert proxy.commands.count("EVALSHA") == 1
    assert admin.get(SID) == b"new"


@pytest.mark.parametrize(("verb", "sent"), [("read", "GET"), ("touch", "EVALSHA"), ("destroy", "EVALSHA")])
def test_read_touch_and_destroy_are_repeated_once(make: Make, form: Form, proxy: Proxy, verb: str, sent: str) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}"))
    teach_all_scripts(verbs)
    record = stored(verbs)
    proxy.commands.clear()
    proxy.lose_reply(sent)
    # A destroy that ran unheard finds the record gone at its repetition, which is as true.
    VERBS[verb](verbs, record)
    assert proxy.commands.count(sent) == 2


@pytest.mark.slow
def test_a_stopped_server_is_unavailable_and_comes_back_with_its_sessions(form: Form) -> None:
    with ledis_server() as server, on(server, form) as verbs:
        record = stored(verbs)
        server.stop()
        began = time.monotonic()
        for verb in (*VERBS.values(), lambda verbs, record: verbs.active()):
            with pytest.raises(Unavailable) as caught:
                verb(verbs, record)
            assert isinstance(caught.value.__cause__, redis.ConnectionError)
        assert time.monotonic() - began < 10
        server.start()
        assert verbs.data(SID) == b"data"


def test_a_silent_server_is_unavailable_in_the_time_that_the_alias_says(make: Make, form: Form) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        entry = cache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", SOCKET_TIMEOUT=0.2)
        with override_settings(CACHES={"sessions": entry}):
            verbs = form(make("", alias="sessions"))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            verbs.read(SID)
        assert 0.1 < time.monotonic() - began < 2


@pytest.mark.slow
def test_a_silent_server_costs_less_than_ten_seconds_by_default(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            make(f"127.0.0.1:{silent.getsockname()[1]}").read(SID)
        assert time.monotonic() - began < 10


def test_twenty_threads_share_the_connections_of_a_small_pool(make: Make, server: LedisServer) -> None:
    before = server.connections()
    pool = {"CONNECTION_POOL_KWARGS": {"max_connections": 3}}
    with override_settings(CACHES={"sessions": cache(f"redis://{server.host}:{server.port}/0", **pool)}):
        provider = make("", alias="sessions")
    stored(Verbs(provider, None))
    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(lambda _: provider.read(SID), range(400)))
    assert [record.data for record in found if record] == [b"data"] * 400
    assert server.connections() <= before + 3


def test_event_loops_leave_no_connection_behind(make: Make, server: LedisServer) -> None:
    provider, before = make(), server.connections()
    for _ in range(20):
        asyncio.run(provider.aread(SID))
    eventually(lambda: server.connections() <= before)


def test_no_error_shows_an_id_or_data(form: Form) -> None:
    data = b"of the visitor"
    with ledis_server("-readonly") as server, on(server, form) as verbs, pytest.raises(Unavailable) as caught:
        verbs.create(SID, data, HOUR)
    shown = "".join(traceback.format_exception(caught.value))
    assert SID not in shown
    assert data.decode() not in shown


@pytest.mark.parametrize("wrong", ["", "./data", "h:1,two", {"save_path": "h:1", "dbnum": 1}], ids=str)
def test_a_string_that_names_no_server_is_told_with_its_key(make: Make, wrong: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['PROVIDER_CONFIG'\].*ledis"):
        make(wrong)
