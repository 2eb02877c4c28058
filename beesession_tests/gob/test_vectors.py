"""What the real Go and the real beego wrote is read as what it is, and written back as that."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from beesession.codecs import gob
from beesession.codecs.gob.naming import named
from beesession.codecs.gob.values import Key
from beesession.codecs.gob.wire import get_uint, sint, uint
from beesession_tests.gob.trees import normal, read, streams, tree, vectors, written

GO = vectors("gob.json")
HANDMADE = {each["name"]: each for each in vectors("gob-handmade.json")}
ERRORS = {each["name"]: each for each in vectors("gob-errors.json")}


@pytest.mark.parametrize("vector", GO, ids=lambda each: each["name"])
def test_a_stream_of_go_is_read_as_what_it_is_and_written_back_as_that(vector: dict[str, Any]) -> None:
    wire = vector["wire"] if vector["mode"] == "stream" else [vector["wire"]]
    for stream in streams(vector):
        values = read(stream, vector["mode"])
        assert normal([tree(go, value) for go, value in values]) == normal(wire)
        for (go, value), expected in zip(values, wire, strict=True):
            again = read(written(go, value), vector["mode"])
            assert normal([tree(*each) for each in again]) == normal([expected])


def _has_one_form(vector: dict[str, Any]) -> bool:
    """Return whether Go always writes the same bytes: there is no type id in the value, nor a map with an order."""
    is_one = vector["mode"] == "stream" and len(vector["wire"]) == 1
    return is_one and "iface" not in json.dumps(vector["wire"]) and not vector.get("unordered")


@pytest.mark.parametrize("vector", [*filter(_has_one_form, GO)], ids=lambda each: each["name"])
def test_a_value_without_ids_in_it_is_written_byte_for_byte_as_go_does(vector: dict[str, Any]) -> None:
    ((go, value),) = read(bytes.fromhex(vector["hex"]), "stream")
    assert _content(gob.dump_value(go, value)) == _content(bytes.fromhex(vector["hex"]))


def _content(stream: bytes) -> bytes:
    """Return the last message of a stream, without its length and type."""
    at = 0
    while at < len(stream):
        length, start = get_uint(stream, at)
        at = start + length
    _, after_id = get_uint(stream, start)
    return stream[after_id:at]


def test_the_go_types_of_a_session_are_those_that_its_vector_names() -> None:
    def check(value: Any, node: dict[str, Any]) -> None:
        if node["t"] == "nil":
            assert value is None
            return
        name, _, content = named(value)
        # A name has the import path of its package; a value tells just the package.
        assert name.rpartition("/")[2] == node["t"] or node["t"] == "main.DeepB"
        if node["t"].startswith("[]interface"):
            for each, part in zip(content, node["v"], strict=True):
                check(each, part)
        if node["t"] == "map[string]interface {}":
            for key, part in node["v"]:
                check(content[key["v"]], part)

    checked = 0
    for vector in GO:
        if vector["mode"] != "beego":
            continue
        session = gob.loads(bytes.fromhex(vector["hex"]))
        for key, node in vector["value"]["v"]:
            if key["t"] == "string" and "v" in key:
                check(session[key["v"]], node)
                checked += 1
    assert checked > 100


# Streams made by hand ----------------------------------------------------------------------------------------------

KEPT_HERE = {name for name, each in HANDMADE.items() if each.get("error") == "unregistered-name"} - {
    "registered/map[string][]string",  # does not define its []string
}
"""Names that a beego program does not know are kept here, so that they are written back."""

NEEDS_POINT = {"struct/no-common-field", "struct/field-type-mismatch", "struct/delta-past-end"}


@dataclasses.dataclass
class Point:
    X: int = 0
    Y: int = 0


@pytest.mark.parametrize("name", [name for name, each in HANDMADE.items() if each["accepted"] and each["hex"]])
def test_a_stream_made_by_hand_that_beego_accepts_is_read(name: str) -> None:
    vector = HANDMADE[name]
    limits = gob.Limits(depth=1000)
    session = gob.loads(bytes.fromhex(vector["hex"]), limits=limits)
    assert [_plain(key, node) for key, node in vector["value"]["v"]] == [
        _plain_value(key, value)
        for key, value in sorted(session.items(), key=lambda each: _order(each[0], vector["value"]["v"]))
    ]
    if None in session.values():
        with pytest.raises(gob.UnencodableError, match="None"):
            gob.dumps(session)
    else:
        assert gob.loads(gob.dumps(session, limits=limits), limits=limits) == session


def _order(key: Any, nodes: list[Any]) -> int:
    return next((place for place, (node, _) in enumerate(nodes) if node.get("v") == key), -1)


def _plain(key: dict[str, Any], node: dict[str, Any]) -> Any:
    """Return what of an entry is told by a vector without Go's types: the key, and a number or text."""
    return key.get("v"), _leaf(node)


