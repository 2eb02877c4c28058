"""beego's provider strings (``sessionproviderconfig``), read into frozen dataclasses. Pure; imports no Django.

Each engine has a function of its name. Where beego falls back to a default without a word, because a pool size is no
number say, :class:`DSNError` names the field. Nothing that may be secret is in an error or a repr.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from beesession.beego.dsn.form import Address, DSNError, ProviderString
from beesession.beego.dsn.local import CookieConfig, FileConfig, MemoryConfig, cookie, file, memory
from beesession.beego.dsn.network import (
    CouchbaseConfig,
    LedisConfig,
    MemcacheConfig,
    SSDBConfig,
    couchbase,
    ledis,
    memcache,
    ssdb,
)
from beesession.beego.dsn.redis import (
    RedisClusterConfig,
    RedisConfig,
    RedisSentinelConfig,
    redis,
    redis_cluster,
    redis_sentinel,
)
from beesession.beego.dsn.sql import MySQLConfig, PostgreSQLConfig, mysql, postgresql

Config = (
    MemoryConfig
    | FileConfig
    | CookieConfig
    | RedisConfig
    | RedisClusterConfig
    | RedisSentinelConfig
    | MySQLConfig
    | PostgreSQLConfig
    | MemcacheConfig
    | CouchbaseConfig
    | LedisConfig
    | SSDBConfig
)

PARSERS: dict[str, Callable[[ProviderString], Config]] = {
    "memory": memory,
    "cookie": cookie,
    "file": file,
    "mysql": mysql,
    "postgresql": postgresql,
    "redis": redis,
    "redis_cluster": redis_cluster,
    "redis_sentinel": redis_sentinel,
    "memcache": memcache,
    "couchbase": couchbase,
    "ledis": ledis,
    "ssdb": ssdb,
}
"""beego's registered engine names, and the reader of each one's provider string."""


def parse(engine: str, value: ProviderString) -> Config:
    """Read the provider string of an engine.

    :param engine: beego's name of it; case matters, as in beego
    :param value: the string as written, or the JSON form as a mapping
    :raises DSNError: for an unknown engine, and for a string that the engine cannot use
    """
    parser = PARSERS.get(engine)
    if parser is None:
        near = difflib.get_close_matches(str(engine).lower(), PARSERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(PARSERS)}."
        raise DSNError(f"sessionproviderconfig: {engine!r} is no session engine of beego; {hint}")
    return parser(value)


__all__ = [
    "PARSERS", "Address", "Config", "CookieConfig", "CouchbaseConfig", "DSNError", "FileConfig", "LedisConfig",
    "MemcacheConfig", "MemoryConfig", "MySQLConfig", "PostgreSQLConfig", "ProviderString", "RedisClusterConfig",
    "RedisConfig", "RedisSentinelConfig", "SSDBConfig", "cookie", "couchbase", "file", "ledis", "memcache", "memory",
    "mysql", "parse", "postgresql", "redis", "redis_cluster", "redis_sentinel", "ssdb",
]  # fmt: skip
