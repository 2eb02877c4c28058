"""The numbers of gob: how they are written, and how they are read.

A reader takes the stream and a position, and returns what it found there and the position behind it. It does not look
where the message ends: whoever reads past that is told at the next place where a message may end. Past the end of the
stream it raises IndexError.

Section "Encoding Details" of https://pkg.go.dev/encoding/gob
"""

from __future__ import annotations

import struct

from beesession.codecs.gob.errors import GobError

DOUBLE = struct.Struct("<d")
"""What a floating point number consists of, once the zeros are back that it is written without."""

_LONGEST = 8

BITS = 64
"""Of an integer on the wire."""


def uint(number: int) -> bytes:
    """Return an unsigned number of up to 64 bits as gob writes it."""
    if number < 128:
        return _SHORT[number]
    length = (number.bit_length() + 7) // 8
    return bytes((256 - length,)) + number.to_bytes(length, "big")


_SHORT = [bytes((number,)) for number in range(128)]


def sint(number: int) -> bytes:
    """Return a signed number of up to 64 bits: the sign is in the last bit."""
    return uint(number << 1 if number >= 0 else ~number << 1 | 1)


def double(number: float) -> bytes:
    """Return a floating point number: its bytes in reverse order, since the last ones are often zero."""
    return uint(int.from_bytes(DOUBLE.pack(number), "big"))


def get_uint(raw: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned number; more bytes than needed are allowed, as in Go.

    :raises GobError: it has more than 64 bits
    """
    first = raw[at]
    if first < 128:
        return first, at + 1
    end = at + 257 - first
    if end - at > _LONGEST + 1:
        raise GobError("a number has more than 64 bits", at)
    if end > len(raw):
        raise IndexError
    return int.from_bytes(raw[at + 1 : end], "big"), end


def get_sint(raw: bytes, at: int) -> tuple[int, int]:
    """Read a signed number."""
    number = raw[at]
    if number < 128:
        at += 1
    else:
        number, at = get_uint(raw, at)
    return (~(number >> 1) if number & 1 else number >> 1), at


def get_double(raw: bytes, at: int) -> tuple[float, int]:
    """Read a floating point number. The bits of a NaN stay as they are."""
    number, at = get_uint(raw, at)
    # A zero takes one byte in the stream, and must not take up an object of its own here.
    return (DOUBLE.unpack(number.to_bytes(8, "big"))[0] if number else 0.0), at
