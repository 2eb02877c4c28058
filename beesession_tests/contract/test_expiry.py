"""Expiry: what set_expiry() asks for is what the store and the cookie get, on every engine."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from beesession_tests.contract.visits import Site

WEEK = 7 * 24 * 3600


def _in(**units: float) -> datetime.datetime:
    return timezone.now() + datetime.timedelta(**units)


@pytest.mark.parametrize(
    ("expiry", "stored_for", "cookie_for"),
    [
        (lambda: 500, 500, 500),
        (lambda: datetime.timedelta(seconds=700), 700, 700),
        (lambda: _in(seconds=900), 900, 900),
        (lambda: 0, WEEK, WEEK),
        (lambda: None, WEEK, WEEK),
    ],
    ids=["int", "timedelta", "datetime", "browser-session", "default"],
)
@override_settings(SESSION_COOKIE_AGE=WEEK)
def test_a_session_lives_as_long_as_it_has_set(site: Site, expiry: Any, stored_for: int, cookie_for: int) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", expiry())
    visit.save()
    assert site.recorder.lifetimes[-1] == pytest.approx(stored_for, abs=5)
    record = site.provider.read(visit.key)
    assert record is not None
    assert record.remaining is None or record.remaining == pytest.approx(stored_for, abs=5)
    assert site.visit(visit.key).call("get_expiry_age") == pytest.approx(cookie_for, abs=5)


@override_settings(SESSION_COOKIE_AGE=WEEK)
def test_a_session_of_zero_ends_with_the_browser_and_not_for_the_store(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", 0)
    key = visit.save().key
    assert site.visit(key).call("get_expire_at_browser_close") is True
    assert site.stored(key)["before"] == 0


@override_settings(SESSION_COOKIE_AGE=WEEK)
def test_none_takes_an_expiry_back(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", 500)
    visit.save()
    visit.call("set_expiry", None)
    visit.save()
    assert site.recorder.lifetimes[-1] == WEEK
    assert site.stored(visit.key) == {"before": 0}


@pytest.mark.parametrize(
    "past",
    [lambda: -5, lambda: datetime.timedelta(seconds=-5), lambda: _in(days=-1)],
    ids=["int", "timedelta", "datetime"],
)
def test_an_expiry_in_the_past_ends_the_session_at_its_save(site: Site, past: Any) -> None:
    visit = site.visit(site.session(before=0))
    visit.get("before")
    visit.call("set_expiry", past())
    visit.save()
    assert not site.opens(visit.key)


def test_a_session_created_with_an_expiry_in_the_past_opens_nothing(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", -5)
    visit.save()
    assert not site.opens(visit.key)


def test_expired_means_gone_at_read_time(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", 1)
    key = visit.save().key
    assert site.opens(key)
    site.wait_until_expired(key, 1)
    late = site.visit(key)
    assert late.data() == {}
    assert late.key is None


def test_each_change_gives_a_session_its_whole_lifetime_again(site: Site) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", 500)
    key = visit.save().key
    changed = site.visit(key).set(mine=1).save()
    assert site.recorder.lifetimes[-1] == 500
    site.visit(changed.key).save()
    assert site.recorder.lifetimes[-1] == 500


@override_settings(SESSION_COOKIE_AGE=WEEK)
def test_the_lifetime_in_the_store_and_that_of_the_cookie_are_two_settings(site: Site) -> None:
    visit = site.configured(LIFETIME=60).visit().set(before=0)
    visit.save()
    record = visit.store.provider.read(visit.key)
    assert record is not None
    assert visit.store.provider.lifetimes == [60]
    assert visit.call("get_expiry_age") == WEEK


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_that_is_wrong_by_five_minutes_ends_no_session_of_an_hour(
    site: Site, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = site.visit().set(before=0)
    visit.call("set_expiry", 3600)
    key = visit.save().key
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 60 * minutes)
    changed = site.visit(key).set(mine=1).save()
    monkeypatch.undo()
    assert site.stored(changed.key)["mine"] == 1
