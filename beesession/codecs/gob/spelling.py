"""How Go spells its types, such as ``map[string][]int64``."""

from __future__ import annotations

from collections.abc import Mapping

from beesession.codecs.gob.types import BASICS, BYTES, GoType, ListType, MapType

LONGEST = 1024
"""Bytes that a type's name may have, as in Go."""


def parse(spelling: str, named: Mapping[str, GoType]) -> GoType:
    """Return the type that Go spells so.

    :param named: types that have names, by these
    :raises LookupError: a part of it is none of those, or it is no spelling of Go's
    """
    go, rest = _type(spelling, named, 0)
    if rest:
        raise LookupError(spelling)
    return go


def _type(text: str, named: Mapping[str, GoType], depth: int) -> tuple[GoType, str]:
    """Read a type from the start of ``text``; return it, and the rest."""
    if depth > LONGEST // 8:
        raise LookupError(text)
    if text.startswith("*"):
        return _type(text[1:], named, depth + 1)
    if text.startswith(BYTES.spelling):
        return BYTES, text[len(BYTES.spelling) :]
    if text.startswith("["):
        size, _, rest = text[1:].partition("]")
        if size and not (size.isascii() and size.isdecimal()):
            raise LookupError(text)
        elem, rest = _type(rest, named, depth + 1)
        return ListType(elem, int(size) if size else None), rest
    if text.startswith("map["):
        key, rest = _type(text[4:], named, depth + 1)
        if not rest.startswith("]"):
            raise LookupError(text)
        elem, rest = _type(rest[1:], named, depth + 1)
        return MapType(key, elem), rest
    name, bracket, rest = text.partition("]")
    go = BASICS.get(name) or named.get(name)
    if go is None:
        raise LookupError(name)
    return go, bracket + rest
