"""What is known of a stream while it is read: its types, where its messages end, and what it may still take up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from beesession.codecs.gob.definitions import Table
from beesession.codecs.gob.errors import GobError, Limits
from beesession.codecs.gob.types import GoType, StructType
from beesession.codecs.gob.wire import get_sint, get_uint

Reader = Callable[[bytes, int, "State"], tuple[Any, int]]
"""Reads a value: takes the stream, a position and the state; returns the value and the position behind it."""


_MAKING = RLock()
"""Streams of many threads share what is known, and one of them at a time adds to it."""


class Known:
    """What a start of streams, its type definitions, leads to.

    :ivar table: the types
    :ivar heads: by the bytes of an interface up to its byte count, that is name and id: what reads the rest
    :ivar readers: by type and form: what reads a value of it
    :ivar followers: by a key of a session: how the key was written that once came behind it, its size, and the key
    :ivar is_careful: its readers take no short cuts, and so read what is no UTF-8
    :ivar version: that of the registry by which the readers were made
    :param make: makes such a reader
    """

    def __init__(
        self,
        table: Table,
        make: Callable[[GoType, GoType, Known], Reader],
        heads: Mapping[bytes, Reader],
        readers: Mapping[tuple[GoType, GoType], Reader] | None = None,
        version: int = 0,
        is_careful: bool = False,
    ) -> None:
        self.is_careful = is_careful
        self.version = version
        self.table = table
        self._make = make
        self.heads = dict(heads)
        self.readers = dict(readers or {})
        self.followers: dict[Any, tuple[bytes, int, Any]] = {}
        self._tops: dict[int, tuple[GoType, Reader]] = {}
        self._unfinished: dict[tuple[GoType, GoType], Reader] = {}

    def for_more(self) -> Known:
        """Return a copy, to which a stream may add what it alone defines."""
        return Known(Table(self.table), self._make, self.heads, self.readers, is_careful=self.is_careful)

    def top(self, type_id: int, at: int) -> tuple[GoType, Reader]:
        """Return the type with this id, and what reads a value of it that stands alone."""
        found = self._tops.get(type_id)
        if found is None:
            wire = self.table.get(type_id, at)
            read = self.reader(wire, wire)
            found = self._tops[type_id] = wire, read if isinstance(wire, StructType) else behind_zero(read)
        return found

    def reader(self, go: GoType, wire: GoType) -> Reader:
        """Return what reads a value that is written as ``wire`` for a variable of ``go``, which fits."""
        found = self.readers.get((go, wire))
        if found is None:
            with _MAKING:
                found = self.readers.get((go, wire)) or self._unfinished.get((go, wire)) or self._made(go, wire)
        return found

    def _made(self, go: GoType, wire: GoType) -> Reader:
        is_outermost = not self._unfinished
        cell: list[Reader] = []
        # A type may be a part of itself.
        self._unfinished[go, wire] = lambda raw, at, state: cell[0](raw, at, state)
        try:
            made = self._unfinished[go, wire] = self._make(go, wire, self)
            cell.append(made)
            if is_outermost:
                # Not before: another thread must not come upon a part that leads back to what is being made.
                self.readers.update(self._unfinished)
        finally:
            if is_outermost:
                self._unfinished.clear()
        return made


class State:
    """How far a stream has been read.

    :ivar end: where the message ends
    :ivar known: its types
    :ivar is_own: ``known`` has what only this stream has defined
    :ivar depth: lists, maps and structs that the position is in
    :ivar left: values that may still come
    """

    __slots__ = ("depth", "end", "heads", "is_own", "known", "left", "limits")

    def __init__(self, known: Known, end: int, limits: Limits) -> None:
        self.known = known
        self.heads = known.heads
        self.end = end
        self.is_own = False
        self.depth = limits.depth
        self.left = limits.values
        self.limits = limits

    def next_message(self, raw: bytes, at: int) -> int:
        """Go on to the next message, and return where it begins."""
        if at > self.end:
            raise GobError("a value is longer than its message", self.end)
        length, at = get_uint(raw, at)
        self.end = at + length
        if length == 0:
            raise GobError("a message is empty", at)
        if self.end > len(raw):
            raise GobError("a message is longer than what is left of the stream", at)
        return at

    def type_id(self, raw: bytes, at: int, *, inside: bool) -> tuple[int, int]:
        """Read a type's id, and the definitions that may stand before it.

        :param inside: in an interface, where what follows a definition in the same message has a length of its own
        """
        while True:
            if at >= self.end:
                at = self.next_message(raw, at)
            type_id, at = get_sint(raw, at)
            if type_id >= 0:
                return type_id, at
            self.own()
            at = self.known.table.read(raw, at, -type_id, self.limits)
            if at < self.end:
                if not inside:
                    raise GobError("something follows a type definition in its message", at)
                _, at = get_uint(raw, at)

    def own(self) -> None:
        """Have what is learnt from here on be known of this stream alone."""
        if not self.is_own:
            self.known = self.known.for_more()
            self.heads, self.is_own = self.known.heads, True

    def enter(self, raw: bytes, at: int) -> tuple[int, int]:
        """Note down that a list or map begins, and return how many parts it has.

        :raises GobError: it is too large, or within too many others
        """
        count = raw[at]
        at += 1
        if count >= 128:
            count, at = get_uint(raw, at - 1)
        self.left -= count
        self.depth -= 1
        limits = self.limits
        # To go on with a few parts that are not there does no harm.
        if self.left >= 0 <= self.depth and count <= limits.count and (count < 128 or count <= len(raw) - at):
            return count, at
        if count > len(raw) - at:
            raise GobError("a value has more parts than the stream has bytes left", at)
        if count > limits.count:
            raise GobError(f"a value has more than {limits.count} parts", at)
        if self.depth < 0:
            raise GobError(f"values are nested more than {limits.depth} deep", at)
        raise GobError(f"the stream has more than {limits.values} values", at)

    def enter_struct(self, at: int) -> None:
        """Note down that a struct begins, the fields of which are counted as they come.

        :raises GobError: as :meth:`enter` does
        """
        self.depth -= 1
        if self.depth < 0:
            raise GobError(f"values are nested more than {self.limits.depth} deep", at)
        if self.left < 0:
            raise GobError(f"the stream has more than {self.limits.values} values", at)


def behind_zero(read: Reader) -> Reader:
    """Return what reads the same behind the zero that begins a value which is no struct and no part of another."""
    return lambda raw, at, state: read(raw, at + 1 if raw[at] == 0 else after_zero(raw, at), state)


def after_zero(raw: bytes, at: int) -> int:
    """Return the position behind that zero."""
    zero, end = get_uint(raw, at)
    if zero != 0:
        raise GobError("a value that stands alone begins with a zero", at)
    return end
