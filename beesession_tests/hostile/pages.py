"""A site of three pages, to be asked with hostile cookies."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no session needed")


def shown(request: HttpRequest) -> HttpResponse:
    data = dict(request.session.items())
    return JsonResponse({"key": request.session.session_key, "data": data})


def counted(request: HttpRequest) -> HttpResponse:
    request.session["count"] = request.session.get("count", 0) + 1
    return JsonResponse({"count": request.session["count"]})


urlpatterns = [path("untouched", untouched), path("shown", shown), path("counted", counted)]
