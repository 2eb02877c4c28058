"""Providers whose driver has a sync and an async half: each verb is written once, as a step, and run either way."""

from __future__ import annotations

from abc import abstractmethod

from beesession.provider import Provider, Record
from beesession.stepping import Call, awaited, directly, run


class SteppedProvider(Provider):
    """A provider whose verbs are steps (:mod:`beesession.stepping`).

    An engine writes ``_read``, ``_create``, ``_swap``, ``_touch``, ``_regenerate`` and ``_destroy``. Each takes the
    call by which it reaches its driver, and then what the verb takes; what it returns and raises is the verb's.
    """

    @abstractmethod
    async def _read(self, call: Call, sid: str) -> Record | None: ...

    @abstractmethod
    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None: ...

    @abstractmethod
    async def _swap(self, call: Call, sid: str, record: Record, data: bytes, lifetime: float) -> Record: ...

    @abstractmethod
    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record: ...

    @abstractmethod
    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record: ...

    @abstractmethod
    async def _destroy(self, call: Call, sid: str) -> bool: ...

    def read(self, sid: str) -> Record | None:
        return run(self._read(directly, sid))

    async def aread(self, sid: str) -> Record | None:
        return await self._read(awaited, sid)

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return run(self._create(directly, sid, data, lifetime))

    async def acreate(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return await self._create(awaited, sid, data, lifetime)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return run(self._swap(directly, sid, record, data, lifetime))

    async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await self._swap(awaited, sid, record, data, lifetime)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        return run(self._touch(directly, sid, record, lifetime))

    async def atouch(self, sid: str, record: Record, lifetime: float) -> Record:
        return await self._touch(awaited, sid, record, lifetime)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return run(self._regenerate(directly, sid, new_sid, record, data, lifetime))

    async def aregenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await self._regenerate(awaited, sid, new_sid, record, data, lifetime)

    def destroy(self, sid: str) -> bool:
        return run(self._destroy(directly, sid))

    async def adestroy(self, sid: str) -> bool:
        return await self._destroy(awaited, sid)
