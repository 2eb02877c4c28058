"""Go types, as far as gob tells them apart.

The same classes describe what a stream defines (there an integer is just signed or unsigned, and a pointer is what it
points to) and what Go code calls a type. Reading brings the two together; see :func:`fits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any

from beesession.codecs.gob.values import (
    Complex64,
    Float32,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
)

FIRST_ID = 64
"""Ids from here on are defined by the stream; below, they have a fixed meaning, or none."""


class GoType:
    """A Go type."""

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        """Return what is special to this type, and the types that it is made of."""
        raise NotImplementedError

    @property
    def signature(self) -> str:
        """What its definition on the wire consists of: equal for types that are written alike."""
        known = self.known_signature
        return _sign(self, {})[0] if known is None else known

    @property
    def known_signature(self) -> str | None:
        """The signature, if it is known already: that of a type tells those of its parts, but for parts of a cycle."""
        return self.__dict__.get("signed")

    def __getstate__(self) -> dict[str, Any]:
        # Without what is made again when it is needed, and cannot be copied.
        return {name: value for name, value in self.__dict__.items() if name not in ("signed", "writer")}


_NOTHING = 2**31
"""A number above those of all open types: what refers to none of them."""


def _sign(go: GoType, numbers: dict[GoType, int]) -> tuple[str, int]:
    """Return the signature of a type, and the lowest number of an open type that it refers to.

    Each type is gone through once, and one that is a part of itself twice, so that it does not depend on what is around
    it. (This is Tarjan's algorithm for strongly connected components.)

    :param numbers: the open types: those that are being gone through, and those that refer to such
    """
    known = go.known_signature
    if known is not None:
        return known, _NOTHING
    label, parts = go.parts()
    if not parts:
        return label, _NOTHING
    if go in numbers:
        return f"#{numbers[go]}", numbers[go]
    number = numbers[go] = len(numbers)
    texts, lowest = [label], _NOTHING
    for part in parts:
        text, low = _sign(part, numbers)
        texts.append(text)
        lowest = min(lowest, low)
    signature = blake2b(repr(texts).encode("utf-8", "replace"), digest_size=16).hexdigest()
    if lowest < number:
        return signature, lowest
    for each in [*numbers][number:]:
        del numbers[each]
    if lowest < _NOTHING and number > 0:
        return _sign(go, {})[0], _NOTHING
    go.__dict__["signed"] = signature
    return signature, _NOTHING


class Basic(GoType):
    """A type that needs no definition.

    :ivar spelling: Go's name of it
    :ivar id: its id on the wire, which it shares with other types of its kind
    :ivar python: the class of its values where they stand in an interface
    :ivar low: the smallest value of an integer
    :ivar high: the largest one
    """

    def __init__(self, spelling: str, type_id: int, python: type, low: int = 0, high: int = 0) -> None:
        self.spelling = spelling
        self.id = type_id
        self.python = python
        self.low = low
        self.high = high

    def __repr__(self) -> str:
        return self.spelling

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        return str(self.id), ()


BOOL = Basic("bool", 1, bool)
INT = Basic("int", 2, int, -(2**63), 2**63 - 1)
UINT64 = Basic("uint64", 3, Uint64, 0, 2**64 - 1)
FLOAT64 = Basic("float64", 4, float)
FLOAT32 = Basic("float32", 4, Float32)
BYTES = Basic("[]uint8", 5, bytes)
STRING = Basic("string", 6, str)
COMPLEX128 = Basic("complex128", 7, complex)
COMPLEX64 = Basic("complex64", 7, Complex64)
INTERFACE = Basic("interface {}", 8, object)

BASICS = {
    basic.spelling: basic
    for basic in (
        *(BOOL, INT, UINT64, FLOAT64, FLOAT32, BYTES, STRING, COMPLEX128, COMPLEX64, INTERFACE),
        *(Basic(each.go_type, 2, each, each.low, each.high) for each in (Int8, Int16, Int32, Int64)),
        *(Basic(each.go_type, 3, each, each.low, each.high) for each in (Uint, Uint8, Uint16, Uint32, Uintptr)),
    )
}
"""Each type that needs no definition, by its spelling."""

ON_THE_WIRE = {basic.id: basic for basic in (BOOL, INT, UINT64, FLOAT64, BYTES, STRING, COMPLEX128, INTERFACE)}
"""What the fixed ids mean."""


class ListType(GoType):
    """A slice, or an array.

    :ivar elem: the type of its elements; settable, since a type may be a part of itself
    :ivar length: of an array; None for a slice
    """

    def __init__(self, elem: GoType, length: int | None = None) -> None:
        self.elem = elem
        self.length = length

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        return f"[{'' if self.length is None else self.length}]", (self.elem,)


class MapType(GoType):
    """A map.

    :ivar key: the type of its keys
    :ivar elem: the type of its values
    """

    def __init__(self, key: GoType, elem: GoType) -> None:
        self.key = key
        self.elem = elem

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        return "map", (self.key, self.elem)


class StructType(GoType):
    """A struct.

    :ivar name: the name that its definition carries; nobody goes by it
    :ivar fields: names and types, in the order of their numbers
    :ivar python: the class that stands for it; None where nobody has registered one
    :ivar build: makes an object of that class from the fields that were sent, and the types of those that only Go has
    :ivar take_apart: the reverse: what is to be sent of its fields, in their order
    :ivar zeros: how many values an object has of which nothing was sent
    """

    def __init__(
        self,
        name: str,
        fields: Sequence[tuple[str, GoType]] = (),
        python: type | None = None,
        build: Callable[[dict[str, Any], dict[str, GoType]], Any] | None = None,
        take_apart: Callable[[Any], dict[str, Any]] | None = None,
    ) -> None:
        self.name = name
        self.fields = fields
        self.python = python
        self.build = build
        self.take_apart = take_apart
        self.zeros = 0

    @cached_property
    def by_name(self) -> dict[str, GoType]:
        return dict(self.fields)

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        return repr((self.name, *(name for name, _ in self.fields))), tuple(go for _, go in self.fields)


class BlobType(GoType):
    """A type that encodes itself. On the wire it is bytes.

    :ivar id: the number of its definition's field: 5 GobEncoder, 6 BinaryMarshaler, 7 TextMarshaler
    :ivar name: the name that its definition carries; nobody goes by it
    """

    def __init__(self, type_id: int, name: str = "") -> None:
        self.id = type_id
        self.name = name

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        return f"{self.name!r}:{self.id}", ()


class NamedType(GoType):
    """A type that has a class of its own here.

    :ivar under: its form
    :ivar python: the class
    :ivar load: makes an object of the class from a value of that form; raises ValueError for what the type refuses
    :ivar dump: the reverse
    :ivar accepts: the class of what is written as this type: ``python``, or a base of it
    """

    def __init__(
        self,
        under: GoType,
        python: type,
        load: Callable[[Any], Any],
        dump: Callable[[Any], Any],
        accepts: type | None = None,
    ) -> None:
        self.under = under
        self.python = python
        self.load = load
        self.dump = dump
        self.accepts = accepts or python

    def parts(self) -> tuple[str, tuple[GoType, ...]]:
        return self.under.parts()


def underlying(go: GoType) -> GoType:
    """Return the form of a type that may have a class of its own."""
    return go.under if isinstance(go, NamedType) else go


def fits(go: GoType, wire: GoType, seen: set[tuple[GoType, GoType]] | None = None) -> bool:
    """Return whether Go would read values that are written as ``wire`` into a variable of ``go``.

    :param seen: pairs of types that are being compared already
    """
    go, seen = underlying(go), set() if seen is None else seen
    if isinstance(go, Basic) and isinstance(wire, Basic):
        return go.id == wire.id
    if isinstance(go, BlobType) and isinstance(wire, BlobType):
        return go.id == wire.id
    if (go, wire) in seen:
        return True
    seen.add((go, wire))
    if isinstance(go, ListType) and isinstance(wire, ListType):
        return go.length == wire.length and fits(go.elem, wire.elem, seen)
    if isinstance(go, MapType) and isinstance(wire, MapType):
        return fits(go.key, wire.key, seen) and fits(go.elem, wire.elem, seen)
    if isinstance(go, StructType) and isinstance(wire, StructType):
        common = [(go.by_name[name], each) for name, each in wire.fields if name in go.by_name]
        if wire.fields and not common:
            return False
        return all(fits(one, other, seen) for one, other in common)
    return False
