"""A request's session, driven through the sync or the async half of Django's session API.

Each scenario of the contract is written once, against :class:`Visit`, and run both ways.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from django.conf import settings

from beesession.conf import Options
from beesession.delta import LOGIN
from beesession.provider import Conflict, Gone, Provider, Record, Unavailable
from beesession.testing import require

VERBS = frozenset({"read", "create", "swap", "touch", "regenerate", "destroy"})
SENT_ONCE = frozenset({"swap", "regenerate"})


class Recorder:
    """An engine's provider that notes which verbs were called, and may lose a reply.

    :ivar calls: the names of the verbs, as they were called: an async one is called ``"aread"``
    :ivar lifetimes: the lifetimes that were sent with them, in seconds
    :ivar seen: each session id that went in or out
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.calls: list[str] = []
        self.lifetimes: list[float] = []
        self.seen: set[str] = set()
        self._until_lost: int | None = None

    def lose_reply(self, *, after: int = 0) -> None:
        """Once: let the next write of a session run, and tell the caller that its reply was lost.

        :param after: so many such writes are answered before
        """
        self._until_lost = after

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._provider, name)
        verb = name if name in VERBS else name.removeprefix("a")
        return self._noting(name, attribute) if verb in VERBS else attribute

    def _noting(self, name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(verb)
        def noting(*args: Any) -> Any:
            self.calls.append(name)
            self.seen.update(arg for arg in args if isinstance(arg, str))
            self.seen.update(arg.sid for arg in args if isinstance(arg, Record) and arg.sid)
            if isinstance(args[-1], (int, float)):
                self.lifetimes.append(args[-1])
            if name.removeprefix("a") not in SENT_ONCE or not self._loses():
                return verb(*args)
            if name not in VERBS:
                return _lost(verb(*args))
            with suppress(Conflict, Gone):
                verb(*args)
            raise Unavailable("The reply was lost.")

        return noting

    def _loses(self) -> bool:
        if self._until_lost is None:
            return False
        self._until_lost -= 1
        if self._until_lost >= 0:
            return False
        self._until_lost = None
        return True

    def taken(self) -> list[str]:
        """Return the verbs called so far, whichever form they had, and begin anew."""
        names = [name if name in VERBS else name.removeprefix("a") for name in self.calls]
        self.calls.clear()
        return names


async def _lost(reply: Coroutine[Any, Any, Record]) -> Record:
    with suppress(Conflict, Gone):
        await reply
    raise Unavailable("The reply was lost.")


class Visit:
    """The session object of one request.

    :ivar store: the SessionStore that the view has as ``request.session``
    """

    def __init__(self, store: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self.store = store
        self._loop = loop

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the session, or its async twin."""
        if self._loop is None:
            return getattr(self.store, name)(*args, **kwargs)
        return self._loop.run_until_complete(getattr(self.store, f"a{name}")(*args, **kwargs))

    @property
    def key(self) -> Any:
        return self.store.session_key

    @property
    def modified(self) -> bool:
        modified: bool = self.store.modified
        return modified

    def get(self, key: str, default: Any = None) -> Any:
        return self.call("get", key, default)

    def set(self, **data: Any) -> Visit:
        for key, value in data.items():
            if self._loop is None:
                self.store[key] = value
            else:
                self.call("set", key, value)
        return self

    def remove(self, *keys: str) -> Visit:
        for key in keys:
            self.call("pop", key)
        return self

    def data(self) -> dict[str, Any]:
        """Return all that the session holds."""
        return dict(self.call("items"))

    def save(self) -> Visit:
        self.call("save")
        return self

    def flush(self) -> Visit:
        self.call("flush")
        return self

    def cycle_key(self) -> Visit:
        self.call("cycle_key")
        return self

    def clear(self) -> Visit:
        self.store.clear()
        return self

    def login(self, user: str) -> Visit:
        """Put a login into the session, as Django's login() does after it has rotated the key."""
        return self.set(**login_of(user))

    def logout_in_place(self) -> Visit:
        """Take the login out of the session, and leave the session."""
        return self.remove(*LOGIN)


class Site:
    """One engine, seen through sessions.

    :ivar SessionStore: the engine's store class, or one with options of the test's own
    :ivar recorder: what the sessions of this site have asked of the provider
    """

    def __init__(self, store_class: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self._store_class = store_class
        self.recorder = Recorder(store_class.provider)
        self.SessionStore = type("SessionStore", (store_class,), {"provider": self.recorder})
        self._loop = loop

    @property
    def provider(self) -> Provider:
        """The provider itself, past the recorder."""
        return self.recorder._provider

    def require(self, *capabilities: str) -> None:
        require(self.provider, *capabilities)

    def configured(self, **options: Any) -> Site:
        """Return the same site with these keys of BEESESSION changed."""
        made = Options.from_mapping({**getattr(settings, "BEESESSION", {}), **options})
        return Site(type("SessionStore", (self._store_class,), {"options": made}), self._loop)

    def again(self) -> Site:
        """Return the same site after its settings have changed, which closes its provider."""
        return Site(self._store_class, self._loop)

    def unissued(self) -> str:
        """Return a key of the right form that no session has."""
        return self.provider.ids(self._store_class.bound_options()).new()

    def put(self, data: bytes) -> str:
        """Store a record past the session logic, and return its key."""
        record = self.provider.create(self.unissued(), data, 3600)
        assert record is not None
        return record.sid

    def raw(self, key: str) -> bytes | None:
        """Return the bytes stored under this key."""
        record = self.provider.read(key)
        return None if record is None else record.data

    def visit(self, key: str | None = None) -> Visit:
        """Return the session of a request that brought this cookie."""
        return Visit(self.SessionStore(key), self._loop)

    def session(self, **data: Any) -> str:
        """Store a session with this data and return its key."""
        key: str = self.visit().set(**data).save().key
        return key

    def two_visits(self, key: str) -> tuple[Visit, Visit]:
        """Return the sessions of two requests that have both read the session and not yet saved it."""
        visits = self.visit(key), self.visit(key)
        for visit in visits:
            visit.data()
        return visits

    def stored(self, key: str | None) -> dict[str, Any]:
        """Return what the next request finds under this key."""
        return self.visit(key).data()

    def opens(self, key: str | None) -> bool:
        """Return whether the next request has a session under this key."""
        visit = self.visit(key)
        visit.data()
        return visit.key is not None

    def wait_until_expired(self, key: str, lifetime: float) -> None:
        """Wait for the end of a session's lifetime; a store that counts whole seconds may be late by one."""
        deadline = time.monotonic() + lifetime + 1.2
        while self.raw(key) is not None:
            assert time.monotonic() < deadline, "the session outlives its lifetime"
            time.sleep(0.05)


def login_of(user: str) -> dict[str, str]:
    """Return the three keys of a login, all of which tell the user."""
    return dict(zip(LOGIN, (user, f"backend of {user}", f"hash of {user}"), strict=True))
