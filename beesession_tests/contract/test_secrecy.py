"""Nothing secret leaks: no session id and no session data in a log, an error or a repr."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest
from django.contrib.sessions.backends.base import CreateError

from beesession.exceptions import BeeSessionError, EncodeError, SessionConflict, SessionGone, SessionTooLarge
from beesession.testing import not_promised
from beesession_tests.contract.visits import Site, login_of

SECRET = "the-visitor's-secret"


class Unserialisable:
    def __repr__(self) -> str:
        return SECRET


UNSERIALISABLE = [Unserialisable(), {SECRET: Unserialisable()}, [SECRET, b"\xff"], {SECRET}]


@pytest.mark.json_form
@pytest.mark.parametrize("moment", ["create", "change", "cycle_key"])
def test_a_value_that_cannot_be_stored_names_its_key_and_writes_nothing(
    site: Site, moment: str, subtests: pytest.Subtests
) -> None:
    for value in UNSERIALISABLE:
        with subtests.test(type(value).__name__):
            visit = site.visit() if moment == "create" else site.visit(site.session(before=0))
            if moment != "create":
                visit.get("before")
            key = visit.key
            site.recorder.taken()
            visit.set(fine=1, culprit=value)
            with pytest.raises(EncodeError, match="'culprit'") as caught:
                visit.call("cycle_key" if moment == "cycle_key" else "save")
            assert isinstance(caught.value, TypeError)
            assert caught.value.key == "culprit"
            assert SECRET not in str(caught.value)
            assert site.recorder.taken() == []
            if moment != "create":
                assert site.stored(key) == {"before": 0}


def _gone(site: Site) -> None:
    site.require("revocable")
    mine, theirs = site.two_visits(site.session(secret=SECRET))
    theirs.flush()
    mine.set(secret=SECRET * 2).save()


def _login_gone(site: Site) -> None:
    site.require("swap")
    mine, theirs = site.two_visits(site.session(secret=SECRET, **login_of("anna")))
    theirs.logout_in_place().save()
    mine.set(secret=SECRET * 2).save()


def _two_logins(site: Site) -> None:
    site.require("swap")
    mine, theirs = site.two_visits(site.session(secret=SECRET))
    theirs.login(SECRET).save()
    mine.login(SECRET * 2).save()


def _clash(site: Site) -> None:
    site.require("swap")
    site = site.configured(MERGE_RULES={"secret": "raise"})
    mine, theirs = site.two_visits(site.session(secret=SECRET))
    theirs.set(secret=SECRET * 2).save()
    mine.set(secret=SECRET * 3).save()


def _no_merge(site: Site) -> None:
    site.require("swap")
    site = site.configured(ON_CONFLICT="raise")
    mine, theirs = site.two_visits(site.session(secret=SECRET))
    theirs.set(theirs=SECRET).save()
    mine.set(mine=SECRET).save()


def _damaged(site: Site) -> None:
    site.require("swap")
    key = site.session(secret=SECRET)
    mine, _ = site.two_visits(key)
    record = site.provider.read(key)
    assert record is not None
    site.provider.swap(key, record, SECRET.encode(), 60)
    mine.set(mine=SECRET).save()


def _taken(site: Site) -> None:
    site.require("revocable")
    site.visit(site.session(secret=SECRET)).clear().call("save", must_create=True)


def _too_large(site: Site) -> None:
    limit = site.provider.capabilities.max_bytes
    if limit is None or limit > 1_000_000:
        not_promised("max_bytes")
    # Each number is another, so that it cannot be compressed away.
    site.visit(site.session(secret=SECRET)).set(much=[SECRET + str(number**9) for number in range(1000)]).save()


def _unserialisable(site: Site) -> None:
    site.visit(site.session(secret=SECRET)).set(culprit={SECRET: Unserialisable()}).save()


TROUBLE = [
    (_gone, SessionGone),
    (_login_gone, SessionGone),
    (_two_logins, SessionConflict),
    (_clash, SessionConflict),
    (_no_merge, SessionConflict),
    (_damaged, SessionConflict),
    (_taken, CreateError),
    (_too_large, SessionTooLarge),
    (_unserialisable, EncodeError),
]


@pytest.mark.parametrize(("trouble", "error"), TROUBLE, ids=[trouble.__name__.strip("_") for trouble, _ in TROUBLE])
def test_no_error_shows_a_session_id_or_data(
    site: Site, trouble: Callable[[Site], None], error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as caught:
        trouble(site)
    # With the causes, as a log would show them.
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert SECRET not in shown
    assert not [key for key in site.recorder.seen if key in shown]
    assert issubclass(error, (BeeSessionError, CreateError))


def test_no_log_of_a_day_in_the_life_of_a_session_shows_its_id_or_data(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        visit = site.visit().set(secret=SECRET).save()
        visit.cycle_key()
        visit.login("anna").save()
        site.opens(site.put(b"damaged " + SECRET.encode()))
        site.opens(site.unissued())
        site.visit("../" + visit.key).data()
        visit.flush()
        site.opens(visit.key)
    shown = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert SECRET not in shown
    assert site.recorder.seen
    assert not [key for key in site.recorder.seen if key in shown]


def test_no_repr_shows_a_session_id_or_data(site: Site) -> None:
    visit = site.visit().set(secret=SECRET).save()
    record = site.provider.read(visit.key)
    shown = [repr(thing) + str(thing) for thing in (visit.store, site.provider, record, site.SessionStore)]
    assert SECRET not in "".join(shown)
    assert visit.key not in "".join(shown)
