"""Provider strings of memcache, couchbase, ledis and ssdb."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from beesession.beego.dsn.form import Address, Form, ProviderString

_MEMCACHE_KEYS = (
    "save_path", "username", "password", "tls", "ca_file", "connect_timeout", "timeout", "pool_size"
)  # fmt: skip
_MEMCACHE = Form(
    "memcache",
    "'host:port' or '/path/to/socket', several of them separated by ';', or JSON with the keys "
    + ", ".join(_MEMCACHE_KEYS),
)
_COUCHBASE = Form(
    "couchbase",
    "'http://user:password@host:8091[,pool[,bucket]]', 'couchbase://user:password@host[:KV port][,pool[,bucket]]', "
    "or JSON with the keys save_path, pool, bucket, scope, collection and ca_file",
)
_LEDIS = Form("ledis", "'host:port[,db]' of a LedisDB server, or JSON with the keys save_path and db")
_SSDB = Form("ssdb", "'host:port', or JSON with the keys host, port, password and pool_size")

MEMCACHE_PORT = 11211
LEDIS_PORT = 6380
_DEFAULT = "_default"
"""The scope and the collection that each bucket has."""

_NAME_IN_BUCKET = re.compile(r"[0-9A-Za-z-][0-9A-Za-z_%-]{0,250}\Z")
# The ports of Couchbase's management interface, which the key-value client has no use for.
_MANAGEMENT, _MANAGEMENT_TLS = 8091, 18091


@dataclass(frozen=True)
class MemcacheConfig:
    """The nodes of memcached, and how they are connected to. beego's own text names no more than the nodes.

    :ivar servers: endpoints, or paths of sockets; their order decides which of them holds a key
    :ivar username: the user of memcached's own authentication in the text protocol, or None
    :ivar ca_file: the certificates that vouch for the nodes; None: those of the system
    :ivar connect_timeout: seconds that a connection may take, TLS included
    :ivar timeout: seconds that a reply, and the wait for a free connection, may take
    :ivar pool_size: connections of one process to each node at most
    """

    servers: tuple[Address | str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    connect_timeout: float = 2.0
    timeout: float = 3.0
    pool_size: int = 100


@dataclass(frozen=True)
class CouchbaseConfig:
    """A bucket of a Couchbase cluster.

    :ivar connection_string: for the SDK: ``couchbase://host[:port]``, or ``couchbases://`` with TLS
    :ivar bucket: where none is written: the user's name, as in the days when a bucket had a password
    :ivar ca_file: a PEM file with the authorities to trust; None: those that the SDK trusts anyway
    :ivar notes: what a reader of the configuration ought to know
    """

    connection_string: str
    username: str
    password: str = field(repr=False)
    bucket: str
    scope: str = _DEFAULT
    collection: str = _DEFAULT
    ca_file: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def in_default_collection(self) -> bool:
        """Whether the sessions lie in the collection that each bucket has."""
        return self.scope == self.collection == _DEFAULT


@dataclass(frozen=True)
class LedisConfig:
    """A LedisDB server, and the number of a database on it."""

    host: str
    port: int
    db: int = 0


@dataclass(frozen=True)
class SSDBConfig:
    """An SSDB server, and how it is connected to. beego's own text names no more than host and port.

    :ivar password: what the server asks for, or ""
    :ivar pool_size: connections of one process at most
    """

    host: str
    port: int
    password: str = field(default="", repr=False)
    pool_size: int = 100


def memcache(value: ProviderString) -> MemcacheConfig:
    """Read the memcache engine's string.

    :raises DSNError: for a list that is empty, an entry that is no address, or a wrong key or value
    """
    members = _MEMCACHE.members(value, _MEMCACHE_KEYS)
    if members is None:
        members = {"save_path": value}
    text = _MEMCACHE.text(members.get("save_path", ""), "the address")
    entries = [entry.strip() for entry in text.split(";") if entry.strip()]
    if not entries:
        raise _MEMCACHE.error("the address is missing")
    servers = tuple(
        entry if entry.startswith("/") else _MEMCACHE.address(entry, "the address", default_port=MEMCACHE_PORT)
        for entry in entries
    )
    username, password = (_MEMCACHE.text(members.get(key, ""), key) for key in ("username", "password"))
    if bool(username) != bool(password) or " " in username + password:
        raise _MEMCACHE.error("username and password belong together, and neither has spaces")
    tls = members.get("tls", False)
    if not isinstance(tls, bool):
        raise _MEMCACHE.error("tls must be true or false")
    if tls and any(isinstance(server, str) for server in servers):
        raise _MEMCACHE.error("tls is for 'host:port' only, not for a socket")
    ca_file = _MEMCACHE.text(members.get("ca_file", ""), "ca_file")
    if ca_file and not tls:
        raise _MEMCACHE.error("ca_file has no effect without tls")
    return MemcacheConfig(
        servers,
        username=username or None,
        password=password or None,
        tls=tls,
        ca_file=ca_file or None,
        connect_timeout=_memcache_timeout(
            members.get("connect_timeout", MemcacheConfig.connect_timeout), "connect_timeout"
        ),
        timeout=_memcache_timeout(members.get("timeout", MemcacheConfig.timeout), "timeout"),
        pool_size=_MEMCACHE.number(members.get("pool_size", MemcacheConfig.pool_size), "pool_size", at_least=1),
    )


def couchbase(value: ProviderString) -> CouchbaseConfig:
    """Read the couchbase engine's string.

    :raises DSNError: for an address that cannot be mapped, or has a path or options, a pool other than "default", no
        bucket, a scope without a collection, or a file of authorities without TLS
    """
    members = _COUCHBASE.members(value, ("save_path", "pool", "bucket", "scope", "collection", "ca_file"))
    if members is None:
        parts = _COUCHBASE.text(value, "it").strip().split(",")
        if len(parts) > 3:
            raise _COUCHBASE.error("it has more than 3 fields (write a comma inside a password as %2C)")
        members = dict(zip(("save_path", "pool", "bucket"), parts, strict=False))
    url, port = _COUCHBASE.url(_COUCHBASE.text(members.get("save_path", ""), "the address").strip())
    endpoint = _couchbase_endpoint(url.scheme, url.hostname or "", port)
    if url.path not in ("", "/") or url.query:
        raise _COUCHBASE.error("nothing may follow host and port in its address, neither a bucket nor options")
    pool = _COUCHBASE.text(members.get("pool", ""), "the pool").strip()
    if pool not in ("", "default"):
        raise _COUCHBASE.error("the pool must be 'default'; Couchbase has no other")
    username = unquote(url.username or "")
    bucket = _COUCHBASE.text(members.get("bucket", ""), "the bucket").strip()
    if not (bucket or username):
        raise _COUCHBASE.error("neither a bucket nor a user is named")
    scope, collection = _couchbase_name(members, "scope"), _couchbase_name(members, "collection")
    if collection == _DEFAULT != scope:
        raise _COUCHBASE.error("a scope is named, but no collection in it")
    ca_file = _COUCHBASE.text(members.get("ca_file", ""), "ca_file").strip()
    if ca_file and not endpoint.startswith("couchbases:"):
        raise _COUCHBASE.error("ca_file is for TLS: write the address with couchbases:// or https://")
    return CouchbaseConfig(
        connection_string=endpoint,
        username=username,
        password=unquote(url.password or ""),
        bucket=bucket or username,
        scope=scope,
        collection=collection,
        ca_file=ca_file or None,
        notes=() if bucket else ("no bucket is named, so the user's name is taken (beego itself fails on this)",),
    )


def ledis(value: ProviderString) -> LedisConfig:
    """Read the ledis engine's string, which names a server here.

    :raises DSNError: for a directory, too: what beego opens is a LedisDB inside the process, which Python has not
    """
    members = _LEDIS.members(value, ("save_path", "db"))
    if members is None:
        parts = _LEDIS.text(value, "it").strip().split(",")
        if len(parts) > 2:
            raise _LEDIS.error("it has more than 2 fields")
        members = dict(zip(("save_path", "db"), parts, strict=False))
    server = _LEDIS.text(members.get("save_path", ""), "the address").strip()
    if not server or server.startswith(".") or "/" in server or "\\" in server or ":" not in server:
        raise _LEDIS.error("it must name a LedisDB server; a directory cannot be opened from Python")
    host, port = _LEDIS.address(server, "the address", default_port=LEDIS_PORT)
    return LedisConfig(host, port, _LEDIS.number(members.get("db", 0), "the database number"))


def ssdb(value: ProviderString) -> SSDBConfig:
    """Read the ssdb engine's string; host and port are both demanded.

    :raises DSNError: naming the field
    """
    members = _SSDB.members(value, ("host", "port", "password", "pool_size"))
    if members is None:
        members, address = {}, _SSDB.address(_SSDB.text(value, "the address"), "the address")
    else:
        port = _SSDB.number(members.get("port"), "port", at_least=1, at_most=65535)
        address = _SSDB.address(f"{_SSDB.text(members.get('host', ''), 'host')}:{port}", "host and port")
        if not members.get("host"):
            raise _SSDB.error("host is missing")
    return SSDBConfig(
        address.host,
        address.port,
        password=_SSDB.text(members.get("password", ""), "password"),
        pool_size=_SSDB.number(members.get("pool_size", SSDBConfig.pool_size), "pool_size", at_least=1),
    )


def _memcache_timeout(value: object, field: str) -> float:
    seconds = _MEMCACHE.seconds(value, field)
    if seconds == 0:
        raise _MEMCACHE.error(f"{field} must be more than 0")
    return seconds


def _couchbase_name(members: Mapping[str, object], key: str) -> str:
    name = _COUCHBASE.text(members.get(key, ""), key).strip() or _DEFAULT
    if name != _DEFAULT and not _NAME_IN_BUCKET.match(name):
        raise _COUCHBASE.error(f"{key} must be 1 to 251 letters, digits, '_', '-' and '%', not beginning with _ or %")
    return name


def _couchbase_endpoint(scheme: str, host: str, port: int | None) -> str:
    if scheme not in ("http", "https", "couchbase", "couchbases"):
        raise _COUCHBASE.error("its address has another scheme")
    _COUCHBASE.address(f"[{host}]" if ":" in host else host, "the address", default_port=_MANAGEMENT)
    shown = f"[{host}]" if ":" in host else host
    if scheme.startswith("couchbase"):
        return f"{scheme}://{shown}:{port}" if port else f"{scheme}://{shown}"
    if port not in (None, _MANAGEMENT, _MANAGEMENT_TLS):
        raise _COUCHBASE.error("an http:// address has port 8091 or 18091; for a key-value port write couchbase://")
    secure = scheme == "https" or port == _MANAGEMENT_TLS
    return f"{'couchbases' if secure else 'couchbase'}://{shown}"
