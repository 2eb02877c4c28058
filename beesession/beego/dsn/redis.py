"""Provider strings of the Redis family: redis, redis_cluster, redis_sentinel.

beego writes them as a comma list, whose empty fields mean the default, or as JSON. Some of the fields are read and
checked but have no use here: the idle timeout and the number of retries, the idle check frequency, which beego does not
use either, and (on a cluster) the database number. ``notes`` says what a reader of the configuration ought to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from beesession.beego.dsn.form import Address, Form, ProviderString

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
TIMEOUT = 3
"""Seconds to wait for a connection, for a free one of the pool, and for a reply, where the configuration is silent."""
NODE_CONNECT_TIMEOUT = 1
"""The same for a connection to one node of a cluster, of which several may have to be tried."""

_JSON_KEYS = (
    "save_path", "username", "password", "poolsize", "db_num", "idle_timeout", "idle_check_frequency", "max_retries"
)  # fmt: skip
_COMMA = "'{address}[,pool size[,password[,db[,{more}idle timeout[,idle check frequency[,max retries]]]]]]'"
_JSON = "JSON with the keys " + ", ".join(_JSON_KEYS)
_REDIS = Form(
    "redis", f"{_COMMA.format(address='host:port', more='')}, {_JSON}, or a redis://, rediss:// or unix:// URL"
)
_CLUSTER = Form("redis_cluster", f"{_COMMA.format(address='host:port;host:port', more='')}, or {_JSON}")
_SENTINEL = Form(
    "redis_sentinel",
    f"{_COMMA.format(address='host:port;host:port', more='master name[,')}, or {_JSON}, master_name",
)
_FIELDS = ("save_path", "poolsize", "password", "db_num", "idle_timeout", "idle_check_frequency", "max_retries")
_SENTINEL_FIELDS = (*_FIELDS[:4], "master_name", *_FIELDS[4:])

# What redis-py takes from a URL and nothing secret; TLS files only where there is TLS.
_URL_OPTIONS = frozenset(
    {"client_name", "health_check_interval", "protocol", "socket_connect_timeout", "socket_timeout"}
)
_TLS_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
)
_SCHEMES = ("redis", "rediss", "unix")
# What Sentinel itself accepts.
_MASTER_NAME = re.compile(r"[0-9A-Za-z._-]+\Z")


@dataclass(frozen=True)
class _Common:
    """What the three have in common.

    :ivar pool_size: connections of one process at most
    :ivar idle_timeout: seconds after which beego drops an idle connection; None: the client's default. Not used here
    :ivar max_retries: how often beego may repeat a command; None: the client's default. Not used here
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    pool_size: int = 100
    idle_timeout: float | None = None
    max_retries: int | None = None

    @property
    def credentials(self) -> dict[str, str]:
        """What django-redis takes as OPTIONS."""
        given = {"USERNAME": self.username, "PASSWORD": self.password}
        return {name: value for name, value in given.items() if value}

    def _cache(self, location: str | list[str], **options: Any) -> dict[str, Any]:
        """Return a CACHES entry (of django-redis) for a location."""
        return {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": location,
            "OPTIONS": {
                **self.credentials,
                # DJANGO_REDIS_CONNECTION_FACTORY says how the site's other caches find their servers.
                "CONNECTION_FACTORY": "django_redis.pool.ConnectionFactory",
                "SOCKET_TIMEOUT": TIMEOUT,
                "SOCKET_CONNECT_TIMEOUT": TIMEOUT,
                "CONNECTION_POOL_KWARGS": {"max_connections": self.pool_size},
                **options,
            },
        }


