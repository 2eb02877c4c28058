"""Logout holds against a beego that saves blindly: what has ended under CODEC "gob" is marked, and stays ended."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from beesession.provider import Conflict, Gone, Provider, Record
from beesession.testing import HOUR, ProviderContract, Verbs, require
from beesession_tests.engines import RunningEngine, engines_with
from beesession_tests.servers import MemcachedServer, RedisServer, Servers

LIFETIME = 1000
REVOKING = engines_with("revokes")

each_that_revokes = pytest.mark.parametrize("engine", REVOKING, indirect=True)


class Beego(ABC):
    """The store as a running beego reaches it, past our provider."""

    def __init__(self, engine: RunningEngine, servers: Servers) -> None:
        self.engine = engine
        self.servers = servers

    @abstractmethod
    def save(self, sid: str, data: bytes) -> None:
        """Store a session whether or not there is one, as beego does at the end of each request."""

    @abstractmethod
    def has(self, sid: str) -> bool:
        """Return whether anything is stored under this id."""

    @abstractmethod
    def mark(self, sid: str) -> float | None:
        """Return the seconds that the revocation mark of an id has left; None when there is no mark."""


class BeegoOnRedis(Beego):
    def server(self, sid: str) -> RedisServer:
        if self.engine.name == "redis_cluster":
            return self.servers.redis_cluster.master_of(sid)
        return self.servers.redis_sentinel.master() if self.engine.name == "redis_sentinel" else self.servers.redis

    def save(self, sid: str, data: bytes) -> None:
        self.server(sid).admin.set(sid, data, ex=LIFETIME)

    def has(self, sid: str) -> bool:
        return bool(self.server(sid).admin.exists(sid))

    def mark(self, sid: str) -> float | None:
        left = self.server(sid).admin.pttl(f"{{{sid}}}:r")
        return None if left == -2 else left / 1000


class BeegoOnMemcached(Beego):
    def node(self, key: str) -> MemcachedServer:
        """Return the node that beego's client would choose."""
        nodes = self.servers.memcached.nodes
        return nodes[zlib.crc32(key.encode()) % len(nodes)]

    def save(self, sid: str, data: bytes) -> None:
        self.node(sid).admin.set(sid, data, LIFETIME)

    def has(self, sid: str) -> bool:
        return self.node(sid).admin.get(sid) is not None

    def mark(self, sid: str) -> float | None:
        key = f"{sid}:r"
        reply: bytes = self.node(key).admin.raw_command(f"mg {key} t")
        return float(reply.removeprefix(b"HD t")) if reply.startswith(b"HD") else None


class BeegoOnFiles(Beego):
    @property
    def root(self) -> Path:
        return Path(self.engine.settings["PROVIDER_CONFIG"])

    def path(self, sid: str) -> Path:
        return self.root / sid[0] / sid[1] / sid

    def save(self, sid: str, data: bytes) -> None:
        self.path(sid).parent.mkdir(parents=True, exist_ok=True)
        self.path(sid).write_bytes(data)

    def has(self, sid: str) -> bool:
        return self.path(sid).exists()

    def mark(self, sid: str) -> float | None:
        with suppress(FileNotFoundError):
            mark = self.root.with_name(f"{self.root.name}.lock") / f"revoked-{sid}"
            return mark.stat().st_mtime - time.time()
        return None


class BeegoOnCouchbase(Beego):
    def save(self, sid: str, data: bytes) -> None:
        collection = cast(Any, self.engine.provider)._connection.get().collection
        collection.upsert(sid, json.dumps(base64.b64encode(data).decode()).encode())

    def has(self, sid: str) -> bool:
        return self.servers.couchbase.document(sid) is not None

    def mark(self, sid: str) -> float | None:
        found = self.servers.couchbase.document(f"{sid}:r")
        return None if found is None else found.left


class BeegoOnSSDB(Beego):
    def save(self, sid: str, data: bytes) -> None:
        self.servers.ssdb.admin.send((b"setx", sid.encode(), data, b"%d" % LIFETIME))

    def has(self, sid: str) -> bool:
        return self.servers.ssdb.admin.send((b"get", sid.encode())) != [None]

    def mark(self, sid: str) -> float | None:
        key = f"{sid}:r".encode()
        if self.servers.ssdb.admin.send((b"get", key)) == [None]:
            return None
        (left,) = self.servers.ssdb.admin.send((b"ttl", key))
        assert left is not None
        return float(left[0])


