"""Rules about the Redis servers: how they are connected to, who else uses them, and whether they keep what they get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from django.core.cache import caches
from django.core.checks import CheckMessage

from beesession.beego import dsn
from beesession.checks.site import Site, warning
from beesession.provider import Unavailable

if TYPE_CHECKING:
    from beesession.engines.redis import RedisProvider

FAMILY = frozenset({"ledis", "redis", "redis_cluster", "redis_sentinel"})
"""The engines that these rules are about."""


def provider_config_is_looked_at(site: Site) -> Iterator[CheckMessage]:
    """W002: an entry of CACHES comes first, and leads elsewhere.

    BeegoManager makes such an entry beside PROVIDER_CONFIG, and both lead to the same server.
    """
    if site.engine not in FAMILY or site.options.alias or not site.provider_config:
        return
    entry, origin = _entry(site)
    if origin.startswith("CACHES") and not _databases(site, entry) & _databases_of_provider_config(site):
        yield warning(
            2,
            f"BEESESSION['PROVIDER_CONFIG'] has no effect beside {origin}, which is where the engine connects to: the "
            "two lead to different servers or databases.",
            f"Remove {origin} or PROVIDER_CONFIG, whichever is wrong.",
        )


def no_cache_clears_the_sessions(site: Site) -> Iterator[CheckMessage]:
    """W013: ``cache.clear()`` empties the whole database, whatever its KEY_PREFIX."""
    if site.engine not in FAMILY:
        return
    entry, _ = _entry(site)
    ours = _databases(site, entry)
    for alias, other in caches.settings.items():
        is_another = other is not entry or alias == "default"
        if is_another and ours & _databases(site, other):
            yield warning(
                13,
                f"The cache CACHES[{alias!r}] lies in the Redis database of the sessions: its clear() ends them all.",
                "Give the sessions a database number, or a server, of their own: BEESESSION['PROVIDER_CONFIG'], or an "
                "entry 'beesession' in CACHES that nothing else uses.",
            )


def replies_stay_bytes(site: Site) -> Iterator[CheckMessage]:
    """W017: the entry asks for text, which the engine does not do."""
    if site.engine not in FAMILY:
        return
    entry, origin = _entry(site)
    if ((entry.get("OPTIONS") or {}).get("CONNECTION_POOL_KWARGS") or {}).get("decode_responses"):
        yield warning(
            17,
            f"{origin} sets decode_responses, which has no effect on sessions: they are bytes, and stay that.",
            "Remove decode_responses from CONNECTION_POOL_KWARGS, or name an entry of the sessions' own in "
            "BEESESSION['ALIAS'].",
        )


def sessions_are_read_where_they_are_written(site: Site) -> Iterator[CheckMessage]:
    """W018: the entry lists replicas, which may not have a session yet, or still have one that has ended."""
    if site.engine not in FAMILY or site.engine == "redis_cluster":
        return
    from beesession import redis_pools

    entry, origin = _entry(site)
    if len(redis_pools.locations(entry)) > 1:
        yield warning(
            18,
            f"{origin} lists replicas in LOCATION. They have no effect on sessions, which are read from the first "
            "address as well, since a replica is late.",
            "Give the sessions an entry of their own with one address in LOCATION, and name it in BEESESSION['ALIAS'].",
        )


def redis_drops_no_sessions(site: Site) -> Iterator[CheckMessage]:
    """W014: a server that removes live sessions when its memory is full. W015: one that could not be asked.

    Connects, so it is asked with ``check --deploy --database default`` only. LedisDB keeps its data on disk.
    """
    if site.engine not in FAMILY or site.engine == "ledis":
        return
    provider = _provider_class(site).from_config(site.provider_config, site.options)
    try:
        servers = provider.info("memory")
    except Unavailable as failure:
        yield warning(
            15,
            f"The Redis server of the sessions could not be asked what it does when its memory is full "
            f"({type(failure.__cause__).__name__}).",
            "See that it runs, and that the user may call INFO; then check again.",
        )
        return
    finally:
        provider.close()
    found = {memory.get("maxmemory_policy", "noeviction") for memory in servers if memory.get("maxmemory")}
    for policy in sorted(found - {"noeviction"}):
        yield warning(
            14,
            f"Redis drops live sessions when its memory is full: its maxmemory-policy is {policy!r}.",
            "Set maxmemory-policy to noeviction on the server, and keep caches that may be dropped on another one.",
        )


def _provider_class(site: Site) -> type[RedisProvider]:
    return cast("type[RedisProvider]", site.provider_class)


def _entry(site: Site) -> tuple[Mapping[str, Any], str]:
    from beesession import redis_pools

    return redis_pools.cache_entry(site.provider_config, site.options, _provider_class(site).entry)


def _databases_of_provider_config(site: Site) -> set[tuple[object, ...]]:
    """Return what :func:`_databases` does of the entry that the provider string stands for; none if it is unusable."""
    try:
        return _databases(site, _provider_class(site).entry(site.provider_config))
    except dsn.DSNError:
        return set()


def _databases(site: Site, entry: Mapping[str, Any]) -> set[tuple[object, ...]]:
    """Return what tells one Redis database from another; nothing where the entry is not one by URL.

    A cluster has the addresses of all its nodes that are listed, so that two lists of it have one in common. So has a
    master with its sentinels.
    """
    from redis.connection import parse_url

    from beesession import redis_pools

    sentinels = [tuple(each) for each in (entry.get("OPTIONS") or {}).get("SENTINELS") or [()]]
    found: set[tuple[object, ...]] = set()
    for location in redis_pools.locations(entry)[: None if site.engine == "redis_cluster" else 1]:
        try:
            parts = parse_url(location)  # type: ignore[no-untyped-call]
        except ValueError:
            continue
        host = {"localhost": "127.0.0.1"}.get(parts.get("host", "localhost"), parts.get("host"))
        database = (parts.get("path") or host, parts.get("port", 6379), parts.get("db", 0))
        found.update((sentinel, *database) for sentinel in sentinels)
    return found