@dataclass(frozen=True)
class RedisConfig(_Common):
    """One Redis server.

    :ivar unix_socket: the path of its socket, which then takes the place of host and port
    :ivar tls: speak TLS to it
    :ivar query: further options of the URL, in their order; nothing secret
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    unix_socket: str | None = None
    tls: bool = False
    db: int = 0
    query: tuple[tuple[str, str], ...] = ()

    @property
    def location(self) -> str:
        """The URL without user and password.

        >>> RedisConfig(host="cache", tls=True, db=1, query=(("ssl_ca_certs", "/etc/ca.pem"),)).location
        'rediss://cache:6379/1?ssl_ca_certs=%2Fetc%2Fca.pem'
        """
        if self.unix_socket is not None:
            return f"unix://{quote(self.unix_socket)}?{urlencode((('db', self.db), *self.query))}"
        base = f"{'rediss' if self.tls else 'redis'}://{Address(self.host, self.port)}/{self.db}"
        return f"{base}?{urlencode(self.query)}" if self.query else base

    def django_cache(self) -> dict[str, Any]:
        """Return the CACHES entry (of django-redis) for this server."""
        return self._cache(self.location)


@dataclass(frozen=True)
class RedisClusterConfig(_Common):
    """A Redis cluster, known by some of its nodes."""

    nodes: tuple[Address, ...] = ()
    pool_size: int = 1000
    notes: tuple[str, ...] = ()

    def django_cache(self) -> dict[str, Any]:
        """Return an entry in the form of CACHES; django-redis itself cannot use it, since it knows no clusters."""
        return self._cache([f"redis://{node}/0" for node in self.nodes], SOCKET_CONNECT_TIMEOUT=NODE_CONNECT_TIMEOUT)


@dataclass(frozen=True)
class RedisSentinelConfig(_Common):
    """A Redis server that sentinels watch. User and password are the server's; beego gives the sentinels none."""

    sentinels: tuple[Address, ...] = ()
    master_name: str = "mymaster"
    db: int = 0
    notes: tuple[str, ...] = ()

    def django_cache(self) -> dict[str, Any]:
        """Return the CACHES entry (of django-redis) for the master that the sentinels name."""
        return self._cache(
            f"redis://{self.master_name}/{self.db}",
            CONNECTION_FACTORY="beesession.redis_pools.SentinelConnectionFactory",
            SENTINELS=[tuple(address) for address in self.sentinels],
        )


def redis(value: ProviderString) -> RedisConfig:
    """Read the redis engine's string; an empty one means the server on this machine.

    :raises DSNError: naming the field
    """
    if _REDIS.is_url(value):
        return _redis_url(_REDIS.text(str(value).strip(), "its URL"))
    members = _members(_REDIS, value, _JSON_KEYS, _FIELDS)
    address = _address_text(_REDIS, members)
    host, port = _REDIS.address(address or "127.0.0.1", "the address", default_port=DEFAULT_PORT)
    return RedisConfig(host=host, port=port, db=_db(_REDIS, members), **_common(_REDIS, members, pool_size=100))


def redis_cluster(value: ProviderString) -> RedisClusterConfig:
    """Read the redis_cluster engine's string.

    :raises DSNError: naming the field
    """
    members = _members(_CLUSTER, value, _JSON_KEYS, _FIELDS)
    notes = ("the database number is ignored: a cluster has number 0 only",) if _db(_CLUSTER, members) else ()
    nodes = _CLUSTER.addresses(_address_text(_CLUSTER, members), "the address", default_port=DEFAULT_PORT)
    return RedisClusterConfig(nodes=nodes, notes=notes, **_common(_CLUSTER, members, pool_size=1000))


def redis_sentinel(value: ProviderString) -> RedisSentinelConfig:
    """Read the redis_sentinel engine's string; each field is taken from the place that beego's own text gives it.

    :raises DSNError: naming the field
    """
    members = _members(_SENTINEL, value, (*_JSON_KEYS, "master_name"), _SENTINEL_FIELDS)
    plain = isinstance(value, str) and not value.lstrip().startswith("{")
    notes: tuple[str, ...] = ()
    if plain and any(name in members for name in _SENTINEL_FIELDS[5:]):
        notes = ("fields 6 to 8 are read where they are documented; beego itself reads each of them one field early",)
    master_name = _SENTINEL.text(members.get("master_name", "mymaster"), "the master name").strip()
    if not _MASTER_NAME.match(master_name):
        raise _SENTINEL.error("the master name has other characters than letters, digits and '._-'")
    return RedisSentinelConfig(
        sentinels=_SENTINEL.addresses(_address_text(_SENTINEL, members), "the address", default_port=SENTINEL_PORT),
        master_name=master_name,
        db=_db(_SENTINEL, members),
        notes=notes,
        **_common(_SENTINEL, members, pool_size=100),
    )


