"""Where the memcache engine finds its nodes, and how it connects to them.

They are those of ``BEESESSION["ALIAS"]``, else of the CACHES entry ``beesession``, else of ``PROVIDER_CONFIG``.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping
from typing import Any, cast

from django.core.cache import caches
from django.core.cache.backends.memcached import PyMemcacheCache
from django.core.exceptions import ImproperlyConfigured

from beesession.aliases import cache_entry_named, session_alias
from beesession.beego import dsn
from beesession.conf import Options
from beesession.memcached import Crc32Modulo, Endpoints, Nodes, Server, server_of


def endpoints(value: str | Mapping[str, Any], options: Options) -> Endpoints:
    """Return where an engine finds its nodes.

    :param value: the engine's PROVIDER_CONFIG, used where there is no alias
    :raises ImproperlyConfigured: the alias is none of pymemcache, or it or PROVIDER_CONFIG cannot be used
    """
    alias = session_alias(options, caches.settings)
    if alias is not None:
        return _of_entry(cache_entry_named(alias, options, PyMemcacheCache), f"CACHES[{alias!r}]")
    return of_provider_config(value, f"{options.source}['PROVIDER_CONFIG']")


def of_provider_config(value: str | Mapping[str, Any], origin: str = "PROVIDER_CONFIG") -> Endpoints:
    """Return the nodes of a provider string.

    :param origin: what an error calls it
    :raises ImproperlyConfigured: it cannot be used
    """
    try:
        config = dsn.memcache(value)
    except dsn.DSNError as error:
        raise ImproperlyConfigured(f"{origin}: {error}") from error
    options: dict[str, Any] = {"connect_timeout": config.connect_timeout, "timeout": config.timeout, "no_delay": True}
    if config.tls:
        try:
            options["tls_context"] = ssl.create_default_context(cafile=config.ca_file)
        except OSError as error:
            raise ImproperlyConfigured(
                f"{origin}: ca_file must name a file of certificates in PEM form ({type(error).__name__})."
            ) from error
    return Endpoints(
        tuple(server if isinstance(server, str) else (server.host, server.port) for server in config.servers),
        options,
        config.pool_size,
        credentials=f"{config.username} {config.password}".encode() if config.username else None,
    )


def servers_of(entry: Mapping[str, Any]) -> tuple[Server, ...]:
    """Return the servers that the LOCATION of a memcached cache names.

    :raises ValueError: it is none of pymemcache's forms
    """
    location = entry.get("LOCATION") or ()
    if isinstance(location, str):
        location = [each for each in re.split("[;,]", location) if each.strip()]
    return tuple(map(server_of, location))


_OF_A_CONNECTION = frozenset(
    {"connect_timeout", "no_delay", "socket_keepalive", "socket_module", "timeout", "tls_context"}
)
_OF_THE_NODES = frozenset({"hasher", "max_pool_size"})
# How values are written, what a failure becomes, what a node that failed is: the engine decides that.
_OF_A_CACHE = frozenset(
    {
        *("allow_unicode_keys", "dead_timeout", "default_noreply", "deserializer", "encoding", "ignore_exc"),
        *("lock_generator", "pool_idle_timeout", "retry_attempts", "retry_timeout", "serde", "serializer"),
        "use_pooling",
    }
)


def _of_entry(entry: Mapping[str, Any], origin: str) -> Endpoints:
    options: Mapping[str, Any] = entry.get("OPTIONS") or {}
    for name in options.keys() - _OF_A_CONNECTION - _OF_THE_NODES - _OF_A_CACHE:
        hint = "use BEESESSION['KEY_PREFIX']" if name == "key_prefix" else "pymemcache's HashClient has no such option"
        raise ImproperlyConfigured(f"{origin}['OPTIONS'][{name!r}] cannot be used: {hint}.")
    for name in ("connect_timeout", "timeout", "max_pool_size"):
        if not _positive(options.get(name)):
            raise ImproperlyConfigured(f"{origin}['OPTIONS'][{name!r}] must be a number above 0.")
    try:
        found = Endpoints(
            servers_of(entry),
            {
                "connect_timeout": dsn.MemcacheConfig.connect_timeout,
                "timeout": dsn.MemcacheConfig.timeout,
                **{name: options[name] for name in _OF_A_CONNECTION if options.get(name) is not None},
            },
            options.get("max_pool_size") or dsn.MemcacheConfig.pool_size,
            options.get("hasher") or Crc32Modulo,
        )
        # A wrong option must not wait for the first visitor.
        Nodes(found).of("key")
    except (TypeError, ValueError, LookupError, ArithmeticError, OSError) as error:
        raise ImproperlyConfigured(
            f"{origin} makes no memcached connection ({type(error).__name__}): LOCATION must be 'host:port', "
            "'unix:/path', or a list of these, and OPTIONS must be those of pymemcache."
        ) from None
    return found


def _positive(value: object) -> bool:
    """Return whether a number makes a finite bound; None stands for our default."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or (number and 0 < cast(float, value) < math.inf)
