"""The system checks about memcached servers: each speaks up where it should, and is silent where all is well."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings

from beesession_tests.engines.memcache_engine.records import cache
from beesession_tests.servers import MemcachedServers, free_port, memcached_server

LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def messages(
    config: Any, *, server: bool = False, caches: dict[str, Any] | None = None, **keys: Any
) -> dict[str, CheckMessage]:
    """Return what the checks say of a site with this PROVIDER_CONFIG, by id; the checks of a live site aside.

    :param server: ask those that connect, too
    """
    with override_settings(
        SESSION_ENGINE="beesession.engines.memcache",
        BEESESSION={"PROVIDER_CONFIG": config, **keys},
        MIDDLEWARE=["beesession.middleware.SessionMiddleware"],
        CACHES={"default": LOCMEM, **(caches or {})},
        SESSION_COOKIE_SECURE=True,
    ):
        found = run_checks(
            tags=["beesession"], include_deployment_checks=server, databases=["default"] if server else []
        )
    return {str(message.id).removeprefix("beesession."): message for message in found}


def test_two_good_nodes_give_no_reason_to_speak(nodes: MemcachedServers) -> None:
    assert messages(nodes.provider_config, server=True, KEY_PREFIX="shop:") == {}


def test_without_server_checks_nothing_is_connected() -> None:
    assert messages(f"127.0.0.1:{free_port()}") == {}


@pytest.mark.parametrize(
    ("config", "keys"),
    [("", {}), ("h:port", {}), ('{"save_path": "h:1", "tsl": true}', {}), ("h:1", {"KEY_PREFIX": "a b"})],
)
def test_what_cannot_be_used_is_an_error(config: str, keys: dict[str, Any]) -> None:
    assert set(messages(config, **keys)) == {"E004"}


@pytest.mark.parametrize(
    ("caches", "keys"),
    [
        ({"pages": cache("other:1;localhost:11211")}, {}),
        ({"pages": cache(["127.0.0.1:11211"])}, {}),
        ({"pages": {**cache("127.0.0.1"), "BACKEND": "django.core.cache.backends.memcached.PyLibMCCache"}}, {}),
        ({"default": cache("127.0.0.1:11211"), "pages": LOCMEM}, {"ALIAS": "default", "PROVIDER_CONFIG": ""}),
    ],
    ids=["localhost", "list", "pylibmc", "default-is-the-alias"],
)
def test_a_cache_in_a_server_of_the_sessions_is_warned_of(caches: dict[str, Any], keys: dict[str, Any]) -> None:
    found = messages("127.0.0.1:11211;h:2", caches=caches, **keys)
    assert set(found) == {"W030"}
    assert "clear()" in found["W030"].msg


@pytest.mark.parametrize(
    "caches",
    [
        {"pages": cache("127.0.0.1:11212")},
        {"pages": cache("h:not-a-port")},
        {"pages": {**cache("127.0.0.1:11211"), "BACKEND": "django_redis.cache.RedisCache"}},
        {"beesession": cache("127.0.0.1:11211")},
    ],
    ids=["another-port", "broken", "redis", "that-of-the-sessions"],
)
def test_another_cache_is_not(caches: dict[str, Any]) -> None:
    assert messages("127.0.0.1:11211", caches=caches) == {}


def test_a_provider_string_beside_a_cache_that_leads_elsewhere_is_warned_of() -> None:
    caches = {"beesession": cache("127.0.0.1:11211;h:2")}
    assert set(messages("127.0.0.1:11211", caches=caches)) == {"W002"}
    assert messages("127.0.0.1:11211;h:2", caches=caches) == {}


def test_a_node_that_cannot_be_asked_is_told_by_its_place_in_the_list(nodes: MemcachedServers) -> None:
    found = messages(f"{nodes.addresses[0]};127.0.0.1:{free_port()}", server=True)
    assert set(found) == {"W031"}
    assert "Server 2" in found["W031"].msg
    assert "ConnectionRefusedError" in found["W031"].msg


def test_a_server_that_has_dropped_items_is_warned_of() -> None:
    with memcached_server("-m", "2", "-I", "512k") as server:
        for number in range(40):
            server.admin.set(f"{number}", b"x" * 400_000, expire=1000)
        assert set(messages(server.provider_config, server=True)) == {"W032"}


def test_a_server_without_cas_is_warned_of() -> None:
    with memcached_server("-C") as server:
        assert set(messages(server.provider_config, server=True)) == {"W033"}
