"""Beside a running beego: where the mark of an ended session lies, what it costs, and what an outage means for it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from beesession.engines.memcache import ITEM_HEADER
from beesession.exceptions import SessionTooLarge
from beesession.memcached import Crc32Modulo
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.memcache_engine.log import commands
from beesession_tests.engines.memcache_engine.network import proxied
from beesession_tests.engines.memcache_engine.records import HOUR, Form, Make
from beesession_tests.engines.memcache_engine.records import stored as stored_under
from beesession_tests.engines.memcache_engine.test_outages import SECRET, answering
from beesession_tests.faults import Proxy
from beesession_tests.servers import MemcachedServer, MemcachedServers, memcached_server, memcached_servers

DAY = 24 * HOUR


def mark_of(sid: str) -> str:
    return f"{sid}:r"


def chosen(key: str, addresses: list[str]) -> str:
    """Return the node of a key, of several."""
    hasher = Crc32Modulo()
    for address in addresses:
        hasher.add_node(address)
    return hasher.get_node(key)


# Of two nodes one has their records, and the other their marks.
SID, NEW_SID, *_ = (
    sid
    for sid in (f"{number:032x}" for number in range(100))
    if chosen(sid, ["1", "2"]) != chosen(mark_of(sid), ["1", "2"])
)


def stored(verbs: Verbs, data: bytes = b"data") -> Record:
    return stored_under(verbs, data, SID)


VERBS: dict[str, Callable[[Verbs, Record], Any]] = {
    "read": lambda verbs, record: verbs.read(SID),
    "create": lambda verbs, record: verbs.create(NEW_SID, b"data", HOUR),
    "swap": lambda verbs, record: verbs.swap(SID, record, b"new", HOUR),
    "swap with no lifetime": lambda verbs, record: verbs.swap(SID, record, b"", 0),
    "touch": lambda verbs, record: verbs.touch(SID, record, HOUR),
    "touch with no lifetime": lambda verbs, record: verbs.touch(SID, record, 0),
    "regenerate": lambda verbs, record: verbs.regenerate(SID, NEW_SID, record, b"new", HOUR),
    "destroy": lambda verbs, record: verbs.destroy(SID),
}
SENT = {
    "read": ["gets", "get"],
    "create": ["get", "add"],
    "swap": ["cas"],
    "swap with no lifetime": ["cas", "set"],
    "touch": ["touch", "get"],
    "touch with no lifetime": ["get", "set", "touch"],
    "regenerate": ["get", "add", "cas", "set"],
    "destroy": ["set", "delete"],
}
TRIPS = {
    "read": (1, 2),
    "create": (1, 2),
    "swap": (1, 1),
    "swap with no lifetime": (2, 3),
    "touch": (1, 2),
    "touch with no lifetime": (1, 2),
    "regenerate": (3, 5),
    "destroy": (1, 2),
}
"""Round trips of each verb, where record and mark lie on one node, and where they do not."""

each_verb = pytest.mark.parametrize("name", VERBS)


@pytest.fixture
def verbs(make: Make, form: Form, server: MemcachedServer) -> Verbs:
    return form(make(server.provider_config, codec="gob"))


# Where it lies, and for how long -----------------------------------------------------------------------------


def test_a_mark_lies_where_any_client_of_beegos_kind_looks_for_its_key(
    make: Make, form: Form, nodes: MemcachedServers
) -> None:
    verbs = form(make(codec="gob"))
    sids = [f"{number:032x}" for number in range(20)]
    for sid in sids:
        verbs.destroy(sid)
    places = [nodes.node_of(mark_of(sid)) for sid in sids]
    assert [place.address for place in places] == [chosen(mark_of(sid), nodes.addresses) for sid in sids]
    assert {place.address for place in places} == set(nodes.addresses)
    assert {place.admin.get(mark_of(sid)) for place, sid in zip(places, sids, strict=True)} == {b"1"}


def test_a_mark_of_more_than_a_month_is_kept_as_long_as_it_should(
    make: Make, form: Form, server: MemcachedServer
) -> None:
    form(make(server.provider_config, codec="gob", lifetime=20 * DAY)).destroy(SID)
    reply = server.admin.raw_command(f"mg {mark_of(SID)} f t").split()
    assert reply[:2] == [b"HD", b"f0"]
    assert int(reply[2].removeprefix(b"t")) == pytest.approx(40 * DAY, abs=3)


# What it costs -----------------------------------------------------------------------------------------------


@each_verb
def test_on_one_node_the_mark_costs_no_round_trip_but_where_it_must_come_last(
    make: Make, form: Form, server: MemcachedServer, proxy: Proxy, name: str
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}", codec="gob"))
    record = stored(verbs)
    proxy.commands.clear()
    with commands(server) as seen:
        VERBS[name](verbs, record)
    assert seen == SENT[name]
    assert len(proxy.commands) == TRIPS[name][0]


@pytest.fixture
def apart(make: Make, form: Form, nodes: MemcachedServers) -> Iterator[tuple[Verbs, list[Proxy]]]:
    """A provider that reaches each of two nodes through a proxy, and these."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(proxied(node)) for node in nodes.nodes]
        config = ";".join(f"{proxy.host}:{proxy.port}" for proxy in proxies)
        yield form(make(config, codec="gob")), proxies


