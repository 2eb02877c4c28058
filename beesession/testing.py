"""The conformance suite of the storage contract. It needs pytest; nothing else in beesession imports this module.

An engine shows that it keeps :mod:`beesession.provider`'s promises by running :class:`ProviderContract` on itself::

    import pytest
    from beesession.conf import Options
    from beesession.testing import ProviderContract

    from myapp.sessions.own import OwnProvider


    class TestOwnProvider(ProviderContract):
        @pytest.fixture
        def provider(self, tmp_path):
            provider = OwnProvider.from_config(str(tmp_path), Options())
            yield provider
            provider.close()

Each verb is tried through its sync and through its async form. Tests are left out where the provider's own
:class:`~beesession.provider.Capabilities` do not promise what they ask for, and for no other reason.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import pytest

from beesession import conf
from beesession.exceptions import SessionTooLarge
from beesession.provider import Conflict, Count, Gone, Provider, Record, Sweep

P = ParamSpec("P")
T = TypeVar("T")

HOUR = 3600

LARGEST_TRIED = 16 * 1024 * 1024
"""Bytes: a store whose limit is higher is not filled to it."""


PAYLOADS = {
    "empty": b"",
    "text": b'{"asta": 1}',
    "each-byte": bytes(range(256)),
    "line-ends-and-nul": b"\r\n\x00\r\n",
    "over-64-KiB": bytes(range(256)) * 257,
}
"""Records that a store must give back byte for byte."""

OVER = [0, -1, -0.5]
"""Lifetimes that leave no record behind."""


def not_promised(capability: str) -> None:
    """Skip the running test, because the engine's Capabilities do not promise this."""
    pytest.skip(f"not promised by Capabilities: {capability}")


def require(provider: Provider, *capabilities: str) -> None:
    """Skip the running test unless the provider promises each of these; ``"revocable"`` is: not self-contained."""
    for capability in capabilities:
        promised = provider.capabilities
        if not (not promised.self_contained if capability == "revocable" else getattr(promised, capability)):
            not_promised(capability)