STORES: dict[str, type[Beego]] = {
    "redis": BeegoOnRedis,
    "redis_cluster": BeegoOnRedis,
    "redis_sentinel": BeegoOnRedis,
    "memcache": BeegoOnMemcached,
    "file": BeegoOnFiles,
    "couchbase": BeegoOnCouchbase,
    "ssdb": BeegoOnSSDB,
}


@each_that_revokes
class TestEachEngineSharedWithBeego(ProviderContract):
    @pytest.fixture
    def provider(self, engine: RunningEngine) -> Iterator[Provider]:
        with engine.configured(CODEC="gob"):
            yield engine.provider

    def test_an_id_is_free_again_after_destroy(self, verbs: Verbs) -> None:
        """It is not: its mark outlives it."""
        first = verbs.store(b"first")
        verbs.destroy(first.sid)
        assert verbs.create(first.sid, b"second", HOUR) is None
        assert verbs.read(first.sid) is None


# What ends an id, and what a late request tries ------------------------------------------------------------


def _regenerate(verbs: Verbs, record: Record, lifetime: float = HOUR) -> None:
    verbs.regenerate(record.sid, verbs.new_sid(), record, b"moved", lifetime)


Act = Callable[[Verbs, Record], object]

ENDS: dict[str, Act] = {
    "destroy": lambda verbs, record: verbs.destroy(record.sid),
    "rotation": _regenerate,
    "rotation to no lifetime": lambda verbs, record: _regenerate(verbs, record, 0),
    "swap with no lifetime": lambda verbs, record: verbs.swap(record.sid, record, b"last words", 0),
    "touch with no lifetime": lambda verbs, record: verbs.touch(record.sid, record, -1),
}
LATE: dict[str, Act] = {
    "swap": lambda verbs, record: verbs.swap(record.sid, record, b"late", HOUR),
    "swap with no lifetime": lambda verbs, record: verbs.swap(record.sid, record, b"late", 0),
    "touch": lambda verbs, record: verbs.touch(record.sid, record, HOUR),
    "touch with no lifetime": lambda verbs, record: verbs.touch(record.sid, record, 0),
    "rotation": _regenerate,
}
each_end = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())


@pytest.fixture
def beego(engine: RunningEngine, servers: Servers) -> Iterator[Beego]:
    """A beego beside us, while the settings say that the store is shared with one."""
    with engine.configured(CODEC="gob", LIFETIME=LIFETIME):
        yield STORES[engine.name](engine, servers)


