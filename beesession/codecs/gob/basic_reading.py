"""How values of Go's basic types are read."""

from __future__ import annotations

from collections.abc import Callable

from beesession.codecs.gob.errors import GobError
from beesession.codecs.gob.state import Reader, State, after_zero
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
from beesession.codecs.gob.wire import DOUBLE, get_double, get_sint, get_uint

SHORT = 128
"""Numbers below take one byte."""

_ONE_BYTE = 248  # the first byte of numbers that up to eight more follow


def _bool(raw: bytes, at: int, state: State) -> tuple[bool, int]:
    number, at = get_uint(raw, at)
    return number != 0, at


def _int(raw: bytes, at: int, state: State) -> tuple[int, int]:
    number = raw[at]
    if number < 128:
        return (~(number >> 1) if number & 1 else number >> 1), at + 1
    return get_sint(raw, at)


def _uint(raw: bytes, at: int, state: State) -> tuple[int, int]:
    return get_uint(raw, at)


def _float(raw: bytes, at: int, state: State) -> tuple[float, int]:
    return get_double(raw, at)


def _float32(raw: bytes, at: int, state: State) -> tuple[float, int]:
    number, end = get_double(raw, at)
    return _single(number, at), end


def _complex(raw: bytes, at: int, state: State) -> tuple[complex, int]:
    real, at = get_double(raw, at)
    imaginary, at = get_double(raw, at)
    return complex(real, imaginary), at


def _complex64(raw: bytes, at: int, state: State) -> tuple[complex, int]:
    number, end = _complex(raw, at, state)
    return complex(_single(number.real, at), _single(number.imag, at)), end


def _single(number: float, at: int) -> float:
    try:
        return single(number)
    except OverflowError:
        raise GobError("a number is too large for a float32", at) from None


def read_bytes(raw: bytes, at: int, state: State) -> tuple[bytes, int]:
    length, at = get_uint(raw, at)
    if length > len(raw) - at or length > state.limits.length:
        raise GobError("a string is longer than the stream, or than the limit", at)
    return raw[at : at + length], at + length


def read_text(raw: bytes, at: int, state: State) -> tuple[str, int]:
    length = raw[at]
    if length < SHORT:
        end = at + 1 + length
        return raw[at + 1 : end].decode("utf-8", "surrogateescape"), end
    text, at = read_bytes(raw, at, state)
    # Go does not mind what is no UTF-8. This keeps the bytes, so that they are written back.
    return text.decode("utf-8", "surrogateescape"), at


def _ranged(go: Basic, read: Callable[[bytes, int], tuple[int, int]]) -> Reader:
    low, high, spelling = go.low, go.high, go.spelling

    def ranged(raw: bytes, at: int, state: State) -> tuple[int, int]:
        number, end = read(raw, at)
        if low <= number <= high:
            return number, end
        raise GobError(f"a number is too large for {spelling}", at)

    return ranged


READERS: dict[Basic, Reader] = {
    BOOL: _bool,
    INT: _int,
    FLOAT64: _float,
    FLOAT32: _float32,
    BYTES: read_bytes,
    STRING: read_text,
    COMPLEX128: _complex,
    COMPLEX64: _complex64,
}
"""What reads a value of each basic type; those of interfaces are added where they are read."""

for _type in BASICS.values():
    if _type not in READERS and _type is not INTERFACE:
        _has_all_bits = _type.high - _type.low == 2**64 - 1
        _number = get_sint if _type.id == INT.id else get_uint
        READERS[_type] = (_int if _type.id == INT.id else _uint) if _has_all_bits else _ranged(_type, _number)


# The same behind the zero of a value that stands alone, without a call for each step. ---------------------------------


def _alone_int(raw: bytes, at: int, state: State) -> tuple[int, int]:
    number = raw[at + 1]
    end = at + 2
    if number >= _ONE_BYTE:
        end += 256 - number
        number = int.from_bytes(raw[at + 2 : end], "big")
    elif number >= SHORT:
        return get_sint(raw, at + 1)
    if raw[at] != 0:
        return get_sint(raw, after_zero(raw, at))
    return (~(number >> 1) if number & 1 else number >> 1), end


def _alone_float(raw: bytes, at: int, state: State) -> tuple[float, int]:
    size = 256 - raw[at + 1]
    if raw[at] != 0 or size > 8:
        return get_double(raw, after_zero(raw, at))
    end = at + 2 + size
    if size == DOUBLE.size and end <= len(raw):
        return DOUBLE.unpack_from(raw, at + 2)[0], end
    return DOUBLE.unpack(raw[at + 2 : end].rjust(8, b"\x00"))[0], end


def _alone_bool(raw: bytes, at: int, state: State) -> tuple[bool, int]:
    if raw[at] == 0 and raw[at + 1] < SHORT:
        return raw[at + 1] != 0, at + 2
    return _bool(raw, after_zero(raw, at), state)


QUICK: dict[Basic, Reader] = {INT: _alone_int, FLOAT64: _alone_float, BOOL: _alone_bool}
"""What reads the content of an interface that holds one of these."""
