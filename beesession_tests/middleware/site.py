"""A site of a few views, each with an async twin, for whatever goes through the middleware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from beesession.provider import Unavailable

BACKEND = "django.contrib.auth.backends.ModelBackend"


class ReadingMiddleware:
    """Reads the session outside of any view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.session.get("value")
        return self.get_response(request)


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing")


def read(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"value": request.session.get(request.GET.get("key", "value"))})


def change(request: HttpRequest) -> HttpResponse:
    request.session[request.GET.get("key", "value")] = request.GET.get("to", "x")
    return HttpResponse("changed")


def count(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


def append(request: HttpRequest) -> HttpResponse:
    request.session["cart"].append(request.GET["item"])
    return HttpResponse("appended")


def login_view(request: HttpRequest) -> HttpResponse:
    auth.login(request, User.objects.get(username=request.GET.get("user", "ann")), backend=BACKEND)
    return HttpResponse("in")


def logout_view(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return HttpResponse("out")


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


def rotate(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse("rotated")


meanwhile: list[Callable[[HttpRequest], None]] = []
"""What tests have happen while a view is at work."""


def order(request: HttpRequest) -> HttpResponse:
    request.session["order"] = "kept"
    for happen in meanwhile:
        happen(request)
    return HttpResponse("stored")


def ended_meanwhile(request: HttpRequest) -> HttpResponse:
    request.session["late"] = True
    type(request.session)(request.session.session_key).delete()
    return HttpResponse("too late")


def clear(request: HttpRequest) -> HttpResponse:
    request.session.clear()
    return HttpResponse("cleared")


def own_cookie(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("a cookie of the view's own")
    response.set_cookie("sessionid", "own")
    return response


def failing(request: HttpRequest) -> HttpResponse:
    request.session["lost"] = True
    return HttpResponse("oh", status=500)


def swallowing(request: HttpRequest) -> HttpResponse:
    try:
        request.session.get("value")
    except Unavailable:
        return HttpResponse("served without a session")
    return HttpResponse("served")


async def aread(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"value": await request.session.aget(request.GET.get("key", "value"))})


async def achange(request: HttpRequest) -> HttpResponse:
    await request.session.aset(request.GET.get("key", "value"), request.GET.get("to", "x"))
    return HttpResponse("changed")


async def auntouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing")


async def alogin(request: HttpRequest) -> HttpResponse:
    await auth.alogin(request, await User.objects.aget(username=request.GET.get("user", "ann")), backend=BACKEND)
    return HttpResponse("in")


async def alogout(request: HttpRequest) -> HttpResponse:
    await auth.alogout(request)
    return HttpResponse("out")


async def awhoami(request: HttpRequest) -> HttpResponse:
    user: Any = await request.auser()
    return HttpResponse(user.get_username())


urlpatterns = [
    path("untouched", untouched),
    path("read", read),
    path("change", change),
    path("count", count),
    path("append", append),
    path("login", login_view),
    path("logout", logout_view),
    path("whoami", whoami),
    path("rotate", rotate),
    path("clear", clear),
    path("own-cookie", own_cookie),
    path("order", order),
    path("failing", failing),
    path("ended-meanwhile", ended_meanwhile),
    path("swallowing", swallowing),
    path("a/untouched", auntouched),
    path("a/read", aread),
    path("a/change", achange),
    path("a/login", alogin),
    path("a/logout", alogout),
    path("a/whoami", awhoami),
]
