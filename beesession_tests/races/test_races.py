"""The promises under true concurrency, on each engine that compares and sets."""

from __future__ import annotations

import asyncio

import pytest

from beesession_tests.engines import RunningEngine, engines_with
from beesession_tests.races import acts
from beesession_tests.races.crowd import WORKERS, Crowd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.crowd,
    pytest.mark.parametrize("engine", engines_with("swap"), indirect=True),
]

WRITES = 25
RACES = 400


def _session(engine: RunningEngine, **data: object) -> str:
    store = engine.SessionStore()
    store.update(data)
    store.save()
    assert store.session_key is not None
    return store.session_key


def _stored(engine: RunningEngine, key: str | None) -> dict[str, object]:
    return dict(engine.SessionStore(key).items())


def _open(engine: RunningEngine, keys: list[str]) -> list[str]:
    return [key for key in keys if engine.SessionStore.provider.read(key) is not None]


def test_of_two_hundred_writes_of_eight_workers_none_is_lost(engine: RunningEngine, racers: Crowd) -> None:
    key = _session(engine, before=0)
    racers.each([(acts.add_keys, key, worker, WRITES) for worker in range(WORKERS)])
    written = {f"{worker}/{number}": number for worker in range(WORKERS) for number in range(WRITES)}
    assert _stored(engine, key) == {"before": 0, **written}


def test_of_two_hundred_writes_of_as_many_tasks_none_is_lost(engine: RunningEngine) -> None:
    async def request(number: int, key: str) -> None:
        store = engine.SessionStore(key)
        await store.aset(f"task {number}", number)
        await store.asave()

    async def crowd(key: str) -> None:
        await asyncio.gather(*(request(number, key) for number in range(WORKERS * WRITES)))

    # How long the last one waits for its turn is the machine's affair.
    with engine.configured(SAVE_TIMEOUT=60):
        key = _session(engine, before=0)
        asyncio.run(crowd(key))
        written = {f"task {number}": number for number in range(WORKERS * WRITES)}
        assert _stored(engine, key) == {"before": 0, **written}


@pytest.mark.parametrize("change", [True, False], ids=["save", "touch"])
def test_of_four_hundred_races_against_a_logout_none_brings_the_session_back(
    engine: RunningEngine, racers: Crowd, change: bool
) -> None:
    keys = [_session(engine, **acts.login_of("anna")) for _ in range(RACES)]
    racers.each([(acts.save_late, keys, change), (acts.end, keys)])
    assert _open(engine, keys) == []


def test_of_four_hundred_rotations_against_a_logout_none_revives_a_session(
    engine: RunningEngine, racers: Crowd
) -> None:
    keys = [_session(engine, **acts.login_of("anna")) for _ in range(RACES)]
    rotated, ended = racers.each([(acts.rotate, keys), (acts.end, keys)])
    # Whoever came first did it, and the other found nothing: the session was moved, or it was ended.
    assert [new is None for new in rotated] == ended
    assert _open(engine, keys) == []
    moved = [new for new in rotated if new is not None]
    assert _open(engine, moved) == moved


def test_of_eight_rotations_of_a_login_one_happens_and_one_key_opens_it(engine: RunningEngine, racers: Crowd) -> None:
    keys = [_session(engine, **acts.login_of("anna")) for _ in range(WRITES)]
    results = racers.each([(acts.rotate, keys)] * WORKERS)
    for rotations in zip(*results, strict=True):
        moved = [new for new in rotations if new is not None]
        assert len(moved) == 1
        assert _stored(engine, moved[0]) == acts.login_of("anna")
    assert _open(engine, keys) == []


def test_eight_logins_of_as_many_users_leave_one_login_whole(engine: RunningEngine, racers: Crowd) -> None:
    users = [f"user {worker}" for worker in range(WORKERS)]
    keys = [_session(engine, cart=[]) for _ in range(WRITES)]
    results = racers.each([(acts.log_in, keys, user) for user in users])
    for key, accepted in zip(keys, zip(*results, strict=True), strict=True):
        winners = [user for user, won in zip(users, accepted, strict=True) if won]
        assert len(winners) == 1
        assert _stored(engine, key) == {"cart": [], **acts.login_of(winners[0])}
