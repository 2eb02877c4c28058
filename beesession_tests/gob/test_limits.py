"""A stream cannot ask for more than the limits allow: at a limit it is read, beyond it is refused, and at no cost."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from beesession.codecs import gob
from beesession.codecs.gob.definitions import Definitions
from beesession.codecs.gob.naming import ANY_MAP, LIST
from beesession.codecs.gob.types import BASICS, INTERFACE, ListType, MapType, StructType
from beesession.codecs.gob.wire import sint, uint

SESSION = bytes.fromhex("0d7f040102ff8000011001100000")
"""The definition of ``map[interface{}]interface{}``, as number 64."""

STRINGS = bytes.fromhex("0cff83020102ff8400010c0000")
"""The definition of ``[]string``, as number 66."""


def message(body: bytes) -> bytes:
    return uint(len(body)) + body


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def structs(count: int, fields: int = 1) -> bytes:
    """Return a stream that defines so many structs of so many fields, and has an empty session."""
    stream = b""
    for number in range(count):
        listed = b"".join(
            b"\x01" + message(b"F%d" % field) + b"\x01" + sint(BASICS["int"].id) + b"\x00" for field in range(fields)
        )
        body = sint(-(100 + number)) + b"\x03\x02" + uint(fields) + listed + b"\x00\x00"
        stream += message(body)
    return stream + gob.dumps({})


AT_AND_OVER: dict[str, tuple[Callable[[int], bytes], Callable[[int], gob.Limits], int]] = {
    "size": (
        lambda size: gob.dumps({"k": "x" * (size - 60)}).ljust(size, b"\0"),
        lambda limit: gob.Limits(size=limit),
        500,
    ),
    "length": (lambda size: gob.dumps({"k": "x" * size}), lambda limit: gob.Limits(length=limit), 300),
    "length of bytes": (lambda size: gob.dumps({"k": b"x" * size}), lambda limit: gob.Limits(length=limit), 300),
    "count": (lambda count: gob.dumps({"k": [None] * count}), lambda limit: gob.Limits(count=limit), 50),
    "count of a map": (
        lambda count: gob.dumps({"k": {str(number): None for number in range(count)}}),
        lambda limit: gob.Limits(count=limit),
        50,
    ),
    "count of keys": (
        lambda count: gob.dumps({str(number): 1 for number in range(count)}),
        lambda limit: gob.Limits(count=limit),
        50,
    ),
    "values": (lambda count: gob.dumps({"k": [[None] * (count - 3), []]}), lambda limit: gob.Limits(values=limit), 50),
    "depth": (lambda depth: gob.dumps({"k": nested(depth - 1)}), lambda limit: gob.Limits(depth=limit), 50),
    "types": (lambda count: structs(count - 1), lambda limit: gob.Limits(types=limit), 20),
    "fields": (lambda count: structs(1, count), lambda limit: gob.Limits(types=limit), 20),
}


@pytest.mark.parametrize("name", AT_AND_OVER)
def test_a_stream_at_a_limit_is_read_and_one_over_it_is_refused(name: str) -> None:
    make, limits, limit = AT_AND_OVER[name]
    assert isinstance(gob.loads(make(limit), limits=limits(limit)), dict)
    over = make(limit + 1)
    assert isinstance(gob.loads(over), dict)
    with pytest.raises(gob.GobError) as caught:
        gob.loads(over, limits=limits(limit))
    assert 0 <= caught.value.offset <= len(over)


def test_the_length_of_an_array_is_limited_by_its_definition() -> None:
    def stream(length: int) -> bytes:
        body = sint(-66) + b"\x01\x02" + sint(BASICS["int"].id) + b"\x01" + sint(length) + b"\x00\x00"
        return message(body) + gob.dumps({})

    assert gob.loads(stream(50), limits=gob.Limits(count=50)) == {}
    for length in (51, -1):
        with pytest.raises(gob.GobError, match="an array has more than 50"):
            gob.loads(stream(length), limits=gob.Limits(count=50))


@pytest.mark.parametrize("name", [name for name in AT_AND_OVER if name not in {"types", "fields", "size"}])
def test_what_could_not_be_read_again_is_not_written(name: str) -> None:
    stream, limits, limit = AT_AND_OVER[name]
    fits, is_over = gob.loads(stream(limit)), gob.loads(stream(limit + 1))
    assert gob.loads(gob.dumps(fits, limits=limits(limit)), limits=limits(limit)) == fits
    with pytest.raises(gob.UnencodableError):
        gob.dumps(is_over, limits=limits(limit))


def test_a_session_that_is_too_large_as_a_whole_is_not_written() -> None:
    size = len(gob.dumps({"k": "x" * 200}))
    gob.dumps({"k": "x" * 200}, limits=gob.Limits(size=size))
    with pytest.raises(gob.UnencodableError, match="more bytes than the limits allow"):
        gob.dumps({"k": "x" * 200}, limits=gob.Limits(size=size - 1))


def test_many_lists_that_are_fine_alone_and_not_together_are_named_by_the_key_that_is_too_much() -> None:
    session = {"a": [1] * 60, "b": [1] * 60}
    with pytest.raises(gob.UnencodableError, match="more parts") as caught:
        gob.dumps(session, limits=gob.Limits(values=100))
    assert caught.value.key == "b"


def test_depth_limits_what_is_written_too() -> None:
    limits = gob.Limits(depth=10)
    assert gob.loads(gob.dumps({"k": nested(9)}, limits=limits)) == {"k": nested(9)}
    with pytest.raises(gob.UnencodableError, match="nested too deep") as caught:
        gob.dumps({"k": nested(10)}, limits=limits)
    assert caught.value.key == "k"


# What claims to be large ---------------------------------------------------------------------------------------------

HUGE = uint(2**60)
HEAD = sint(64) + b"\x00\x01" + b"\x06string\x0c\x03\x00\x01k"

CLAIMS = {
    "entries": SESSION + message(sint(64) + b"\x00" + HUGE),
    "message": SESSION + HUGE,
    "definition": HUGE + b"\x7f\x04",
    "elements": SESSION + STRINGS + message(HEAD + b"\x08[]string\xff\x84\x0a\x00" + HUGE),
    "string": SESSION + message(HEAD + b"\x06string\x0c\x0a\x00" + HUGE),
    "bytes": SESSION + message(HEAD + b"\x07[]uint8\x0a\x0a\x00" + HUGE),
    "name": SESSION + message(HEAD + HUGE),
    "byte count": SESSION + message(HEAD + b"\x06string\x0c" + HUGE),
    "array": message(sint(-66) + b"\x01\x02\x04\x01" + sint(2**60) + b"\x00\x00") + gob.dumps({}),
    "fields": message(sint(-66) + b"\x03\x02" + HUGE) + gob.dumps({}),
    "name of a type": message(sint(-66) + b"\x03\x01\x01" + HUGE) + gob.dumps({}),
    "name of a field": message(sint(-66) + b"\x03\x02\x01\x01" + HUGE) + gob.dumps({}),
    "field number": message(sint(-66) + b"\x03" + HUGE) + gob.dumps({}),
    "type id": message(sint(-(2**60)) + b"\x02") + gob.dumps({}),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_of_a_size_takes_no_memory(name: str) -> None:
    stream = CLAIMS[name]
    tracemalloc.start()
    try:
        with pytest.raises(gob.GobError) as caught:
            gob.loads(stream)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert 0 <= caught.value.offset <= len(stream)


def test_values_take_memory_within_reason() -> None:
    # Structs without fields are what takes most for each byte of a stream.
    points = ListType(StructType("Point", [("X", BASICS["int"])]))
    stream = gob.dump_value(points, [gob.Fields()] * 100_000)
    tracemalloc.start()
    try:
        ((_, values),) = gob.load_all(stream)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(values) == 100_000
    # So a million, the limit for a stream, takes some 120 MB: 120 times the stream.
    assert peak < 150 * len(stream)


@pytest.mark.usefixtures("registry")
def test_fields_that_are_not_sent_count_as_values_of_the_class_that_has_them() -> None:
    @dataclass
    class Wide:
        A: list[int] = field(default_factory=list)
        B: Annotated[list[int], "[30][30]int"] = field(default_factory=list)

    gob.register(Wide, "main.Wide")
    wire = ListType(StructType("Wide", [("A", ListType(BASICS["int"]))]))
    session = {"k": gob.Opaque("[]main.Wide", wire, [gob.Fields()] * 10)}
    assert len(gob.loads(gob.dumps(session), limits=gob.Limits(values=9400))["k"][9].B[29]) == 30
    with pytest.raises(gob.GobError, match="more than 9300 values"):
        gob.loads(gob.dumps(session), limits=gob.Limits(values=9300))


# Types made to take long ---------------------------------------------------------------------------------------------


def _ladder(levels: int) -> ListType:
    """Return a type whose spelling, written out, would double at each level."""
    go = ListType(INTERFACE)
    for _ in range(levels):
        go = ListType(MapType(go, go))
    return go


def _mesh(count: int) -> StructType:
    """Return a struct of structs, each of which has a field of each."""
    made = [StructType(f"S{number}") for number in range(count)]
    for each in made:
        each.fields = [(f"F{number}", ListType(other)) for number, other in enumerate(made)]
    return made[0]


def _ring(count: int) -> StructType:
    made = [StructType(f"S{number}") for number in range(count)]
    for number, each in enumerate(made):
        each.fields = [("Next", made[(number + 1) % count]), ("Other", made[number * 7 % count])]
    return made[0]


@pytest.mark.parametrize("go", [_ladder(60), _mesh(25), _ring(60)], ids=["ladder", "mesh", "ring"])
def test_types_that_lead_to_each_other_in_many_ways_do_not_take_long(go: Any) -> None:
    empty: Any = gob.Fields() if isinstance(go, StructType) else []
    start = time.thread_time()
    assert len(go.signature) < 100
    stream = gob.dump_value(go, empty)
    ((wire, value),) = gob.load_all(stream)
    assert value == empty
    assert wire.signature == go.signature
    session = {"k": gob.Opaque("main.Maze", wire, value)}
    again = gob.loads(gob.dumps(session))
    assert again == session
    assert gob.loads(gob.dumps(again)) == session
    assert time.thread_time() - start < 1


def test_a_session_that_is_a_maze_of_types_is_refused_at_once() -> None:
    start = time.thread_time()
    with pytest.raises(gob.GobError, match="of another type"):
        gob.loads(gob.dump_value(_ladder(60), []))
    assert time.thread_time() - start < 1


def test_a_chain_of_types_that_python_cannot_follow_is_refused() -> None:
    stream = b""
    for number in range(900):
        stream += message(sint(-(100 + number)) + b"\x02\x02" + sint(101 + number) + b"\x00\x00")
    stream += message(sint(-1000) + b"\x02\x02" + sint(INTERFACE.id) + b"\x00\x00")
    with pytest.raises(gob.GobError, match="deeper than Python can follow"):
        [*gob.load_all(stream + message(sint(100) + b"\x00\x00"))]


def test_definitions_are_written_once_for_each_form() -> None:
    definitions = Definitions(64)
    assert definitions.id_of(ANY_MAP) == 64
    assert definitions.id_of(LIST) == definitions.id_of(ListType(INTERFACE)) == 65
    assert definitions.id_of(ListType(ListType(INTERFACE))) == 66
    assert definitions.id_of(ListType(LIST)) == 66
