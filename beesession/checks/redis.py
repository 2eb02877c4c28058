"""Rules about the Redis server: who else uses its database, and whether it keeps what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.cache import caches
from django.core.checks import CheckMessage

from beesession.beego import dsn
from beesession.checks.site import Site, warning


def provider_config_is_looked_at(site: Site) -> Iterator[CheckMessage]:
    """W002: an entry of CACHES comes first, and leads elsewhere.

    BeegoManager makes such an entry beside PROVIDER_CONFIG, and both lead to the same server.
    """
    if site.engine != "redis" or site.options.alias or not site.provider_config:
        return
    entry, origin = _entry(site)
    if origin.startswith("CACHES") and _database(entry) != _database_of(site.provider_config):
        yield warning(
            2,
            f"BEESESSION['PROVIDER_CONFIG'] has no effect beside {origin}, which is where the engine connects to: the "
            "two lead to different servers or databases.",
            f"Remove {origin} or PROVIDER_CONFIG, whichever is wrong.",
        )


def no_cache_clears_the_sessions(site: Site) -> Iterator[CheckMessage]:
    """W013: ``cache.clear()`` empties the whole database, whatever its KEY_PREFIX."""
    if site.engine != "redis":
        return
    entry, _ = _entry(site)
    ours = _database(entry)
    for alias, other in caches.settings.items():
        is_another = other is not entry or alias == "default"
        if ours is not None and is_another and _database(other) == ours:
            yield warning(
                13,
                f"The cache CACHES[{alias!r}] lies in the Redis database of the sessions: its clear() ends them all.",
                "Give the sessions a database number, or a server, of their own: BEESESSION['PROVIDER_CONFIG'], or an "
                "entry 'beesession' in CACHES that nothing else uses.",
            )


def redis_drops_no_sessions(site: Site) -> Iterator[CheckMessage]:
    """W014: a server that removes live sessions when its memory is full. W015: one that could not be asked.

    Connects, so it is asked with ``check --deploy --database default`` only.
    """
    if site.engine != "redis":
        return
    from beesession import redis_pools

    pool = redis_pools.connection_pool(*_entry(site))
    try:
        memory: Mapping[str, Any] = redis_pools.client(pool).info("memory")
    except redis_pools.errors.RedisError as failure:
        yield warning(
            15,
            f"The Redis server of the sessions could not be asked what it does when its memory is full "
            f"({type(failure).__name__}).",
            "See that it runs, and that the user may call INFO; then check again.",
        )
        return
    finally:
        pool.disconnect()
    policy = memory.get("maxmemory_policy", "noeviction")
    if memory.get("maxmemory") and policy != "noeviction":
        yield warning(
            14,
            f"Redis drops live sessions when its memory is full: its maxmemory-policy is {policy!r}.",
            "Set maxmemory-policy to noeviction on the server, and keep caches that may be dropped on another one.",
        )


def _entry(site: Site) -> tuple[Mapping[str, Any], str]:
    from beesession import redis_pools
    from beesession.engines.redis import RedisProvider

    return redis_pools.cache_entry(site.provider_config, site.options, RedisProvider.entry)


def _database_of(provider_config: str | Mapping[str, Any]) -> tuple[object, ...] | None:
    """Return what :func:`_database` does of the entry that a provider string stands for; None where it is unusable."""
    from beesession.engines.redis import RedisProvider

    try:
        return _database(RedisProvider.entry(provider_config))
    except dsn.DSNError:
        return None


def _database(entry: Mapping[str, Any]) -> tuple[object, ...] | None:
    """Return what tells one Redis database from another, or None where the entry is not one by URL."""
    from redis.connection import parse_url

    location = entry.get("LOCATION") or ""
    first = (location.split(",") if isinstance(location, str) else [*location])[0].strip()
    try:
        parts = parse_url(first)  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    host = {"localhost": "127.0.0.1"}.get(parts.get("host", "localhost"), parts.get("host"))
    return parts.get("path") or host, parts.get("port", 6379), parts.get("db", 0)
