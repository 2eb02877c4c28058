"""Creating, collecting, and the async half: what Django's own test suite lets through."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.sessions.backends.base import CreateError
from django.core.exceptions import SynchronousOnlyOperation

from beesession import conf
from beesession.provider import Sweep
from beesession_tests.contract.visits import Site, login_of
from beesession_tests.engines import RunningEngine


def test_create_stores_a_record_under_a_new_key_at_once(site: Site) -> None:
    visit = site.visit()
    visit.call("create")
    assert site.recorder.taken() == ["create"]
    assert site.opens(visit.key)


def test_create_sets_modified(site: Site) -> None:
    visit = site.visit()
    visit.call("create")
    assert visit.modified is True


def test_create_stores_the_data_that_the_object_holds(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("create")
    assert site.stored(visit.key) == {"before": 0}


def test_create_never_loads(site: Site) -> None:
    visit = site.visit(site.session(before=0))
    site.recorder.taken()
    visit.call("create")
    assert site.recorder.taken() == ["create"]
    assert site.stored(visit.key) == {}


def test_keys_are_of_the_alphabet_and_length_that_the_site_accepts(site: Site) -> None:
    keys = {site.session(number=number) for number in range(20)}
    assert len(keys) == 20
    assert all(site.provider.ids(conf.options()).accepts(key) for key in keys)
    if not site.provider.capabilities.self_contained:
        assert {len(key) for key in keys} == {32}
        assert set("".join(keys)) <= set("0123456789abcdef")


def test_save_with_must_create_refuses_a_taken_key_and_leaves_its_record_alone(site: Site) -> None:
    site.require("revocable")
    key = site.session(**login_of("anna"))
    with pytest.raises(CreateError):
        site.visit(key).clear().set(stolen=1).call("save", must_create=True)
    assert site.stored(key) == login_of("anna")


def test_create_draws_another_key_when_the_first_is_taken(site: Site) -> None:
    site.require("revocable")
    drawn: list[str] = []
    script: list[str] = []

    def scripted(entropy: bytes, key: bytes) -> str:
        drawn.append(script.pop(0) if script else entropy.hex())
        return drawn[-1]

    site = site.configured(ID_HASH_FUNC=scripted)
    taken = site.session(**login_of("anna"))
    script[:] = [taken, taken]
    fresh = site.session(mine=1)
    assert drawn[-3:] == [taken, taken, fresh]
    assert site.stored(taken) == login_of("anna")
    assert site.stored(fresh) == {"mine": 1}


def test_clear_expired_removes_the_expired_and_nothing_else(site: Site) -> None:
    live = site.session(before=0)
    expiring = site.visit().set(before=0)
    expiring.call("set_expiry", 1)
    site.wait_until_expired(expiring.save().key, 1)
    collects = site.provider.capabilities.gc
    if collects:
        assert site.provider.gc(10, dry_run=True).removed == 1
    site.visit().call("clear_expired")
    if collects:
        assert site.provider.gc(10, dry_run=True) == Sweep(removed=0, finished=True)
    assert site.stored(live) == {"before": 0}


def test_the_async_half_uses_the_providers_async_verbs(site: Site) -> None:
    visit = site.visit().set(before=0).save()
    again = site.visit(visit.key).set(mine=1).save()
    again.cycle_key()
    again.call("exists", again.key)
    again.flush()
    calls = site.recorder.calls
    assert len(calls) > 4
    is_async = visit._loop is not None
    assert all((call not in ("read", "create", "swap", "regenerate", "destroy")) is is_async for call in calls)


def test_the_sync_and_the_async_half_reach_the_same_session(site: Site) -> None:
    key = site.session(before=0)

    async def other_half() -> str:
        store = site.SessionStore(key)
        assert await store.aget("before") == 0
        await store.aset("async", 1)
        await store.asave()
        changed: str = store.session_key
        return changed

    changed = asyncio.run(other_half())
    store = site.SessionStore(changed)
    assert dict(store.items()) == {"before": 0, "async": 1}
    store["sync"] = 2
    store.save()
    assert site.stored(store.session_key) == {"before": 0, "async": 1, "sync": 2}


def test_a_sync_access_on_the_event_loop_works_unless_django_forbids_it(site: Site, engine: RunningEngine) -> None:
    key = site.session(before=0)

    async def view() -> str:
        store = site.SessionStore(key)
        store["mine"] = store["before"] + 1
        await store.asave()
        changed: str = store.session_key
        return changed

    if engine.engine.is_sql:
        with pytest.raises(SynchronousOnlyOperation):
            asyncio.run(view())
    else:
        assert site.stored(asyncio.run(view())) == {"before": 0, "mine": 1}


def test_two_tasks_of_one_request_that_load_at_once_lose_no_write(site: Site) -> None:
    key = site.session(before=0)

    async def view() -> str:
        store = site.SessionStore(key)
        await asyncio.gather(*(store.aset(f"task {number}", number) for number in range(5)))
        await store.asave()
        changed: str = store.session_key
        return changed

    expected = {"before": 0, **{f"task {number}": number for number in range(5)}}
    assert site.stored(asyncio.run(view())) == expected
