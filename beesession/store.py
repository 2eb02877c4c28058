"""Django's session contract, on top of a provider."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from beesession.codecs.json import SALT
from beesession.operations import Operations
from beesession.stepping import awaited, directly, run
from beesession.tracking import SessionData


class SessionStore(Operations):
    """A session. Engines subclass it and name their ``provider_class``; everything else is inherited."""

    # What Django calls: each method and its async twin are one step ---------------------------------------

    def load(self) -> dict[str, Any]:
        """Read the session and return its data; ``{}`` when there is none, and then the key is dropped."""
        return run(self._load(directly))

    async def aload(self) -> dict[str, Any]:
        return await self._load(awaited)

    def exists(self, session_key: str | None) -> bool:
        """Return whether the store has a record under this key. A store that keeps none has none."""
        return run(self._exists(directly, session_key))

    async def aexists(self, session_key: str | None) -> bool:
        return await self._exists(awaited, session_key)

    def create(self) -> None:
        """Store the data of this object (or none) under a new key, at once."""
        run(self._create(directly))

    async def acreate(self) -> None:
        async with self._writing:
            await self._create(awaited)

    def save(self, must_create: bool = False) -> None:
        """Store what this object has changed, merged into what others have stored meanwhile.

        Without changes only the expiry moves, and nothing is sent if it need not.

        :param must_create: insert under the present key
        :raises CreateError: with ``must_create``, when the key is taken
        :raises SessionGone: the session was deleted, or its login ended; it is not brought back
        :raises SessionConflict: the changes must not, or could not in time, be merged
        :raises EncodeError: naming the session key whose value cannot be stored
        :raises SessionTooLarge: the engine cannot hold so much
        :raises Unavailable: the store cannot be reached
        """
        run(self._save(directly, must_create))

    async def asave(self, must_create: bool = False) -> None:
        async with self._writing:
            await self._save(awaited, must_create)

    def delete(self, session_key: str | None = None) -> None:
        """Delete the record under this key, or under the object's own. A missing record is no error."""
        run(self._delete(directly, session_key))

    async def adelete(self, session_key: str | None = None) -> None:
        async with self._writing:
            await self._delete(awaited, session_key)

    def cycle_key(self) -> None:
        """Give the session a new key; the old one opens nothing afterwards.

        A session that is gone already: if this object's copy carried no login, a new session starts from this
        object's own changes; if it carried one, SessionGone. Else as :meth:`save`.
        """
        run(self._cycle_key(directly))

    async def acycle_key(self) -> None:
        async with self._writing:
            await self._cycle_key(awaited)

    @classmethod
    def clear_expired(cls) -> None:
        """Remove expired sessions; nothing to do where the store does that by itself."""
        run(cls._clear_expired(directly))

    @classmethod
    async def aclear_expired(cls) -> None:
        await cls._clear_expired(awaited)

    @cached_property
    def _writing(self) -> asyncio.Lock:
        # Tasks of one request share its session; two writes of one object at once would merge with each other.
        return asyncio.Lock()

    # What the view does to the data -----------------------------------------------------------------------

    def clear(self) -> None:
        """Empty the session. Keys that another request adds meanwhile go, too."""
        self._data = SessionData(changed=True, cleared=True)
        self.accessed = True
        self.modified = True

    def __bool__(self) -> bool:
        # Django 6.1 has this rule; the older versions get it, too.
        return not self.is_empty()

    @property
    def key_salt(self) -> str:
        return SALT

    # SessionBase keeps the data in this attribute, and takes its absence for "not loaded".
    @property
    def _session_cache(self) -> SessionData:
        return self._data

    @_session_cache.setter
    def _session_cache(self, data: dict[str, Any]) -> None:
        self._data = data if isinstance(data, SessionData) else SessionData(data, changed=True)

    @_session_cache.deleter
    def _session_cache(self) -> None:
        del self._data

    def _get_session(self, no_load: bool = False) -> SessionData:
        self.accessed = True
        if not hasattr(self, "_data"):
            data = SessionData() if no_load or self.session_key is None else run(self._load(directly))
            if not hasattr(self, "_data"):  # another thread may have been faster, as another task below
                self._data = data
        return self._data

    _session = property(_get_session)

    async def _aget_session(self, no_load: bool = False) -> SessionData:
        self.accessed = True
        if not hasattr(self, "_data"):
            data = SessionData() if no_load or self.session_key is None else await self._load(awaited)
            # Two tasks of one request may have loaded at once: whoever comes second takes the first one's dict.
            if not hasattr(self, "_data"):
                self._data = data
        return self._data