@pytest.fixture(params=["sync", "async"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop | None]:
    """Have each test run with the sync verbs, for which this is None, and with the async ones."""
    if request.param == "sync":
        yield None
        return
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def verbs(beego: Beego, loop: asyncio.AbstractEventLoop | None) -> Verbs:
    return Verbs(beego.engine.provider, loop)


@each_that_revokes
def test_what_beego_saves_in_a_live_session_is_read(verbs: Verbs, beego: Beego) -> None:
    record = verbs.store(b"ours")
    beego.save(record.sid, b"beego's")
    assert verbs.data(record.sid) == b"beego's"
    assert beego.mark(record.sid) is None


@each_that_revokes
@each_end
def test_what_beego_saves_after_the_end_opens_nothing_and_is_removed(verbs: Verbs, beego: Beego, end: Act) -> None:
    record = verbs.store()
    end(verbs, record)
    assert not beego.has(record.sid)
    for _ in range(2):
        beego.save(record.sid, b"late")
        assert beego.has(record.sid)
        assert verbs.read(record.sid) is None
        assert not beego.has(record.sid)


@each_that_revokes
@pytest.mark.parametrize("late", LATE.values(), ids=LATE.keys())
def test_a_late_request_finds_nothing_in_what_beego_has_revived(verbs: Verbs, beego: Beego, late: Act) -> None:
    record = verbs.store(b"read before")
    verbs.destroy(record.sid)
    for data in (b"read before", b"late"):
        beego.save(record.sid, data)
        with pytest.raises(Gone):
            late(verbs, record)
        assert not beego.has(record.sid)
        assert verbs.read(record.sid) is None
    require(verbs.provider, "active")
    assert verbs.active().number in (0, None)


@each_that_revokes
@each_end
def test_an_id_that_has_ended_stays_taken(verbs: Verbs, beego: Beego, end: Act) -> None:
    ended, other = verbs.store(b"ended"), verbs.store(b"other")
    end(verbs, ended)
    for lifetime in (HOUR, 0):
        assert verbs.create(ended.sid, b"anew", lifetime) is None
        with pytest.raises(Conflict):
            verbs.regenerate(other.sid, ended.sid, other, b"moved", lifetime)
    assert not beego.has(ended.sid)
    assert verbs.data(other.sid) == b"other"


@each_that_revokes
def test_an_id_is_taken_while_beego_has_revived_it(verbs: Verbs, beego: Beego) -> None:
    record = verbs.store()
    verbs.destroy(record.sid)
    beego.save(record.sid, b"late")
    assert verbs.create(record.sid, b"anew", HOUR) is None
    assert verbs.read(record.sid) is None


@each_that_revokes
def test_to_destroy_what_is_not_there_revokes_it_all_the_same(verbs: Verbs, beego: Beego) -> None:
    """A request of beego's may hold it, and be about to save it."""
    sid = verbs.new_sid()
    assert verbs.destroy(sid) is False
    beego.save(sid, b"late")
    assert verbs.read(sid) is None
    assert not beego.has(sid)


@each_that_revokes
def test_to_destroy_what_beego_has_revived_removes_it_for_good(verbs: Verbs, beego: Beego) -> None:
    record = verbs.store()
    verbs.destroy(record.sid)
    beego.save(record.sid, b"late")
    verbs.destroy(record.sid)
    assert not beego.has(record.sid)
    beego.save(record.sid, b"later")
    assert verbs.read(record.sid) is None


# The marks themselves --------------------------------------------------------------------------------------


@each_that_revokes
@each_end
def test_a_mark_lives_two_lifetimes(verbs: Verbs, beego: Beego, end: Act) -> None:
    record = verbs.store()
    assert beego.mark(record.sid) is None
    end(verbs, record)
    assert beego.mark(record.sid) == pytest.approx(2 * LIFETIME, abs=3)


@each_that_revokes
def test_an_idle_timeout_makes_no_mark_shorter(engine: RunningEngine, beego: Beego) -> None:
    # What beego brings back lives its full lifetime: of idle timeouts it knows nothing.
    with engine.configured(CODEC="gob", LIFETIME=LIFETIME, IDLE_TIMEOUT=60):
        sid = engine.session_of(asta=1)
        engine.provider.destroy(sid)
        assert beego.mark(sid) == pytest.approx(2 * LIFETIME, abs=3)


@each_that_revokes
def test_the_removal_of_what_was_revived_renews_the_mark(verbs: Verbs, beego: Beego) -> None:
    record = verbs.store()
    verbs.destroy(record.sid)
    time.sleep(1.1)  # there are stores that tell whole seconds only
    before = beego.mark(record.sid)
    beego.save(record.sid, b"late")
    verbs.read(record.sid)
    after = beego.mark(record.sid)
    assert before is not None
    assert after is not None
    assert after > before


@each_that_revokes
def test_what_goes_on_living_has_no_mark(verbs: Verbs, beego: Beego) -> None:
    first = verbs.store(b"first")
    moved = verbs.regenerate(first.sid, verbs.new_sid(), first, b"moved", HOUR)
    swapped = verbs.swap(moved.sid, moved, b"swapped", HOUR)
    verbs.touch(moved.sid, swapped, HOUR)
    with pytest.raises(Conflict):
        verbs.swap(moved.sid, moved, b"not what is stored", 0)
    assert beego.mark(moved.sid) is None
    assert verbs.data(moved.sid) == b"swapped"


@each_that_revokes
def test_a_mark_is_no_session(verbs: Verbs) -> None:
    require(verbs.provider, "active")
    kept, ended = verbs.store(), verbs.store()
    verbs.destroy(ended.sid)
    assert verbs.active().number in (1, None)
    verbs.destroy(kept.sid)
    assert verbs.active().number in (0, None)


@each_that_revokes
@each_end
def test_without_beego_beside_us_nothing_is_marked(
    beego: Beego, loop: asyncio.AbstractEventLoop | None, end: Act
) -> None:
    with beego.engine.configured(LIFETIME=LIFETIME):
        verbs = Verbs(beego.engine.provider, loop)
        record = verbs.store()
        end(verbs, record)
        assert beego.mark(record.sid) is None
        assert verbs.create(record.sid, b"anew", HOUR) is not None


def test_each_engine_that_revokes_is_tried_here() -> None:
    assert {engine.name for engine in REVOKING} <= STORES.keys()
