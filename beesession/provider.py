"""The storage contract: what an engine has to do, and all it has to do.

A :class:`Provider` keeps bytes under session ids. It knows neither Django's session API nor HTTP; whatever makes a
record a session (merging, expiry policy, signatures) is the work of :mod:`beesession.store`. Six verbs are required,
each of them atomic, each one command where the store allows it. ``gc`` and ``active`` are optional and announced in
:class:`Capabilities`.

Rules that hold for each provider:

* **Send once.** ``read``, ``touch`` and ``destroy`` may be repeated after a lost reply. ``create``, ``swap`` and
  ``regenerate`` are sent once, and again only if the server refused them or the connection broke before sending.
* **Errors.** A driver's error leaves a provider only as :class:`Unavailable`, its cause chained. A miss is no error.
* **Lifetimes** are seconds. A fraction is rounded up, ``max_lifetime`` is the ceiling. With a lifetime of zero or less
  ``create`` stores nothing and still returns a Record; ``swap``, ``touch`` and ``regenerate`` remove the record.
* **Expired is gone**, for each verb, whether or not anything has been collected.
* **Revoked is gone** where beego writes to the store, too (CODEC is ``"gob"``). It saves blindly at the end of each
  request, and so would bring an ended session back. With :attr:`Capabilities.revokes`, whatever ends an id leaves a
  mark for it, under a key of its own, for two lifetimes: ``destroy`` (also where there was no record), ``regenerate``
  (for the old id), a write with a lifetime of zero or less. A marked id is taken for ``create`` and as a new id, and
  has no record for the other verbs. A record that is there all the same is removed, and the mark renewed.
* **Ids** have passed :mod:`beesession.sid` before they get here.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from beesession.exceptions import BeeSessionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beesession.conf import Options
    from beesession.sid import IdRule


@dataclass(frozen=True)
class Record:
    """What a store holds for one session, as one verb saw or left it.

    :ivar data: the stored bytes; ``b""`` is valid data, so compare with None, never for truth
    :ivar token: the store's own compare-and-set token; None where the bytes themselves are the version
    :ivar sid: the id under which the record now lives (only a self-contained engine changes it on a write)
    :ivar remaining: seconds until it expires, where the store tells that free of charge
    """

    data: bytes = field(repr=False)
    token: Any = field(default=None, repr=False)
    sid: str = field(default="", repr=False)
    remaining: float | None = None


@dataclass(frozen=True)
class Capabilities:
    """What an engine can keep of the promises; docs, checks and test skips are derived from it.

    :ivar swap: compares and sets, so no update is lost and no logout undone
    :ivar atomic_rotation: replaces the old id by the new one in one step
    :ivar touch: moves the expiry without sending the data again
    :ivar gc: has expired records to remove, and :meth:`Provider.gc` removes them
    :ivar active: :meth:`Provider.active` counts the live sessions
    :ivar scan: can list its sessions
    :ivar native_async: the async verbs block no thread (elsewhere: one thread hop per verb)
    :ivar store_expires: the store drops expired records by itself
    :ivar max_bytes: the largest record, in bytes, or None
    :ivar max_lifetime: the longest lifetime, in seconds, or None
    :ivar shareable: several processes see the same sessions
    :ivar self_contained: the id itself carries the record, so each write makes a new id
    :ivar revokes: with CODEC ``"gob"`` an id that has ended is marked, so that a blind save of beego does not bring the
        session back (elsewhere it may, or cannot happen)
    """

    swap: bool
    atomic_rotation: bool
    touch: bool
    gc: bool
    active: bool
    scan: bool
    native_async: bool
    store_expires: bool
    max_bytes: int | None
    max_lifetime: int | None
    shareable: bool
    self_contained: bool = False
    revokes: bool = False


@dataclass(frozen=True)
class Sweep:
    """The result of one bounded :meth:`Provider.gc` call.

    :ivar removed: records removed (or, in a dry run, that would have been)
    :ivar finished: True when the whole store has been gone through; False when a further call would go on
    """

    removed: int
    finished: bool


@dataclass(frozen=True)
class Count:
    """The result of :meth:`Provider.active`.

    :ivar number: live sessions, or None when the store cannot tell
    :ivar how: one sentence for people: how it was counted, and what the count cannot see
    """

    number: int | None
    how: str


class Conflict(Exception):
    """``swap`` or ``regenerate``: the stored record is no longer the one that was read. Nothing was written.

    :ivar record: the record as it is now, where the store told it in the same reply; else None
    """

    def __init__(self, record: Record | None = None) -> None:
        super().__init__("the stored record has changed")
        self.record = record


class Gone(Exception):
    """``swap``, ``touch`` or ``regenerate``: there is no such record (any more). Nothing was written."""


class Unavailable(BeeSessionError):
    """The store cannot be reached, answered with an error, or its reply was lost. The cause is chained.

    After a lost reply of a write it is unknown whether the write happened.
    """


class Provider(ABC):
    """One store, configured. Safe to use from many threads at once.

    A provider connects at first use, never in ``from_config``, and not before a fork: one instance serves
    one process.
    """

    name: ClassVar[str]
    """beego's name of the engine, such as ``"redis"``."""

    capabilities: ClassVar[Capabilities]

    @classmethod
    @abstractmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> Provider:
        """Return a provider for beego's provider string (or the same as JSON text or a mapping).

        :param value: what ``BEESESSION["PROVIDER_CONFIG"]`` holds for this engine; ``""`` when nothing is set
        :param options: all of BEESESSION
        :raises django.core.exceptions.ImproperlyConfigured: naming the key to change, before anything is stored
        """

    @classmethod
    def ids(cls, options: Options) -> IdRule:
        """Return the rule that makes and accepts the ids of this engine. Does no I/O."""
        return options.ids

    def close(self) -> None:  # noqa: B027  (most have nothing to release)
        """Release connections and files. The provider is not used afterwards."""

    # The verbs ------------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, sid: str) -> Record | None:
        """Return the record, or None when it is unknown, expired or revoked. Never moves an expiry.

        Never writes, but for the removal of a revoked record that is back.
        """

    @abstractmethod
    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        """Store a new record and return it, or return None, with nothing changed, when the id is taken."""

    @abstractmethod
    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        """Replace the data and the expiry if what is stored is still ``record``; return the new record.

        :raises Conflict: another record is stored under this id
        :raises Gone: no record is stored under this id
        """

    @abstractmethod
    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        """Move the expiry, and nothing else; return the record with what is now known of it.

        The data may have changed since ``record`` was read: that is no conflict, and it stays as it is.
        Data and token of the returned record belong together: both as in ``record``, or both as they are now.

        :raises Gone: no record is stored under this id
        """

    @abstractmethod
    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        """Move the record to a new id, with new data and expiry; afterwards the old id opens nothing.

        Compares as :meth:`swap` does. A ``new_sid`` that is taken is a Conflict, too.

        :raises Conflict: another record is stored under the old id; it is still there
        :raises Gone: no record is stored under the old id
        """

    @abstractmethod
    def destroy(self, sid: str) -> bool:
        """Remove the record; return whether there was one. To remove what is not there is no error."""

    # Optional verbs -------------------------------------------------------------------------------------

    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        """Remove up to ``limit`` expired records; go on where the last call stopped, until it says finished.

        Safe to run in several processes at once. Removes nothing that is live, and nothing that is not a session.
        """
        raise NotImplementedError(f"the {self.name} engine has no garbage collection of its own")

    def active(self) -> Count:
        """Count the live sessions; expired ones are not counted."""
        raise NotImplementedError(f"the {self.name} engine cannot count its sessions")

    # Async twins: one thread hop each, unless the provider has something better --------------------------

    async def aread(self, sid: str) -> Record | None:
        return await asyncio.to_thread(self.read, sid)

    async def acreate(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return await asyncio.to_thread(self.create, sid, data, lifetime)

    async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await asyncio.to_thread(self.swap, sid, record, data, lifetime)

    async def atouch(self, sid: str, record: Record, lifetime: float) -> Record:
        return await asyncio.to_thread(self.touch, sid, record, lifetime)

    async def aregenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return await asyncio.to_thread(self.regenerate, sid, new_sid, record, data, lifetime)

    async def adestroy(self, sid: str) -> bool:
        return await asyncio.to_thread(self.destroy, sid)

    async def agc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        return await asyncio.to_thread(self.gc, limit, dry_run=dry_run)

    async def aactive(self) -> Count:
        return await asyncio.to_thread(self.active)

    # For implementers -----------------------------------------------------------------------------------

    def whole_seconds(self, lifetime: float) -> int:
        """Return the lifetime as the store gets it: rounded up, and clamped to ``max_lifetime``."""
        seconds = math.ceil(lifetime)
        ceiling = self.capabilities.max_lifetime
        return seconds if ceiling is None else min(seconds, ceiling)


class InlineProvider(Provider):
    """A provider whose verbs only compute: its async twins call them at once, on the loop."""

    async def aread(self, sid: str) -> Record | None:
        return self.read(sid)

    async def acreate(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        return self.create(sid, data, lifetime)

    async def aswap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return self.swap(sid, record, data, lifetime)

    async def atouch(self, sid: str, record: Record, lifetime: float) -> Record:
        return self.touch(sid, record, lifetime)

    async def aregenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        return self.regenerate(sid, new_sid, record, data, lifetime)

    async def adestroy(self, sid: str) -> bool:
        return self.destroy(sid)
