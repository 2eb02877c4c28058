"""What a leaked store gives away: with HASH_KEYS no id, with ENCRYPTION_KEYS no data."""

from __future__ import annotations

import hashlib

import pytest

from beesession.codecs.base import Codec
from beesession.engines.memory import SessionStore
from beesession_tests.contract.visits import Site, login_of

OLD, NEW = "the key of last year, 32 bytes or so", "the key of this year, 32 bytes or so"


def test_with_hash_keys_the_store_knows_no_id_and_everything_works(site: Site) -> None:
    site.require("swap")
    site = site.configured(HASH_KEYS=True)
    visit = site.visit().set(value=1).save()
    key = visit.key
    hashed = hashlib.sha256(key.encode()).hexdigest()
    assert site.raw(key) is None
    assert site.raw(hashed) is not None
    assert site.stored(key) == {"value": 1}
    assert not site.opens(hashed)  # what was read out of the store opens nothing
    rotated = site.visit(key).cycle_key()
    rotated.set(**login_of("ann")).save()
    assert site.stored(rotated.key) == {"value": 1, **login_of("ann")}
    assert not site.opens(key)
    site.visit(rotated.key).flush()
    assert not site.opens(rotated.key)


def test_with_hash_keys_sessions_are_counted_all_the_same(site: Site) -> None:
    site.require("active", "swap")
    site = site.configured(HASH_KEYS=True)
    for number in range(3):
        site.session(value=number)
    assert site.provider.active().number == 3


@pytest.mark.json_form
def test_with_encryption_keys_the_store_holds_no_plain_data(site: Site) -> None:
    site.require("swap")
    site = site.configured(ENCRYPTION_KEYS=[NEW])
    key = site.session(secret="attack at dawn")
    assert b"attack" not in (site.raw(key) or b"")
    assert site.stored(key) == {"secret": "attack at dawn"}
    rotated = site.visit(key).cycle_key()
    assert site.stored(rotated.key) == {"secret": "attack at dawn"}
    mine, theirs = site.two_visits(rotated.key)
    theirs.set(theirs=1).save()
    mine.set(mine=1).save()
    assert site.stored(rotated.key) == {"secret": "attack at dawn", "theirs": 1, "mine": 1}


@pytest.mark.json_form
def test_a_retired_key_still_reads_and_a_change_writes_with_the_new_one(site: Site) -> None:
    site.require("swap")
    before = site.configured(ENCRYPTION_KEYS=[OLD])
    key = before.session(value=1)
    raw = before.raw(key)
    assert raw is not None
    codecs: dict[str, Codec] = {
        name: site.configured(ENCRYPTION_KEYS=keys).SessionStore.codec()
        for name, keys in {"both": [NEW, OLD], "new": [NEW]}.items()
    }
    assert codecs["both"].loads(raw, key) == {"value": 1}
    assert codecs["new"].loads(codecs["both"].dumps({"value": 2}, key), key) == {"value": 2}


def test_a_record_of_one_session_opens_no_other() -> None:
    """Whoever can write to the store cannot give one visitor the session of another."""
    site = Site(SessionStore, None).configured(ENCRYPTION_KEYS=[NEW])
    ann = site.session(**login_of("ann"))
    record = site.raw(ann)
    assert record is not None
    assert not site.opens(site.put(record))
    assert site.opens(ann)
