"""The session middleware: Django's, async end to end, with more ways for the id to travel.

Django's stock ``SessionMiddleware`` works with every engine. This one keeps its response logic (it calls it, so what
Django mends there is mended here) and adds: no thread hops under ASGI, 503 while the store is unreachable, the id in
a header or, for sessions without a login, in the URL's query, and the idle timeout.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from beesession import conf
from beesession.masked import Masked
from beesession.provider import Unavailable
from beesession.stepping import Call, awaited, directly, run
from beesession.store import SessionStore

logger = logging.getLogger("beesession")


class Transport(enum.Enum):
    """How a session id reached us. It goes back the same way, and no other way is looked at."""

    NONE = "a visitor without an id"
    COOKIE = "cookie"
    QUERY = "URL query"
    HEADER = "header"


def received(request: HttpRequest, name: str, options: conf.Options) -> tuple[Transport, str | None]:
    """Return how the request carries a session id, and the id, which nothing has looked at yet.

    :param name: of the cookie, and of the query parameter
    """
    if options.set_cookie and (cookie := request.COOKIES.get(name)):
        return Transport.COOKIE, cookie
    if options.url_query and (parameter := request.GET.get(name)):
        return Transport.QUERY, parameter
    if options.header_name is not None and (header := request.headers.get(options.header_name)) is not None:
        # Error pages and mails show each header but the cookie.
        request.META[f"HTTP_{options.header_name.upper().replace('-', '_')}"] = Masked(header)
        return Transport.HEADER, header or None
    return Transport.NONE, None


def ways_back(transport: Transport, options: conf.Options, *, has_new_id: bool) -> tuple[bool, bool]:
    """Return whether an id goes back in a cookie, and whether in the header.

    A cookie made from a link would let whoever sent the link choose the visitor's session. A new id, such as a login
    brings, is the visitor's own.
    """
    planted = transport is Transport.QUERY and not has_new_id
    cookie = options.set_cookie and transport is not Transport.HEADER and not planted
    header = options.header_name is not None and not planted
    return cookie, header and (transport in (Transport.HEADER, Transport.NONE) or not options.set_cookie)


class SessionMiddleware(DjangoSessionMiddleware):
    """Puts ``request.session`` in place, saves it, and carries its id.

    The id is taken from the first of these that the request has: the cookie; with ``URL_QUERY`` the query parameter
    named like the cookie; with ``HEADER_NAME`` that header. (An empty header is how a client without an id says that
    it wants headers rather than cookies.) A visitor who shows none of them gets the cookie, and with ``HEADER_NAME``
    the header, too, since either may be what this client understands.

    :cvar retry_after: seconds that a 503 asks the client to wait
    """

    retry_after = 5

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ImproperlyConfigured(
                f"{__name__}.SessionMiddleware works with the engines of beesession; SESSION_ENGINE is "
                f"{settings.SESSION_ENGINE!r}. Use Django's own SessionMiddleware with it."
            )
        self._store_class: type[SessionStore] = self.SessionStore
        self._options()  # a mistake in BEESESSION must not wait for the first visitor

    def process_request(self, request: HttpRequest) -> None:
        transport, sid = received(request, settings.SESSION_COOKIE_NAME, self._options())
        session = self._store_class(sid)
        session.anonymous_only = transport is Transport.QUERY
        request.session = session
        request._beesession = (transport, sid)  # type: ignore[attr-defined]

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        response = self.get_response(request)
        return run(self._respond(directly, request, cast(HttpResponseBase, response)))

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        response = await cast("Callable[[HttpRequest], Awaitable[HttpResponseBase]]", self.get_response)(request)
        return await self._respond(awaited, request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 for a view that met an unreachable store."""
        return self._unavailable(exception) if isinstance(exception, Unavailable) else None

    async def _respond(self, call: Call, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return self._django_response(request, response)
        try:
            # After an outage that the view has dealt with, only what it has changed is worth another try.
            if not session.unavailable or session.modified:
                await self._save(call, session, response)
        except UpdateError as error:
            raise SessionInterrupted(str(error)) from error
        except Unavailable as error:
            return self._unavailable(error)
        if session.unavailable:
            # What the store holds is unknown. Whatever the response says of the session, the cookie stays as it is.
            # An error inside another middleware has become a plain 500 on its way here.
            if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
                return self._unavailable()
            if session.accessed:
                patch_vary_headers(response, ("Cookie", *filter(None, [self._options().header_name])))
            return response
        had_cookies = set(response.cookies)
        # Nothing is left to be saved, so Django's logic below does no I/O any more, and may run on an event loop.
        response = self._django_response(request, response)
        self._carry(request, session, response, had_cookies)
        return response

    async def _save(self, call: Call, session: SessionStore, response: HttpResponseBase) -> None:
        """Do the I/O that Django's ``process_response`` is going to ask for."""
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return
        saves_all = settings.SESSION_SAVE_EVERY_REQUEST
        if saves_all and not session.accessed and session.session_key is not None:
            # An unknown id ends here as an empty session, for which nothing is stored.
            await call(session._get_session, session._aget_session)
        idle = session.accessed and session.bound_options().idle_timeout is not None
        if (saves_all or session.modified or idle) and not session.is_empty():
            await call(session.save, session.asave)

    def _django_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return self.process_response(request, cast(HttpResponse, response))  # its stub does not know of streaming

    # Transport --------------------------------------------------------------------------------------------

    def _carry(
        self, request: HttpRequest, session: SessionStore, response: HttpResponseBase, had_cookies: set[str]
    ) -> None:
        """Send the id back the way it came, where that is not (only) the cookie that Django has set."""
        transport, sent = request._beesession  # type: ignore[attr-defined]
        options, name = self._options(), settings.SESSION_COOKIE_NAME
        by_cookie, by_header = ways_back(transport, options, has_new_id=session.has_new_id)
        # A view may have set a cookie of this name itself; that one is none of ours.
        cookie = response.cookies.get(name) if name not in had_cookies else None
        over = sent is not None and session.is_empty()
        if options.header_name is not None:
            if by_header and (cookie is not None or over):
                # An empty header: the session is over, forget the id.
                response.headers[options.header_name] = "" if cookie is None else cookie.value
            if session.accessed or options.header_name in response.headers:
                patch_vary_headers(response, (options.header_name,))
        if cookie is not None and not by_cookie:
            del response.cookies[name]
        if transport is Transport.QUERY:
            # The address holds the id, and must not go to other sites.
            response.headers.setdefault("Referrer-Policy", "same-origin")

    def _options(self) -> conf.Options:
        return self._store_class.bound_options()

    # Outage ------------------------------------------------------------------------------------------------

    def _unavailable(self, error: Exception | None = None) -> HttpResponse:
        if error is not None:
            logger.error("The session store is unreachable: %s.", type(error.__cause__ or error).__name__)
        response = HttpResponse("The service is unavailable for a moment. Please try again.", content_type="text/plain")
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(self.retry_after)
        response.headers["Cache-Control"] = "no-store"
        return response
