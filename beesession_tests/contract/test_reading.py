"""A miss is a miss, damage opens nothing and is left alone, and what other writers of the format stored is read."""

from __future__ import annotations

import logging

import pytest
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.core import signing
from django.core.signing import JSONSerializer
from django.test import override_settings

from beesession.codecs.json import SALT
from beesession.exceptions import SessionGone
from beesession.sid import fingerprint
from beesession_tests.contract.visits import Site

OLD_KEY = "the key of last year, 0123456789-abcdefghijklmnopqrstuvwxyz"


def test_what_was_saved_is_what_the_next_request_reads(site: Site) -> None:
    data = {
        "text": "gr\u00fc\u00df \U0001f41d",
        "number": 1,
        "half": 0.5,
        "no": False,
        "none": None,
        "nested": {"list": [1, []]},
    }
    assert site.stored(site.session(**data)) == data


def test_an_unknown_key_opens_no_session_and_is_dropped_without_a_write(site: Site) -> None:
    visit = site.visit(site.unissued())
    assert visit.data() == {}
    assert visit.key is None
    assert visit.modified is False
    assert site.recorder.taken() == ["read"]


def test_an_unknown_key_is_never_adopted_by_a_later_save(site: Site) -> None:
    unknown = site.unissued()
    visit = site.visit(unknown)
    visit.get("anything")
    visit.set(mine=1).save()
    assert visit.key != unknown
    assert not site.opens(unknown)
    assert site.stored(visit.key) == {"mine": 1}


def test_an_unknown_key_is_never_adopted_by_a_login(site: Site) -> None:
    unknown = site.unissued()
    visit = site.visit(unknown)
    visit.cycle_key()
    visit.login("anna").save()
    assert visit.key != unknown
    assert not site.opens(unknown)


def test_exists_gives_a_bool(site: Site) -> None:
    key = site.session(before=0)
    exists = site.visit().call
    assert exists("exists", key) is (not site.provider.capabilities.self_contained)
    assert [exists("exists", nothing) for nothing in (site.unissued(), None, "", "../" + key)] == [False] * 4


def test_a_second_load_does_not_undo_what_the_view_has_changed(site: Site) -> None:
    key = site.session(before=0)
    visit = site.visit(key).set(before=1)
    assert visit.call("load") == {"before": 0}
    visit.save()
    assert site.stored(visit.key) == {"before": 1}


@pytest.mark.json_form
def test_an_undecodable_record_opens_no_session_and_is_left_alone(
    site: Site, caplog: pytest.LogCaptureFixture, subtests: pytest.Subtests
) -> None:
    for damaged in (b"", b"garbage", b"\x00\xff\xfe", b"[1, 2]", b'{"unsigned": true}', b"a:b:c"):
        with subtests.test(repr(damaged)), caplog.at_level(logging.WARNING):
            caplog.clear()
            key = site.put(damaged)
            visit = site.visit(key)
            assert visit.data() == {}
            assert visit.key is None
            visit.set(mine=1).save()
            assert visit.key != key
            assert site.raw(key) == damaged
            assert fingerprint(key) in caplog.text
            assert key not in caplog.text


def test_a_damaged_record_is_not_overwritten_by_a_request_that_only_writes(site: Site) -> None:
    key = site.put(b"garbage")
    with pytest.raises(SessionGone):
        site.visit(key).clear().set(mine=1).save()
    assert site.raw(key) == b"garbage"


def test_a_record_signed_with_a_foreign_key_opens_nothing(site: Site) -> None:
    site.require("revocable")
    forged = signing.dumps({"_auth_user_id": "1"}, key="not the key of this site", salt=SALT)
    assert not site.opens(site.put(forged.encode()))


def test_a_signed_record_that_holds_no_dict_opens_nothing(site: Site) -> None:
    site.require("revocable")
    assert not site.opens(site.put(signing.dumps(["_auth_user_id"], salt=SALT).encode()))


@pytest.mark.json_form
def test_sessions_written_under_a_fallback_key_stay_open(site: Site) -> None:
    with override_settings(SECRET_KEY=OLD_KEY):
        site = site.again()
        key = site.session(before=0)
        raw = site.raw(key)
        assert raw is not None

    def carried_over() -> tuple[Site, str]:
        # A change of the key closes the provider, and the memory engine forgets then.
        reopened = site.again()
        kept = reopened.provider.capabilities.self_contained or reopened.raw(key) is not None
        return reopened, key if kept else reopened.put(raw)

    reopened, found = carried_over()
    assert not reopened.opens(found)
    with override_settings(SECRET_KEY_FALLBACKS=[OLD_KEY]):
        reopened, found = carried_over()
        assert reopened.stored(found) == {"before": 0}
        saved = reopened.visit(found).set(mine=1).save()
        assert reopened.stored(saved.key) == {"before": 0, "mine": 1}


@pytest.mark.json_form
@pytest.mark.parametrize("size", [1, 20_000], ids=["plain", "compressed"])
def test_rows_written_by_djangos_own_engines_are_read(site: Site, size: int) -> None:
    site.require("revocable")
    data = {"before": "x" * size, "_auth_user_id": "1"}
    assert site.stored(site.put(DjangosStore().encode(data).encode())) == data


@pytest.mark.json_form
def test_djangos_own_engines_read_what_is_stored_here(site: Site) -> None:
    site.require("revocable")
    data = {"before": "x" * 20_000, "cart": [1, {"two": None}]}
    stored = site.raw(site.session(**data))
    assert stored is not None
    assert DjangosStore().decode(stored.decode("ascii")) == data


def test_the_salt_is_the_one_that_djangos_engines_use() -> None:
    assert DjangosStore().key_salt == SALT


@pytest.mark.json_form
def test_the_session_serializer_of_the_settings_is_used(site: Site) -> None:
    with override_settings(SESSION_SERIALIZER=f"{__name__}.Shouting"):
        key = site.session(word="quiet")
        assert site.stored(key) == {"word": "QUIET"}


class Shouting(JSONSerializer):
    """A serializer of the site's own."""

    def dumps(self, obj: object) -> bytes:
        return super().dumps(obj).replace(b"quiet", b"QUIET")
