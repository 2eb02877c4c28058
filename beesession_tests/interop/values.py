"""Go values as the peer reads and writes them: dicts whose "t" is the Go type, as in the README of the vectors."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Node = dict[str, Any]
"""A Go value in JSON."""

Key = str | Node
"""A key of a session; a plain string is a Go string."""

Pairs = Mapping[str, Node] | Iterable[tuple[Key, Node]]
"""Keys of a session, and what to set them to."""

NIL: Node = {"t": "nil"}
"""What is found under a key that the session does not have."""


def go(type_name: str, value: Any) -> Node:
    """Return a Go value of one of the simple types.

    :param type_name: bool, string, an integer or float type, ``[]uint8``, or ``time.Time``
    :param value: the value; of ``time.Time`` a text like ``2024-02-29T13:04:05.678901234Z``
    :raises KeyError: nothing is known of such a type
    """
    return {"t": type_name, **_FORMS[type_name](value)}


def go_list(type_name: str, elements: Iterable[Node]) -> Node:
    """Return a Go slice or array.

    :param type_name: such as ``[]string``
    """
    return {"t": type_name, "v": [*elements]}


def go_map(type_name: str, pairs: Iterable[tuple[Key, Node]]) -> Node:
    """Return a Go map.

    :param type_name: such as ``map[string]interface {}``
    """
    return {"t": type_name, "v": [[*pair] for pair in pairs]}


def tagged(value: Any) -> Node:
    """Return the Go value that plain Python data stands for.

    None, bool, int, float, str and bytes are ``nil``, ``bool``, ``int``, ``float64``, ``string`` and ``[]uint8``; lists
    and tuples are ``[]interface {}``; a dict is ``map[string]interface {}``, or ``map[interface {}]interface {}`` when
    not all its keys are strings.

    :raises TypeError: it is something else
    """
    if value is None:
        return NIL
    if type(value) in _PLAIN:
        return go(_PLAIN[type(value)], value)
    if isinstance(value, list | tuple):
        return go_list("[]interface {}", map(tagged, value))
    if isinstance(value, dict):
        key = "string" if all(isinstance(each, str) for each in value) else "interface {}"
        pairs = ((tagged(key), tagged(each)) for key, each in value.items())
        return go_map(f"map[{key}]interface {{}}", pairs)
    raise TypeError(f"{type(value).__name__} has no plain Go type")


def pairs(values: Pairs) -> list[tuple[Key, Node]]:
    """Return these as the peer takes them."""
    return [*values.items()] if isinstance(values, Mapping) else [*values]


_PLAIN = {bool: "bool", int: "int", float: "float64", str: "string", bytes: "[]uint8"}


def _float(value: float) -> Node:
    return {"v": repr(value), "bits": struct.pack(">d", value).hex()}


def _text(value: str) -> Node:
    return {"v": value}


_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in ("", "8", "16", "32", "64")] + ["uintptr"]

_FORMS: dict[str, Callable[[Any], Node]] = {
    "bool": lambda value: {"v": value},
    "string": _text,
    "time.Time": _text,
    "float32": _float,
    "float64": _float,
    "[]uint8": lambda value: {"hex": value.hex()},
    **dict.fromkeys(_INTEGERS, lambda value: {"v": str(value)}),
}
