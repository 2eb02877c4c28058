"""A site moves from Django's db engine to ours by the statement of the engine's page, and nobody is logged out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client, override_settings
from django.utils import timezone

from beesession_tests.sql.databases import ALIAS, Kind, Server

PAGES = Path(__file__).resolve().parents[2] / "docs" / "engines"


class Router:
    """Sends Django's sessions to the database of the test."""

    def db_for_read(self, model: type, **hints: Any) -> str | None:
        return ALIAS if model is Session else None

    db_for_write = db_for_read


@contextmanager
def site(engine: str) -> Iterator[None]:
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware"]
    with override_settings(
        ROOT_URLCONF="beesession_tests.middleware.site",
        MIDDLEWARE=[f"django.contrib.{each}" for each in middleware],
        SESSION_ENGINE=engine,
        BEESESSION={"ALIAS": ALIAS},
    ):
        yield


@pytest.fixture
def djangos_table(transactional_db: None, entry: dict[str, Any]) -> Iterator[None]:
    """The table of Django's own engine, beside that of ours."""
    with override_settings(DATABASE_ROUTERS=[Router()]):
        with connections[ALIAS].schema_editor() as editor:
            editor.create_model(Session)
        yield
        with connections[ALIAS].schema_editor() as editor:
            editor.delete_model(Session)


@pytest.fixture
def statement(kind: Kind) -> str:
    """The statement of the engine's page, as it is there."""
    page = (PAGES / f"{kind}.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return str(found)


class Browser:
    """Keeps its cookies while the site behind it changes."""

    def __init__(self) -> None:
        self._cookies = SimpleCookie()

    @property
    def key(self) -> str:
        return self._cookies[settings.SESSION_COOKIE_NAME].value

    def get(self, page: str) -> Any:
        client = Client()  # whose handler has read the settings of now
        client.cookies = self._cookies
        return client.get(page)


@pytest.mark.usefixtures("djangos_table")
@pytest.mark.parametrize("use_tz", [True, False], ids=["with-time-zones", "without"])
def test_a_login_survives_the_move(kind: Kind, server: Server, statement: str, use_tz: bool) -> None:
    assert f"{settings.SESSION_COOKIE_AGE}" in statement
    for name in ("ann", "bob"):
        User.objects.create_user(name)
    ann, bob = Browser(), Browser()
    with override_settings(USE_TZ=use_tz, TIME_ZONE="Asia/Tokyo" if use_tz else "UTC"):
        with site("django.contrib.sessions.backends.db"):
            ann.get("/login?user=ann")
            ann.get("/change?key=cart&to=honey")
            Session.objects.create(
                session_key="expired" * 4, session_data="", expire_date=timezone.now() - timedelta(seconds=60)
            )
        server.execute(statement)
        assert server.execute("SELECT TRIM(session_key) FROM session") == [(ann.key,)]
        assert kind.written(server, ann.key) == pytest.approx(0, abs=60)
        with site("django.contrib.sessions.backends.db"):
            bob.get("/login?user=bob")
        with site(kind.module):
            assert ann.get("/whoami").content == b"ann"
            assert ann.get("/read?key=cart").json() == {"value": "honey"}
            ann.get("/change?key=cart&to=wax")
            # Bob came while the last old process was still at work.
            server.execute(statement)
            assert bob.get("/whoami").content == b"bob"
            assert ann.get("/read?key=cart").json() == {"value": "wax"}
            ann.get("/logout")
            assert ann.get("/whoami").content == b""
    assert server.execute("SELECT TRIM(session_key) FROM session") == [(bob.key,)]
