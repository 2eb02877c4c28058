"""How values of Go's basic types are written, and what all values of a stream have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beesession.codecs.gob.definitions import Definitions
from beesession.codecs.gob.errors import Limits, UnencodableError
from beesession.codecs.gob.types import (
    BASICS,
    BOOL,
    BYTES,
    COMPLEX64,
    COMPLEX128,
    FLOAT32,
    FLOAT64,
    INT,
    INTERFACE,
    STRING,
    Basic,
)
from beesession.codecs.gob.values import single
from beesession.codecs.gob.wire import double, sint, uint

Writer = Callable[[Any, bytearray, "Sink"], None]
"""Appends a value of one type to what has been written so far."""


class Sink:
    """What the values of one stream have in common.

    What a reader with the same limits would refuse is not written: nobody could read it any more.

    :ivar definitions: its types
    :ivar depth: lists, maps and structs that may still be entered
    :ivar left: values that may still come
    """

    __slots__ = ("definitions", "depth", "left", "limits")

    def __init__(self, definitions: Definitions, limits: Limits) -> None:
        self.definitions = definitions
        self.depth = limits.depth
        self.left = limits.values
        self.limits = limits

    def enter(self, count: int) -> None:
        """Note down that a list or map of so many parts begins."""
        self.depth -= 1
        self.left -= count
        if self.depth < 0:
            raise UnencodableError("it is nested too deep, or contains itself")
        if self.left < 0 or count > self.limits.count:
            raise UnencodableError("it has more parts than the limits allow to be read (GOB_LIMITS)")

    def demand_length(self, length: int) -> None:
        """Refuse a string of so many bytes if the limits do."""
        if length > self.limits.length:
            raise UnencodableError("it has a longer text than the limits allow to be read (GOB_LIMITS)")


def _bool(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, bool):
        raise is_no(value, "bool")
    out.append(value)


def _integer(go: Basic) -> Writer:
    write = sint if go.id == INT.id else uint
    low, high, spelling = go.low, go.high, go.spelling

    def integer(value: Any, out: bytearray, sink: Sink) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise is_no(value, spelling)
        if not low <= value <= high:
            raise UnencodableError(f"it is an integer that Go's {spelling} does not hold")
        out += write(int(value))

    return integer


def _float(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, float):
        raise is_no(value, "float64")
    out += double(value)


def _float32(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, float):
        raise is_no(value, "float32")
    out += double(_single(value))


def _complex(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, complex):
        raise is_no(value, "complex128")
    out += double(value.real) + double(value.imag)


def _complex64(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, complex):
        raise is_no(value, "complex64")
    out += double(_single(value.real)) + double(_single(value.imag))


def _single(value: float) -> float:
    try:
        return single(value)
    except OverflowError:
        raise UnencodableError("it is a number that Go's float32 does not hold") from None


def write_bytes(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise is_no(value, "[]uint8")
    data = bytes(value)
    sink.demand_length(len(data))
    out += uint(len(data)) + data


def text(value: str) -> bytes:
    """Return the bytes of a string: UTF-8, or what it was read from.

    :raises UnencodableError: it has half of a surrogate pair
    """
    try:
        return value.encode()
    except UnicodeEncodeError:
        pass
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnencodableError("it is text with half of a surrogate pair, which no UTF-8 has") from None


def _text(value: Any, out: bytearray, sink: Sink) -> None:
    if not isinstance(value, str):
        raise is_no(value, "string")
    data = text(value)
    sink.demand_length(len(data))
    out += uint(len(data)) + data


def is_no(value: object, spelling: str) -> UnencodableError:
    """Return what to say of a value that its Go type has no room for."""
    return UnencodableError(f"it has a {type(value).__name__} where its Go type has a {spelling}")


WRITERS: dict[Basic, Writer] = {
    BOOL: _bool,
    FLOAT64: _float,
    FLOAT32: _float32,
    BYTES: write_bytes,
    STRING: _text,
    COMPLEX128: _complex,
    COMPLEX64: _complex64,
}
"""What writes a value of each basic type; that of interfaces is added where they are written."""

for _type in BASICS.values():
    if _type not in WRITERS and _type is not INTERFACE:
        WRITERS[_type] = _integer(_type)
