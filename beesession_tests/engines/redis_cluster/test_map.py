"""Who has which key, by what a node says."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ClusterDownError

from beesession.beego.dsn import Address
from beesession.redis_cluster_client import Map

ASKED = Address("asked", 7000)
ONE, OTHER, REPLICA = Address("one", 7001), Address("other", 7002), Address("one", 7003)

# The slots of these keys are 3300, 15891 and (by what stands in the braces alone) 3300.
LOW, HIGH, TAGGED = b"b", b"a", b"shop{b}:a"


def reply(*ranges: tuple[int, int, list[tuple[Any, int]]]) -> list[Any]:
    """Return what CLUSTER SLOTS answers: of each node more than its address."""
    return [[first, last, *([host, port, b"id", []] for host, port in nodes)] for first, last, nodes in ranges]


def test_each_key_is_where_its_slot_is() -> None:
    found = Map.of(reply((0, 8191, [(b"one", 7001), (b"one", 7003)]), (8192, 16383, [(b"other", 7002)])), ASKED)
    assert [found.primary_of(key) for key in (LOW, HIGH, TAGGED)] == [ONE, OTHER, ONE]
    assert found.nodes == {ONE, OTHER, REPLICA}


@pytest.mark.parametrize("host", [b"", None])
def test_a_node_that_names_no_host_is_where_it_was_asked(host: bytes | None) -> None:
    found = Map.of(reply((0, 16383, [(host, 7001)])), ASKED)
    assert found.primary_of(LOW) == Address("asked", 7001)


def test_an_ipv6_address_is_an_address() -> None:
    found = Map.of(reply((0, 16383, [(b"::1", 7001)])), ASKED)
    assert str(found.primary_of(LOW)) == "[::1]:7001"


def test_a_slot_that_nobody_has_is_an_outage_of_its_keys_only() -> None:
    found = Map.of(reply((0, 8191, [(b"one", 7001)])), ASKED)
    assert found.primary_of(LOW) == ONE
    with pytest.raises(ClusterDownError):
        found.primary_of(HIGH)


def test_a_node_that_knows_of_no_slot_has_no_map() -> None:
    with pytest.raises(ClusterDownError):
        Map.of(reply(), ASKED)
