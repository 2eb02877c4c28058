"""What the real beego wrote, put into a store as beego puts it there: by a plain driver, past our engines.

A :class:`Peer` is such a store. There is one for each engine whose sessions a beego application can share.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from couchbase.auth import PasswordAuthenticator  # type: ignore[import-untyped, unused-ignore]
from couchbase.cluster import Cluster  # type: ignore[import-untyped, unused-ignore]
from couchbase.exceptions import DocumentNotFoundException  # type: ignore[import-untyped, unused-ignore]
from couchbase.options import ClusterOptions  # type: ignore[import-untyped, unused-ignore]
from couchbase.transcoder import Transcoder  # type: ignore[import-untyped, unused-ignore]
from redis.cluster import RedisCluster

from beesession_tests.servers import MariaDBServer, PostgreSQLServer, Servers

MAX_LIFETIME = 3600
"""beego's maxlifetime, in seconds: how long a session lives after it was last written."""

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "beego-stores.json"

MYSQL_TABLE = """
CREATE TABLE session (
    session_key CHAR(64) NOT NULL PRIMARY KEY, session_data BLOB, session_expiry INT(11) UNSIGNED NOT NULL
) ENGINE = MyISAM DEFAULT CHARSET = utf8
"""

POSTGRESQL_TABLE = """
CREATE TABLE session (
    session_key CHAR(64) NOT NULL PRIMARY KEY, session_data BYTEA, session_expiry TIMESTAMP NOT NULL
)
"""


@dataclass(frozen=True)
class Row:
    """A session as beego stored it.

    :ivar place: the key, or the path below the directory of the file engine
    :ivar stored: what lies there
    """

    place: str
    stored: bytes = field(repr=False)

    @property
    def sid(self) -> str:
        """The session id."""
        return self.place.strip().rpartition("/")[2]


def rows_of(engine: str) -> list[Row]:
    """Return what beego's engine of this name wrote for the sessions of the vectors.

    With most engines beego also leaves an empty value for a visitor whose session it has only begun; that row comes
    last. beego's ledis engine cannot write at all, so the rows of redis speak for it: by its source they are the same.
    """
    written = json.loads(VECTORS.read_text(encoding="ascii"))["redis" if engine == "ledis" else engine]
    rows = [Row(row["place"], bytes.fromhex(row["hex"])) for row in written.values()]
    if engine not in {"memcache", "ssdb", "couchbase"}:
        sid = rows[0].sid
        rows.append(Row(rows[0].place.replace(sid, f"{sid[:-4]}ffff"), b""))
    return rows


Put = Callable[[str, bytes, float], Any]
Get = Callable[[str], "bytes | None"]


@dataclass(frozen=True)
class Peer:
    """A store that a beego application uses.

    :ivar write: stores a value at a place, given the Unix time of what would have been beego's write
    :ivar look: returns what lies at a place, expired or not, or None
    """

    write: Put
    look: Get

    def put(self, row: Row, age: float = 0) -> None:
        """Store a row as it is ``age`` seconds after beego wrote it."""
        self.write(row.place, row.stored, time.time() - age)


def seconds_left(written: float) -> int:
    """Return the time to live that beego's write has come down to by now."""
    return math.ceil(written + MAX_LIFETIME - time.time())


# Each of the following makes the peer of one engine, from the servers and the test's directory. ---------------


@contextmanager
def _file(servers: Servers, directory: Path) -> Iterator[Peer]:
    root = directory / "sessions"

    def write(place: str, value: bytes, written: float) -> None:
        path = root / place
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_bytes(value)
        path.chmod(0o600)
        os.utime(path, (written, written))

    def look(place: str) -> bytes | None:
        path = root / place
        return path.read_bytes() if path.exists() else None

    yield Peer(write, look)


@contextmanager
def _redis(servers: Servers, directory: Path) -> Iterator[Peer]:
    yield _strings(servers.redis.admin)


@contextmanager
def _redis_cluster(servers: Servers, directory: Path) -> Iterator[Peer]:
    node = servers.redis_cluster.nodes[0]
    with RedisCluster(host=node.host, port=node.port) as client:
        yield _strings(client)


@contextmanager
def _redis_sentinel(servers: Servers, directory: Path) -> Iterator[Peer]:
    yield _strings(servers.redis_sentinel.master().admin)


def _strings(client: Any) -> Peer:
    """Strings that expire, in anything that speaks the protocol of Redis."""
    return Peer(
        lambda place, value, written: client.execute_command("SETEX", place, seconds_left(written), value), client.get
    )


