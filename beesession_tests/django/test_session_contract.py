"""Django's ``SessionTestsMixin`` on each engine, with time zone support off and on."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import SimpleTestCase

from beesession.store import SessionStore
from beesession_tests.django.suite import OnEngine, django_tests, expecting_failure, names_of_tests
from beesession_tests.engines import ENGINES, IN_GOB, Engine

MIXIN = django_tests().SessionTestsMixin

AT_LEAST = 65

_OLD_COOKIE_OPENS = "a cookie that was sent can be shown again: there is no record that a logout could remove"
_NO_RECORD = "the store keeps no record, so exists() knows of none"

IMPOSSIBLE: dict[str, str] = {
    "test_save": _NO_RECORD,
    "test_save_async": _NO_RECORD,
    "test_session_save_does_not_resurrect_session_logged_out_in_other_context": _OLD_COOKIE_OPENS,
    "test_session_asave_does_not_resurrect_session_logged_out_in_other_context": _OLD_COOKIE_OPENS,
}
"""What no self-contained engine can do, and why. Each has to fail there: one that passes must leave this list."""


class OnProvider(OnEngine):
    """The mixin's idea of an engine: a class to make sessions of."""

    @property
    def backend(self) -> type[SessionStore]:
        return self.engine.store_class


def contract(engine: Engine, use_tz: bool) -> type:
    """Return the mixin as a test case for one engine."""
    exceptions = IMPOSSIBLE if engine.capabilities.self_contained else {}
    members: dict[str, Any] = {"engine": engine, "overrides": {"USE_TZ": use_tz}, "__module__": __name__}
    failing = {test: expecting_failure(getattr(MIXIN, test)) for test in exceptions}
    name = f"{str(engine).title().replace('_', '').replace('-', 'In')}{'With' if use_tz else 'Without'}TimeZones"
    return type(name, (OnProvider, MIXIN, SimpleTestCase), {**members, **failing})


CASES = [contract(engine, use_tz) for engine in [*ENGINES, IN_GOB] for use_tz in (False, True)]
globals().update({case.__name__: case for case in CASES})


def test_django_has_not_dropped_tests() -> None:
    assert len(names_of_tests(MIXIN)) >= AT_LEAST


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_each_exception_is_a_test_of_django(name: str) -> None:
    assert name in names_of_tests(MIXIN)
