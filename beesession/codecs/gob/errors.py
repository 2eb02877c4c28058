"""What can go wrong with a stream, and how large one may be."""

from __future__ import annotations

from dataclasses import dataclass


class GobError(ValueError):
    """The bytes are no gob stream of the kind that was asked for, or exceed a limit.

    :ivar offset: where in the stream, in bytes from its start
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset})")
        self.offset = offset


class UnencodableError(TypeError):
    """A value has no form in gob, or none that its Go type allows.

    :ivar key: the key of the session that holds it; None where it was not within one
    """

    def __init__(self, message: str, key: object = None) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class Limits:
    """How much a stream may ask of its reader. What exceeds one of these is refused before it takes up memory.

    A value takes 16 to 150 bytes in Python, however short it is in a stream; ``values`` is what bounds that.

    :ivar size: bytes of a whole stream
    :ivar length: bytes of one string; those of less than 128 are always allowed
    :ivar count: elements of one list or map
    :ivar values: elements of all lists and maps together, and fields of structs; of your classes also those not sent
    :ivar depth: lists, maps and structs within each other; Python's own recursion limit holds as well
    :ivar types: type definitions of one stream, and fields of one of them
    """

    size: int = 64 * 1024 * 1024
    length: int = 64 * 1024 * 1024
    count: int = 200_000
    values: int = 200_000
    depth: int = 100
    types: int = 1000


DEFAULT = Limits()
