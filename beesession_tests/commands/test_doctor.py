"""``session_config --doctor``: it finds an engine that works to work, and each fault of one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.test import override_settings

from beesession import store
from beesession.conf import Options
from beesession.engines.memory import MemoryProvider
from beesession.management.doctor import Fault, examine
from beesession.provider import Conflict, Provider, Record, Unavailable
from beesession_tests.commands.conftest import HOUR, run, stored
from beesession_tests.engines import ENGINES, RunningEngine, engines_with
from beesession_tests.servers import Servers, free_port

VERBS = ["create", "read", "swap", "touch", "regenerate", "destroy"]
REDIS = "beesession.engines.redis"


def test_an_engine_that_works_is_found_to_work(engine: RunningEngine) -> None:
    outcome = run("session_config", "--doctor")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[-7:-1]] == VERBS
    assert lines[-1] == f"The {engine.name} engine works."


@pytest.mark.parametrize("engine", engines_with("active"), indirect=True)
def test_the_examination_leaves_nothing_behind_and_nothing_broken(engine: RunningEngine) -> None:
    (other,) = stored(engine, 1, HOUR)
    run("session_config", "--doctor")
    assert engine.provider.active().number == 1
    assert engine.provider.read(other) is not None


@pytest.mark.json_form
@pytest.mark.parametrize("keys", [{"HASH_KEYS": True, "ID_PREFIX": "shop-"}, {"ENCRYPTION_KEYS": ["0123456789abcdef"]}])
def test_it_tries_the_engine_as_it_is_configured(engine: RunningEngine, keys: dict[str, object]) -> None:
    with engine.configured(**keys):
        assert run("session_config", "--doctor").code == 0


def test_programs_get_the_milliseconds_of_each_verb(engine: RunningEngine) -> None:
    took = json.loads(run("session_config", "--doctor", "--json").out)["doctor"]
    assert list(took) == VERBS
    assert all(milliseconds >= 0 for milliseconds in took.values())


# Faults --------------------------------------------------------------------------------------------------------


def with_provider(provider: type[Provider]) -> type[store.SessionStore]:
    return type("SessionStore", (store.SessionStore,), {"provider_class": provider, "options": Options()})


class TakesEachIdForTaken(MemoryProvider):
    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return None


class ForgetsWhatItWasGiven(MemoryProvider):
    def read(self, sid: str) -> Record | None:
        return None


class DamagesWhatItWasGiven(MemoryProvider):
    def read(self, sid: str) -> Record | None:
        record = super().read(sid)
        return None if record is None else Record(record.data[:-1], sid=sid)


class DoesNotCompare(MemoryProvider):
    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        current = self.read(sid)
        assert current is not None
        return super().swap(sid, current, data, lifetime)


class ConflictsWithItself(MemoryProvider):
    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        raise Conflict


class KeepsTheOldId(MemoryProvider):
    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        created = self.create(new_sid, data, lifetime)
        assert created is not None
        return created


class DestroysNothing(MemoryProvider):
    def destroy(self, sid: str) -> bool:
        return True


class EndsWhatItTouches(MemoryProvider):
    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return super().touch(sid, record, 0)


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        (TakesEachIdForTaken, "create: it says that a new random id is taken"),
        (ForgetsWhatItWasGiven, "read: what was stored does not come back"),
        (DamagesWhatItWasGiven, "read: what was stored comes back damaged"),
        (DoesNotCompare, "swap: it replaces a record that has changed"),
        (ConflictsWithItself, "swap: it says Conflict"),
        (EndsWhatItTouches, "touch: what was stored does not come back"),
        (KeepsTheOldId, "regenerate: the old id still opens"),
        (DestroysNothing, "destroy: the old id still opens"),
    ],
)
def test_each_fault_is_named_by_its_verb(provider: type[Provider], told: str) -> None:
    with pytest.raises(Fault, match=told):
        list(examine(with_provider(provider)))


def test_a_fault_leaves_no_record_behind() -> None:
    faulty = with_provider(KeepsTheOldId)
    with pytest.raises(Fault):
        list(examine(faulty))
    assert faulty.provider.active().number == 0


class FailsTouching(MemoryProvider):
    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        raise Unavailable


class SessionStore(store.SessionStore):
    provider_class = FailsTouching


@override_settings(SESSION_ENGINE=__name__)
def test_an_outage_in_the_midst_is_told_with_what_worked_before() -> None:
    outcome = run("session_config", "--doctor")
    assert outcome.code == 75
    assert outcome.error == "After create, read, swap: The session store cannot be reached (Unavailable)."


@override_settings(SESSION_ENGINE=REDIS)
def test_an_unreachable_server_is_an_error() -> None:
    with override_settings(BEESESSION={"PROVIDER_CONFIG": f"127.0.0.1:{free_port()}"}):
        outcome = run("session_config", "--doctor")
    assert (outcome.code, outcome.error) == (75, "The session store cannot be reached (ConnectionError).")


# The engine of a file ------------------------------------------------------------------------------------------


def written(folder: Path, engine: str, value: str) -> str:
    file = folder / "app.conf"
    file.write_text(f"sessionon = true\nsessionprovider = {engine}\nsessionproviderconfig = {value}\n")
    return str(file)


def test_the_engine_of_a_file_is_tried_and_not_that_of_the_settings(tmp_path: Path, servers: Servers) -> None:
    outcome = run("session_config", written(tmp_path, "redis", f"127.0.0.1:{servers.redis.port}"), "--doctor")
    assert outcome.code == 0
    assert outcome.out.endswith("The redis engine works.\n")
    assert run("session_config", written(tmp_path, "redis", f"127.0.0.1:{free_port()}"), "--doctor").code == 75


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.name == "redis"], indirect=True)
def test_a_file_is_not_tried_on_a_server_that_it_does_not_name(engine: RunningEngine, tmp_path: Path) -> None:
    caches = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "beesession": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"},
    }
    file = written(tmp_path, "redis", engine.settings["PROVIDER_CONFIG"])
    with override_settings(CACHES=caches):
        outcome = run("session_config", file, "--doctor")
    assert outcome.code == 1
    assert "CACHES" in outcome.error


def test_a_file_without_sessions_has_no_engine_to_try(tmp_path: Path) -> None:
    file = tmp_path / "app.conf"
    file.write_text("sessionon = false\n")
    assert "sessionon is false" in run("session_config", str(file), "--doctor").error
