"""Provider strings of memcache, couchbase, ledis and ssdb."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from beesession.beego.dsn.form import Address, Form, ProviderString

_MEMCACHE = Form("memcache", "'host:port' or '/path/to/socket', several of them separated by ';'")
_COUCHBASE = Form(
    "couchbase",
    "'http://user:password@host:8091[,pool[,bucket]]', 'couchbase://user:password@host[:KV port][,pool[,bucket]]', "
    "or JSON with the keys save_path, pool and bucket",
)
_LEDIS = Form("ledis", "'host:port[,db]' of a LedisDB server, or JSON with the keys save_path and db")
_SSDB = Form("ssdb", "'host:port', or JSON with the keys host and port")

MEMCACHE_PORT = 11211
LEDIS_PORT = 6380
# The ports of Couchbase's management interface, which the key-value client has no use for.
_MANAGEMENT, _MANAGEMENT_TLS = 8091, 18091


@dataclass(frozen=True)
class MemcacheConfig:
    """:ivar servers: endpoints, or paths of sockets"""

    servers: tuple[Address | str, ...]


@dataclass(frozen=True)
class CouchbaseConfig:
    """A bucket of a Couchbase cluster.

    :ivar connection_string: for the SDK: ``couchbase://host[:port]``, or ``couchbases://`` with TLS
    :ivar bucket: where none is written: the user's name, as in the days when a bucket had a password
    :ivar notes: what a reader of the configuration ought to know
    """

    connection_string: str
    username: str
    password: str = field(repr=False)
    bucket: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LedisConfig:
    """A LedisDB server, and the number of a database on it."""

    host: str
    port: int
    db: int = 0


@dataclass(frozen=True)
class SSDBConfig:
    """An SSDB server."""

    host: str
    port: int


def memcache(value: ProviderString) -> MemcacheConfig:
    """Read the memcache engine's string.

    :raises DSNError: for a list that is empty, or an entry that is no address
    """
    members = _MEMCACHE.members(value, ("save_path",))
    text = _MEMCACHE.text(value if members is None else members.get("save_path", ""), "the address")
    entries = [entry.strip() for entry in text.split(";") if entry.strip()]
    if not entries:
        raise _MEMCACHE.error("the address is missing")
    return MemcacheConfig(
        tuple(
            entry if entry.startswith("/") else _MEMCACHE.address(entry, "the address", default_port=MEMCACHE_PORT)
            for entry in entries
        )
    )


def couchbase(value: ProviderString) -> CouchbaseConfig:
    """Read the couchbase engine's string.

    :raises DSNError: for an address that cannot be mapped, a pool other than "default", or no bucket
    """
    members = _COUCHBASE.members(value, ("save_path", "pool", "bucket"))
    if members is None:
        parts = _COUCHBASE.text(value, "it").strip().split(",")
        if len(parts) > 3:
            raise _COUCHBASE.error("it has more than 3 fields (write a comma inside a password as %2C)")
        members = dict(zip(("save_path", "pool", "bucket"), parts, strict=False))
    url, port = _COUCHBASE.url(_COUCHBASE.text(members.get("save_path", ""), "the address").strip())
    endpoint = _couchbase_endpoint(url.scheme, url.hostname or "", port)
    pool = _COUCHBASE.text(members.get("pool", ""), "the pool").strip()
    if pool not in ("", "default"):
        raise _COUCHBASE.error("the pool must be 'default'; Couchbase has no other")
    username = unquote(url.username or "")
    bucket = _COUCHBASE.text(members.get("bucket", ""), "the bucket").strip()
    if not (bucket or username):
        raise _COUCHBASE.error("neither a bucket nor a user is named")
    return CouchbaseConfig(
        connection_string=endpoint,
        username=username,
        password=unquote(url.password or ""),
        bucket=bucket or username,
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
    members = _SSDB.members(value, ("host", "port"))
    if members is None:
        address = _SSDB.address(_SSDB.text(value, "the address"), "the address")
    else:
        port = _SSDB.number(members.get("port"), "port", at_least=1, at_most=65535)
        address = _SSDB.address(f"{_SSDB.text(members.get('host', ''), 'host')}:{port}", "host and port")
        if not members.get("host"):
            raise _SSDB.error("host is missing")
    return SSDBConfig(address.host, address.port)


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
