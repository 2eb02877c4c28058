"""Connections of the Redis engines, made as django-redis makes those of a cache, but kept apart from them.

The server is that of ``BEESESSION["ALIAS"]``, else of the CACHES entry ``beesession``, else of ``PROVIDER_CONFIG``,
read as the CACHES entry that it stands for. All three go through django-redis's connection factory, so TLS, users,
unix sockets and Sentinel are set up as for a cache. The pool is not shared with one: caches may repeat a command,
decode replies or wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured

from beesession.aliases import cache_entry_named, session_alias
from beesession.beego import dsn
from beesession.beego.dsn.redis import TIMEOUT
from beesession.conf import Options

try:
    import redis
    import redis.asyncio
    from django_redis import pool as django_redis_pool  # type: ignore[import-untyped, unused-ignore]
    from django_redis.cache import RedisCache  # type: ignore[import-untyped, unused-ignore]
    from redis import exceptions as errors
    from redis.asyncio import retry as async_retry
    from redis.asyncio import sentinel as async_sentinel
    from redis.backoff import NoBackoff
    from redis.driver_info import DriverInfo
    from redis.maint_notifications import MaintNotificationsConfig
    from redis.retry import Retry
    from redis.sentinel import MasterNotFoundError, SentinelConnectionPool, SentinelManagedSSLConnection
except ImportError as error:
    raise ImproperlyConfigured(
        "The Redis session engines need django-redis and redis-py 8: pip install beesession[redis]"
    ) from error

__all__ = [
    "NO_MASTER", "SentinelConnectionFactory", "asks_sentinels", "async_client", "cache_entry", "client",
    "close", "close_async", "connection_pool", "errors", "locations",
]  # fmt: skip

NO_MASTER = (MasterNotFoundError, async_sentinel.MasterNotFoundError)
"""What the driver raises when no sentinel knows a master."""


def cache_entry(
    value: str | Mapping[str, Any], options: Options, entry_of: Callable[[str | Mapping[str, Any]], Mapping[str, Any]]
) -> tuple[Mapping[str, Any], str]:
    """Return the CACHES entry that an engine connects by, and what an error calls it.

    :param value: the engine's PROVIDER_CONFIG, used where there is no alias
    :param entry_of: makes a CACHES entry of it
    :raises ImproperlyConfigured: the alias is none of django-redis, or PROVIDER_CONFIG cannot be used
    """
    alias = session_alias(options, caches.settings)
    if alias is not None:
        return cache_entry_named(alias, options, RedisCache), f"CACHES[{alias!r}]"
    origin = f"{options.source}['PROVIDER_CONFIG']"
    try:
        return entry_of(value), origin
    except dsn.DSNError as error:
        raise ImproperlyConfigured(f"{origin}: {error}") from error


def connection_pool(entry: Mapping[str, Any], origin: str) -> redis.ConnectionPool:
    """Return a new pool for the primary of a CACHES entry: its first LOCATION. Connects nothing.

    The options of the entry hold, but for these: no command is repeated, and replies stay bytes. Where they name no
    CONNECTION_POOL_CLASS, a caller waits in turn for a connection when all are in use.

    :param origin: what an error calls the entry
    :raises ImproperlyConfigured: LOCATION or OPTIONS cannot be used; does not show them, they may hold a password
    """
    given = entry.get("OPTIONS") or {}
    options = {"SOCKET_TIMEOUT": TIMEOUT, "SOCKET_CONNECT_TIMEOUT": TIMEOUT, **given}
    options["CONNECTION_POOL_KWARGS"] = {
        **(options.get("CONNECTION_POOL_KWARGS") or {}),
        # With these on, redis-py's async pool takes a connection that the server has closed for usable.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    try:
        if sentinels := options.get("SENTINELS"):
            # They share it, so that to ask all of them in vain takes no longer than one server.
            seconds = TIMEOUT / len(sentinels)
            timeouts = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
            options["SENTINEL_KWARGS"] = {**timeouts, **(options.get("SENTINEL_KWARGS") or {})}
        factory = django_redis_pool.get_connection_factory(options)
        # A cache of the same entry has its pool class written into the options, if it asks sentinels.
        is_default = "CONNECTION_POOL_CLASS" not in given or factory.pool_cls is SentinelConnectionPool
        if is_default and factory.pool_cls in _WAITING:
            factory.pool_cls = _WAITING[factory.pool_cls]
            factory.pool_cls_kwargs = {"max_connections": 100, "timeout": TIMEOUT, **factory.pool_cls_kwargs}
        pool: redis.ConnectionPool = factory.get_connection_pool(factory.make_connection_params(locations(entry)[0]))
        pool.connection_kwargs.update(retry=Retry(NoBackoff(), 0), decode_responses=False)
        for name in ("retry_on_error", "retry_on_timeout"):
            pool.connection_kwargs.pop(name, None)
        if not pool.connection_kwargs.keys() & {"driver_info", "lib_name", "lib_version"}:
            pool.connection_kwargs["driver_info"] = _driver_info()
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
        pool.sentinel_manager = pool.proxy.sentinel_manager = _Sentinels(pool.sentinel_manager)
    return pool


@cache
def _driver_info() -> DriverInfo:
    # Left to itself each connection reads the version from the files of the package, which takes milliseconds.
    return DriverInfo()


def locations(entry: Mapping[str, Any]) -> list[str]:
    """Return the URLs of a CACHES entry, as django-redis reads them: the primary, then replicas. At least ``""``."""
    location = entry.get("LOCATION") or ""
    return [each.strip() for each in (location.split(",") if isinstance(location, str) else location)]


def asks_sentinels(pool: redis.ConnectionPool) -> bool:
    """Return whether the server of this pool is the one that sentinels name at the moment."""
    return isinstance(pool, SentinelConnectionPool)


def client(pool: redis.ConnectionPool) -> redis.Redis:
    """Return a client of this pool. Connects nothing."""
    return redis.Redis(connection_pool=pool)


def async_client(pool: redis.ConnectionPool) -> redis.asyncio.Redis:
    """Return an async client to the server of this pool, with a pool of the same options. Connects nothing.

    :raises ImproperlyConfigured: OCSP is asked for, which redis-py checks on sync connections only
    """
    return redis.asyncio.Redis(connection_pool=_async_pool(pool))


def close(pool: redis.ConnectionPool) -> None:
    """Close the connections of a pool, and those to the sentinels that it asks."""
    pool.disconnect()
    if isinstance(pool, SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            sentinel.connection_pool.disconnect()


async def close_async(client: redis.asyncio.Redis) -> None:
    """Close the connections of an async client, and those to the sentinels that its pool asks."""
    pool = client.connection_pool
    await pool.aclose()
    if isinstance(pool, async_sentinel.SentinelConnectionPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.connection_pool.aclose()


# Sentinels ------------------------------------------------------------------------------------------------

_Manager = TypeVar("_Manager", redis.Sentinel, redis.asyncio.Sentinel)


class SentinelConnectionFactory(django_redis_pool.SentinelConnectionFactory):  # type: ignore[misc, unused-ignore]
    """django-redis's, but for two things.

    The name of the master keeps its capitals, which a host does not, and TLS may be asked for by ``rediss://``.
    """

    def get_connection_pool(self, params: dict[str, Any]) -> Any:
        url = urlsplit(params["url"])
        if url.scheme == "rediss":
            # By itself redis-py takes the class that connects without asking a sentinel.
            params = {**params, "connection_class": SentinelManagedSSLConnection}
        pool = super().get_connection_pool(params)
        pool.service_name = pool.proxy.service_name = url.netloc.rpartition("@")[2].partition(":")[0]
        return pool


@contextmanager
def _in_an_order_of_its_own(manager: _Manager) -> Iterator[_Manager]:
    """Give a copy of a manager. If the block ends well, the order of the copy's sentinels becomes that of all.

    redis-py puts the one that answered first while others go through the same list, and so loses some of them.
    """
    asked = copy(manager)
    asked.sentinels = [*manager.sentinels]
    yield asked
    manager.sentinels = asked.sentinels


class _Sentinels(redis.Sentinel):
    """What asks the sentinels for the master, from any thread.

    :param manager: the same as redis-py has it
    """

    def __init__(self, manager: redis.Sentinel) -> None:
        vars(self).update(vars(manager))

    def discover_master(self, service_name: str) -> Any:
        with _in_an_order_of_its_own(self) as asked:
            return redis.Sentinel.discover_master(asked, service_name)  # type: ignore[no-untyped-call]


class _AsyncSentinels(redis.asyncio.Sentinel):
    """The same for one event loop, whose tasks take turns."""

    async def discover_master(self, service_name: str) -> Any:
        with _in_an_order_of_its_own(self) as asked:
            return await redis.asyncio.Sentinel.discover_master(asked, service_name)


class _MasterPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Connections to the master that sentinels name, for which callers wait in turn."""

    def owns_connection(self, connection: Any) -> bool:
        # One to a former master is of no use any more, but its place in the pool is.
        if self.master_address != (connection.host, connection.port):
            connection.disconnect()
        return redis.BlockingConnectionPool.owns_connection(self, connection)  # type: ignore[return-value]


class _AsyncMasterPool(async_sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """The same for one event loop."""

    async def release(self, connection: Any) -> None:
        # redis-py does not ask the async pool whether it owns a connection.
        if self.master_address != (connection.host, connection.port):
            connection.mark_for_reconnect()
        await super().release(connection)


_WAITING = {redis.ConnectionPool: redis.BlockingConnectionPool, SentinelConnectionPool: _MasterPool}
"""Pools that raise at once when all connections are in use, and those that have callers wait in turn."""


# The async side -------------------------------------------------------------------------------------------

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
        kind = async_sentinel.SentinelConnectionPool
        if isinstance(pool, _MasterPool):
            kind = _AsyncMasterPool
            options["timeout"] = pool.timeout
        return kind(  # type: ignore[no-untyped-call]
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
    return _AsyncSentinels(  # type: ignore[no-untyped-call]
        [(each["host"], each["port"]) for each in connections], sentinel_kwargs=options
    )
