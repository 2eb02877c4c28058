"""The memory engine: its bound, its clock and its threads. What every engine must do is tested in ``contract``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from beesession.conf import Options
from beesession.engines import memory
from beesession.engines.memory import MemoryProvider, SessionStore
from beesession.provider import Conflict, Gone, Record, Sweep
from beesession.store import SessionStore as AnyStore

HOUR = 3600


def stored(provider: MemoryProvider, sid: str, lifetime: float = HOUR, data: bytes = b"data") -> Record:
    record = provider.create(sid, data, lifetime)
    assert record is not None
    return record


def kept(provider: MemoryProvider, *sids: str) -> list[str]:
    """Return which of these are live. To look uses a session, so tests look once, at the end."""
    return [sid for sid in sids if provider.read(sid) is not None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds pass for the engine."""
    passed = 0.0

    def move(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        monkeypatch.setattr(memory, "clock", lambda: time.monotonic() + passed)

    return move


class TestConfiguration:
    @pytest.mark.parametrize("value", ["", "anything that beego ignores", {}])
    def test_what_names_no_bound_gets_the_default(self, value: Any) -> None:
        assert MemoryProvider.from_config(value, Options()).max_sessions == 100_000

    @pytest.mark.parametrize("value", ['{"max_sessions": 3}', {"max_sessions": 3}])
    def test_the_bound_is_read_from_json_or_a_mapping(self, value: Any) -> None:
        assert MemoryProvider.from_config(value, Options()).max_sessions == 3

    @pytest.mark.parametrize("value", [{"max_sessions": 0}, {"max_sessions": "many"}, {"max_session": 3}])
    def test_a_bound_that_is_none_is_refused_with_the_key(self, value: Any) -> None:
        with pytest.raises(ImproperlyConfigured, match=r"SITE\['PROVIDER_CONFIG'\].*max_sessions"):
            MemoryProvider.from_config(value, Options(source="SITE"))


class TestBound:
    def test_the_session_that_was_used_longest_ago_makes_room(self) -> None:
        provider = MemoryProvider(max_sessions=3)
        for sid in ("first", "second", "third", "fourth"):
            stored(provider, sid)
        assert kept(provider, "first", "second", "third", "fourth") == ["second", "third", "fourth"]

    @pytest.mark.parametrize(
        "use",
        [
            lambda provider, record: provider.read("first"),
            lambda provider, record: provider.swap("first", record, b"new", HOUR),
            lambda provider, record: provider.touch("first", record, HOUR),
        ],
        ids=["read", "swap", "touch"],
    )
    def test_a_session_in_use_is_kept(self, use: Callable[[MemoryProvider, Record], object]) -> None:
        provider = MemoryProvider(max_sessions=3)
        record = stored(provider, "first")
        stored(provider, "second")
        stored(provider, "third")
        use(provider, record)
        stored(provider, "fourth")
        assert kept(provider, "first", "second", "third", "fourth") == ["first", "third", "fourth"]

    def test_an_expired_session_makes_room_before_a_live_one(self, clock: Callable[[float], None]) -> None:
        provider = MemoryProvider(max_sessions=3)
        stored(provider, "first")
        stored(provider, "second", lifetime=10)
        stored(provider, "third")
        clock(11)
        stored(provider, "fourth")
        assert kept(provider, "first", "second", "third", "fourth") == ["first", "third", "fourth"]

    def test_a_session_whose_expiry_was_moved_is_not_taken_for_expired(self, clock: Callable[[float], None]) -> None:
        provider = MemoryProvider(max_sessions=2)
        provider.touch("first", stored(provider, "first", lifetime=10), HOUR)
        stored(provider, "second", lifetime=20)
        clock(21)
        stored(provider, "third")
        assert kept(provider, "first", "second", "third") == ["first", "third"]

    def test_a_write_to_a_full_store_displaces_nobody_when_it_needs_no_room(self) -> None:
        provider = MemoryProvider(max_sessions=2)
        stored(provider, "first")
        record = stored(provider, "second")
        provider.regenerate("second", "renamed", provider.swap("second", record, b"new", HOUR), b"newer", HOUR)
        stored(provider, "over", lifetime=0)
        assert kept(provider, "first", "second", "renamed", "over") == ["first", "renamed"]

    def test_a_displaced_session_is_gone_and_does_not_come_back(self) -> None:
        provider = MemoryProvider(max_sessions=1)
        record = stored(provider, "first")
        stored(provider, "second")
        with pytest.raises(Gone):
            provider.swap("first", record, b"late", HOUR)
        assert kept(provider, "first", "second") == ["second"]

    def test_a_session_that_is_touched_for_ever_takes_no_more_memory(self) -> None:
        provider = MemoryProvider(max_sessions=10)
        record = stored(provider, "first")
        for _ in range(5000):
            record = provider.touch("first", record, HOUR)
        assert len(provider._deadlines) < 100


class TestTime:
    def test_a_change_of_the_system_time_moves_no_expiry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = MemoryProvider(max_sessions=10)
        stored(provider, "first")
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert kept(provider, "first") == ["first"]
        monkeypatch.setattr("time.time", lambda: 1e11)
        assert kept(provider, "first") == ["first"]

    def test_a_record_lives_until_its_expiry_and_no_longer(self, clock: Callable[[float], None]) -> None:
        provider = MemoryProvider(max_sessions=10)
        stored(provider, "first", lifetime=60)
        clock(59)
        assert provider.active().number == 1
        record = provider.read("first")
        assert record is not None
        assert record.remaining == pytest.approx(1, abs=0.9)
        clock(2)
        assert provider.active().number == 0
        assert provider.read("first") is None

    def test_gc_removes_the_expired_in_batches(self, clock: Callable[[float], None]) -> None:
        provider = MemoryProvider(max_sessions=10)
        for number in range(5):
            stored(provider, f"expired {number}", lifetime=10)
        stored(provider, "live")
        clock(11)
        assert provider.gc(3) == Sweep(3, finished=False)
        assert provider.gc(3) == Sweep(2, finished=True)
        assert len(provider._entries) == 1
        assert kept(provider, "live") == ["live"]


class UnhurriedProvider(MemoryProvider):
    """Gives way to other threads between the comparison and the write."""

    def whole_seconds(self, lifetime: float) -> int:
        time.sleep(0.0002)
        return super().whole_seconds(lifetime)


class TestManyThreads:
    def test_no_update_is_lost(self) -> None:
        provider = UnhurriedProvider(max_sessions=10)
        stored(provider, "counter", data=b"0")
        start = threading.Barrier(8)

        def count(number: int) -> None:
            start.wait(10)
            for _ in range(25):
                record = provider.read("counter")
                while True:
                    assert record is not None
                    try:
                        provider.swap("counter", record, b"%d" % (int(record.data) + 1), HOUR)
                        break
                    except Conflict as conflict:
                        record = conflict.record

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(count, range(8)))
        record = provider.read("counter")
        assert record is not None
        assert record.data == b"200"

    def test_no_late_write_brings_back_what_was_destroyed(self) -> None:
        provider = UnhurriedProvider(max_sessions=1000)
        records = [stored(provider, f"session {number}") for number in range(400)]
        start = threading.Barrier(2)

        def act(destroying: bool) -> int:
            start.wait(10)
            if destroying:
                return sum(provider.destroy(record.sid) for record in records)
            for record in records:
                with suppress(Gone):
                    provider.touch(record.sid, provider.swap(record.sid, record, b"late", HOUR), HOUR)
            return 0

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(act, [True, False])) == 400
        assert provider.active().number == 0

    def test_an_id_goes_to_one_of_those_who_create_it(self) -> None:
        provider = UnhurriedProvider(max_sessions=10)
        start = threading.Barrier(8)

        def create(thread: int) -> bool:
            start.wait(10)
            return provider.create("wanted by all", b"thread %d" % thread, HOUR) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(8))) == 1

    def test_the_bound_holds_while_many_create(self) -> None:
        provider = UnhurriedProvider(max_sessions=50)
        start = threading.Barrier(8)

        def fill(thread: int) -> None:
            start.wait(10)
            for number in range(50):
                stored(provider, f"{thread} {number}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(fill, range(8)))
        assert provider.active().number == 50
        assert len(provider._entries) == 50


class TestStore:
    @pytest.fixture
    def store(self) -> type[AnyStore]:
        return type("BoundStore", (SessionStore,), {"options": Options()})

    def test_a_request_does_not_see_what_another_has_not_saved(self, store: type[AnyStore]) -> None:
        first = store()
        first["cart"] = ["tea"]
        first.save()
        second = store(first.session_key)
        second["cart"].append("cake")
        assert store(first.session_key)["cart"] == ["tea"]
        second.save()
        assert store(first.session_key)["cart"] == ["tea", "cake"]
        assert first["cart"] == ["tea"]

    def test_two_configurations_share_no_session(self, store: type[AnyStore]) -> None:
        session = store()
        session.save()
        other = type("OtherStore", (SessionStore,), {"options": Options()})
        assert store().exists(session.session_key)
        assert not other().exists(session.session_key)
