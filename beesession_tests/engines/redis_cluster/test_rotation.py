"""A rotation in two steps, each of which may fail: there is never more than one id that opens the session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import redis
from django.test import override_settings

from beesession.engines.redis import RedisProvider
from beesession.provider import Conflict, Gone, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.places import Place, in_a_cluster_of_one
from beesession_tests.engines.redis_engine.records import HOUR, NEW_SID, SID, Form, Make, cache
from beesession_tests.servers import Servers

THIRD = "a" * 32


@pytest.fixture(scope="module")
def module_place(servers: Servers) -> Iterator[Place]:
    with in_a_cluster_of_one(servers) as place:
        yield place


@pytest.fixture
def place(module_place: Place) -> Iterator[Place]:
    """A cluster of one node behind a proxy, which knows the scripts."""
    module_place.server.flush()
    yield module_place
    module_place.proxy.heal()


@pytest.fixture
def provider(place: Place, make: Make) -> RedisProvider:
    return make(place.members)


@pytest.fixture
def verbs(form: Form, provider: RedisProvider) -> Verbs:
    verbs = form(provider)
    warm_up = verbs.create(THIRD, b"", HOUR)
    assert warm_up is not None
    verbs.swap(THIRD, warm_up, b"the server knows the script now", 0)
    return verbs


@pytest.fixture
def admin(place: Place) -> redis.Redis:
    return place.server.admin


def stored(verbs: Verbs) -> Record:
    record = verbs.create(SID, b"old", HOUR)
    assert record is not None
    return record


def test_a_rotation_that_was_never_stored_leaves_the_old_id(verbs: Verbs, place: Place, admin: redis.Redis) -> None:
    record = stored(verbs)
    place.proxy.lose_reply("SET")
    with pytest.raises(Unavailable):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert admin.keys() == [SID.encode()]
    assert verbs.regenerate(SID, NEW_SID, record, b"new", HOUR).data == b"new"


def test_a_rotation_whose_last_reply_is_lost_leaves_no_id_that_nobody_was_told(
    verbs: Verbs, place: Place, admin: redis.Redis
) -> None:
    record = stored(verbs)
    place.proxy.lose_reply("EVALSHA")
    with pytest.raises(Unavailable):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert admin.keys() == []


@pytest.mark.parametrize(
    ("meanwhile", "error", "left"),
    [
        (lambda verbs, record: verbs.destroy(SID), Gone, {}),
        (lambda verbs, record: verbs.swap(SID, record, b"theirs", HOUR), Conflict, {SID: b"theirs"}),
        (lambda verbs, record: verbs.regenerate(SID, THIRD, record, b"theirs", HOUR), Gone, {THIRD: b"theirs"}),
        (lambda verbs, record: verbs.create(NEW_SID, b"new", HOUR), Conflict, {SID: b"old", NEW_SID: b"new"}),
    ],
    ids=["logout", "save", "rotation", "id taken"],
)
def test_whoever_comes_second_leaves_nothing_behind(
    verbs: Verbs,
    admin: redis.Redis,
    meanwhile: Callable[[Verbs, Record], object],
    error: type[Exception],
    left: dict[str, bytes],
) -> None:
    record = stored(verbs)
    meanwhile(verbs, record)
    with pytest.raises(error):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert {key.decode(): admin.get(key) for key in admin.scan_iter()} == left


@pytest.mark.parametrize("taken", [True, False])
def test_a_rotation_to_no_lifetime_stores_nothing(verbs: Verbs, admin: redis.Redis, taken: bool) -> None:
    record = stored(verbs)
    if taken:
        verbs.create(NEW_SID, b"theirs", HOUR)
        with pytest.raises(Conflict):
            verbs.regenerate(SID, NEW_SID, record, b"new", 0)
        assert sorted(admin.keys()) == [SID.encode(), NEW_SID.encode()]
    else:
        verbs.regenerate(SID, NEW_SID, record, b"new", 0)
        assert admin.keys() == []


def test_a_cancelled_rotation_leaves_at_most_the_old_id(
    provider: RedisProvider, place: Place, admin: redis.Redis
) -> None:
    async def cancel_it_between_its_steps() -> None:
        record = await provider.acreate(SID, b"old", HOUR)
        assert record is not None
        place.proxy.delay(0.2)
        rotating = asyncio.ensure_future(provider.aregenerate(SID, NEW_SID, record, b"new", HOUR))
        await asyncio.sleep(0.3)
        rotating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rotating

    asyncio.run(cancel_it_between_its_steps())
    assert set(admin.keys()) <= {SID.encode()}


@pytest.mark.slow
def test_a_rotation_that_could_not_be_sent_searches_for_the_nodes_once(make: Make, form: Form, place: Place) -> None:
    entry = cache(f"redis://{place.proxy.host}:{place.proxy.port}", SOCKET_TIMEOUT=0.3)
    with override_settings(CACHES={"mine": entry}):
        verbs = form(make(alias="mine"))
    record = stored(verbs)
    place.proxy.blackhole()
    with pytest.raises(Unavailable):
        verbs.read(SID)  # from here on the map is in doubt
    place.proxy.commands.clear()
    with pytest.raises(Unavailable):
        verbs.read(SID)
    search = [*place.proxy.commands]
    place.proxy.commands.clear()
    with pytest.raises(Unavailable):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert place.proxy.commands == search


def test_a_rotation_that_cannot_be_taken_back_either_is_an_outage(
    verbs: Verbs, place: Place, admin: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beesession.engines.redis.PATIENCE", 0)
    record = stored(verbs)
    place.proxy.refuse()
    with pytest.raises(Unavailable):
        verbs.regenerate(SID, NEW_SID, record, b"new", HOUR)
    assert admin.keys() == [SID.encode()]
