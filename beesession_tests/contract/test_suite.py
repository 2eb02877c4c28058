"""The conformance suite is worth something only if it fails: each planted fault is seen by the test that is for it."""

from __future__ import annotations

from typing import Any

import pytest

from beesession.conf import Options
from beesession.engines.memory import MemoryProvider
from beesession.provider import Capabilities, Conflict, Gone, Record, Sweep
from beesession.testing import ProviderContract, Verbs


class CreateOverwrites(MemoryProvider):
    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        self.destroy(sid)
        return super().create(sid, data, lifetime)


class SwapDoesNotCompare(MemoryProvider):
    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return super().swap(sid, self.read(sid) or record, data, lifetime)


class SwapInserts(MemoryProvider):
    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        try:
            return super().swap(sid, record, data, lifetime)
        except Gone:
            return self.create(sid, data, lifetime) or record


class SwapKeepsTheDead(MemoryProvider):
    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return super().swap(sid, record, data, max(lifetime, 1))


class TouchWritesTheData(MemoryProvider):
    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return self.swap(sid, self.read(sid) or record, record.data, lifetime)


class TouchIsAConflict(MemoryProvider):
    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return self.swap(sid, record, record.data, lifetime)


class TouchVouchesForUnseenData(MemoryProvider):
    def _compare(self, sid: str, record: Record) -> None:
        if record.token != "touched":
            super()._compare(sid, record)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        super().touch(sid, record, lifetime)
        return Record(record.data, token="touched", sid=sid)


class RotationKeepsTheOldId(MemoryProvider):
    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        moved = super().regenerate(sid, new_sid, record, data, lifetime)
        self.create(sid, data, lifetime)
        return moved


class RotationRevives(MemoryProvider):
    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        try:
            return super().regenerate(sid, new_sid, record, data, lifetime)
        except Gone:
            return self.create(new_sid, data, lifetime) or record


class RotationTakesOver(MemoryProvider):
    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        self.destroy(new_sid)
        return super().regenerate(sid, new_sid, record, data, lifetime)


class EmptyIsNothing(MemoryProvider):
    def read(self, sid: str) -> Record | None:
        record = super().read(sid)
        return record if record and record.data else None


class DestroyRaises(MemoryProvider):
    def destroy(self, sid: str) -> bool:
        if self.read(sid) is None:
            raise Gone
        return super().destroy(sid)


class DestroyAlwaysSaysYes(MemoryProvider):
    def destroy(self, sid: str) -> bool:
        super().destroy(sid)
        return True


class RoundsDown(MemoryProvider):
    def whole_seconds(self, lifetime: float) -> int:
        return int(lifetime)


class AsyncGoesElsewhere(MemoryProvider):
    async def aread(self, sid: str) -> Record | None:
        return None


class GcDoesNothing(MemoryProvider):
    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        return Sweep(removed=0, finished=True)


class GcKnowsNoLimit(MemoryProvider):
    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        return super().gc(1000, dry_run=dry_run)


class GcRunsDryAndWet(MemoryProvider):
    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        return super().gc(limit)


class ShowsItsRecords(MemoryProvider):
    def __repr__(self) -> str:
        return repr(self._entries)


FAULTS: list[tuple[type[MemoryProvider], str]] = [
    (CreateOverwrites, "a_taken_id_is_refused_and_its_record_left_alone"),
    (SwapDoesNotCompare, "swap_of_a_superseded_record_is_a_conflict_and_writes_nothing"),
    (SwapInserts, "swap_after_destroy_is_gone_and_brings_nothing_back"),
    (SwapInserts, "swap_of_an_unknown_record_is_gone_and_creates_nothing"),
    (TouchWritesTheData, "touch_of_a_superseded_record_is_no_conflict_and_keeps_what_is_stored"),
    (TouchIsAConflict, "touch_of_a_superseded_record_is_no_conflict_and_keeps_what_is_stored"),
    (TouchVouchesForUnseenData, "after_touch_of_a_superseded_record_no_swap_overwrites_unseen_data"),
    (RotationKeepsTheOldId, "the_old_id_is_dead_after_regenerate"),
    (RotationRevives, "regenerate_after_destroy_is_gone_and_brings_nothing_back"),
    (RotationRevives, "a_record_can_be_moved_once"),
    (RotationTakesOver, "regenerate_to_a_taken_id_is_a_conflict_and_changes_neither_record"),
    (DestroyRaises, "to_destroy_what_is_not_there_is_no_error"),
    (DestroyAlwaysSaysYes, "to_destroy_what_is_not_there_is_no_error"),
    (RoundsDown, "a_fraction_of_a_second_is_rounded_up"),
    (GcDoesNothing, "gc_removes_the_expired_and_nothing_else_within_its_limit"),
    (GcKnowsNoLimit, "gc_removes_the_expired_and_nothing_else_within_its_limit"),
    (GcRunsDryAndWet, "a_dry_run_of_gc_counts_what_the_real_run_then_removes"),
    (ShowsItsRecords, "no_repr_shows_a_session_id_or_data"),
]

WITH_ARGUMENTS: list[tuple[type[MemoryProvider], str, dict[str, Any]]] = [
    (EmptyIsNothing, "a_record_comes_back_byte_for_byte", {"data": b""}),
    (SwapKeepsTheDead, "swap_with_no_lifetime_removes_the_record", {"lifetime": 0}),
    *((fault, name, {}) for fault, name in FAULTS),
]


@pytest.mark.parametrize(
    ("fault", "test", "arguments"),
    WITH_ARGUMENTS,
    ids=[f"{fault.__name__}-{test}" for fault, test, _ in WITH_ARGUMENTS],
)
def test_the_suite_sees_a_planted_fault(fault: type[MemoryProvider], test: str, arguments: dict[str, Any]) -> None:
    check = getattr(ProviderContract(), f"test_{test}")
    check(Verbs(MemoryProvider.from_config("", Options()), None), **arguments)
    with pytest.raises((AssertionError, pytest.fail.Exception, Conflict, Gone)):
        check(Verbs(fault.from_config("", Options()), None), **arguments)


def test_the_suite_sees_an_async_half_that_reaches_another_store() -> None:
    with pytest.raises(AssertionError):
        ProviderContract().test_the_sync_and_the_async_verbs_reach_the_same_record(
            AsyncGoesElsewhere.from_config("", Options())
        )


def test_what_is_not_promised_is_skipped_and_says_so() -> None:
    class Forgetful(MemoryProvider):
        capabilities = Capabilities(**{**vars(MemoryProvider.capabilities), "swap": False})

    verbs = Verbs(Forgetful.from_config("", Options()), None)
    with pytest.raises(pytest.skip.Exception, match="^not promised by Capabilities: swap$"):
        ProviderContract().test_swap_of_a_superseded_record_is_a_conflict_and_writes_nothing(verbs)