def _leaf(node: dict[str, Any]) -> Any:
    if node["t"] in {"bool", "string"} and "v" in node:
        return node["v"]
    if node["t"].lstrip("u").startswith("int") and isinstance(node.get("v"), str):
        return int(node["v"])
    return ...


class _Anything:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _plain_value(key: Any, value: Any) -> Any:
    shown = value.__class__ in {bool, str} or isinstance(value, int)
    is_text = isinstance(value, str) and value.isprintable()
    key = key.value if isinstance(key, Key) else key
    return key, value if shown and (is_text or not isinstance(value, str)) else _Anything()


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("name", [name for name, each in HANDMADE.items() if not each["accepted"]])
def test_a_stream_made_by_hand_that_beego_refuses_is_refused(name: str) -> None:
    stream = bytes.fromhex(HANDMADE[name]["hex"])
    if name in NEEDS_POINT:
        gob.register(Point, "main.Point")
    if name in KEPT_HERE:
        session = gob.loads(stream)
        assert gob.loads(gob.dumps(session)) == session
        return
    with pytest.raises(gob.GobError) as caught:
        gob.loads(stream)
    assert 0 <= caught.value.offset <= len(stream)


def test_lists_that_are_nested_deeper_than_python_can_follow_are_refused() -> None:
    vector = HANDMADE["nested/depth-20200"]
    assert vector["accepted"], "Go has no such limit"
    head = b"\x0e[]interface {}" + sint(66)
    content = b"\x00\x00"
    for _ in range(20_200):
        content = b"\x00\x01" + head + uint(len(content)) + content
    body = sint(64) + b"\x00\x01" + b"\x06string\x0c\x03\x00\x01k" + head + uint(len(content)) + content
    definitions = bytes.fromhex("0d7f040102ff800001100110000" + "0" + "0cff83020102ff8400011000" + "00")
    stream = definitions + uint(len(body)) + body
    with pytest.raises(gob.GobError, match="nested more than 100 deep"):
        gob.loads(stream)
    with pytest.raises(gob.GobError, match="deeper than Python can follow"):
        gob.loads(stream, limits=gob.Limits(depth=100_000))


# What Go refuses to write --------------------------------------------------------------------------------------------


COUNTERPARTS: dict[str, Any] = {
    "beego/error/nil-value": None,
    "beego/error/nil-ptr": None,
    "beego/error/chan": object(),
    "beego/error/func": print,
    "beego/error/unregistered-nested": [Point()],
    "beego/error/no-exported": object(),
    "beego/error/slice-of-nil-ptr": gob.Slice.of("[]*main.Point")([None]),
    "stream/error/nil-ptr-in-slice": gob.Slice.of("[]*main.Point")([None]),
    "stream/error/chan": object(),
    "stream/error/no-exported": object(),
    "stream/error/unregistered-iface": [Point()],
}
"""What has no counterpart: a type under two names, which is the Go program's own registration."""


def test_each_refusal_of_go_has_its_counterpart() -> None:
    assert {name for name, each in ERRORS.items() if each["error"] != "registered-under-two-names"} == {*COUNTERPARTS}


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_what_go_refuses_to_write_is_refused_by_the_name_of_its_key(name: str) -> None:
    with pytest.raises(gob.UnencodableError) as caught:
        gob.dumps({"innocent": 1, "guilty": COUNTERPARTS[name]})
    assert caught.value.key == "guilty"


def test_a_type_has_one_class_and_one_name_here() -> None:
    @dataclasses.dataclass
    class Other:
        X: int = 0

    with pytest.raises(ValueError, match="is that of"):
        gob.register(Other, "time.Time")
