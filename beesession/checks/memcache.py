"""Rules about the memcached servers: who else uses them, and whether they keep what they are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.core.cache import caches
from django.core.checks import CheckMessage

from beesession.aliases import ALIAS, session_alias
from beesession.checks.site import Site, warning

if TYPE_CHECKING:
    from beesession.memcached import Endpoints, Node


def provider_config_is_looked_at(site: Site) -> Iterator[CheckMessage]:
    """W002: an entry of CACHES comes first, and leads elsewhere."""
    if site.engine != "memcache" or site.options.alias or not site.provider_config:
        return
    from beesession.memcached_endpoints import of_provider_config

    if ALIAS in caches.settings and _endpoints(site).servers != of_provider_config(site.provider_config).servers:
        yield warning(
            2,
            f"BEESESSION['PROVIDER_CONFIG'] has no effect beside CACHES[{ALIAS!r}], which is where the engine connects "
            "to: the two lead to different servers.",
            f"Remove CACHES[{ALIAS!r}] or PROVIDER_CONFIG, whichever is wrong.",
        )


def no_cache_clears_the_sessions(site: Site) -> Iterator[CheckMessage]:
    """W030: ``cache.clear()`` empties the whole server, whatever its KEY_PREFIX."""
    if site.engine != "memcache":
        return
    ours = {*map(_place, _endpoints(site).servers)}
    for alias, entry in caches.settings.items():
        is_another = alias != session_alias(site.options, caches.settings) or alias == "default"
        if is_another and not ours.isdisjoint(_places_of_cache(entry)):
            yield warning(
                30,
                f"The cache CACHES[{alias!r}] lies in a memcached server of the sessions: its clear() ends them all.",
                "Give the sessions servers of their own: BEESESSION['PROVIDER_CONFIG'], or an entry 'beesession' in "
                "CACHES that nothing else uses.",
            )


def memcached_keeps_sessions(site: Site) -> Iterator[CheckMessage]:
    """Ask each server.

    W031: it could not be asked. W032: it has dropped items for want of memory. W033: it cannot compare and set.

    Connects, so it is asked with ``check --deploy --database default`` only.
    """
    if site.engine != "memcache":
        return
    from beesession.memcached import Nodes

    nodes = Nodes(_endpoints(site))
    try:
        for number, node in enumerate(nodes, 1):
            yield from _reports(node, f"Server {number} of the sessions' memcached servers")
    finally:
        nodes.close()


def _reports(node: Node, which: str) -> Iterator[CheckMessage]:
    from beesession.memcached import ERRORS

    try:
        with node.connection() as connection:
            evictions = int(connection.stats()[b"evictions"])
            compares = connection.stats("settings")[b"cas_enabled"]
    except ERRORS as failure:
        yield warning(
            31,
            f"{which} could not be asked what it does when its memory is full ({type(failure).__name__}).",
            "See that it runs, and that user, password and TLS are right; then check again.",
        )
        return
    if evictions:
        yield warning(
            32,
            f"{which} has dropped {evictions} items that had not expired, to make room: live sessions may be among "
            "them.",
            "Give it more memory (option -m), and keep caches on another server.",
        )
    if compares not in (b"yes", True):
        yield warning(
            33,
            f"{which} runs without CAS (option -C): the engine refuses to work with it.",
            "Start it without -C.",
        )


def _endpoints(site: Site) -> Endpoints:
    from beesession.memcached_endpoints import endpoints

    return endpoints(site.provider_config, site.options)


def _places_of_cache(entry: Mapping[str, Any]) -> Iterator[object]:
    from beesession.memcached_endpoints import servers_of

    if ".memcached." in str(entry.get("BACKEND", "")):
        with suppress(ValueError):  # such a cache fails by itself
            yield from map(_place, servers_of(entry))


def _place(server: tuple[str, int] | str) -> object:
    return ("127.0.0.1", server[1]) if server[0] == "localhost" else server