@each_verb
def test_on_two_nodes_it_costs_one_more_or_two_but_in_a_swap(apart: tuple[Verbs, list[Proxy]], name: str) -> None:
    verbs, proxies = apart
    record = stored(verbs)
    for proxy in proxies:
        proxy.commands.clear()
    VERBS[name](verbs, record)
    assert sum(len(proxy.commands) for proxy in proxies) == TRIPS[name][1]


def test_the_time_left_is_told_in_the_same_round_trip(
    make: Make, form: Form, server: MemcachedServer, proxy: Proxy
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}", codec="gob", touch_interval=60))
    verbs.create(SID, b"\r\nEN\r\n", 50)
    proxy.commands.clear()
    with commands(server) as seen:
        record = verbs.read(SID)
    assert (seen, len(proxy.commands)) == (["mg", "get"], 1)
    assert record is not None
    assert record.data == b"\r\nEN\r\n"
    assert record.remaining == pytest.approx(50, abs=2)
    assert verbs.swap(SID, record, b"new", HOUR).data == b"new"


# What is told of it ------------------------------------------------------------------------------------------


def test_a_swap_that_loses_looks_once_and_tells_what_it_found(verbs: Verbs, server: MemcachedServer) -> None:
    record = stored(verbs)
    server.admin.set(SID, b"beego's")
    with commands(server) as seen, pytest.raises(Conflict) as caught:
        verbs.swap(SID, record, b"mine", HOUR)
    assert seen == ["cas", "gets", "get"]
    assert caught.value.record == verbs.read(SID)


def test_a_swap_of_what_beego_has_revived_removes_it(verbs: Verbs, server: MemcachedServer) -> None:
    record = stored(verbs)
    verbs.destroy(SID)
    server.admin.set(SID, record.data)
    with commands(server) as seen, pytest.raises(Gone):
        verbs.swap(SID, record, b"mine", HOUR)
    assert seen == ["cas", "gets", "get", "set", "delete"]
    assert server.admin.get(SID) is None


def test_a_rotation_that_comes_too_late_does_not_revoke_the_id_that_nobody_was_told(
    verbs: Verbs, server: MemcachedServer
) -> None:
    record = stored(verbs)
    server.admin.set(SID, b"beego's")
    with pytest.raises(Conflict):
        verbs.regenerate(SID, NEW_SID, record, b"mine", HOUR)
    assert server.admin.get_many([NEW_SID, mark_of(NEW_SID), mark_of(SID)]) == {}


def test_what_beego_has_revived_counts_until_it_is_asked_for_and_the_count_says_so(
    verbs: Verbs, server: MemcachedServer
) -> None:
    verbs.destroy(SID)
    server.admin.set(SID, b"late")
    count = verbs.active()
    assert count.number == 1
    assert "after the end of a session" in count.how
    verbs.read(SID)
    assert verbs.active().number == 0


def test_a_server_of_smaller_items_refuses_what_it_cannot_hold_and_nothing_is_lost(make: Make, form: Form) -> None:
    with memcached_server("-I", "512k") as server:
        verbs = form(make(server.provider_config, codec="gob"))
        record = stored(verbs, b"before")
        for name in ("create", "swap", "regenerate"):
            with pytest.raises(SessionTooLarge) as caught:
                WITH_DATA[name](verbs, record, b"x" * 600_000)
            assert (caught.value.size, caught.value.limit) == (600_000, 512 * 1024 - ITEM_HEADER)
        assert verbs.data(SID) == b"before"
        assert verbs.read(NEW_SID) is None


WITH_DATA: dict[str, Callable[[Verbs, Record, bytes], Any]] = {
    "create": lambda verbs, record, data: verbs.create(NEW_SID, data, HOUR),
    "swap": lambda verbs, record, data: verbs.swap(SID, record, data, HOUR),
    "regenerate": lambda verbs, record, data: verbs.regenerate(SID, NEW_SID, record, data, HOUR),
}


# Outages -----------------------------------------------------------------------------------------------------


@pytest.fixture
def own_nodes() -> Iterator[MemcachedServers]:
    """Two nodes that a test may stop."""
    with memcached_servers() as nodes:
        yield nodes


