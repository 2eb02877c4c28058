"""Several nodes: which of them holds a session, what an outage of one means, and how all of them are counted."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from beesession.engines import memcache as memcache_engine
from beesession.memcached import Connection, Crc32Modulo
from beesession.provider import Gone, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.memcache_engine.records import HOUR, NEW_SID, SID, Form, Make, stored
from beesession_tests.servers import MemcachedServer, MemcachedServers, memcached_server, memcached_servers

SIDS = [f"{number:032x}" for number in range(200)]


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ("1", "111111111111"),
        ("12", "112122121112"),
        ("123", "113221111121"),
        ("12345", "241354312153"),
        ("121", "111221111121"),
    ],
)
def test_the_node_of_a_key_is_the_one_that_the_client_of_beego_chooses(nodes: str, chosen: str) -> None:
    """What the Go client that beego uses was seen to choose for twelve ids, of the nodes "1", "2", and so on."""
    hasher = Crc32Modulo()
    for node in nodes:
        hasher.add_node(node)
    assert "".join(hasher.get_node(f"{number * number * 7919:032x}") for number in range(12)) == chosen


def test_sessions_lie_on_both_nodes_in_the_order_of_the_configuration(make: Make, nodes: MemcachedServers) -> None:
    verbs = Verbs(make(), None)
    hasher = Crc32Modulo()
    for address in nodes.addresses:
        hasher.add_node(address)
    for sid in SIDS:
        stored(verbs, sid=sid)
    places = [nodes.node_of(sid).address for sid in SIDS]
    assert places == [hasher.get_node(sid) for sid in SIDS]
    assert set(places) == set(nodes.addresses)


def test_a_node_that_is_listed_twice_is_connected_once_and_counted_once(make: Make, nodes: MemcachedServers) -> None:
    provider = make(";".join([*nodes.addresses, nodes.addresses[0]]))
    for sid in SIDS:
        assert provider.create(sid, b"data", HOUR) is not None
    assert provider.active().number == len(SIDS)


# A dead node -------------------------------------------------------------------------------------------------


@pytest.fixture
def own_nodes() -> Iterator[MemcachedServers]:
    """Two nodes that a test may stop."""
    with memcached_servers() as nodes:
        yield nodes


def of_each(nodes: MemcachedServers, verbs: Verbs) -> list[tuple[Record, MemcachedServer]]:
    """Store a record on each node; return them with their nodes, in the order of these."""
    found: dict[str, tuple[Record, MemcachedServer]] = {}
    for sid in SIDS:
        record = stored(verbs, sid=sid)
        found.setdefault(nodes.node_of(sid).address, (record, nodes.node_of(sid)))
        if len(found) == len(nodes.nodes):
            return [found[address] for address in nodes.addresses]
    raise LookupError("all ids lie on one node")


def test_a_dead_node_is_unavailable_for_its_keys_for_ever_and_the_other_one_works(
    make: Make, form: Form, own_nodes: MemcachedServers
) -> None:
    verbs = form(make(own_nodes.provider_config))
    (lost, dead), (kept, _) = of_each(own_nodes, verbs)
    dead.stop()
    for _ in range(10):
        for verb in (
            lambda: verbs.read(lost.sid),
            lambda: verbs.create(lost.sid, b"", HOUR),
            lambda: verbs.swap(lost.sid, lost, b"", HOUR),
            lambda: verbs.touch(lost.sid, lost, HOUR),
            lambda: verbs.regenerate(lost.sid, NEW_SID, lost, b"", HOUR),
            lambda: verbs.destroy(lost.sid),
            verbs.active,
        ):
            with pytest.raises(Unavailable) as caught:
                verb()
            assert isinstance(caught.value.__cause__ or caught.value.__context__, OSError)
        kept = verbs.touch(kept.sid, verbs.swap(kept.sid, kept, b"data", HOUR), HOUR)
    dead.start()
    assert verbs.read(lost.sid) is None
    assert verbs.data(kept.sid) == b"data"


def test_a_rotation_from_a_node_that_is_dead_leaves_no_second_session(
    make: Make, form: Form, own_nodes: MemcachedServers
) -> None:
    verbs = form(make(own_nodes.provider_config))
    (old, dead), (free, living) = of_each(own_nodes, verbs)
    verbs.destroy(free.sid)
    dead.stop()
    with pytest.raises(Unavailable):
        verbs.regenerate(old.sid, free.sid, old, b"new", HOUR)
    assert living.admin.get(free.sid) is None


def test_a_rotation_to_a_node_that_is_dead_leaves_the_old_session_as_it_is(
    make: Make, form: Form, own_nodes: MemcachedServers
) -> None:
    verbs = form(make(own_nodes.provider_config))
    (free, dead), (old, _) = of_each(own_nodes, verbs)
    dead.stop()
    with pytest.raises(Unavailable):
        verbs.regenerate(old.sid, free.sid, old, b"new", HOUR)
    assert verbs.data(old.sid) == b"data"


# Counting ----------------------------------------------------------------------------------------------------


def fill(nodes: MemcachedServers, sessions: int) -> None:
    """Store so many sessions, half of them on each node."""
    for number in range(sessions):
        client = nodes.nodes[number % 2].admin
        client.set(f"{number:032x}", b"data", expire=HOUR, noreply=True)
    for node in nodes.nodes:
        node.admin.get("last")  # it is answered after all that nobody waited for


def test_twenty_thousand_sessions_on_two_nodes_are_counted_exactly(make: Make, nodes: MemcachedServers) -> None:
    fill(nodes, 20_000)
    count = make().active()
    assert count.number == 20_000
    assert "lru_crawler metadump" in count.how


@pytest.mark.slow
def test_a_hundred_thousand_sessions_are_counted_in_little_memory(make: Make, nodes: MemcachedServers) -> None:
    fill(nodes, 100_000)
    provider = make()
    provider.active()
    tracemalloc.start()
    try:
        assert provider.active().number == 100_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    nodes.flush()


def test_sessions_are_counted_by_their_form_behind_the_prefix(make: Make, nodes: MemcachedServers) -> None:
    prefix = "a%b/[c]:"
    verbs = Verbs(make(key_prefix=prefix), None)
    stored(verbs)
    stored(verbs, sid=NEW_SID)
    for foreign in (SID, "a" + SID, prefix + "not/an/id", prefix, prefix + SID + "%", prefix.upper() + SID, "other"):
        nodes.nodes[0].admin.set(foreign, b"data")
    count = verbs.active()
    assert count.number == 2
    assert "KEY_PREFIX" in count.how
    assert "counted as well" not in count.how


def test_without_a_prefix_it_says_what_else_it_may_have_counted(make: Make, nodes: MemcachedServers) -> None:
    verbs = Verbs(make(), None)
    stored(verbs)
    nodes.nodes[1].admin.set("a" * 40, b"looks like a session, and stays for ever")
    nodes.nodes[1].admin.set("of-another-program", b"data")
    count = verbs.active()
    assert count.number == 2
    assert "without KEY_PREFIX" in count.how


def test_hashed_keys_are_counted_although_the_ids_have_a_prefix(make: Make, nodes: MemcachedServers) -> None:
    provider = make(hash_keys=True, id_prefix="site-")
    nodes.nodes[0].admin.set("f" * 64, b"data")
    nodes.nodes[1].admin.set("site-" + SID, b"no hash")
    assert provider.active().number == 1


@pytest.mark.parametrize("lifetime", [0, -1], ids=str)
def test_what_was_ended_by_a_lifetime_that_is_over_is_not_counted(
    make: Make, nodes: MemcachedServers, lifetime: int
) -> None:
    verbs = Verbs(make(), None)
    verbs.swap(SID, stored(verbs), b"last words", lifetime)
    verbs.touch(NEW_SID, stored(verbs, sid=NEW_SID), lifetime)
    assert verbs.active().number == 0
    with pytest.raises(Gone):
        verbs.touch(NEW_SID, Record(b""), HOUR)


def test_a_server_that_lists_no_items_is_told_of_plainly(make: Make, form: Form) -> None:
    with memcached_server("-o", "no_lru_crawler") as server:
        verbs = form(make(server.provider_config))
        stored(verbs)
        count = verbs.active()
        assert count.number is None
        assert "lru crawler disabled" in count.how
        assert verbs.data(SID) == b"data"


def test_while_somebody_else_counts_it_waits_for_its_turn(make: Make, nodes: MemcachedServers) -> None:
    fill(nodes, 20_000)
    provider = make()
    counted: list[int | None] = []
    threads = [threading.Thread(target=lambda: counted.append(provider.active().number)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == [20_000] * 4


def test_a_server_that_goes_on_listing_for_somebody_else_is_told_of(
    make: Make, nodes: MemcachedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memcache_engine, "PATIENCE", 0.2)
    # Many enough for the sockets' buffers to overflow, with a crawler that sleeps after each, and a slow reader.
    with memcached_server("-o", "lru_crawler_tocrawl=0", "-t", "2") as server:
        for number in range(3000):
            server.admin.set(f"{number:032x}", b"data", noreply=True)
        assert server.admin.raw_command("lru_crawler sleep 10000") == b"OK"
        other = Connection((server.host, server.port), None, timeout=5)
        items = other.items()
        next(items)
        began = time.monotonic()
        count = make(server.provider_config).active()
        items.close()
    assert count.number is None
    assert "BUSY" in count.how
    assert time.monotonic() - began < 5
