"""A Django site that shares its sessions with the beego application, and a visitor who walks between the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timezone
from typing import Any, TypeVar

from django.contrib import auth
from django.contrib.auth.views import LoginView
from django.contrib.messages import get_messages
from django.contrib.messages.api import success
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import Client, override_settings
from django.urls import path

from beesession.binding import close_all
from beesession.codecs import gob
from beesession.codecs.gob import Time
from beesession_tests.engines import RunningEngine
from beesession_tests.interop.beego import COOKIE_NAME, BeegoApp, Visitor, beego_provider_config

LIFETIME = 3600
"""Seconds that a session lives, on both sides."""

SESSIONS = "beesession.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"

T = TypeVar("T")

NEVER = Time(1, 1, 1, tzinfo=timezone.utc)
"""The zero of ``time.Time``."""


@dataclass
class Point:
    """The peer's ``main.Point``."""

    X: int = 0
    Y: int = 0


@dataclass
class User:
    """The peer's ``models.User``."""

    ID: int = 0
    Name: str = ""
    Email: str = ""
    Tags: list[str] = field(default_factory=list)
    Admin: bool = False
    Score: float = 0.0
    Meta: dict[str, Any] = field(default_factory=dict)
    Joined: Time = NEVER


def register_types() -> None:
    """Have our classes stand for the structs that the peer registers."""
    gob.register(Point, "main.Point")
    gob.register(User, "beesession/beego-peer/models.User")


@contextmanager
def sharing(engine: RunningEngine, *middleware: str, **keys: Any) -> Iterator[RunningEngine]:
    """Make the settings those of a site that shares the engine's store with a beego application.

    :param middleware: what the site has besides the sessions
    :param keys: further keys of BEESESSION
    """
    config = beego_provider_config(engine.name, engine.settings["PROVIDER_CONFIG"])
    shared = {**engine.settings, "PROVIDER_CONFIG": config, "CODEC": "gob", "LIFETIME": LIFETIME, **keys}
    site = override_settings(
        BEESESSION=shared,
        SESSION_COOKIE_NAME=COOKIE_NAME,
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[SESSIONS, *middleware],
        CSRF_USE_SESSIONS=CSRF in middleware,
        MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
        LOGIN_REDIRECT_URL="/whoami",
    )
    with site:
        try:
            yield RunningEngine(engine.engine, shared)
        finally:
            close_all()


class Walker:
    """One visitor with one jar of cookies, now at the Django site, now at the beego application.

    :ivar app: the beego application
    :ivar beego: the visitor there
    """

    def __init__(self, app: BeegoApp) -> None:
        self.app = app
        self.beego: Visitor = app.visitor()
        self._client = Client(enforce_csrf_checks=True)

    @property
    def sid(self) -> str:
        """The id of the session: the value of the cookie, as both sides have it."""
        assert self.beego.cookie is not None, "the visitor has a session"
        return self.beego.cookie.replace("%3D", "=")

    def twin(self) -> Walker:
        """Return another window of the same browser, which has the same cookies by now."""
        made = Walker(self.app)
        made.beego.cookies = {**self.beego.cookies}
        return made

    def django(self, method: str, page: str, data: Any = None, **environ: Any) -> Any:
        """Ask the Django site for a page with the cookies of the jar, and keep those of the response."""
        self.beego.give_cookies(self._client.cookies)
        response = self._client.generic(method, page, **environ) if data is None else self._client.post(page, data)
        self.beego.take_cookies(self._client.cookies)
        return response

    def in_django(self, act: Callable[[HttpRequest], T]) -> T:
        """Do something in a view of the Django site, and return what came of it."""
        results: list[T] = []
        assert self.try_in_django(lambda request: results.append(act(request))) == 200
        return results[0]

    def try_in_django(self, act: Callable[[HttpRequest], object]) -> int:
        """Do something in a view of the Django site, and return the status of the response."""
        status: int = self.django("GET", "/act", **{_ACT: act}).status_code
        return status

    def set_in_django(self, **values: Any) -> None:
        """Set keys of the session at the Django site."""
        self.in_django(lambda request: request.session.update(values))

    def get_in_django(self, *keys: str) -> list[Any]:
        """Return what the session has under these keys at the Django site; None where there is nothing."""
        return self.in_django(lambda request: [request.session.get(key) for key in keys])

    def count_in_django(self, key: str = "visits") -> Any:
        """Count under a key at the Django site, and return the new number."""

        def count(request: HttpRequest) -> Any:
            request.session.setdefault(key, 0)
            request.session[key] += 1
            return request.session[key]

        return self.in_django(count)


_ACT = "tests.act"


def _act(request: HttpRequest) -> HttpResponse:
    request.META[_ACT](request)
    return HttpResponse("done")


def _form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


def _whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


def _logout(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return HttpResponse("out")


def _leave_message(request: HttpRequest) -> HttpResponse:
    success(request, request.POST["text"])
    return HttpResponse("left")


def _messages(request: HttpRequest) -> HttpResponse:
    return JsonResponse([str(each) for each in get_messages(request)], safe=False)


urlpatterns = [
    path("act", _act),
    path("form", _form),
    path("login", LoginView.as_view()),
    path("logout", _logout),
    path("whoami", _whoami),
    path("message", _leave_message),
    path("messages", _messages),
]