def test_where_the_mark_cannot_be_left_the_record_is_not_removed_either(
    make: Make, form: Form, own_nodes: MemcachedServers
) -> None:
    """Or beego could bring it back, and nobody would know. Nor is it read: it might be revoked."""
    verbs = form(make(own_nodes.provider_config, codec="gob"))
    stored(verbs)
    node = own_nodes.node_of(SID)
    (others,) = [other for other in own_nodes.nodes if other is not node]
    others.stop()
    for verb in (verbs.destroy, verbs.read):
        with pytest.raises(Unavailable):
            verb(SID)
    assert node.admin.get(SID) == b"data"
    others.start()
    assert verbs.destroy(SID) is True


def test_where_the_mark_cannot_be_left_no_rotation_ends_the_session(
    make: Make, form: Form, own_nodes: MemcachedServers
) -> None:
    verbs = form(make(own_nodes.provider_config, codec="gob"))
    record = stored(verbs)
    node = own_nodes.node_of(SID)
    new_sid = next(
        sid
        for sid in (f"{number:032x}" for number in range(100, 200))
        if {chosen(key, own_nodes.addresses) for key in (sid, mark_of(sid))} == {node.address}
    )
    (others,) = [other for other in own_nodes.nodes if other is not node]
    others.stop()
    for end in (
        lambda: verbs.regenerate(SID, new_sid, record, b"moved", HOUR),
        lambda: verbs.swap(SID, record, b"", 0),
    ):
        with pytest.raises(Unavailable):
            end()
    assert node.admin.get(SID) == b"data"
    assert node.admin.get(new_sid) is None
    others.start()


def test_a_rotation_does_not_move_what_is_marked_on_another_node(
    make: Make, form: Form, own_nodes: MemcachedServers
) -> None:
    verbs = form(make(own_nodes.provider_config, codec="gob"))
    record = verbs.read(stored(verbs).sid)
    assert record is not None
    (other,) = [node for node in own_nodes.nodes if node is not own_nodes.node_of(SID)]
    other.admin.set(mark_of(SID), b"1")
    with pytest.raises(Gone):
        verbs.regenerate(SID, NEW_SID, record, b"moved", HOUR)
    assert [node.admin.get(sid) for node in own_nodes.nodes for sid in (SID, NEW_SID)] == [None] * 4


@pytest.mark.parametrize("lost", ["cas", "set"])
@pytest.mark.parametrize("name", ["regenerate", "swap with no lifetime"])
def test_an_end_of_which_a_reply_was_lost_leaves_its_mark(
    make: Make, form: Form, server: MemcachedServer, proxy: Proxy, name: str, lost: str
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}", codec="gob"))
    stored(verbs)
    record = verbs.read(SID)
    assert record is not None
    proxy.lose_reply(lost)
    with ExitStack() as stack:
        if lost == "cas":  # a set is sent once more
            stack.enter_context(pytest.raises(Unavailable))
        VERBS[name](verbs, record)
    assert server.admin.get_many([SID, mark_of(SID)]) == {mark_of(SID): b"1"}


def test_what_was_read_or_ended_over_a_broken_connection_is_tried_once_more(
    make: Make, form: Form, proxy: Proxy
) -> None:
    verbs = form(make(f"{proxy.host}:{proxy.port}", codec="gob"))
    stored(verbs)
    proxy.lose_reply()
    assert verbs.data(SID) == b"data"
    proxy.lose_reply()
    verbs.destroy(SID)
    assert verbs.read(SID) is None
    proxy.lose_reply()
    with pytest.raises(Unavailable):
        verbs.create(NEW_SID, b"new", HOUR)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request: " + SECRET.encode() + b"\r\n",
        b"VALUE " + SECRET.encode() + b" 0 1 1\r\n1\r\nEND\r\n",
        b"VALUE " + SID.encode() + b" 0 1 1\r\n1\r\n" + SECRET.encode() + b"\r\n",
        b"VALUE " + SECRET.encode() + b" zero one\r\n",
        b"VA " + SECRET.encode() + b"\r\n",
        b"VA 99999999999999999999 c1 t50\r\n",
        b"\r\n",
    ],
    ids=["http", "another-key", "no-end", "broken", "broken-meta", "absurdly-long", "blank"],
)
@pytest.mark.parametrize("touch_interval", [0, 60], ids=["gets", "mg"])
def test_what_is_not_memcached_is_unavailable_and_no_error_shows_what_it_says(
    make: Make, reply: bytes, touch_interval: int
) -> None:
    with answering(reply) as address:
        config = {"save_path": address, "timeout": 0.3}
        verbs = Verbs(make(config, touch_interval=touch_interval, codec="gob"), None)
        for verb in VERBS.values():
            with pytest.raises(Unavailable) as caught:
                verb(verbs, Record(SECRET.encode(), b"1", SID))
            shown = "".join(traceback.format_exception(caught.value))
            assert SECRET not in shown
            assert SID not in shown