def _members(
    form: Form, value: ProviderString, json_keys: tuple[str, ...], fields: tuple[str, ...]
) -> Mapping[str, object]:
    members = form.members(value, json_keys)
    if members is not None:
        return members
    parts = form.text(str(value).strip(), "it").split(",")
    if len(parts) > len(fields):
        raise form.error(f"it has more than {len(fields)} fields (a password with a comma needs the JSON form)")
    return {name: part for name, part in zip(fields, parts, strict=False) if part.strip()}


def _address_text(form: Form, members: Mapping[str, object]) -> str:
    return form.text(members.get("save_path", ""), "the address").strip()


def _db(form: Form, members: Mapping[str, object]) -> int:
    return form.number(members.get("db_num", 0), "the database number")


def _common(form: Form, members: Mapping[str, object], pool_size: int) -> dict[str, Any]:
    if "idle_check_frequency" in members:
        _idle(form, members, "idle_check_frequency", "the idle check frequency")
    retries = form.number(members.get("max_retries", 0), "the number of retries", at_least=-1)
    return {
        "username": _optional_text(form, members, "username", "the user name"),
        "password": _optional_text(form, members, "password", "the password"),
        # In Go a zero asks for the client's own default, and -1 for no retry at all.
        "pool_size": form.number(members.get("poolsize", 0), "the pool size") or pool_size,
        "max_retries": None if retries == 0 else max(retries, 0),
        "idle_timeout": _idle(form, members, "idle_timeout", "the idle timeout") or None,
    }


def _idle(form: Form, members: Mapping[str, object], key: str, field: str) -> float:
    value = members.get(key, 0)
    plain_seconds = isinstance(value, str) and value.strip().isdecimal()
    return float(form.number(value, field)) if plain_seconds else form.seconds(value, field)


def _optional_text(form: Form, members: Mapping[str, object], key: str, field: str) -> str | None:
    return form.text(members.get(key, ""), field) or None


def _redis_url(text: str) -> RedisConfig:
    parts, port = _REDIS.url(text)
    if parts.scheme not in _SCHEMES:
        raise _REDIS.error("its URL has another scheme")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    username = options.pop("username", "") or unquote(parts.username or "")
    password = options.pop("password", "") or unquote(parts.password or "")
    pool_size = _REDIS.number(options.pop("max_connections", 100), "max_connections", at_least=1)
    over_socket, tls = parts.scheme == "unix", parts.scheme == "rediss"
    path_db = "" if over_socket else parts.path.strip("/")
    db = _REDIS.number(options.pop("db", path_db) or 0, "the database number")
    if not options.keys() <= (_URL_OPTIONS | _TLS_OPTIONS if tls else _URL_OPTIONS):
        raise _REDIS.error(
            "its URL has an option that is not known; known are db, username, password, max_connections, "
            + ", ".join(sorted(_URL_OPTIONS)) + ", and with rediss:// " + ", ".join(sorted(_TLS_OPTIONS))
        )  # fmt: skip
    if over_socket and (parts.hostname or not parts.path.strip("/")):
        raise _REDIS.error("its unix:// URL must name a socket, such as unix:///run/redis.sock?db=0")
    host = parts.hostname or "127.0.0.1"
    if not over_socket:
        _REDIS.address(f"[{host}]" if ":" in host else host, "the host", default_port=DEFAULT_PORT)
    return RedisConfig(
        username=username or None,
        password=password or None,
        pool_size=pool_size,
        host=host,
        port=port or DEFAULT_PORT,
        unix_socket=unquote(parts.path) if over_socket else None,
        tls=tls,
        db=db,
        query=tuple(options.items()),
    )
