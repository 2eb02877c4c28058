"""Scripts on a LedisDB server: they answer without a word, are found again, and leave nothing behind."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import redis

from beesession.engines.ledis import LedisProvider
from beesession.provider import Conflict, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.ledis_engine.records import (
    HOUR,
    NEW_SID,
    SID,
    Form,
    on,
    stored,
)  # fmt: skip
from beesession_tests.engines.redis_engine.fixtures import providers_of
from beesession_tests.servers import ledis_server

LUA_STACK = 5120
"""How many values the stack of LedisDB's Lua holds."""


@pytest.mark.slow
def test_more_writes_than_the_servers_lua_stack_has_places_do_not_fill_it() -> None:
    with ledis_server() as server, providers_of(LedisProvider, server.provider_config) as make:
        provider = make()
        record = stored(Verbs(provider, None))
        for _ in range(LUA_STACK + 100):
            record = provider.touch(SID, record, HOUR)
        assert provider.swap(SID, record, b"after", HOUR).data == b"after"


@pytest.mark.parametrize("left", ["1", "'gone'", "{'ok'}", "{1, 2}", "{key = 1}"])
def test_what_others_scripts_have_left_on_the_stack_is_no_answer(verbs: Verbs, admin: Any, left: str) -> None:
    record = stored(verbs)
    with suppress(redis.ResponseError):  # what it says to a table that has names in it
        admin.execute_command("EVAL", f"return {left}", 0)
    record = verbs.swap(SID, record, b"mine", HOUR)
    with pytest.raises(Conflict):
        verbs.swap(SID, Record(b"older"), b"late", HOUR)
    assert verbs.data(SID) == b"mine"
    assert verbs.destroy(NEW_SID) is False


def test_a_server_that_refuses_writes_is_unavailable_and_its_scripts_stay_sound(form: Form) -> None:
    with ledis_server("-readonly") as server, on(server, form) as verbs:
        for _ in range(300):  # more than Lua has frames
            with pytest.raises(Unavailable) as caught:
                verbs.create(SID, b"data", HOUR)
        assert isinstance(caught.value.__cause__, redis.ResponseError)
        with pytest.raises(Unavailable):
            verbs.destroy(SID)
        assert verbs.read(SID) is None


@pytest.mark.slow
def test_a_server_that_has_forgotten_the_scripts_is_sent_them_again(form: Form) -> None:
    with ledis_server() as server, on(server, form) as verbs:
        record = verbs.swap(SID, stored(verbs), b"1", HOUR)
        server.restart()
        assert verbs.data(SID) == b"1", "LedisDB keeps what it has on the disk"
        verbs.swap(SID, record, b"2", HOUR)
        assert verbs.data(SID) == b"2"
