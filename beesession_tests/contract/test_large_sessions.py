"""Sessions of a megabyte: kept where the store has room for them, refused by name where it has not."""

from __future__ import annotations

import base64
import random

import pytest

from beesession.exceptions import SessionTooLarge
from beesession_tests.contract.visits import Site, Visit

LARGE = base64.b64encode(random.Random(1).randbytes(1_100_000)).decode()
"""The codec's compression takes off this text what Base64 has put on, and no more."""

MEBIBYTE = 1024 * 1024


def fits(site: Site) -> bool:
    """Return whether the store of this site has room for LARGE."""
    size = len(site.visit().store.codec().dumps({"large": LARGE}, site.unissued()))
    assert size > MEBIBYTE
    limit = site.provider.capabilities.max_bytes
    return limit is None or size <= limit


def refusal(visit: Visit, write: str) -> SessionTooLarge | None:
    """Write the session, and return the error when it was refused for its size."""
    try:
        visit.call(write)
    except SessionTooLarge as error:
        return error
    return None


@pytest.mark.parametrize("write", ["save", "cycle_key"])
def test_a_large_session_is_kept_or_refused_with_nothing_lost(site: Site, write: str) -> None:
    key = site.session(kept="before")
    visit = site.visit(key).set(large=LARGE)
    error = refusal(visit, write)
    if fits(site):
        assert error is None
        assert site.stored(visit.key) == {"kept": "before", "large": LARGE}
    else:
        assert error is not None
        assert error.size > error.limit
        assert all(str(number) in str(error) for number in (error.size, error.limit))
        assert visit.key == key
        assert site.stored(key) == {"kept": "before"}


def test_a_new_session_that_is_too_large_does_not_begin(site: Site) -> None:
    visit = site.visit().set(large=LARGE)
    error = refusal(visit, "save")
    assert (error is None) is fits(site)
    assert (visit.key is not None) is fits(site)


def test_what_was_too_large_can_be_taken_out_again_and_the_rest_saved(site: Site) -> None:
    visit = site.visit(site.session(kept="before")).set(large=LARGE, small="after")
    refusal(visit, "save")
    visit.remove("large").save()
    assert site.stored(visit.key) == {"kept": "before", "small": "after"}
