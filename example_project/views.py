"""The pages. Each action is a POST that ends in a redirect, so that a reload repeats nothing."""

from __future__ import annotations

import inspect
import textwrap
from typing import cast

from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import TemplateView

from beesession.beego.views import BeegoSessionMixin
from beesession.exceptions import SessionGone
from beesession.store import SessionStore
from example_project import cart
from example_project.apps import PASSWORD, USERNAME
from example_project.forms import ValueForm
from example_project.panel import Panel


@never_cache
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """The workbench: each thing that can be done to a session, and what the session is now."""
    lines = request.session.get("cart", [])
    context = {
        "panel": Panel.of(_store(request)),
        "rows": cart.rows(lines),
        "total": cart.total(lines),
        "username": USERNAME,
        "password": PASSWORD,
    }
    return render(request, "demo/home.html", context)


@method_decorator(never_cache, name="dispatch")
class CounterView(BeegoSessionMixin, TemplateView):
    """beego's first example: a number that grows with each visit, starting at 0."""

    template_name = "demo/counter.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        num = self.get_session("asta")
        if num is None:
            num = 0
        self.set_session("asta", num + 1)
        return self.render_to_response({"num": num, "source": _COUNTER_SOURCE})


_COUNTER_SOURCE = textwrap.dedent(inspect.getsource(CounterView.get))


@require_POST
def values(request: HttpRequest) -> HttpResponse:
    """Set, get or delete the value that the form names."""
    form = ValueForm(request.POST)
    if not form.is_valid():
        for errors in form.errors.values():
            for error in errors:
                messages.error(request, str(error))
        return redirect("home")
    name, value = form.cleaned_data["name"], form.cleaned_data["value"]
    action = request.POST.get("action")
    if action == "set":
        request.session[name] = value
        messages.success(request, f"{name} is set.")
    elif name not in request.session:
        messages.warning(request, f"The session has no value named {name}.")
    elif action == "delete":
        del request.session[name]
        messages.success(request, f"{name} is deleted.")
    else:
        messages.info(request, f"{name} is “{request.session[name]}”.")
    return redirect("home")


@require_POST
def cart_line(request: HttpRequest) -> HttpResponse:
    """Put one of a good into the cart, or take one out."""
    slug = request.POST.get("good", "")
    if slug not in cart.GOODS:
        raise Http404
    lines = request.session.setdefault("cart", [])
    # The list is changed in place, and its dicts are; nothing is assigned, and nothing says "modified".
    if request.POST.get("action") == "remove":
        cart.remove(lines, slug)
    else:
        cart.add(lines, slug)
    return redirect("home")


@require_POST
def regenerate(request: HttpRequest) -> HttpResponse:
    """Give the session a new id and keep its data."""
    request.session.cycle_key()
    messages.success(request, "The session has a new id. The old one opens nothing any more.")
    return redirect("home")


@require_POST
def destroy(request: HttpRequest) -> HttpResponse:
    """Delete the session and all that it held."""
    request.session.flush()
    messages.success(request, "The session is destroyed, and its cookie removed.")
    return redirect("home")


@sensitive_post_parameters("password")
@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Log the visitor in, who keeps the session's data and gets a new id."""
    form = AuthenticationForm(request, request.POST)
    if form.is_valid():
        user = cast(User, form.get_user())
        login(request, user)
        messages.success(request, f"Welcome, {user.get_username()}. The session has a new id, as after each login.")
    else:
        messages.error(request, "That name and password do not belong together. Both stand above the form.")
    return redirect("home")


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Log the visitor out, which ends the session."""
    logout(request)
    messages.success(request, "You are logged out, and the session is gone.")
    return redirect("home")


@require_POST
def race(request: HttpRequest) -> HttpResponse:
    """Let two copies of the session, as two requests at once would hold them, each save a value of its own."""
    session = _comparing_store(request)
    if session.session_key is None:
        session.save()
    first, second = _copy(session), _copy(session)
    first["first_request"] = "saved"
    second["second_request"] = "saved"
    first.save()
    second.save()
    stored = _copy(session)
    kept = [name for name in ("first_request", "second_request") if name in stored]
    messages.info(request, f"Two requests held one session and saved it one after the other. Kept: {', '.join(kept)}.")
    return redirect("home")


@require_POST
def late_save(request: HttpRequest) -> HttpResponse:
    """End the session while a copy of it, as a slow request would hold it, is still to be saved."""
    session = _comparing_store(request)
    if session.session_key is None:
        session.save()
    slow = _copy(session)
    slow["late"] = "too late"
    logout(request)
    try:
        slow.save()
    except SessionGone:
        messages.success(request, "A slow request saved after the logout. It was refused: the session stays ended.")
    else:
        messages.error(request, "A slow request saved after the logout and brought the session back.")
    return redirect("home")


def _store(request: HttpRequest) -> SessionStore:
    return cast(SessionStore, request.session)


def _comparing_store(request: HttpRequest) -> SessionStore:
    session = _store(request)
    if not session.provider.capabilities.swap:
        raise Http404
    session.keys()  # loads it, so that the key of a session that is over is None
    return session


def _copy(session: SessionStore) -> SessionStore:
    copy = type(session)(session.session_key)
    copy.keys()
    return copy
