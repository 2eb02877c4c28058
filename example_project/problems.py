"""Pages for what can go wrong, in place of plain text or a developer's trace."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, cast, overload

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.decorators import sync_and_async_middleware

Handler = Callable[[HttpRequest], HttpResponseBase]
AsyncHandler = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponseBase]]


@dataclass(frozen=True)
class Words:
    """What a page says."""

    title: str
    text: str


WORDS: dict[int, Words] = {
    HTTPStatus.BAD_REQUEST: Words(
        title="This session ended elsewhere",
        text="Another tab, or another request, logged out or replaced the session while this request was using it. "
        "Nothing was saved, and the ended session was not brought back.",
    ),
    HTTPStatus.FORBIDDEN: Words(
        title="This form is out of date",
        text="It was made before you logged in or out, or your browser sends no cookies. Nothing was changed.",
    ),
    HTTPStatus.NOT_FOUND: Words(title="There is no such page", text="The address may be mistyped."),
    HTTPStatus.SERVICE_UNAVAILABLE: Words(
        title="The session store cannot be reached",
        text="You have not been logged out: your cookie is as it was, and your session goes on when the store is back. "
        "Please try again in a few seconds.",
    ),
}


@overload
def friendly_pages(get_response: Handler) -> Handler: ...
@overload
def friendly_pages(get_response: AsyncHandler) -> AsyncHandler: ...
@sync_and_async_middleware
def friendly_pages(get_response: Handler | AsyncHandler) -> Handler | AsyncHandler:
    """Give responses with one of the statuses above a page of words; the status and the headers stay."""
    if iscoroutinefunction(get_response):
        respond_later = cast(AsyncHandler, get_response)

        async def amiddleware(request: HttpRequest) -> HttpResponseBase:
            return _worded(await respond_later(request))

        return amiddleware
    respond = cast(Handler, get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return _worded(respond(request))

    return middleware


def _worded(response: HttpResponseBase) -> HttpResponseBase:
    words = WORDS.get(response.status_code)
    if words is not None and isinstance(response, HttpResponse):
        # Rendered without the request: a page about an unreachable store must not ask for the session.
        context = {"words": words, "status": response.status_code}
        response.content = render_to_string("demo/problem.html", context).encode()
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        response.headers["Content-Length"] = str(len(response.content))
    return response
