"""Sessions in a Redis cluster, spread over its nodes by their ids. Needs the extra ``redis``.

All is as with :mod:`beesession.engines.redis` but for the way to the servers (:mod:`beesession.redis_cluster_client`)
and for rotation: two ids lie on two nodes as a rule, and no script reaches both. An id and its revocation mark lie on
one node; while their slot moves to another, what needs both waits for the end of that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

from beesession import redis_pools, store
from beesession.beego import dsn
from beesession.beego.dsn.form import Address
from beesession.beego.dsn.redis import DEFAULT_PORT, NODE_CONNECT_TIMEOUT
from beesession.engines.redis import RedisProvider
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.redis_cluster_client import Cluster
from beesession.redis_commands import demand_stored, swap
from beesession.redis_server import Server, Store
from beesession.stepping import Call


class RedisClusterProvider(RedisProvider):
    """Keeps sessions in a Redis cluster."""

    name = "redis_cluster"
    capabilities = replace(RedisProvider.capabilities, atomic_rotation=False)

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Mapping[str, Any]:
        return dsn.redis_cluster(value).django_cache()

    @classmethod
    def server(cls, entry: Mapping[str, Any], origin: str) -> Store:
        """Return the cluster of which LOCATION names some nodes. Connects nothing.

        The nodes that these make known are connected to like the first: over TLS or not, as the same user.
        """
        options = {"SOCKET_CONNECT_TIMEOUT": NODE_CONNECT_TIMEOUT, **(entry.get("OPTIONS") or {})}
        urls = [_url(each, origin) for each in redis_pools.locations(entry)]

        def connect(address: Address) -> Server:
            user, at, _ = urls[0].netloc.rpartition("@")
            location = urls[0]._replace(netloc=f"{user}{at}{address}").geturl()
            return Server(redis_pools.connection_pool({**entry, "LOCATION": location, "OPTIONS": options}, origin))

        return Cluster([Address(url.hostname or "", url.port or DEFAULT_PORT) for url in urls], connect)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        """Store under the new id first, then remove the old record if it is still the one that was read.

        Whoever removes it has rotated it. The others take back what they stored, and so does who cannot know: as long
        as the new id has been told to nobody, that leaves one id at most.
        """
        moved = None
        try:
            moved = await self._create(call, new_sid, data, lifetime)
            if moved is not None:
                removal = swap(self._key(sid), record, b"", 0, self._life_of_a_mark())
                demand_stored(await self._send(call, removal), sid)
        except (Conflict, Gone, Unavailable, asyncio.CancelledError) as failure:
            # To search in vain for the nodes once more would only make the visitor wait twice as long.
            if moved is not None or not cast(Cluster, self._redis).unsent(failure.__cause__):
                await self._take_back(call, new_sid, data)
            raise
        if moved is None:
            raise Conflict
        return moved

    async def _take_back(self, call: Call, sid: str, data: bytes) -> None:
        # Should that fail as well, the record expires by itself, under an id that nobody was told. Nobody could bring
        # such a one back either: it needs no mark.
        with suppress(Unavailable):
            await self._send(call, swap(self._key(sid), Record(data), b"", 0, life=None))


def _url(location: str, origin: str) -> SplitResult:
    try:
        url = urlsplit(location)
        numbers = [url.path.strip("/"), *parse_qs(url.query).get("db", ())]
        fits = url.scheme in ("redis", "rediss") and url.hostname and url.port != 0 and {*numbers} <= {"", "0"}
    except ValueError:
        fits = False
    if not fits:
        raise ImproperlyConfigured(
            f"{origin}: LOCATION must list nodes of the cluster, each as redis://host:port or rediss://host:port; its "
            "one database has the number 0."
        )
    return url


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.redis_cluster"``"""

    provider_class = RedisClusterProvider
