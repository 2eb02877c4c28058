"""``BeegoSessionMixin``: the session methods of beego's controllers, for Django's class-based views."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from beesession.beego.session import BeegoSession


class BeegoSessionMixin:
    """Works on ``request.session``; the session middleware saves it and carries its id.

    >>> from django.views import View
    >>> class Counter(BeegoSessionMixin, View):
    ...     def get(self, request):
    ...         self.set_session("asta", (self.get_session("asta") or 0) + 1)
    """

    request: HttpRequest

    def start_session(self) -> BeegoSession:
        """Return the session of this request.

        :raises ImproperlyConfigured: there is none, since no session middleware is installed
        """
        return BeegoSession(self._session())

    def set_session(self, name: str, value: Any) -> None:
        """Set a value."""
        self.start_session().set(name, value)

    def get_session(self, name: str) -> Any:
        """Return a value, or None when there is none of this name."""
        return self.start_session().get(name)

    def del_session(self, name: str) -> None:
        """Remove a value; to remove what is not there is no error."""
        self.start_session().delete(name)

    def session_regenerate_id(self) -> None:
        """Give the session a new id; the old one opens nothing any more."""
        self._session().cycle_key()

    def destroy_session(self) -> None:
        """End the session: its data, its record and its cookie."""
        self._session().flush()

    def _session(self) -> SessionBase:
        session = getattr(self.request, "session", None)
        if not isinstance(session, SessionBase):
            raise ImproperlyConfigured(
                "There is no request.session: set sessionon = true, or put beesession.middleware.SessionMiddleware "
                "into MIDDLEWARE."
            )
        return session
