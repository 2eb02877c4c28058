"""What a value that was read is on the wire, as the vectors have it in ``wire``; and the vectors themselves."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beesession.codecs import gob
from beesession.codecs.gob.errors import DEFAULT, Limits
from beesession.codecs.gob.naming import ANY_MAP, named
from beesession.codecs.gob.structs import ForeignFields
from beesession.codecs.gob.types import (
    INTERFACE,
    Basic,
    BlobType,
    GoType,
    ListType,
    MapType,
    NamedType,
    StructType,
)
from beesession.codecs.gob.values import FOREIGN, Key, Opaque

Tree = dict[str, Any]

_VECTORS = Path(__file__).resolve().parents[1] / "vectors"
_BASICS = {1: "bool", 2: "int", 3: "uint", 4: "float", 5: "bytes", 6: "string", 7: "complex"}


def vectors(name: str) -> list[dict[str, Any]]:
    """Return the content of a file of vectors."""
    found: list[dict[str, Any]] = json.loads((_VECTORS / name).read_text(encoding="utf-8"))
    return found


def streams(vector: dict[str, Any]) -> list[bytes]:
    """Return what Go wrote for a vector, in each order of its maps that was seen."""
    return [bytes.fromhex(each) for each in (vector["hex"], *vector.get("variants", ()))]


def read(stream: bytes, mode: str, limits: Limits = DEFAULT) -> list[tuple[GoType, Any]]:
    """Return the values of a stream with their types; of a session the one that it is."""
    if mode == "beego":
        return [(ANY_MAP, gob.loads(stream, limits=limits))]
    return [*gob.load_all(stream, limits=limits)]


def written(go: GoType, value: Any) -> bytes:
    """Return the stream of a value: of a session, as a session."""
    return gob.dumps(value) if go is ANY_MAP and None not in value.values() else gob.dump_value(go, value)


def tree(go: GoType, value: Any) -> Tree:
    """Return the tree of a value of a type."""
    if isinstance(go, NamedType):
        return tree(go.under, value.value if isinstance(value, Opaque) else go.dump(value))
    if go is INTERFACE:
        return _interface(value)
    if isinstance(go, Basic):
        return _basic(_BASICS[go.id], value)
    if isinstance(go, BlobType):
        return {"w": "gobencoder", "hex": value.hex()}
    if isinstance(go, ListType):
        form = "slice" if go.length is None else "array"
        return {"w": form, "v": [tree(go.elem, each) for each in value]}
    if isinstance(go, MapType):
        keys = [(each.value if isinstance(each, Key) else each, item) for each, item in value.items()]
        return {"w": "map", "v": [[tree(go.key, key), tree(go.elem, item)] for key, item in keys]}
    assert isinstance(go, StructType)
    types, sent = dict(go.fields), value
    if go.take_apart is not None:
        foreign = getattr(value, FOREIGN, None) or ForeignFields({}, {})
        types, sent = {**types, **foreign.types}, {**go.take_apart(value), **foreign}
    return {"w": "struct", "name": go.name, "v": [[name, tree(types[name], each)] for name, each in sent.items()]}


def _interface(value: Any) -> Tree:
    if value is None:
        return {"w": "nil"}
    name, go, content = named(value)
    return {"w": "iface", "name": name, "v": tree(go, content)}


def _basic(form: str, value: Any) -> Tree:
    if form == "bytes":
        return {"w": form, "hex": bytes(value).hex()}
    if form == "complex":
        return {"w": form, "re": _bits(value.real), "im": _bits(value.imag)}
    if form == "float":
        return {"w": form, "bits": _bits(value)}
    if form == "string":
        return {"w": form, "hex": value.encode("utf-8", "surrogateescape").hex()}
    return {"w": form, "v": value if form == "bool" else str(int(value))}


def _bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def normal(node: Any) -> Any:
    """Return a tree in one form: each string as its bytes, maps in one order, and no texts of floats."""
    if isinstance(node, list):
        return [normal(each) for each in node]
    if not isinstance(node, dict):
        return node
    form = node["w"]
    if form == "string":
        return {"w": form, "hex": _text(node).hex()}
    kept = {key: normal(value) for key, value in node.items() if not (form in {"float", "complex"} and key == "v")}
    if form == "map":
        kept["v"].sort(key=json.dumps)
    return kept


def _text(node: Tree) -> bytes:
    if "rep" in node:
        return bytes.fromhex(node["rep"][0]) * int(node["rep"][1])
    return bytes.fromhex(node["hex"]) if "hex" in node else node["v"].encode()


def names(node: Any) -> Iterator[str]:
    """Yield the names of the types of all interfaces in a tree, in order."""
    if isinstance(node, dict):
        if node.get("w") == "iface":
            yield node["name"]
        for each in node.values():
            yield from names(each)
    elif isinstance(node, list):
        for each in node:
            yield from names(each)
