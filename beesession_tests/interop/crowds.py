"""What becomes of sessions when processes of Django and of beego work on them at the same time."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any

from beesession.delta import LOGIN
from beesession_tests.engines import RunningEngine
from beesession_tests.interop import acts
from beesession_tests.interop.beego import BeegoApp, BeegoError, beego_app
from beesession_tests.interop.django_site import LIFETIME
from beesession_tests.races.acts import add_keys, login_of
from beesession_tests.races.crowd import WORKERS, Crowd

ENGINES_OF_OURS = ("redis", "mysql", "postgresql", "memcache")
"""The engines of beego for which there is a Go provider of ours."""

WRITES = 25
LATEST = 0.006
"""Seconds for which, at most, a request of a race pauses."""

_MEASURED = 5


def application(site: RunningEngine, *, ours: bool, **options: Any) -> AbstractContextManager[BeegoApp]:
    """Run a beego application beside this site.

    :param ours: with our providers instead of beego's
    :param options: further arguments of BeegoApp
    """
    return beego_app(site.name, site.settings["PROVIDER_CONFIG"], lifetime=LIFETIME, ours=ours, **options)


def lost_updates(site: RunningEngine, pool: Executor, *, ours: bool) -> list[str]:
    """Let four processes of Django and four of beego write 25 keys each, of their own, into one session.

    :return: the keys that are not there afterwards
    """
    sid = site.session_of(before=0)
    with ExitStack() as running:
        apps = [running.enter_context(application(site, ours=ours)) for _ in range(WORKERS // 2)]
        of_django = [(add_keys, sid, worker, WRITES) for worker in range(WORKERS // 2)]
        of_beego = [
            (acts.add_keys_by_beego, app.address, sid, worker, WRITES)
            for worker, app in enumerate(apps, start=WORKERS // 2)
        ]
        Crowd(site, pool, None).each([*of_django, *of_beego])
    held = dict(site.SessionStore(sid).items())
    written = {f"{worker}/{number}": number for worker in range(WORKERS) for number in range(WRITES)}
    return [key for key, value in {"before": 0, **written}.items() if held.get(key) != value]


@dataclass(frozen=True)
class Logouts:
    """The outcome of races between a logout at Django and a request to beego that saves the session.

    :ivar races: how many there were
    :ivar overtaken: in how many of them beego had loaded the session before the logout, and saved it after that
    :ivar revived_for_beego: after how many of them beego took the old id for that of somebody who is logged in
    :ivar revived_for_django: after how many the old id opened anything of the old session at Django
    :ivar reopened_for_django: after how many the old id opened any session at all, such as a new and empty one
    """

    races: int
    overtaken: int
    revived_for_beego: int
    revived_for_django: int
    reopened_for_django: int


def races_against_logout(site: RunningEngine, pool: Executor, races: int, *, ours: bool, seed: int = 5) -> Logouts:
    """Let a logout at Django, in one process, race against a request to beego, in another, at random moments."""
    random = Random(seed)
    sids = [site.session_of(**login_of("ann")) for _ in range(races)]
    with application(site, ours=ours) as app:
        pauses_of_beego = [random.uniform(0, LATEST) for _ in sids]
        latest = LATEST + _seconds_of_a_request(app)
        pauses_of_django = [random.uniform(0, latest) for _ in sids]
        late, done = Crowd(site, pool, None).each(
            [
                (acts.save_late_by_beego, app.address, sids, pauses_of_beego),
                (acts.log_out_in_django, sids, pauses_of_django),
            ]
        )
        # beego first: Django removes what has come back.
        for_beego = [sid for sid in sids if _user_at_beego(app, sid) is not None]
        # And twice: beego has saved again what it was asked for.
        found = [(sid, site.SessionStore(sid).load()) for _ in range(2) for sid in sids]
    overtaken = sum(loaded and saving > end for (loaded, saving), end in zip(late, done, strict=True))
    revived = {sid for sid, data in found if data.keys() & {*LOGIN}}
    reopened = {sid for sid, data in found if data}
    return Logouts(races, overtaken, len(for_beego), len(revived), len(reopened))


def _seconds_of_a_request(app: BeegoApp) -> float:
    """Return how long a request takes: beego's SQL engines connect several times in each."""
    visitor = app.visitor()
    visitor.count()  # the first one also connects what stays connected
    began = time.perf_counter()
    for _ in range(_MEASURED):
        visitor.count()
    return (time.perf_counter() - began) / _MEASURED


def _user_at_beego(app: BeegoApp, sid: str) -> str | None:
    visitor = app.visitor()
    visitor.cookie = sid
    try:
        return visitor.user()
    except BeegoError as error:
        if (error.status, app.provider) == (503, "memcache"):  # which takes what is not found for a failure
            return None
        raise
