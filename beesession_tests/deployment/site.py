"""A site as it is deployed: settings, two pages and the WSGI application, for servers that import one module.

The engine comes from the environment. Making the application stores and ends a session, so that a server which loads it
before it forks its workers has used the engine by then.
"""

from __future__ import annotations

import json
import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

ENVIRONMENT = "BEESESSION_TESTS_SITE"
"""The environment variable with the settings of the engine, as JSON."""


def visit(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"], "process": os.getpid()})


def put(request: HttpRequest) -> HttpResponse:
    request.session[request.GET["key"]] = True
    return JsonResponse({"process": os.getpid()})


def keys(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"keys": sorted(request.session.keys())})


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("", empty), path("visit", visit), path("put", put), path("keys", keys)]


def _application() -> object:
    settings.configure(
        SECRET_KEY="beesession-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["beesession"],
        MIDDLEWARE=["beesession.middleware.SessionMiddleware"],
        **json.loads(os.environ[ENVIRONMENT]),
    )
    made = get_wsgi_application()
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store["before"] = "the fork"
    store.save()
    store.flush()
    return made


application = _application() if ENVIRONMENT in os.environ else None