@contextmanager
def _ledis(servers: Servers, directory: Path) -> Iterator[Peer]:
    with servers.ledis.client() as client:
        yield _strings(client)


def _mysql(servers: Servers, directory: Path) -> AbstractContextManager[Peer]:
    return _table(servers.mariadb, MYSQL_TABLE, int)


def postgresql(servers: Servers, directory: Path, zone: str = "UTC") -> AbstractContextManager[Peer]:
    """The peer of the engine, in a time zone of its own: beego writes its local time, and not which zone that is in."""

    def local(written: float) -> datetime:
        return datetime.fromtimestamp(written, ZoneInfo(zone)).replace(tzinfo=None)

    return _table(servers.postgresql, POSTGRESQL_TABLE, local)


@contextmanager
def _table(server: MariaDBServer | PostgreSQLServer, create: str, moment: Callable[[float], object]) -> Iterator[Peer]:
    """A table that beego's documentation has made.

    :param create: makes it
    :param moment: returns what beego writes into ``session_expiry`` at a Unix time
    """
    server.execute("DROP TABLE session")
    server.execute(create)

    def write(place: str, value: bytes, written: float) -> None:
        server.execute("INSERT INTO session VALUES (%s, %s, %s)", (place, value, moment(written)))

    def look(place: str) -> bytes | None:
        found = server.execute("SELECT session_data FROM session WHERE session_key = %s", (place,))
        return bytes(found[0][0]) if found else None

    try:
        yield Peer(write, look)
    finally:
        server.execute("DROP TABLE session")  # whoever comes next makes its own


@contextmanager
def _memcache(servers: Servers, directory: Path) -> Iterator[Peer]:
    clients = [node.admin for node in servers.memcached.nodes]

    def node_of(place: str) -> Any:
        """The client of the node that beego's driver would choose for a key."""
        return clients[zlib.crc32(place.encode()) % len(clients)]

    yield Peer(
        lambda place, value, written: node_of(place).set(place, value, seconds_left(written)),
        lambda place: node_of(place).get(place),
    )


class _Raw(Transcoder):  # type: ignore[misc, unused-ignore]
    """Passes bytes on as they are, with the flags that beego's driver sets."""

    def encode_value(self, value: bytes) -> tuple[bytes, int]:
        return value, 0

    def decode_value(self, value: bytes, flags: int) -> bytes:
        return value


@contextmanager
def _couchbase(servers: Servers, directory: Path) -> Iterator[Peer]:
    server = servers.couchbase
    options = ClusterOptions(PasswordAuthenticator(server.user, server.password), transcoder=_Raw())
    with closing(Cluster(f"couchbase://{server.host}:{server.port}", options)) as cluster:
        documents = cluster.bucket(server.bucket).default_collection()

        def write(place: str, value: bytes, written: float) -> None:
            documents.upsert(place, value, expiry=timedelta(seconds=seconds_left(written)))

        def look(place: str) -> bytes | None:
            with suppress(DocumentNotFoundException):
                found: bytes = documents.get(place).value
                return found
            return None

        yield Peer(write, look)


@contextmanager
def _ssdb(servers: Servers, directory: Path) -> Iterator[Peer]:
    with closing(socket.create_connection((servers.ssdb.host, servers.ssdb.port))) as link, link.makefile("rwb") as io:

        def ask(*words: object) -> list[bytes]:
            """Send a command, and return the status and what follows it. Each word stands behind its length."""
            for word in words:
                raw = word if isinstance(word, bytes) else str(word).encode()
                io.write(b"%d\n%s\n" % (len(raw), raw))
            io.write(b"\n")
            io.flush()
            return [io.read(int(size) + 1)[:-1] for size in iter(io.readline, b"\n")]

        def look(place: str) -> bytes | None:
            status, *found = ask("get", place)
            return found[0] if status == b"ok" else None

        yield Peer(lambda place, value, written: ask("setx", place, value, seconds_left(written)), look)


PEERS: dict[str, Callable[[Servers, Path], AbstractContextManager[Peer]]] = {
    "file": _file,
    "mysql": _mysql,
    "postgresql": postgresql,
    "redis": _redis,
    "redis_cluster": _redis_cluster,
    "redis_sentinel": _redis_sentinel,
    "memcache": _memcache,
    "couchbase": _couchbase,
    "ledis": _ledis,
    "ssdb": _ssdb,
}
"""By engine: the store as beego uses it."""

NOT_SHARED = {
    "memory": "beego's own sessions of this kind are live Go values in the memory of its process",
    "cookie": "beego's own sessions of this kind are in the browsers, and its tokens are another format",
}
"""By engine: why there are no rows of beego."""
