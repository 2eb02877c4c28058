"""Connections of the Redis engines, made as django-redis makes those of a cache, but kept apart from them.

The server is that of ``BEESESSION["ALIAS"]``, else of the CACHES entry ``beesession``, else of ``PROVIDER_CONFIG``,
read as the CACHES entry that it stands for. All three go through django-redis's connection factory, so TLS, users,
unix sockets and Sentinel are set up as for a cache. The pool is not shared with one: caches may repeat a command,
decode replies or wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from beesession.beego import dsn
from beesession.conf import Options

try:
    import redis
    import redis.asyncio
    from django_redis.cache import RedisCache  # type: ignore[import-untyped, unused-ignore]
    from django_redis.pool import get_connection_factory  # type: ignore[import-untyped, unused-ignore]
    from redis import exceptions as errors
    from redis.asyncio import retry as async_retry
    from redis.asyncio import sentinel as async_sentinel
    from redis.backoff import NoBackoff
    from redis.maint_notifications import MaintNotificationsConfig
    from redis.retry import Retry
    from redis.sentinel import SentinelConnectionPool
except ImportError as error:
    raise ImproperlyConfigured(
        "The Redis session engines need django-redis and redis-py 8: pip install beesession[redis]"
    ) from error

__all__ = ["TIMEOUT", "async_client", "cache_entry", "client", "close_async", "connection_pool", "errors"]

ALIAS = "beesession"
"""The CACHES entry that is used when ``BEESESSION["ALIAS"]`` names none."""

TIMEOUT = 3
"""Seconds to wait for a connection, for a free one of the pool, and for a reply, where the configuration is silent."""


def cache_entry(
    value: str | Mapping[str, Any], options: Options, entry_of: Callable[[str | Mapping[str, Any]], Mapping[str, Any]]
) -> tuple[Mapping[str, Any], str]:
    """Return the CACHES entry that an engine connects by, and what an error calls it.

    :param value: the engine's PROVIDER_CONFIG, used where there is no alias
    :param entry_of: makes a CACHES entry of it
    :raises ImproperlyConfigured: the alias is none of django-redis, or PROVIDER_CONFIG cannot be used
    """
    alias = options.alias or (ALIAS if ALIAS in caches.settings else None)
    if alias is not None:
        return _entry_named(alias, options), f"CACHES[{alias!r}]"
    origin = f"{options.source}['PROVIDER_CONFIG']"
    try:
        return entry_of(value), origin
    except dsn.DSNError as error:
        raise ImproperlyConfigured(f"{origin}: {error}") from error


def _entry_named(alias: str, options: Options) -> Mapping[str, Any]:
    entry = cast("Mapping[str, Any] | None", caches.settings.get(alias))
    if entry is None:
        known = ", ".join(sorted(caches.settings))
        raise ImproperlyConfigured(f"{options.source}['ALIAS']: CACHES has no entry {alias!r}; it has {known}.")
    try:
        backend = import_string(entry.get("BACKEND", ""))
    except ImportError as error:
        raise ImproperlyConfigured(f"CACHES[{alias!r}]['BACKEND'] cannot be imported.") from error
    if not (isinstance(backend, type) and issubclass(backend, RedisCache)):
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}]['BACKEND'] must be 'django_redis.cache.RedisCache' (or a subclass of it) to hold "
            f"sessions; set {options.source}['ALIAS'] to an entry of that kind."
        )
    return entry


def connection_pool(entry: Mapping[str, Any], origin: str) -> redis.ConnectionPool:
    """Return a new pool for the primary of a CACHES entry: its first LOCATION. Connects nothing.

    The options of the entry hold, but for these: no command is repeated, and replies stay bytes. Where they name no
    CONNECTION_POOL_CLASS, a caller waits in turn for a connection when all are in use.

    :param origin: what an error calls the entry
    :raises ImproperlyConfigured: LOCATION or OPTIONS cannot be used; does not show them, they may hold a password
    """
    location = entry.get("LOCATION") or ""
    servers = location.split(",") if isinstance(location, str) else [*location]
    options = {"SOCKET_TIMEOUT": TIMEOUT, "SOCKET_CONNECT_TIMEOUT": TIMEOUT, **entry.get("OPTIONS", {})}
    options["CONNECTION_POOL_KWARGS"] = {
        **options.get("CONNECTION_POOL_KWARGS", {}),
        # With these on, redis-py's async pool takes a connection that the server has closed for usable.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    try:
        factory = get_connection_factory(options)
        if "CONNECTION_POOL_CLASS" not in entry.get("OPTIONS", {}) and factory.pool_cls is redis.ConnectionPool:
            factory.pool_cls = redis.BlockingConnectionPool
            factory.pool_cls_kwargs = {"max_connections": 100, "timeout": TIMEOUT, **factory.pool_cls_kwargs}
        pool: redis.ConnectionPool = factory.get_connection_pool(factory.make_connection_params(servers[0].strip()))
        pool.connection_kwargs.update(retry=Retry(NoBackoff(), 0), decode_responses=False)
        for name in ("retry_on_error", "retry_on_timeout"):
            pool.connection_kwargs.pop(name, None)
        # An option that does not exist must not wait for the first visitor.
        pool.connection_class(**pool.connection_kwargs)
    except (ImportError, TypeError, ValueError, OSError, errors.RedisError) as error:
        raise ImproperlyConfigured(
            f"{origin} makes no Redis connection ({type(error).__name__}): LOCATION must be a redis://, rediss:// or "
            "unix:// URL, and OPTIONS must be those of django-redis and redis-py."
        ) from None
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            sentinel.set_retry(Retry(NoBackoff(), 0))
    return pool


def client(pool: redis.ConnectionPool) -> redis.Redis:
    """Return a client of this pool. Connects nothing."""
    return redis.Redis(connection_pool=pool)


def async_client(pool: redis.ConnectionPool) -> redis.asyncio.Redis:
    """Return an async client to the server of this pool, with a pool of the same options. Connects nothing.

    :raises ImproperlyConfigured: OCSP is asked for, which redis-py checks on sync connections only
    """
    return redis.asyncio.Redis(connection_pool=_async_pool(pool))


async def close_async(client: redis.asyncio.Redis) -> None:
    """Close the connections of an async client, and those to the sentinels that its pool asks."""
    pool = client.connection_pool
    await pool.aclose()
    if isinstance(pool, async_sentinel.SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.connection_pool.aclose()


# What has no meaning on the other side: the async pool and its connections make their own of these.
_SYNC_ONLY = frozenset({"command_packer", "connection_pool", "event_dispatcher", "himport_registry", "parser_class"})
_OCSP = frozenset({"ssl_ocsp_context", "ssl_ocsp_expected_cert", "ssl_validate_ocsp", "ssl_validate_ocsp_stapled"})


def _async_pool(pool: redis.ConnectionPool) -> redis.asyncio.ConnectionPool:
    if any(pool.connection_kwargs.get(name) for name in _OCSP):
        raise ImproperlyConfigured(
            f"redis-py has no async form of {', '.join(sorted(_OCSP))}: remove them from CONNECTION_POOL_KWARGS, or "
            "use no async views with this session engine."
        )
    options = {name: value for name, value in pool.connection_kwargs.items() if name not in _SYNC_ONLY | _OCSP}
    options.update(
        retry=async_retry.Retry(NoBackoff(), 0),
        max_connections=pool.max_connections,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    tls = issubclass(pool.connection_class, redis.SSLConnection)
    if isinstance(pool, SentinelConnectionPool):
        return async_sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
            pool.service_name,
            _async_sentinel(pool.sentinel_manager),
            is_master=pool.is_master,
            check_connection=pool.check_connection,
            ssl=tls,
            **options,
        )
    if tls:
        options["connection_class"] = redis.asyncio.SSLConnection
    elif issubclass(pool.connection_class, redis.UnixDomainSocketConnection):
        options["connection_class"] = redis.asyncio.UnixDomainSocketConnection
    if isinstance(pool, redis.BlockingConnectionPool):
        return redis.asyncio.BlockingConnectionPool(timeout=pool.timeout, **options)
    return redis.asyncio.ConnectionPool(**options)


def _async_sentinel(manager: redis.Sentinel) -> redis.asyncio.Sentinel:
    connections = [sentinel.get_connection_kwargs() for sentinel in manager.sentinels]
    options = {**manager.sentinel_kwargs, "retry": async_retry.Retry(NoBackoff(), 0)}
    return redis.asyncio.Sentinel(  # type: ignore[no-untyped-call]
        [(each["host"], each["port"]) for each in connections], sentinel_kwargs=options
    )
