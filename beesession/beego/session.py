"""``BeegoSession``: a session with the names that beego gives its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponseBase

from beesession.middleware import Transport


def opened(store: SessionBase) -> SessionBase:
    """Return the session after it has been looked up: an id that opens nothing is dropped from it then."""
    store.get("")
    return store


class BeegoSession:
    """beego's view of a session of Django.

    ``SessionStart`` of a manager returns one, and so does ``start_session`` of a view.

    :param store: the session itself
    :param release: how :meth:`session_release` saves it; None: it is saved, and no cookie is sent
    :param transport: how its id reached us
    """

    def __init__(
        self,
        store: SessionBase,
        release: Callable[[BeegoSession, HttpResponseBase], None] | None = None,
        transport: Transport = Transport.NONE,
    ) -> None:
        self.store = store
        self.transport = transport
        self._release = release

    def set(self, key: str, value: Any) -> None:
        """Set a value; it is stored by :meth:`session_release`."""
        self.store[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or ``default`` when there is none of this key."""
        return self.store.get(key, default)

    def delete(self, key: str) -> None:
        """Remove a value; to remove what is not there is no error."""
        self.store.pop(key, None)

    def flush(self) -> None:
        """Remove all values. The session and its id stay, unlike with ``flush()`` of Django."""
        self.store.clear()

    def session_id(self) -> str:
        """Return the id. A new session is stored for that, since an id that nothing is stored under opens nothing."""
        store = opened(self.store)
        if store.session_key is None:
            store.create()
        return str(store.session_key)

    def session_release(self, response: HttpResponseBase | None = None) -> None:
        """Save the session.

        :param response: gets the id (in a cookie, or as the manager's configuration says). Without it, and for the
            session of a view, nothing is sent: there the session middleware does it.
        :raises SessionGone: the session was ended meanwhile; see ``SessionStore.save`` for the other errors
        """
        if response is not None and self._release is not None:
            self._release(self, response)
        elif not opened(self.store).is_empty():
            self.store.save()
