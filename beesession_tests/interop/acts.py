"""What the processes of a race between a Django site and a beego application do, as in ``beesession_tests.races``."""

from __future__ import annotations

import time
from typing import Any

from django.test import Client, override_settings

from beesession_tests.interop.beego import COOKIE_NAME, Address, BeegoError, Visitor
from beesession_tests.interop.values import tagged
from beesession_tests.races.acts import Meet

SITE = "beesession_tests.interop.django_site"
SESSIONS = "beesession.middleware.SessionMiddleware"


def _visitor(app: Address, sid: str) -> Visitor:
    visitor = Visitor(app)
    visitor.cookie = sid
    return visitor


def add_keys_by_beego(store_class: Any, meet: Meet, app: Address, sid: str, worker: int, count: int) -> None:
    """Set ``count`` keys that nobody else sets, each in a request of its own to the beego application."""
    visitor = _visitor(app, sid)
    meet()
    for number in range(count):
        visitor.set({f"{worker}/{number}": tagged(number)})


def save_late_by_beego(
    store_class: Any, meet: Meet, app: Address, sids: list[str], pauses: list[float]
) -> list[tuple[bool, float]]:
    """Have beego load each session, pause for so many seconds, and save it.

    :return: of each whether somebody was logged in when it was loaded, and when beego was about to save it
    """
    late = []
    for sid, pause in zip(sids, pauses, strict=True):
        visitor = _visitor(app, sid)
        meet()
        try:
            late.append(visitor.late("late", "yes", pause=pause))
        except BeegoError as error:
            if error.status != 503:  # that of beego's memcache engine, which takes what is not found for a failure
                raise
            late.append((False, time.time()))
    return late


def log_out_in_django(store_class: Any, meet: Meet, sids: list[str], pauses: list[float]) -> list[float]:
    """Log out of each session at the Django site, so many seconds after the meeting; return when that was done."""
    done = []
    with override_settings(ROOT_URLCONF=SITE, SESSION_COOKIE_NAME=COOKIE_NAME, MIDDLEWARE=[SESSIONS]):
        client = Client()
        for sid, pause in zip(sids, pauses, strict=True):
            client.cookies[COOKIE_NAME] = sid
            meet()
            time.sleep(pause)
            assert client.get("/logout").content == b"out"
            done.append(time.time())
    return done
