"""What the memcache engine stores, what it sends for that, and for how long it is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from beesession.engines.memcache import ITEM_HEADER, MemcacheProvider
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import ProviderContract, Verbs
from beesession_tests.engines.memcache_engine.log import commands
from beesession_tests.engines.memcache_engine.records import HOUR, NEW_SID, PREFIX, SID, Form, Make, stored
from beesession_tests.servers import MemcachedServer, memcached_server

DAY = 24 * HOUR

WRITES: list[Callable[[Verbs, Record, bytes], Any]] = [
    lambda verbs, record, data: verbs.create(NEW_SID, data, HOUR),
    lambda verbs, record, data: verbs.swap(SID, record, data, HOUR),
    lambda verbs, record, data: verbs.regenerate(SID, NEW_SID, record, data, HOUR),
]


class TestItKeepsTheContractOnOneServerWhenItTellsTheTimeLeft(ProviderContract):
    @pytest.fixture
    def provider(self, make: Make, server: MemcachedServer) -> MemcacheProvider:
        return make(server.provider_config, touch_interval=60, key_prefix=PREFIX)


@pytest.fixture
def provider(make: Make, server: MemcachedServer) -> MemcacheProvider:
    return make(server.provider_config)


@pytest.fixture
def verbs(form: Form, provider: MemcacheProvider) -> Verbs:
    return form(provider)


def ttl(server: MemcachedServer, sid: str = SID) -> int:
    """Return the seconds that the server keeps an item for, as it says itself."""
    reply = server.admin.raw_command(f"mg {sid} t").split()
    assert reply[0] == b"HD"
    return int(reply[1].removeprefix(b"t"))


@pytest.mark.parametrize("prefix", ["", PREFIX])
@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\nEND\r\n"], ids=["empty", "line-ends"])
def test_a_record_is_an_item_of_just_these_bytes_under_prefix_and_id(
    make: Make, form: Form, server: MemcachedServer, prefix: str, data: bytes
) -> None:
    stored(form(make(server.provider_config, key_prefix=prefix)), data)
    flags_and_value = server.admin.raw_command(f"mg {prefix}{SID} f v", end_tokens=b"\r\n" + data + b"\r\n")
    assert flags_and_value == b"VA %d f0" % len(data)


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        (lambda verbs, record: verbs.read(SID), ["gets"]),
        (lambda verbs, record: verbs.create(NEW_SID, b"data", HOUR), ["add"]),
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), ["cas"]),
        (lambda verbs, record: verbs.touch(SID, record, HOUR), ["touch"]),
        (lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR), ["add", "cas"]),
        (lambda verbs, record: verbs.destroy(SID), ["delete"]),
    ],
    ids=["read", "create", "swap", "touch", "regenerate", "destroy"],
)
def test_each_verb_is_one_command_and_a_rotation_two(
    verbs: Verbs, server: MemcachedServer, verb: Callable[[Verbs, Record], Any], sent: list[str]
) -> None:
    record = stored(verbs)
    with commands(server) as seen:
        verb(verbs, record)
    assert seen == sent


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        (lambda verbs, record: verbs.swap(SID, record, b"new", HOUR), ["gets", "cas"]),
        (lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR), ["gets", "add", "cas"]),
    ],
    ids=["swap", "regenerate"],
)
def test_a_write_of_what_was_just_written_looks_first(
    verbs: Verbs, server: MemcachedServer, verb: Callable[[Verbs, Record], Any], sent: list[str]
) -> None:
    written = verbs.swap(SID, stored(verbs), b"written", HOUR)
    assert written.token is None
    with commands(server) as seen:
        verb(verbs, written)
    assert seen == sent


def test_a_look_that_finds_something_else_is_a_conflict_which_carries_it(verbs: Verbs) -> None:
    written = verbs.swap(SID, stored(verbs), b"mine", HOUR)
    theirs = verbs.read(SID)
    assert theirs is not None
    verbs.swap(SID, theirs, b"theirs", HOUR)
    for write in WRITES[1:]:
        with pytest.raises(Conflict) as caught:
            write(verbs, written, b"late")
        assert caught.value.record == verbs.read(SID)
    assert verbs.read(NEW_SID) is None


def test_a_look_that_finds_nothing_is_gone(verbs: Verbs) -> None:
    written = verbs.swap(SID, stored(verbs), b"mine", HOUR)
    verbs.destroy(SID)
    with pytest.raises(Gone):
        verbs.swap(SID, written, b"late", HOUR)
    with pytest.raises(Gone):
        verbs.regenerate(SID, NEW_SID, written, b"late", HOUR)
    assert verbs.read(NEW_SID) is None


def test_a_touch_leaves_the_token_of_the_record_valid(verbs: Verbs, server: MemcachedServer) -> None:
    touched = verbs.touch(SID, stored(verbs), 2 * HOUR)
    with commands(server) as seen:
        verbs.swap(SID, touched, b"new", HOUR)
    assert seen == ["cas"]
    assert verbs.data(SID) == b"new"


@pytest.mark.parametrize("change", ["swapped", "destroyed"])
def test_a_rotation_that_comes_too_late_takes_the_new_record_back(
    verbs: Verbs, server: MemcachedServer, change: str
) -> None:
    record = stored(verbs)
    if change == "swapped":
        verbs.swap(SID, record, b"theirs", HOUR)
    else:
        verbs.destroy(SID)
    with commands(server) as seen, pytest.raises(Conflict if change == "swapped" else Gone):
        verbs.regenerate(SID, NEW_SID, record, b"late", HOUR)
    assert seen == ["add", "cas", "delete"]
    assert verbs.read(NEW_SID) is None
    assert verbs.data(SID) == (b"theirs" if change == "swapped" else None)


def test_a_taken_id_is_taken_for_a_lifetime_of_zero_too(verbs: Verbs) -> None:
    stored(verbs, b"first")
    assert verbs.create(SID, b"second", 0) is None
    assert verbs.data(SID) == b"first"


# Lifetimes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifetime", [1, 100, 30 * DAY - 1, 30 * DAY, 31 * DAY, 365 * DAY], ids=str)
@pytest.mark.parametrize("write", ["create", "swap", "touch", "regenerate"])
def test_a_record_is_kept_for_its_lifetime_and_little_more(
    provider: MemcacheProvider, server: MemcachedServer, lifetime: int, write: str
) -> None:
    verbs = Verbs(provider, None)
    if write == "create":
        written = verbs.create(SID, b"data", lifetime)
    elif write == "swap":
        written = verbs.swap(SID, stored(verbs), b"new", lifetime)
    elif write == "touch":
        written = verbs.touch(SID, stored(verbs), lifetime)
    else:
        written = verbs.regenerate(SID, NEW_SID, stored(verbs), b"new", lifetime)
    assert written is not None
    assert written.remaining == lifetime
    # The server may have counted on since; and its clock, by which dates are read, is up to two seconds behind.
    assert lifetime - 1 <= ttl(server, written.sid) <= lifetime + 3


def test_a_lifetime_beyond_the_ceiling_is_cut_to_it(verbs: Verbs, server: MemcachedServer) -> None:
    ceiling = verbs.provider.capabilities.max_lifetime
    assert ceiling is not None
    record = verbs.create(SID, b"data", 100 * ceiling)
    assert record is not None
    assert record.remaining == ceiling
    assert ttl(server) == pytest.approx(min(ceiling, 2**31 - 1 - time.time()), abs=3)


def test_the_time_left_is_told_when_touch_interval_needs_it_and_costs_no_second_command(
    make: Make, form: Form, server: MemcachedServer
) -> None:
    verbs = form(make(server.provider_config, touch_interval=60))
    verbs.create(SID, b"\r\nEN\r\n", 50)
    with commands(server) as seen:
        record = verbs.read(SID)
    assert seen == ["mg"]
    assert record is not None
    assert record.data == b"\r\nEN\r\n"
    assert record.remaining == pytest.approx(50, abs=2)
    assert verbs.swap(SID, record, b"new", HOUR).data == b"new"


def test_a_record_that_beego_stored_for_ever_has_no_time_left_to_tell(
    make: Make, form: Form, server: MemcachedServer
) -> None:
    server.admin.set(SID, b"data")
    record = form(make(server.provider_config, touch_interval=60)).read(SID)
    assert record is not None
    assert (record.data, record.remaining) == (b"data", None)


# Sizes -------------------------------------------------------------------------------------------------------


def test_more_than_an_item_can_hold_is_refused_before_it_is_sent(verbs: Verbs, server: MemcachedServer) -> None:
    limit = 1024 * 1024 - ITEM_HEADER
    record = stored(verbs, b"x" * limit)
    with commands(server) as seen:
        for write in WRITES:
            with pytest.raises(SessionTooLarge) as caught:
                write(verbs, record, b"x" * (limit + 1))
            assert (caught.value.size, caught.value.limit) == (limit + 1, limit)
    assert seen == []
    assert verbs.data(SID) == b"x" * limit


def test_the_largest_record_fits_under_the_longest_key(make: Make, server: MemcachedServer) -> None:
    provider = make(server.provider_config, key_prefix="p" * 90, id_prefix="i" * 32, id_length=64)
    verbs = Verbs(provider, None)
    record = verbs.create("i" * 32 + "0" * 128, b"x" * (1024 * 1024 - ITEM_HEADER), HOUR)
    assert record is not None
    assert verbs.read(record.sid) is not None


def test_a_server_of_smaller_items_refuses_what_it_cannot_hold_and_nothing_is_lost(make: Make, form: Form) -> None:
    with memcached_server("-I", "512k") as server:
        verbs = form(make(server.provider_config))
        record = stored(verbs, b"before")
        for write in WRITES:
            with pytest.raises(SessionTooLarge) as caught:
                write(verbs, record, b"x" * 600_000)
            assert (caught.value.size, caught.value.limit) == (600_000, 512 * 1024 - ITEM_HEADER)
        assert verbs.data(SID) == b"before"
        assert verbs.read(NEW_SID) is None
        assert verbs.swap(SID, record, b"x" * (512 * 1024 - ITEM_HEADER), HOUR) is not None


def _fits(verbs: Verbs, sid: str) -> bool:
    try:
        verbs.create(sid, b"x" * 400_000, HOUR)
    except Unavailable:
        return False
    return True


def test_a_server_without_memory_is_unavailable_and_keeps_the_record_as_it_was(make: Make, form: Form) -> None:
    with memcached_server("-M", "-m", "2", "-I", "512k") as server:
        verbs = form(make(server.provider_config))
        record = stored(verbs, b"before")
        refused = [number for number in range(20) if not _fits(verbs, f"{number:032x}")]
        assert refused
        with pytest.raises(Unavailable) as caught:
            verbs.swap(SID, record, b"x" * 400_000, HOUR)
        assert b"out of memory" in caught.value.__cause__.args[0]  # type: ignore[union-attr]
        assert verbs.data(SID) == b"before"


def test_a_server_without_cas_is_refused_rather_than_trusted(make: Make, form: Form) -> None:
    with memcached_server("-C") as server:
        verbs = form(make(server.provider_config))
        record = verbs.create(SID, b"data", HOUR)
        assert record is not None
        with pytest.raises(Unavailable, match="without CAS"):
            verbs.read(SID)
        with pytest.raises(Unavailable, match="without CAS"):
            verbs.swap(SID, record, b"new", HOUR)