class Verbs:
    """A provider's verbs, called in their sync or in their async form.

    :ivar provider: the provider itself
    """

    def __init__(self, provider: Provider, loop: asyncio.AbstractEventLoop | None) -> None:
        self.provider = provider
        self._loop = loop

    def _call(
        self, verb: Callable[P, T], twin: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if self._loop is None:
            return verb(*args, **kwargs)
        return self._loop.run_until_complete(twin(*args, **kwargs))

    def read(self, sid: str) -> Record | None:
        return self._call(self.provider.read, self.provider.aread, sid)

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return self._call(self.provider.create, self.provider.acreate, sid, data, lifetime)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return self._call(self.provider.swap, self.provider.aswap, sid, record, data, lifetime)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return self._call(self.provider.touch, self.provider.atouch, sid, record, lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        provider = self.provider
        return self._call(provider.regenerate, provider.aregenerate, sid, new_sid, record, data, lifetime)

    def destroy(self, sid: str) -> bool:
        return self._call(self.provider.destroy, self.provider.adestroy, sid)

    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        return self._call(self.provider.gc, self.provider.agc, limit, dry_run=dry_run)

    def active(self) -> Count:
        return self._call(self.provider.active, self.provider.aactive)

    def new_sid(self) -> str:
        """Return an id that no record has."""
        return self.provider.ids(conf.options()).new()

    def store(self, data: bytes = b"data", lifetime: float = HOUR) -> Record:
        """Create a record under a new id; its ``sid`` says where."""
        sid = self.new_sid()
        record = self.create(sid, data, lifetime)
        assert record is not None, "an id that was never used is not taken"
        assert self.provider.capabilities.self_contained or record.sid == sid, "a Record names the id it lives under"
        return record

    def data(self, sid: str) -> bytes | None:
        """Return the bytes that are stored under an id, or None."""
        record = self.read(sid)
        return None if record is None else record.data


class ProviderContract:
    """What every engine has to do. Subclass it and override the fixture ``provider``."""

    @pytest.fixture
    def provider(self) -> Any:
        """The provider under test, bound to an empty store. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has to override the fixture 'provider'")

    @pytest.fixture(params=["sync", "async"])
    def verbs(self, request: pytest.FixtureRequest, provider: Provider) -> Iterator[Verbs]:
        """The provider's verbs, in both forms in turn; the async ones share one event loop."""
        if request.param == "sync":
            yield Verbs(provider, None)
            return
        loop = asyncio.new_event_loop()
        yield Verbs(provider, loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    # What it says about itself --------------------------------------------------------------------------

    def test_it_accepts_the_ids_that_it_makes(self, provider: Provider) -> None:
        ids = provider.ids(conf.options())
        assert all(ids.accepts(ids.new()) for _ in range(100))

    def test_optional_verbs_that_are_not_announced_raise_not_implemented(self, verbs: Verbs) -> None:
        if not verbs.provider.capabilities.gc:
            with pytest.raises(NotImplementedError, match=verbs.provider.name):
                verbs.gc(1)
        if not verbs.provider.capabilities.active:
            with pytest.raises(NotImplementedError, match=verbs.provider.name):
                verbs.active()

    def test_no_repr_shows_a_session_id_or_data(self, verbs: Verbs) -> None:
        record = verbs.store(b"a secret of the visitor")
        shown = repr(verbs.provider) + str(verbs.provider) + repr(record) + str(record) + repr(Conflict(record))
        assert record.sid not in shown
        assert "secret of" not in shown

    # read -----------------------------------------------------------------------------------------------

    def test_an_unknown_id_reads_as_none(self, verbs: Verbs) -> None:
        assert verbs.read(verbs.new_sid()) is None

    def test_reading_creates_nothing(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        sid = verbs.new_sid()
        verbs.read(sid)
        assert verbs.create(sid, b"mine", HOUR) is not None

    @pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS.keys())
    def test_a_record_comes_back_byte_for_byte(self, verbs: Verbs, data: bytes) -> None:
        self._fits(verbs, data)
        record = verbs.store(data)
        assert record.data == data
        assert verbs.data(record.sid) == data

    def test_a_record_that_was_read_names_its_id(self, verbs: Verbs) -> None:
        created = verbs.store()
        record = verbs.read(created.sid)
        assert record is not None
        assert record.sid == created.sid

    def test_the_remaining_seconds_are_right_where_they_are_told(self, verbs: Verbs) -> None:
        created = verbs.store(lifetime=100)
        for record in (created, verbs.read(created.sid)):
            assert record is not None
            assert record.remaining is None or 90 < record.remaining <= 100

    # create ---------------------------------------------------------------------------------------------

    def test_a_taken_id_is_refused_and_its_record_left_alone(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        first = verbs.store(b"first")
        assert verbs.create(first.sid, b"second", HOUR) is None
        assert verbs.data(first.sid) == b"first"

    def test_an_id_is_free_again_after_destroy(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        first = verbs.store(b"first")
        verbs.destroy(first.sid)
        assert verbs.create(first.sid, b"second", HOUR) is not None
        assert verbs.data(first.sid) == b"second"

    @pytest.mark.parametrize("lifetime", OVER)
    def test_create_with_no_lifetime_stores_nothing_and_returns_a_record(self, verbs: Verbs, lifetime: float) -> None:
        assert verbs.data(verbs.store(lifetime=lifetime).sid) is None

    # swap -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS.keys())
    def test_swap_replaces_the_data(self, verbs: Verbs, data: bytes) -> None:
        self._fits(verbs, data)
        record = verbs.store(b"before")
        swapped = verbs.swap(record.sid, record, data, HOUR)
        assert swapped.data == data
        assert verbs.data(swapped.sid) == data

    @pytest.mark.parametrize("data", PAYLOADS.values(), ids=PAYLOADS.keys())
    def test_swap_compares_with_what_was_read(self, verbs: Verbs, data: bytes) -> None:
        self._fits(verbs, data)
        created = verbs.store(data)
        record = verbs.read(created.sid)
        assert record is not None
        assert verbs.data(verbs.swap(created.sid, record, b"after", HOUR).sid) == b"after"

    def test_the_record_that_a_write_returns_can_be_swapped_at_once(self, verbs: Verbs) -> None:
        record = verbs.store(b"0")
        for number in (b"1", b"2", b"3"):
            record = verbs.swap(record.sid, record, number, HOUR)
        record = verbs.touch(record.sid, record, HOUR)
        record = verbs.swap(record.sid, record, b"4", HOUR)
        record = verbs.regenerate(record.sid, verbs.new_sid(), record, b"5", HOUR)
        record = verbs.swap(record.sid, record, b"6", HOUR)
        assert verbs.data(record.sid) == b"6"

    def test_swap_for_equal_data_is_a_write_like_any_other(self, verbs: Verbs) -> None:
        record = verbs.store(b"equal")
        swapped = verbs.swap(record.sid, record, b"equal", HOUR)
        assert verbs.data(swapped.sid) == b"equal"

    def test_swap_of_a_superseded_record_is_a_conflict_and_writes_nothing(self, verbs: Verbs) -> None:
        require(verbs.provider, "swap")
        record = verbs.store(b"read by both")
        verbs.swap(record.sid, record, b"theirs", HOUR)
        with pytest.raises(Conflict):
            verbs.swap(record.sid, record, b"mine", HOUR)
        assert verbs.data(record.sid) == b"theirs"

    def test_a_conflict_can_be_resolved_with_the_record_it_carries_or_one_read_anew(self, verbs: Verbs) -> None:
        require(verbs.provider, "swap")
        record = verbs.store(b"read by both")
        verbs.swap(record.sid, record, b"theirs", HOUR)
        with pytest.raises(Conflict) as caught:
            verbs.swap(record.sid, record, b"mine", HOUR)
        current = caught.value.record or verbs.read(record.sid)
        assert current is not None
        assert current.data == b"theirs"
        verbs.swap(record.sid, current, b"theirs and mine", HOUR)
        assert verbs.data(record.sid) == b"theirs and mine"

    @pytest.mark.parametrize(
        ("stored", "claimed"), [(b"", b"x"), (b"x", b""), (b"x", b"X"), (b"x", b"x "), (b"x", b"x\x00")]
    )
    def test_swap_tells_bytes_apart_that_look_alike(self, verbs: Verbs, stored: bytes, claimed: bytes) -> None:
        require(verbs.provider, "swap")
        record = verbs.store(claimed)
        verbs.swap(record.sid, record, stored, HOUR)
        with pytest.raises(Conflict):
            verbs.swap(record.sid, record, b"mine", HOUR)
        assert verbs.data(record.sid) == stored

    def test_swap_of_an_unknown_record_is_gone_and_creates_nothing(self, verbs: Verbs) -> None:
        sid = verbs.new_sid()
        with pytest.raises(Gone):
            verbs.swap(sid, Record(b"data", sid=sid), b"mine", HOUR)
        assert verbs.read(sid) is None

    def test_swap_after_destroy_is_gone_and_brings_nothing_back(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        record = verbs.store()
        verbs.destroy(record.sid)
        with pytest.raises(Gone):
            verbs.swap(record.sid, record, b"mine", HOUR)
        assert verbs.read(record.sid) is None

    @pytest.mark.parametrize("lifetime", OVER)
    def test_swap_with_no_lifetime_removes_the_record(self, verbs: Verbs, lifetime: float) -> None:
        record = verbs.store()
        assert verbs.read(verbs.swap(record.sid, record, b"last words", lifetime).sid) is None

    def test_swap_with_no_lifetime_compares_first(self, verbs: Verbs) -> None:
        require(verbs.provider, "swap")
        record = verbs.store(b"read by both")
        verbs.swap(record.sid, record, b"theirs", HOUR)
        with pytest.raises(Conflict):
            verbs.swap(record.sid, record, b"mine", 0)
        assert verbs.data(record.sid) == b"theirs"

    def test_a_record_of_the_largest_size_fits_and_a_larger_one_is_refused_whole(self, verbs: Verbs) -> None:
        limit = verbs.provider.capabilities.max_bytes
        if limit is None or limit > LARGEST_TRIED:
            not_promised("max_bytes")
            return
        record = verbs.store(b"x" * limit)
        with pytest.raises(SessionTooLarge) as caught:
            verbs.create(verbs.new_sid(), b"x" * (2 * limit), HOUR)
        assert caught.value.size > caught.value.limit
        with pytest.raises(SessionTooLarge):
            verbs.swap(record.sid, record, b"x" * (2 * limit), HOUR)
        assert verbs.data(record.sid) == b"x" * limit

    # touch ----------------------------------------------------------------------------------------------

    def test_touch_leaves_the_data_as_it_is(self, verbs: Verbs) -> None:
        record = verbs.store(b"data")
        assert verbs.data(verbs.touch(record.sid, record, 2 * HOUR).sid) == b"data"

    def test_touch_of_a_superseded_record_is_no_conflict_and_keeps_what_is_stored(self, verbs: Verbs) -> None:
        require(verbs.provider, "swap")
        record = verbs.store(b"read by both")
        verbs.swap(record.sid, record, b"theirs", HOUR)
        verbs.touch(record.sid, record, HOUR)
        assert verbs.data(record.sid) == b"theirs"

    def test_after_touch_of_a_superseded_record_no_swap_overwrites_unseen_data(self, verbs: Verbs) -> None:
        require(verbs.provider, "swap")
        record = verbs.store(b"read by both")
        verbs.swap(record.sid, record, b"theirs", HOUR)
        touched = verbs.touch(record.sid, record, HOUR)
        if touched.data == b"theirs":
            return  # it shows what is stored, so nothing is unseen
        with pytest.raises(Conflict):
            verbs.swap(record.sid, touched, b"mine", HOUR)
        assert verbs.data(record.sid) == b"theirs"

    def test_touch_of_an_unknown_record_is_gone_and_creates_nothing(self, verbs: Verbs) -> None:
        sid = verbs.new_sid()
        with pytest.raises(Gone):
            verbs.touch(sid, Record(b"data", sid=sid), HOUR)
        assert verbs.read(sid) is None

    def test_touch_after_destroy_is_gone_and_brings_nothing_back(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        record = verbs.store()
        verbs.destroy(record.sid)
        with pytest.raises(Gone):
            verbs.touch(record.sid, record, HOUR)
        assert verbs.read(record.sid) is None

    @pytest.mark.parametrize("lifetime", OVER)
    def test_touch_with_no_lifetime_removes_the_record(self, verbs: Verbs, lifetime: float) -> None:
        record = verbs.store()
        assert verbs.read(verbs.touch(record.sid, record, lifetime).sid) is None

    # regenerate -----------------------------------------------------------------------------------------

    def test_regenerate_moves_the_record_to_the_new_id(self, verbs: Verbs) -> None:
        record, new_sid = verbs.store(b"before"), verbs.new_sid()
        moved = verbs.regenerate(record.sid, new_sid, record, b"after", HOUR)
        assert verbs.provider.capabilities.self_contained or moved.sid == new_sid
        assert moved.data == b"after"
        assert verbs.data(moved.sid) == b"after"

    def test_the_old_id_is_dead_after_regenerate(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        record = verbs.store()
        verbs.regenerate(record.sid, verbs.new_sid(), record, b"after", HOUR)
        assert verbs.read(record.sid) is None
        assert verbs.destroy(record.sid) is False
        with pytest.raises(Gone):
            verbs.swap(record.sid, record, b"late", HOUR)

    def test_regenerate_of_a_superseded_record_is_a_conflict_and_moves_nothing(self, verbs: Verbs) -> None:
        require(verbs.provider, "swap")
        record, new_sid = verbs.store(b"read by both"), verbs.new_sid()
        verbs.swap(record.sid, record, b"theirs", HOUR)
        with pytest.raises(Conflict) as caught:
            verbs.regenerate(record.sid, new_sid, record, b"mine", HOUR)
        assert caught.value.record is None or caught.value.record.data == b"theirs"
        assert verbs.data(record.sid) == b"theirs"
        assert verbs.read(new_sid) is None

    def test_a_record_can_be_moved_once(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        record, first, second = verbs.store(), verbs.new_sid(), verbs.new_sid()
        verbs.regenerate(record.sid, first, record, b"first", HOUR)
        with pytest.raises(Gone):
            verbs.regenerate(record.sid, second, record, b"second", HOUR)
        assert verbs.data(first) == b"first"
        assert verbs.read(second) is None

    def test_regenerate_after_destroy_is_gone_and_brings_nothing_back(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        record, new_sid = verbs.store(), verbs.new_sid()
        verbs.destroy(record.sid)
        with pytest.raises(Gone):
            verbs.regenerate(record.sid, new_sid, record, b"mine", HOUR)
        assert verbs.read(record.sid) is None
        assert verbs.read(new_sid) is None

    def test_regenerate_to_a_taken_id_is_a_conflict_and_changes_neither_record(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        mine, foreign = verbs.store(b"mine"), verbs.store(b"foreign")
        with pytest.raises(Conflict):
            verbs.regenerate(mine.sid, foreign.sid, mine, b"after", HOUR)
        assert verbs.data(mine.sid) == b"mine"
        assert verbs.data(foreign.sid) == b"foreign"

    @pytest.mark.parametrize("lifetime", OVER)
    def test_regenerate_with_no_lifetime_removes_the_record(self, verbs: Verbs, lifetime: float) -> None:
        record = verbs.store()
        moved = verbs.regenerate(record.sid, verbs.new_sid(), record, b"last words", lifetime)
        assert verbs.read(moved.sid) is None
        if not verbs.provider.capabilities.self_contained:
            assert verbs.read(record.sid) is None

    # destroy --------------------------------------------------------------------------------------------

    def test_destroy_removes_the_record_and_says_so(self, verbs: Verbs) -> None:
        require(verbs.provider, "revocable")
        record, other = verbs.store(), verbs.store(b"other")
        assert verbs.destroy(record.sid) is True
        assert verbs.read(record.sid) is None
        assert verbs.data(other.sid) == b"other"

    def test_to_destroy_what_is_not_there_is_no_error(self, verbs: Verbs) -> None:
        record = verbs.store()
        verbs.destroy(record.sid)
        assert verbs.destroy(record.sid) is False
        assert verbs.destroy(verbs.new_sid()) is False

    # active ---------------------------------------------------------------------------------------------

    def test_active_counts_the_sessions_that_are_there_and_says_how(self, verbs: Verbs) -> None:
        require(verbs.provider, "active")
        kept = [verbs.store(str(number).encode()) for number in range(7)]
        verbs.destroy(kept.pop().sid)
        moved = verbs.regenerate(kept[0].sid, verbs.new_sid(), kept[0], b"moved", HOUR)
        verbs.swap(moved.sid, moved, b"swapped", HOUR)
        count = verbs.active()
        assert count.number in (6, None)
        assert count.how

    # Both forms, many callers ---------------------------------------------------------------------------

    def test_the_sync_and_the_async_verbs_reach_the_same_record(self, provider: Provider) -> None:
        sync = Verbs(provider, None)
        record = sync.store(b"sync")

        async def go_on(record: Record) -> Record:
            found = await provider.aread(record.sid)
            assert found is not None
            assert found.data == b"sync"
            return await provider.aswap(found.sid, found, b"async", HOUR)

        swapped = asyncio.run(go_on(record))
        assert sync.data(swapped.sid) == b"async"

    def test_the_async_verbs_work_on_one_event_loop_after_another(self, provider: Provider) -> None:
        record = Verbs(provider, None).store(b"data")
        for _ in range(3):
            found = asyncio.run(provider.aread(record.sid))
            assert found is not None
            assert found.data == b"data"

    def test_of_eight_writers_with_one_record_exactly_one_wins(self, provider: Provider) -> None:
        require(provider, "swap")
        verbs = Verbs(provider, None)
        record = verbs.store(b"read by all")

        def write(number: int) -> bytes | None:
            data = b"writer %d" % number
            try:
                provider.swap(record.sid, record, data, HOUR)
            except Conflict:
                return None
            return data

        winners = [data for data in _at_once(write) if data is not None]
        assert winners == [verbs.data(record.sid)]

    def test_of_eight_callers_that_create_one_id_exactly_one_gets_it(self, provider: Provider) -> None:
        require(provider, "revocable")
        verbs = Verbs(provider, None)
        sid = verbs.new_sid()
        made = _at_once(lambda number: provider.create(sid, b"caller %d" % number, HOUR))
        assert [record.data for record in made if record is not None] == [verbs.data(sid)]

    def test_of_eight_rotations_of_one_record_exactly_one_happens(self, provider: Provider) -> None:
        require(provider, "swap")
        verbs = Verbs(provider, None)
        record = verbs.store(b"anonymous")
        targets = [verbs.new_sid() for _ in range(8)]

        def rotate(number: int) -> str | None:
            try:
                return provider.regenerate(record.sid, targets[number], record, b"rotated", HOUR).sid
            except (Conflict, Gone):
                return None

        rotated = [sid for sid in _at_once(rotate) if sid is not None]
        assert len(rotated) == 1
        assert [sid for sid in [record.sid, *targets] if verbs.read(sid) is not None] == rotated

    def test_of_eight_callers_that_destroy_one_record_exactly_one_did(self, provider: Provider) -> None:
        require(provider, "revocable")
        record = Verbs(provider, None).store()
        assert sorted(_at_once(lambda number: provider.destroy(record.sid))) == [False] * 7 + [True]

    # Time -----------------------------------------------------------------------------------------------

    def test_a_fraction_of_a_second_is_rounded_up(self, verbs: Verbs) -> None:
        for _ in range(5):
            began = time.monotonic()
            record = verbs.store(lifetime=0.1)
            time.sleep(0.3)
            found = verbs.read(record.sid)
            if time.monotonic() - began < 0.9:  # else the machine was too busy to tell
                assert found is not None
                return
        pytest.fail("five reads took longer than the second that the record lives")

    def test_a_lifetime_above_the_ceiling_is_clamped_to_it(self, verbs: Verbs) -> None:
        ceiling = verbs.provider.capabilities.max_lifetime
        record = verbs.store(lifetime=20 * 365 * 24 * HOUR if ceiling is None else 2 * ceiling)
        found = verbs.read(record.sid)
        assert found is not None
        assert ceiling is None or found.remaining is None or found.remaining <= ceiling

    def test_expired_is_gone_for_each_verb(self, verbs: Verbs) -> None:
        short, long, self_contained = 1, HOUR, verbs.provider.capabilities.self_contained
        read, swapped, touched, moved, destroyed, replaced = (verbs.store(lifetime=short) for _ in range(6))
        by_swap, by_touch, by_move = (verbs.store(lifetime=long) for _ in range(3))
        shortened = [
            verbs.swap(by_swap.sid, by_swap, b"swapped", short),
            verbs.touch(by_touch.sid, by_touch, short),
            verbs.regenerate(by_move.sid, verbs.new_sid(), by_move, b"moved", short),
        ]
        prolonged_by_swap, prolonged_by_touch = verbs.store(lifetime=2), verbs.store(lifetime=2)
        prolonged = [
            verbs.swap(prolonged_by_swap.sid, prolonged_by_swap, b"data", long),
            verbs.touch(prolonged_by_touch.sid, prolonged_by_touch, long),
        ]
        time.sleep(0.5)
        if not self_contained:
            verbs.read(read.sid)  # to have been read last does not keep a record alive
        time.sleep(1.7)

        assert [verbs.data(record.sid) for record in (read, *shortened)] == [None] * 4
        with pytest.raises(Gone):
            verbs.swap(swapped.sid, swapped, b"late", long)
        with pytest.raises(Gone):
            verbs.touch(touched.sid, touched, long)
        with pytest.raises(Gone):
            verbs.regenerate(moved.sid, verbs.new_sid(), moved, b"late", long)
        assert verbs.destroy(destroyed.sid) is False
        assert [verbs.data(record.sid) for record in (swapped, touched, moved, destroyed)] == [None] * 4
        assert [verbs.data(record.sid) for record in prolonged] == [b"data"] * 2
        if verbs.provider.capabilities.active:
            assert verbs.active().number in (len(prolonged), None)
        if not self_contained:
            assert verbs.create(replaced.sid, b"another", long) is not None
            assert verbs.data(replaced.sid) == b"another"

    def test_gc_removes_the_expired_and_nothing_else_within_its_limit(self, verbs: Verbs) -> None:
        require(verbs.provider, "gc")
        live = [verbs.store(b"live") for _ in range(3)]
        for _ in range(5):
            verbs.store(b"expired", lifetime=1)

        assert self._expired(verbs, limit=2, number=5) == 5
        sweep = verbs.gc(2)
        assert sweep.removed <= 2
        assert sweep.finished is False
        assert sweep.removed + self._collect(verbs, limit=2) == 5
        assert self._collect(verbs, limit=1000) == 0
        assert [verbs.data(record.sid) for record in live] == [b"live"] * 3

    def test_gc_of_a_store_without_expired_records_finishes_at_once(self, verbs: Verbs) -> None:
        require(verbs.provider, "gc")
        verbs.store()
        assert verbs.gc(1000) == Sweep(removed=0, finished=True)

    def test_a_dry_run_of_gc_counts_what_the_real_run_then_removes(self, verbs: Verbs) -> None:
        require(verbs.provider, "gc")
        verbs.store(b"live")
        for _ in range(3):
            verbs.store(b"expired", lifetime=1)
        assert self._expired(verbs, limit=1000, number=3) == 3
        assert verbs.gc(1000, dry_run=True) == Sweep(removed=3, finished=True)
        assert verbs.gc(1000) == Sweep(removed=3, finished=True)
        assert verbs.gc(1000) == Sweep(removed=0, finished=True)

    # --------------------------------------------------------------------------------------------------

    @staticmethod
    def _fits(verbs: Verbs, data: bytes) -> None:
        limit = verbs.provider.capabilities.max_bytes
        if limit is not None and len(data) > limit:
            not_promised("max_bytes")

    def _expired(self, verbs: Verbs, limit: int, number: int) -> int:
        """Wait for this number of records with a lifetime of a second to expire; return how many have."""
        deadline = time.monotonic() + 2.5  # a store that counts whole seconds may be late by one
        while True:
            expired = self._collect(verbs, limit, dry_run=True)
            if expired >= number or time.monotonic() > deadline:
                return expired
            time.sleep(0.1)

    @staticmethod
    def _collect(verbs: Verbs, limit: int, *, dry_run: bool = False) -> int:
        """Collect until the provider says that it has finished; return how many it removed."""
        removed = 0
        for _ in range(100):
            sweep = verbs.gc(limit, dry_run=dry_run)
            assert sweep.removed <= limit
            removed += sweep.removed
            if sweep.finished:
                return removed
        pytest.fail("gc never said that it had finished")


def _at_once(act: Callable[[int], T], callers: int = 8) -> list[T]:
    """Call ``act`` with 0, 1, 2, ... in as many threads, all let go together; return what they returned."""
    start = threading.Barrier(callers)

    def work(number: int) -> T:
        start.wait(timeout=10)
        return act(number)

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(work, range(callers), timeout=30))
