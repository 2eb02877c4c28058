"""What the system checks say of a site whose sessions are in Redis, by whichever way, or in LedisDB."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from beesession_tests.engines.redis_engine.records import cache
from beesession_tests.servers import Servers, free_port

FACTORY = {"CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory", "SENTINELS": [("127.0.0.1", 26379)]}
ENTRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "redis": ("redis://127.0.0.1:6379/1", {}),
    "redis_sentinel": ("redis://mymaster/1", FACTORY),
    "redis_cluster": ("redis://127.0.0.1:7000/0", {}),
    "ledis": ("redis://127.0.0.1:6380/1", {}),
}
"""Of each engine an entry that suits it: LOCATION and OPTIONS."""

each_engine = pytest.mark.parametrize("engine", ENTRIES)


def told(engine: str, caches: dict[str, Any], *, server: bool = False, **options: Any) -> list[str]:
    """Return what is told of the store of the sessions; what is told of anything else is left out."""
    changes = {
        "SESSION_ENGINE": f"beesession.engines.{engine}",
        "BEESESSION": {"KEY_PREFIX": "session:", **options},
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}, **caches},
    }
    with override_settings(**changes):
        databases = ["default"] if server else []
        found = run_checks(tags=["beesession"], include_deployment_checks=server, databases=databases)
    of_the_store = {"E004", "W002", "W013", "W014", "W015", "W017", "W018"}
    return [number for each in found if (number := str(each.id).removeprefix("beesession.")) in of_the_store]


def entry(engine: str, **options: Any) -> dict[str, Any]:
    location, needed = ENTRIES[engine]
    return cache(location, **needed, **options)


@each_engine
def test_an_entry_of_the_sessions_own_has_nothing_to_be_told(engine: str) -> None:
    assert told(engine, {"beesession": entry(engine)}) == []


@each_engine
def test_a_cache_at_the_same_place_is_told(engine: str) -> None:
    assert told(engine, {"beesession": entry(engine), "pages": entry(engine)}) == ["W013"]


def test_a_cache_on_another_listed_node_of_the_cluster_is_told() -> None:
    nodes = cache(["redis://127.0.0.1:7000", "redis://127.0.0.1:7001"])
    assert told("redis_cluster", {"beesession": nodes, "pages": cache("redis://localhost:7001/0")}) == ["W013"]
    assert told("redis_cluster", {"beesession": nodes, "pages": cache("redis://localhost:7002/0")}) == []


def test_a_cache_on_another_master_of_the_same_name_is_none_at_the_same_place() -> None:
    other = cache("redis://mymaster/1", **{**FACTORY, "SENTINELS": [("127.0.0.1", 26380)]})
    assert told("redis_sentinel", {"beesession": entry("redis_sentinel"), "pages": other}) == []


@each_engine
def test_replies_as_text_are_told(engine: str) -> None:
    changed = entry(engine, CONNECTION_POOL_KWARGS={"decode_responses": True})
    assert told(engine, {"mine": changed}, ALIAS="mine") == ["W017"]


@each_engine
def test_replicas_are_told_where_a_list_means_that(engine: str) -> None:
    location, options = ENTRIES[engine]
    listed = cache([location, location.replace("7000", "7001")], **options)
    assert told(engine, {"mine": listed}, ALIAS="mine") == ([] if engine == "redis_cluster" else ["W018"])


@pytest.mark.parametrize(
    ("engine", "same", "other"),
    [
        ("redis", "127.0.0.1:6379,,,1", "127.0.0.1:6379,,,2"),
        ("redis_sentinel", "127.0.0.1:26379,,,1", "127.0.0.1:26379,,,1,other"),
        ("redis_sentinel", "127.0.0.1:26380;127.0.0.1:26379,,,1", "127.0.0.1:26380,,,1"),
        ("redis_cluster", "127.0.0.1:7001;127.0.0.1:7000", "127.0.0.1:7001"),
        ("ledis", "127.0.0.1:6380,1", "127.0.0.1:6380,2"),
    ],
)
def test_a_provider_string_that_leads_elsewhere_than_the_entry_is_told(engine: str, same: str, other: str) -> None:
    caches = {"beesession": entry(engine)}
    assert told(engine, caches, PROVIDER_CONFIG=same) == []
    assert told(engine, caches, PROVIDER_CONFIG=other) == ["W002"]


@each_engine
def test_an_entry_that_cannot_be_used_is_told(engine: str) -> None:
    assert told(engine, {"beesession": cache("http://127.0.0.1:1")}) == ["E004"]


def test_a_single_node_of_the_cluster_that_drops_sessions_is_told(servers: Servers) -> None:
    cluster = servers.redis_cluster
    config = {"PROVIDER_CONFIG": cluster.provider_config}
    assert told("redis_cluster", {}, server=True, **config) == []
    node = cluster.masters()[-1]
    node.admin.config_set("maxmemory", "64mb")
    node.admin.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert told("redis_cluster", {}, server=True, **config) == ["W014"]
    finally:
        node.admin.config_set("maxmemory-policy", "noeviction")
        node.admin.config_set("maxmemory", 0)


def test_the_master_that_sentinels_name_is_asked(servers: Servers) -> None:
    config = {"PROVIDER_CONFIG": servers.redis_sentinel.provider_config}
    assert told("redis_sentinel", {}, server=True, **config) == []


@pytest.mark.parametrize("engine", ["redis_sentinel", "redis_cluster"])
def test_servers_that_cannot_be_asked_are_told(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beesession.engines.redis.PATIENCE", 0)
    assert told(engine, {}, server=True, PROVIDER_CONFIG=f"127.0.0.1:{free_port()}") == ["W015"]
