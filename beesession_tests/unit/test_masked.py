"""Provider strings hold passwords, under a name for which Django's error pages hide nothing."""

from __future__ import annotations

import sys

import pytest
from django.conf import settings
from django.test import override_settings
from django.views.debug import ExceptionReporter

from beesession.apps import mask_provider_strings
from beesession.beego import dsn
from beesession.masked import Masked, masked

STRING = "127.0.0.1:6379,100,hunter2"


@pytest.mark.parametrize("value", [STRING, {"redis": STRING}, {"redis": {"password": "hunter2"}}])
def test_no_error_report_shows_the_password_of_a_provider_string(value: object) -> None:
    with override_settings(BEESESSION={"PROVIDER_CONFIG": value}):
        mask_provider_strings()
        try:
            raise ValueError
        except ValueError:
            report = ExceptionReporter(None, *sys.exc_info(), is_email=True).get_traceback_text()
        assert "PROVIDER_CONFIG" in report
        assert "hunter2" not in report
        assert settings.BEESESSION["PROVIDER_CONFIG"] == value


def test_a_masked_string_is_a_string_like_any_other() -> None:
    assert masked(STRING) == STRING
    assert dsn.redis(Masked(STRING)) == dsn.redis(STRING)
    assert f"{Masked(STRING)}" == STRING


@pytest.mark.parametrize("value", ["", None, 5])
def test_what_holds_no_secret_stays_as_it_is(value: object) -> None:
    assert masked(value) is value
