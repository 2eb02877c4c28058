"""Which Go type a Python value gets where Go has an interface, and under which name it travels there."""

from __future__ import annotations

import datetime
from typing import Any

from beesession.codecs.gob.errors import UnencodableError
from beesession.codecs.gob.registry import REGISTRY
from beesession.codecs.gob.types import BASICS, BYTES, INT, INTERFACE, STRING, UINT64, GoType, ListType, MapType
from beesession.codecs.gob.values import Map, Opaque, Slice

LIST = ListType(INTERFACE)
TEXT_MAP = MapType(STRING, INTERFACE)
INT_MAP = MapType(INT, INTERFACE)
ANY_MAP = MapType(INTERFACE, INTERFACE)


def go_type(value: Any) -> str:
    """Return the name under which a value travels in an interface: ``nil`` for None.

    >>> go_type(1), go_type([1]), go_type({"a": 1})
    ('int', '[]interface {}', 'map[string]interface {}')

    :raises UnencodableError: it has no type in Go
    """
    return "nil" if value is None else named(value)[0]


def named(value: Any) -> tuple[str, GoType, Any]:
    """Return the name under which a value travels in an interface, its type, and what is written of it.

    :raises UnencodableError: it has no type in Go
    """
    kind = value.__class__
    if kind is int and not INT.low <= value <= INT.high:
        if not 0 <= value <= UINT64.high:
            raise UnencodableError(TOO_LARGE)
        return UINT64.spelling, UINT64, value
    if kind in _TYPES:
        return _TYPES[kind].spelling, _TYPES[kind], value
    if kind in REGISTRY.by_class:
        name, go = REGISTRY.by_class[kind]
        return name, go, value
    if isinstance(value, Opaque):
        return value.name, value.go, value.value
    if isinstance(value, (Slice, Map)):
        type_of = REGISTRY.named(value.go_type)
        form = ListType if isinstance(value, Slice) else MapType
        if not isinstance(type_of, form):
            raise UnencodableError(f"{value.go_type!r} is no spelling of a Go type that is known here")
        return value.go_type, type_of, value
    # Subclasses, such as Django's SafeString and the members of an enumeration, are what they are made of.
    for base, spelled in ((datetime.datetime, "time.Time"), (bool, "bool"), (int, "int"), (float, "float64")):
        if isinstance(value, base):
            found = REGISTRY.named(spelled)
            assert found is not None, "these are always known"
            return spelled, found, value
    if isinstance(value, str):
        return STRING.spelling, STRING, value
    if isinstance(value, (bytearray, memoryview)):
        return BYTES.spelling, BYTES, value
    if isinstance(value, (list, tuple)):
        return "[]interface {}", LIST, value
    if isinstance(value, dict):
        go = type_of_dict(value)
        spelling = {TEXT_MAP: "map[string]interface {}", INT_MAP: "map[int]interface {}"}
        return spelling.get(go, "map[interface {}]interface {}"), go, value
    raise UnencodableError(
        f"{kind.__name__} has no type in Go; store text, numbers, lists or dicts, or a dataclass with gob.register"
    )


TOO_LARGE = "it is an integer of more than 64 bits; Go's big.Int holds it: gob.BigInt"

_TYPES = {basic.python: basic for basic in BASICS.values() if basic is not INTERFACE}


def type_of_dict(value: dict[Any, Any]) -> MapType:
    """Return the type that a dict without a type of its own has in Go: by its keys."""
    kinds = {key.__class__ for key in value}
    if kinds <= _STR or all(issubclass(kind, str) for kind in kinds):
        return TEXT_MAP
    return INT_MAP if kinds == _INT else ANY_MAP


_STR, _INT = {str}, {int}
