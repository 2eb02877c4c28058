"""Each kind of Python value comes back as what it was, and what Go has no place for is refused."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import ipaddress
import math
import pickle
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from beesession.codecs import gob
from beesession.codecs.gob import Float32, Int8, Int64, Key, Map, Slice, Time, Uint, Uint8, Uint64
from beesession.codecs.gob.naming import named
from beesession.codecs.gob.types import BASICS, ListType, MapType
from beesession.codecs.gob.values import Fields
from beesession.codecs.gob.wire import sint, uint
from beesession.delta import same
from beesession.engines import memory

UTC = datetime.timezone.utc
CET = datetime.timezone(datetime.timedelta(hours=1))


def through(value: Any) -> Any:
    """Return what a value under a key of a session comes back as."""
    return gob.loads(gob.dumps({"k": value}))["k"]


class Level(enum.IntEnum):
    LOW = 1


class Text(str, enum.Enum):
    RED = "red"


SAME = [
    *(True, False, 0, 1, -1, 63, 64, -64, -65, 127, 128, 2**31, -(2**63), 2**63 - 1),
    *(0.0, -0.0, 1.5, 1e308, 5e-324, math.inf, -math.inf, math.nan),
    *(
        "",
        "x",
        "x" * 125,
        "x" * 126,
        "x" * 127,
        "x" * 128,
        "x" * 255,
        "x" * 256,
        "x" * 70_000,
        "päivää \U0001f41d",
        "\0",
    ),
    *("\udcff\udcfe", b"", b"\0\xff", b"x" * 300, 1.5 - 2j, complex(math.nan, -0.0)),
    *([], [1, "a", None, [2.5]], {}, {"a": None, "b": {"c": [True]}}, [[[]]]),
    *(each(each.low) for each in (Int8, gob.Int16, gob.Int32, Int64, Uint, Uint8, gob.Uint16, gob.Uint32, Uint64)),
    *(each(each.high) for each in (Int8, gob.Int16, gob.Int32, Int64, Uint, Uint8, gob.Uint16, gob.Uint32, Uint64)),
    *(gob.Uintptr(7), Float32(0.1), Float32(math.inf), gob.Complex64(0.5 + 1j)),
    *(Slice.of("[]string")(["a", "b"]), Slice.of("[]int")([]), Slice.of("[3]int8")([1, 2, 3]), Slice.of("[0]int")([])),
    *(Slice.of("[][]uint8")([b"x"]), Slice.of("[]map[string][]int64")([{"a": [1]}]), Slice.of("[]bool")([True])),
    *(Map.of("map[string]int")({"a": 1}), Map.of("map[int]string")({1: "a"}), Map.of("map[float64]bool")({1.5: True})),
    *(Map.of("map[int]interface {}")({1: None}), Map.of("map[bool]string")({True: "a"})),
    *(Map.of("map[interface {}]interface {}")({1: 2, "a": 3, Key(1.5): 4}), Map.of("map[[1]int]int")({Key([1]): 2})),
    Time(2024, 2, 29, 13, 4, 5, 678_901, UTC, nanosecond=234),
    Time(1, 1, 1, tzinfo=UTC),
    Time(2024, 2, 29, 13, 4, 5, tzinfo=CET),
    Time(2024, 2, 29, 13, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=-9, minutes=-30))),
    Time(1880, 2, 29, 13, 4, 5, tzinfo=datetime.timezone(-datetime.timedelta(minutes=7, seconds=2))),
    Time(9999, 12, 31, 23, 59, 59, 999_999, UTC, nanosecond=999),
    *(gob.BigInt(0), gob.BigInt(-1), gob.BigInt(2**300), gob.BigInt(-(2**64))),
    *(gob.URL("https://example.com/?q=1#x"), gob.IP(bytes(4)), gob.IP(b""), gob.Addr(bytes(16)), gob.Addr(b"")),
    gob.Duration(-1_500_000_000),
]


@pytest.mark.parametrize("value", SAME, ids=lambda value: f"{type(value).__name__}-{str(value)[:20]}")
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert same(through(value), value)
    assert same(through([value]), [value])
    assert same(through({"a": [value]}), {"a": [value]})
    assert same(copy.deepcopy(value), value)
    assert same(pickle.loads(pickle.dumps(value)), value)
    assert repr(value)


@pytest.mark.parametrize(
    ("value", "comes_back"),
    [
        (2**63, Uint64(2**63)),
        (2**64 - 1, Uint64(2**64 - 1)),
        ((1, 2), [1, 2]),
        (bytearray(b"x"), b"x"),
        (memoryview(b"xyz")[::2], b"xz"),
        (mark_safe("x"), "x"),
        (Level.LOW, 1),
        (Text.RED, "red"),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("a"), {"a": 1}),
        ({1: "a"}, Map.of("map[int]interface {}")({1: "a"})),
        ({1: "a", "b": 2}, Map.of("map[interface {}]interface {}")({1: "a", "b": 2})),
        ({SafeString("a"): 1}, {"a": 1}),
        ({True: 1}, Map.of("map[interface {}]interface {}")({Key(True): 1})),
        ({None: 1}, Map.of("map[interface {}]interface {}")({Key(None): 1})),
        (datetime.datetime(2024, 1, 1, tzinfo=UTC), Time(2024, 1, 1, tzinfo=UTC)),
        ([datetime.datetime(2024, 1, 1, tzinfo=CET)], [Time(2024, 1, 1, tzinfo=CET)]),
        (
            Slice.of("[]time.Time")([datetime.datetime(2024, 1, 1, tzinfo=UTC)]),
            Slice.of("[]time.Time")([Time(2024, 1, 1, tzinfo=UTC)]),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_go_has_another_form_of_comes_back_as_that(value: Any, comes_back: Any) -> None:
    assert same(through(value), comes_back)


def test_keys_of_a_session_may_be_of_any_type() -> None:
    session = {1: "int", "1": "string", Key(1.0): "float64", Key(True): "bool", Key(Int64(1)): "int64"}
    again = gob.loads(gob.dumps(session))
    assert same(again, session)
    assert len(again) == 5
    assert again[1] == "int"
    assert again[Key(True)] == "bool"
    nested = through(session)
    assert same(nested, Map.of("map[interface {}]interface {}")(session))
    assert Key(1.0) != Key(True)
    assert Key(math.nan) == Key(math.nan)
    assert Key(complex(math.nan, 0)) == Key(complex(math.nan, 0))
    assert Key(Time(2024, 1, 1, tzinfo=UTC)) == Key(Time(2024, 1, 1, tzinfo=UTC))


# Arithmetic --------------------------------------------------------------------------------------------------------


def test_arithmetic_keeps_the_type_of_an_integer_as_long_as_it_can_hold_the_result() -> None:
    visits = Int64(41)
    visits += 1
    assert same(visits, Int64(42))
    assert same(1 + Uint8(1), Uint8(2))
    assert same(Uint8(200) + 100, 300)
    assert same(-Int8(-128), 128)
    assert same(Uint8(1) - 2, -1)
    assert same(2 * Int8(3) // 2 % 2 | 4, Int8(5))
    assert same(Int8(2) ** 3, Int8(8))
    assert same(Int8(2) ** -1, 0.5)
    assert same(Int8(1) / 2, 0.5)
    assert same(Int8(1) + 0.5, 1.5)
    assert same(Float32(0.5) + 1, Float32(1.5))
    assert (str(Int64(5)), f"{Int64(5):03}", repr(Int64(5))) == ("5", "005", "Int64(5)")
    with pytest.raises(OverflowError):
        Uint8(256)
    with pytest.raises(OverflowError):
        Int8(-129)


def test_a_float32_is_rounded_to_one() -> None:
    assert Float32(0.1) != 0.1
    assert Float32(0.1) == Float32(float(Float32(0.1)))
    with pytest.raises(OverflowError):
        Float32(1e39)
    assert gob.Complex64(0.1 + 1j).real == Float32(0.1)


# Lists and maps ----------------------------------------------------------------------------------------------------


def test_lists_of_two_go_types_are_not_the_same() -> None:
    assert Slice.of("[]string") is Slice.of("[]string")
    assert not same(Slice.of("[]string")(["a"]), ["a"])
    assert not same(Slice.of("[]int")([1]), Slice.of("[]int64")([1]))
    assert not same(Map.of("map[string]int")(), Map.of("map[string]string")())
    with pytest.raises(TypeError, match="no Go type"):
        Slice(["a"])
    with pytest.raises(TypeError, match="no Go type"):
        Map()


def test_a_class_is_the_one_of_its_type_however_many_others_there_are() -> None:
    strings = Slice.of("[]string")
    for number in range(3000):
        Slice.of(f"[{number}]string")
        Map.of(f"map[int][{number}]string")
    assert Slice.of("[]string") is strings


def test_what_is_appended_has_to_fit_the_type() -> None:
    words = through(Slice.of("[]string")(["a"]))
    words.append("b")
    assert through(words) == ["a", "b"]
    words.append(1)
    with pytest.raises(gob.UnencodableError, match="has a int where its Go type has a string"):
        gob.dumps({"k": words})


# Types of the standard library ---------------------------------------------------------------------------------------


def test_a_time_is_a_datetime_with_nanoseconds() -> None:
    moment = Time(2024, 2, 29, 13, 4, 5, 678_901, UTC, nanosecond=234)
    plain = datetime.datetime(2024, 2, 29, 13, 4, 5, 678_901, UTC)
    assert moment != plain
    assert plain != moment
    assert moment == copy.copy(moment) == Time(2024, 2, 29, 13, 4, 5, 678_901, UTC, nanosecond=234)
    assert Time(2024, 2, 29, tzinfo=UTC) == datetime.datetime(2024, 2, 29, tzinfo=UTC)
    assert hash(Time(2024, 2, 29, tzinfo=UTC)) == hash(datetime.datetime(2024, 2, 29, tzinfo=UTC))
    assert Time(2024, 2, 29, tzinfo=UTC) + datetime.timedelta(1) == Time(2024, 3, 1, tzinfo=UTC)
    assert type(moment + datetime.timedelta(1)) is Time
    with pytest.raises(ValueError, match="0 to 999"):
        Time(2024, 1, 1, tzinfo=UTC, nanosecond=1000)


@pytest.mark.parametrize("other", ["2024-01-01", None, 0, datetime.date(2024, 1, 1)])
def test_a_time_is_no_text_nor_number(other: Any) -> None:
    moment = Time(2024, 1, 1, tzinfo=UTC)
    assert moment != other
    assert moment not in [other]  # by ==, and not by !=
    assert other != moment


def test_an_offset_of_nothing_is_not_utc() -> None:
    offset = bytes.fromhex("010000000edd7269b5000000000000")
    session = {"k": gob.Opaque("time.Time", named(Time(1, 1, 1, tzinfo=UTC))[1].under, offset)}
    moment = gob.loads(gob.dumps(session))["k"]
    assert isinstance(moment, Time)
    assert gob.dumps({"k": moment}) == gob.dumps(session)
    assert moment.utcoffset() == datetime.timedelta(0)


@pytest.mark.parametrize(
    "payload",
    ["010000ffffffffffff00000000ffff", "01800000000000000000000000ffff", "010000000edd7269b5000000007fff"],
    ids=["far", "before", "offset"],
)
def test_a_time_that_no_datetime_holds_is_kept_and_written_back(payload: str) -> None:
    form = named(Time(1, 1, 1, tzinfo=UTC))[1].under
    kept = gob.Opaque("time.Time", form, bytes.fromhex(payload))
    assert same(through(kept), kept)
    assert same(through(Slice.of("[]time.Time")([kept])), Slice.of("[]time.Time")([kept]))


def test_addresses_and_durations_have_their_python_forms() -> None:
    assert gob.IP(bytes.fromhex("00000000000000000000ffffc0000201")).address == ipaddress.ip_address("192.0.2.1")
    assert gob.Addr(bytes.fromhex("c0000201")).address == ipaddress.ip_address("192.0.2.1")
    assert str(gob.Addr(bytes(15) + b"\x01eth0").address) == "::1%eth0"
    assert gob.Duration(1_500_000_000).timedelta == datetime.timedelta(seconds=1.5)
    assert same(gob.Duration(1) + 1, gob.Duration(2))


# Refusals ----------------------------------------------------------------------------------------------------------


def _looping() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


REFUSED = {
    "none": (None, "None at the top"),
    "set": ({1}, "set has no type in Go"),
    "decimal": (decimal.Decimal(1), "Decimal has no type"),
    "object": ([object()], "object has no type"),
    "date": (datetime.date(2024, 1, 1), "date has no type"),
    "loop": (_looping(), "nested too deep, or contains itself"),
    "too-large": (2**64, "more than 64 bits"),
    "too-small": (-(2**63) - 1, "more than 64 bits"),
    "naive": (datetime.datetime(2024, 1, 1), "without a time zone"),
    "naive-inside": ({"a": [datetime.datetime(2024, 1, 1)]}, "without a time zone"),
    "element": (Slice.of("[]string")([1]), "a int where its Go type has a string"),
    "bool-for-int": (Slice.of("[]int")([True]), "a bool where its Go type has a int"),
    "int-for-bool": (Slice.of("[]bool")([1]), "a int where its Go type has a bool"),
    "int-for-float": (Slice.of("[]float64")([1]), "a int where its Go type has a float64"),
    "none-inside": (Slice.of("[]string")([None]), "a None among"),
    "range": (Slice.of("[]int8")([128]), "Go's int8 does not hold"),
    "single": (Slice.of("[]float32")([1e39]), "Go's float32 does not hold"),
    "array": (Slice.of("[3]int")([1]), "1 elements where its Go type is an array of 3"),
    "key": (Map.of("map[int]string")({"a": "b"}), "a str where its Go type has a int"),
    "float32": (Slice.of("[]float32")(["x"]), "a str where its Go type has a float32"),
    "complex": (Slice.of("[]complex128")([1.0]), "a float where its Go type has a complex128"),
    "complex64": (Slice.of("[]complex64")([1.0]), "a float where its Go type has a complex64"),
    "bytes": (Slice.of("[][]uint8")(["x"]), "a str where its Go type has a .*uint8"),
    "slice": (Slice.of("[][]int")([1]), "a int where its Go type has a slice"),
    "map": (Slice.of("[]map[int]int")([1]), "a int where its Go type has a map"),
    "named": (Slice.of("[]time.Duration")([1]), "a int where its Go type has a Duration"),
    "half-spelt": (Map.of("map[string")({}), "no spelling"),
    "spelt-on": (Slice.of("[]uint8x")([]), "no spelling"),
    "no-length": (Slice.of("[x]int")([]), "no spelling"),
    "long-spelling": (Slice.of("[]" * 200 + "int")([]), "no spelling"),
    "spelling": (Slice.of("[]main.Nobody")([1]), "no spelling"),
    "wrong-form": (Slice.of("map[string]int")([1]), "no spelling"),
    "surrogate": ("\ud800", "half of a surrogate pair"),
    "bytes-key": ({b"x": 1}, "a bytes is no key of a map in Go"),
    "list-key": ({(1, 2): 1}, "a tuple is no key of a map in Go"),
    "wrapped-key": ({Key({"a": 1}): 1}, "a dict is no key of a map in Go"),
    "slice-key": ({Key(Slice.of("[]int")([1])): 1}, "a Slice is no key of a map in Go"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_go_has_no_place_for_is_refused_by_the_name_of_its_key(name: str) -> None:
    value, message = REFUSED[name]
    with pytest.raises(gob.UnencodableError, match=message) as caught:
        gob.dumps({"innocent": 1, "guilty": value})
    assert caught.value.key == "guilty"


@pytest.mark.parametrize("key", [b"x", (1, 2), "\ud800", frozenset()])
def test_a_key_of_the_session_that_go_cannot_have_is_named(key: Any) -> None:
    with pytest.raises(gob.UnencodableError) as caught:
        gob.dumps({"innocent": 1, key: 2})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (gob.BigInt(1), b"\x04\x01"),
        (Time(2024, 1, 1, tzinfo=UTC), b"\x01"),
        (Time(2024, 1, 1, tzinfo=UTC), b"\x02" + bytes(14)),
        (Slice.of("[]time.Time")([Time(2024, 1, 1, tzinfo=UTC)]), None),
    ],
    ids=["number", "short", "version", "array"],
)
def test_a_payload_that_its_type_refuses_is_refused(value: Any, payload: bytes | None) -> None:
    name, go, _ = named(value)
    if payload is None:
        stream = gob.dumps({"k": gob.Opaque("[3]time.Time", ListType(named(value[0])[1].under, 2), [b"", b""])})
    else:
        stream = gob.dumps({"k": gob.Opaque(name, go.under, payload)})
    with pytest.raises(gob.GobError):
        gob.loads(stream)


def test_a_number_without_bytes_is_zero() -> None:
    name, go, _ = named(gob.BigInt(1))
    assert same(through(gob.Opaque(name, go.under, b"")), gob.BigInt(0))


def test_a_time_of_too_many_nanoseconds_is_kept() -> None:
    kept = gob.Opaque("time.Time", named(Time(1, 1, 1, tzinfo=UTC))[1].under, bytes(9) + b"\x7f\xff\xff\xff\xff\xff")
    kept = gob.Opaque("time.Time", kept.go, b"\x01" + kept.value[1:])
    assert same(through(kept), kept)
    assert copy.deepcopy(kept) is kept
    assert repr(kept).startswith("time.Time(b")


def test_a_session_deeper_than_python_can_follow_is_refused() -> None:
    with pytest.raises(gob.UnencodableError, match="contains itself") as caught:
        gob.dumps({"k": _looping()}, limits=gob.Limits(depth=10**6))
    assert caught.value.key == "k"


def test_a_lone_value_that_contains_itself_is_refused() -> None:
    with pytest.raises(gob.UnencodableError, match="contains itself"):
        gob.dump_value(ListType(BASICS["interface {}"]), _looping(), limits=gob.Limits(depth=10**6))


# In a session ------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(settings: Any) -> Any:
    settings.BEESESSION = {"CODEC": "gob"}
    return memory.SessionStore()


CHANGES = {
    "slice": (Slice.of("[]string")(["a"]), lambda value: value.append("b"), Slice.of("[]string")(["a", "b"])),
    "map": (Map.of("map[string]int")({"a": 1}), lambda value: value.update(a=2), Map.of("map[string]int")({"a": 2})),
    "list": ([Slice.of("[]int")([1])], lambda value: value[0].append(2), [Slice.of("[]int")([1, 2])]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_inside_of_a_value_is_noticed(store: Any, name: str) -> None:
    value, change, changed = CHANGES[name]
    store["k"] = value
    store.save()
    other = type(store)(store.session_key)
    change(other["k"])
    other.save()
    assert same(type(store)(store.session_key)["k"], changed)


@dataclass
class Point:
    X: int = 0
    Tags: list[str] = field(default_factory=list)


@pytest.mark.usefixtures("registry")
def test_a_change_inside_of_a_struct_is_noticed(store: Any) -> None:
    gob.register(Point, "main.Point")
    store["point"], store["points"] = Point(1), [Point(2)]
    store["time"], store["opaque"] = (
        Time(2024, 1, 1, tzinfo=UTC, nanosecond=1),
        gob.Opaque("main.Other", ListType(BASICS["int"]), [1]),
    )
    store.save()
    other = type(store)(store.session_key)
    assert other["opaque"] == store["opaque"]
    other["point"].X = 5
    other["points"][0].Tags.append("a")
    other.save()
    third = type(store)(store.session_key)
    assert (third["point"], third["points"]) == (Point(5), [Point(2, ["a"])])
    assert same(third["opaque"], store["opaque"])
    assert not third.modified


def test_what_is_only_read_is_no_change(store: Any) -> None:
    for number, value in enumerate(SAME):
        store[f"k{number}"] = value
    store.save()
    other = type(store)(store.session_key)
    for number, value in enumerate(SAME):
        assert same(other[f"k{number}"], value)
    assert not other.modified


def test_keys_are_read_right_in_whatever_order_they_come() -> None:
    keys: list[Any] = ["a", "ab", "b", "", "a" * 200, "ü", 1, 70_000, Key(1.0), Key(True), Key(None)]
    chance = random.Random(4)
    for _ in range(200):
        chance.shuffle(keys)
        session = {key: position for position, key in enumerate(keys[: chance.randrange(len(keys))])}
        read = gob.loads(gob.dumps(session))
        assert [*read.items()] == [*session.items()]


def test_a_nil_under_a_nil_is_an_entry_like_any_other() -> None:
    body = b"\x02" + b"\x00\x00" + b"\x03int\x04\x02\x00\x04" + b"\x00"
    definition = gob.dumps({})[: -len(b"\x04\xff\x80\x00\x00")]
    stream = definition + uint(3 + len(body)) + sint(64) + b"\x00" + body
    assert gob.loads(stream) == {Key(None): None, 2: None}


def test_a_time_keeps_its_nanoseconds_in_another_zone_and_with_other_parts() -> None:
    time = Time(2024, 2, 29, 12, 30, 15, 250, UTC, nanosecond=7)
    local = time.astimezone(CET)
    assert (local, local.nanosecond, local.hour) == (time, 7, 13)
    assert timezone.localtime(time, CET).nanosecond == 7
    later = time.replace(hour=13)
    assert (later.hour, later.nanosecond, type(later)) == (13, 7, Time)
    assert time.replace(nanosecond=8).nanosecond == 8
    assert time.__replace__(hour=13) == later
    with pytest.raises(ValueError, match="0 to 999"):
        time.replace(nanosecond=1000)
    assert "nanosecond=7" in repr(later)
    assert pickle.loads(pickle.dumps(later)) == later
    assert (later - datetime.timedelta(hours=1)).nanosecond == 0
    assert not Time(1, 1, 1, tzinfo=UTC).nonzero


def test_the_offset_that_stands_for_utc_in_go_is_refused() -> None:
    odd = datetime.timezone(datetime.timedelta(minutes=-1))
    with pytest.raises(gob.UnencodableError, match="minus one minute"):
        gob.dumps({"k": Time(2024, 1, 1, tzinfo=odd)})


# What operations keep ------------------------------------------------------------------------------------------------

STRINGS, COUNTS, PAIR = Slice.of("[]string"), Map.of("map[string]int"), Slice.of("[2]int")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (STRINGS(["a", "b"])[1:], STRINGS(["b"])),
        (STRINGS(["a"]).copy(), STRINGS(["a"])),
        (copy.copy(STRINGS(["a"])), STRINGS(["a"])),
        (STRINGS(["a"]) + ["b"], STRINGS(["a", "b"])),  # noqa: RUF005 the sum is what is tested
        (["b"] + STRINGS(["a"]), STRINGS(["b", "a"])),  # noqa: RUF005
        (STRINGS(["a"]) * 2, STRINGS(["a", "a"])),
        (2 * STRINGS(["a"]), STRINGS(["a", "a"])),
        (PAIR([1, 2])[:1], [1]),
        (PAIR([1, 2]) + [3], [1, 2, 3]),  # noqa: RUF005
        (PAIR([1, 2]).copy(), PAIR([1, 2])),
        (COUNTS({"a": 1}) | {"b": 2}, COUNTS({"a": 1, "b": 2})),
        ({"b": 2, "a": 0} | COUNTS({"a": 1}), COUNTS({"b": 2, "a": 1})),
        (COUNTS({"a": 1}).copy(), COUNTS({"a": 1})),
        (Float32(7) // 2, Float32(3)),
        (7 // Float32(2), Float32(3)),
        (Float32(7) % 4, Float32(3)),
        (7 % Float32(4), Float32(3)),
        (Float32(2) ** 2, Float32(4)),
        (2 ** Float32(2), Float32(4)),
        (round(Float32(0.25), 1), Float32(0.2)),
        (divmod(Float32(7), 4), (Float32(1), Float32(3))),
        (divmod(Int64(7), 4), (Int64(1), Int64(3))),
        (divmod(7, Int64(4)), (Int64(1), Int64(3))),
        (round(Int64(7)), Int64(7)),
        (7 // Int64(4), Int64(1)),
        (7 % Int64(4), Int64(3)),
        (2 ** Int64(3), Int64(8)),
        (1 << Uint8(7), Uint8(128)),
        (1 << Uint8(8), 256),
        (6 & Uint8(3), Uint8(2)),
        (gob.Complex64(1j) + 1, gob.Complex64(1 + 1j)),
        (1 - gob.Complex64(1j), gob.Complex64(1 - 1j)),
        (gob.Complex64(1j) * 2, gob.Complex64(2j)),
        (gob.Complex64(1j) / 2, gob.Complex64(0.5j)),
        (gob.Complex64(1j) * 1e300, 1e300j),
    ],
    ids=repr,
)
def test_operations_keep_the_go_type(result: Any, expected: Any) -> None:
    assert same(result, expected)


@pytest.mark.parametrize("other", ["b", ("b",), None])
def test_a_list_of_go_is_added_to_lists_only(other: Any) -> None:
    with pytest.raises(TypeError):
        STRINGS(["a"]) + other
    with pytest.raises(TypeError):
        other + STRINGS(["a"])


def test_a_name_that_came_in_a_stream_does_not_steer_a_terminal() -> None:
    hostile = gob.Opaque("main.\x1b[2J\n\ud800", BASICS["int"], Fields({"A\x1b": 1, "B": 2}))
    assert repr(hostile) == r"'main.\x1b[2J\n\ud800'{'A\x1b': 1, B: 2}"


def test_what_is_not_registered_can_be_cached() -> None:
    strings = ListType(BASICS["interface {}"])
    stream = gob.dumps({"k": gob.Opaque("main.Names", MapType(BASICS["string"], strings), {"a": ["b", 1]})})
    (kept,) = gob.loads(stream).values()
    kept.go.signature  # noqa: B018 what is worked out once is not to be in the way
    gob.dumps({"k": kept})
    for again in (pickle.loads(pickle.dumps(kept)), copy.copy(kept), copy.deepcopy({"k": kept})["k"]):
        assert same(again, kept)
        assert gob.dumps({"k": again}) == stream
    assert pickle.loads(pickle.dumps(kept)).go.elem.elem is BASICS["interface {}"]


# Keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", 1])
def test_a_text_or_an_int_is_a_key_itself(value: Any) -> None:
    with pytest.raises(ValueError, match="leave Key out"):
        Key(value)


@dataclass(frozen=True)
class Place:
    X: int = 0


@pytest.mark.parametrize(
    "value", [1.5, True, None, 1j, 0.0, Int64(1), Place(1), Time(2024, 1, 1, tzinfo=UTC)], ids=repr
)
def test_a_dict_does_not_hold_a_key_of_go_twice(value: Any) -> None:
    assert len({value: "plain", Key(value): "wrapped"}) == 1
    assert len({Key(value): "wrapped", value: "plain"}) == 1


def test_zeros_of_two_signs_are_one_key_as_in_go() -> None:
    assert len({Key(0.0): 1, Key(-0.0): 2}) == 1
    assert len({Key(PAIR([0.0, 1])): 1, Key(PAIR([-0.0, 1])): 2}) == 1


def test_a_key_can_be_cached() -> None:
    for key in (Key(PAIR([1, 2])), Key(Point(1)), Key(math.nan), Key(1.5)):
        again = pickle.loads(pickle.dumps(key))
        assert (again, hash(again)) == (key, hash(key))
        assert copy.deepcopy(key) == key
