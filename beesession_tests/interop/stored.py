"""When a session ends by beego's own rule, as its store has it: past beego, and past us."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from pathlib import Path

from beesession.beego.cookie import BeegoTokens
from beesession_tests.engines import RunningEngine
from beesession_tests.interop.beego import COOKIE_KEYS
from beesession_tests.servers import MariaDBServer, PostgreSQLServer, RedisServer, Servers


class Stored(ABC):
    """The sessions in the store that both sides use.

    :param lifetime: the seconds that beego adds to a last use
    :ivar made: when this was made, by the clock ``time.monotonic``
    """

    def __init__(self, engine: RunningEngine, servers: Servers, lifetime: float) -> None:
        self.engine = engine
        self.servers = servers
        self.lifetime = lifetime
        self.made = time.monotonic()

    @abstractmethod
    def left(self, sid: str) -> float | None:
        """Return the seconds until a session ends by beego's rule; None when there is none."""


class Dated(Stored):
    """A store of sessions with the moment of their last use, to which beego adds the lifetime."""

    @abstractmethod
    def age(self, sid: str, seconds: float) -> None:
        """Have a session be older by so many seconds."""


class InRedis(Stored):
    def _server(self, sid: str) -> RedisServer:
        if self.engine.name == "redis_cluster":
            return self.servers.redis_cluster.master_of(sid)
        return self.servers.redis_sentinel.master() if self.engine.name == "redis_sentinel" else self.servers.redis

    def left(self, sid: str) -> float | None:
        left = self._server(sid).admin.pttl(sid)
        return None if left == -2 else left / 1000


class InMemcached(Stored):
    def left(self, sid: str) -> float | None:
        try:
            node = self.servers.memcached.node_of(sid)
        except ValueError:
            return None
        reply: bytes = node.admin.raw_command(f"mg {sid} t")
        return float(reply.removeprefix(b"HD t"))


class InMySQL(Dated):
    def left(self, sid: str) -> float | None:
        rows = self._server.execute("SELECT session_expiry FROM session WHERE session_key = %s", (sid,))
        return rows[0][0] + self.lifetime - time.time() if rows else None

    def age(self, sid: str, seconds: float) -> None:
        self._server.execute(
            "UPDATE session SET session_expiry = session_expiry - %s WHERE session_key = %s", (round(seconds), sid)
        )

    @property
    def _server(self) -> MariaDBServer:
        return self.servers.mariadb


class InPostgreSQL(Dated):
    def left(self, sid: str) -> float | None:
        rows = self._server.execute(
            "SELECT EXTRACT(EPOCH FROM session_expiry AT TIME ZONE %s) FROM session WHERE session_key = %s",
            (self.engine.settings.get("STORE_TIMEZONE", "UTC"), sid),
        )
        return float(rows[0][0]) + self.lifetime - time.time() if rows else None

    def age(self, sid: str, seconds: float) -> None:
        self._server.execute(
            "UPDATE session SET session_expiry = session_expiry - make_interval(secs => %s) WHERE session_key = %s",
            (seconds, sid),
        )

    @property
    def _server(self) -> PostgreSQLServer:
        return self.servers.postgresql


class InFiles(Dated):
    def left(self, sid: str) -> float | None:
        try:
            return self._path(sid).stat().st_mtime + self.lifetime - time.time()
        except FileNotFoundError:
            return None

    def age(self, sid: str, seconds: float) -> None:
        moment = self._path(sid).stat().st_mtime - seconds
        os.utime(self._path(sid), (moment, moment))

    def _path(self, sid: str) -> Path:
        return Path(self.engine.settings["PROVIDER_CONFIG"]) / sid[0] / sid[1] / sid


class InTheCookie(Stored):
    def left(self, sid: str) -> float | None:
        keys = (str(COOKIE_KEYS[name]).encode() for name in ("securityKey", "blockKey", "securityName"))
        opened = BeegoTokens(*keys).decode(sid, time.time(), int(self.lifetime))
        return opened.timestamp + self.lifetime - time.time()


STORES: dict[str, type[Stored]] = {
    "redis": InRedis,
    "redis_cluster": InRedis,
    "redis_sentinel": InRedis,
    "memcache": InMemcached,
    "mysql": InMySQL,
    "postgresql": InPostgreSQL,
    "file": InFiles,
    "cookie": InTheCookie,
}
"""Each engine that both sides can use, and how its store is looked at."""
