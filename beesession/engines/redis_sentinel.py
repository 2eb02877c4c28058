"""Sessions on the Redis master that sentinels name. Needs the extra ``redis``.

All is as with :mod:`beesession.engines.redis` but for the way to the server: each new connection asks a sentinel for
the master. What was refused, or could not be sent since nobody listens, is sent again for as long as PATIENCE lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beesession import store
from beesession.beego import dsn
from beesession.engines.redis import RedisProvider


class RedisSentinelProvider(RedisProvider):
    """Keeps sessions in one database of a Redis master that may be replaced by one of its replicas at any time."""

    name = "redis_sentinel"

    @classmethod
    def entry(cls, value: str | Mapping[str, Any]) -> Mapping[str, Any]:
        return dsn.redis_sentinel(value).django_cache()


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.redis_sentinel"``"""

    provider_class = RedisSentinelProvider
