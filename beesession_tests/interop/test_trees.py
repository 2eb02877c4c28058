"""Random sessions: what is written here beego reads, types and all, and what beego writes of that is read here.

Each seed makes a session of values of many types, and says what Go is to see of it. Left out is what Go itself does not
bring back: offsets of time zones that have seconds in them, and one of minus one minute; NaN as a float32 or as a key.
"""

from __future__ import annotations

import datetime
import json
import math
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beesession.codecs import gob
from beesession.codecs.gob import Key, Map, Slice, Time
from beesession.delta import same
from beesession_tests.gob.registrations import taken_back
from beesession_tests.interop.beego import BeegoLines
from beesession_tests.interop.values import NIL, Node

pytestmark = pytest.mark.slow

SESSIONS = 10_000

Made = tuple[Any, Node]
"""A value, and what Go is to see of it."""


@dataclass
class Point:
    X: int = 0
    Y: int = 0


@dataclass
class Account:
    ID: int = 0
    Name: str = ""


@dataclass
class Tree:
    V: int = 0
    Left: Tree | None = None
    Right: Tree | None = None


@dataclass
class User:
    id: int = field(default=0, metadata={"gob": "ID"})
    Name: str = ""
    Email: str = ""
    Tags: list[str] = field(default_factory=list)
    Admin: bool = False
    Score: float = 0.0
    Meta: dict[str, Any] = field(default_factory=dict)
    Joined: datetime.datetime | None = None


class Celsius(float):
    pass


class Role(str):
    pass


CLASSES = {
    "main.Point": Point,
    "*models.Account": Account,
    "main.Tree": Tree,
    "beesession/beego-peer/models.User": User,
    "main.Celsius": Celsius,
    "beesession/beego-peer/models.Role": Role,
}


@pytest.fixture
def _registered() -> Iterator[None]:
    with taken_back():
        for name, cls in CLASSES.items():
            gob.register(cls, name)
        yield


# Values of basic types -----------------------------------------------------------------------------------------------


def _float(type_name: str, value: float) -> Made:
    return value, {"t": type_name, "bits": struct.pack(">d", value).hex()}


def _text(type_name: str, value: str) -> Made:
    data = value.encode("utf-8", "surrogateescape")
    try:
        return value, {"t": type_name, "v": data.decode()}
    except UnicodeDecodeError:
        return value, {"t": type_name, "hex": data.hex()}


def _integer(type_name: str, low: int, high: int) -> Callable[[random.Random], Made]:
    near = [number for each in (low, high, 0, 64, -64, 128, 255) for number in (each - 1, each, each + 1)]
    near = [number for number in near if low <= number <= high]

    def make(chance: random.Random) -> Made:
        number = chance.choice(near) if chance.random() < 0.5 else chance.randint(low, high)
        return number, {"t": type_name, "v": str(number)}

    return make


_LETTERS = ["a", "B", "0", " ", "\0", "ä", "\N{HONEYBEE}", "\udcff", "\udc80", "</script>"]


def _string(chance: random.Random) -> Made:
    return _text("string", "".join(chance.choices(_LETTERS, k=chance.choice((0, 1, 2, 10, 125, 127, 300)))))


def _float64(chance: random.Random) -> Made:
    odd = (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324)
    value = chance.choice(odd) if chance.random() < 0.3 else chance.uniform(-1, 1) * 10 ** chance.randint(-300, 300)
    return _float("float64", value)


def _float32(chance: random.Random) -> Made:
    odd = (0.0, 1.5, math.inf, -math.inf)
    value = chance.choice(odd) if chance.random() < 0.3 else float(gob.Float32(chance.uniform(-1e30, 1e30)))
    return _float("float32", value)


def _complex128(chance: random.Random) -> Made:
    value = complex(chance.uniform(-9, 9), chance.choice((0.0, 1.5)))
    bits = [struct.pack(">d", part).hex() for part in (value.real, value.imag)]
    return value, {"t": "complex128", "re": bits[0], "im": bits[1]}


def _bytes(chance: random.Random) -> Made:
    value = chance.randbytes(chance.choice((0, 1, 4, 130)))
    return value, {"t": "[]uint8", "hex": value.hex()}


def _bool(chance: random.Random) -> Made:
    value = chance.random() < 0.5
    return value, {"t": "bool", "v": value}


_SIZES = [("", 63), ("8", 7), ("16", 15), ("32", 31), ("64", 63)]
BASICS: dict[str, Callable[[random.Random], Made]] = {
    "bool": _bool,
    "string": _string,
    "float64": _float64,
    "float32": _float32,
    "complex128": _complex128,
    "[]uint8": _bytes,
    **{f"int{size}": _integer(f"int{size}", -(2**bits), 2**bits - 1) for size, bits in _SIZES},
    **{f"uint{size}": _integer(f"uint{size}", 0, 2 ** (bits + 1) - 1) for size, bits in _SIZES},
    "uintptr": _integer("uintptr", 0, 2**64 - 1),
}
PLAIN = {"bool", "string", "float64", "complex128", "[]uint8", "int"}
KEYS = sorted({*BASICS} - {"[]uint8", "float32", "float64", "complex128"})
WRAPPED = {name: getattr(gob, name.title()) for name in BASICS if name not in PLAIN}


# Values of the standard library and of the application ---------------------------------------------------------------

_MOMENTS = datetime.datetime(9999, 12, 30) - datetime.datetime(1, 1, 3)


def _time(chance: random.Random) -> Made:
    minutes = chance.choice((0, 60, -210, 840, 2))
    zone = datetime.timezone(datetime.timedelta(minutes=minutes)) if minutes else datetime.timezone.utc
    at = datetime.datetime(1, 1, 3) + datetime.timedelta(seconds=chance.randrange(int(_MOMENTS.total_seconds())))
    micro, nano = chance.choice(((0, 0), (999_999, 999), (5, 0), (0, 7)))
    value = Time(at.year, at.month, at.day, at.hour, at.minute, at.second, micro, zone, nanosecond=nano)
    seconds = (at - datetime.datetime(1, 1, 1)) // datetime.timedelta(seconds=1) - minutes * 60
    payload = struct.pack(">bqih", 1, seconds, micro * 1000 + nano, minutes or -1)
    return value, {"t": "time.Time", "gobbytes": payload.hex()}


def _big(chance: random.Random) -> Made:
    number = chance.choice((0, 1, -1, chance.getrandbits(300), -chance.getrandbits(64)))
    return gob.BigInt(number), {"t": "*big.Int", "ptr": {"t": "big.Int", "v": str(number)}}


def _url(chance: random.Random) -> Made:
    text = chance.choice(("https://example.com/a?b=c#d", "/path", "http://u:p@h:80/%20"))
    return gob.URL(text), {"t": "*url.URL", "ptr": {"t": "url.URL", "v": text}}


def _ip(chance: random.Random) -> Made:
    value = gob.IP(chance.randbytes(chance.choice((4, 16))))
    return value, {"t": "net.IP", "hex": value.hex()}


def _addr(chance: random.Random) -> Made:
    value = gob.Addr(chance.randbytes(chance.choice((4, 16))))
    return value, {"t": "netip.Addr", "gobbytes": value.hex()}


def _duration(chance: random.Random) -> Made:
    number, node = BASICS["int64"](chance)
    return gob.Duration(number), {**node, "t": "time.Duration"}


def _celsius(chance: random.Random) -> Made:
    number = chance.uniform(-50, 50)
    return Celsius(number), _float("main.Celsius", number)[1]


def _role(chance: random.Random) -> Made:
    text, _ = _string(chance)
    return Role(text), _text("models.Role", text)[1]


def _point(chance: random.Random) -> Made:
    (x, x_node), (y, y_node) = (BASICS["int"](chance) if chance.random() < 0.7 else ZERO for _ in "xy")
    return Point(x, y), {"t": "main.Point", "v": [["X", x_node], ["Y", y_node]]}


def _account(chance: random.Random) -> Made:
    (number, number_node), (name, name_node) = BASICS["int"](chance), _string(chance)
    node = {"t": "models.Account", "v": [["ID", number_node], ["Name", name_node]]}
    return Account(number, name), {"t": "*models.Account", "ptr": node}


def _tree(chance: random.Random, depth: int = 3) -> Made:
    value, node = BASICS["int"](chance)
    parts: list[Any] = []
    nodes: list[Node] = []
    for _ in range(2):
        part, part_node = _tree(chance, depth - 1) if depth and chance.random() < 0.5 else (None, None)
        parts.append(part)
        nodes.append({"t": "*main.Tree", "ptr": part_node} if part_node else {"t": "*main.Tree"})
    fields = [["V", node], ["Left", nodes[0]], ["Right", nodes[1]]]
    return Tree(value, *parts), {"t": "main.Tree", "v": fields}


ZERO: Made = (0, {"t": "int", "v": "0"})
NO_TIME: Made = (None, {"t": "time.Time", "gobbytes": "01" + "00" * 12 + "ffff"})
NAMED = [_time, _big, _url, _ip, _addr, _duration, _celsius, _role, _point, _account, _tree]


# Types that are made of others ---------------------------------------------------------------------------------------


class Maker:
    """Makes values.

    :ivar spellings: the composed types that Go has to know
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.spellings: set[str] = set()

    def session(self) -> Made:
        """Make a session and its node."""
        values, pairs = self._entries(lambda: self._key(nil=False), lambda: self.interface(3, nil=False))
        return values, {"t": "map[interface {}]interface {}", "v": pairs}

    def interface(self, depth: int, *, nil: bool = True) -> Made:
        """Make a value of any type, as it is in an interface."""
        kind = self.chance.random()
        if nil and kind < 0.05:
            return None, NIL
        if kind < 0.4 or depth == 0:
            name = self.chance.choice([*BASICS])
            value, node = BASICS[name](self.chance)
            return WRAPPED.get(name, lambda each: each)(value), node
        if kind < 0.6:
            return self.user(depth - 1) if self.chance.random() < 0.1 else self.chance.choice(NAMED)(self.chance)
        spelling, make = self.composed(depth)
        value, node = make()
        if spelling not in {"[]interface {}", "map[string]interface {}"}:
            self.spellings.add(spelling)
            value = (Map if isinstance(value, dict) else Slice).of(spelling)(value)
        return value, node

    def user(self, depth: int) -> Made:
        """Make a struct of many fields."""
        chance = self.chance
        (number, number_node), (name, name_node), (score, score_node) = (
            *(BASICS["int"](chance), _string(chance)),
            _float("float64", chance.uniform(1, 9)),
        )
        tags = [_string(chance) for _ in range(chance.randrange(3))]
        meta = [(f"k{place}", self.interface(depth)) for place in range(chance.randrange(3) if depth > 0 else 0)]
        joined, joined_node = _time(chance) if chance.random() < 0.7 else NO_TIME
        value = User(
            number, name, "", [tag for tag, _ in tags], True, score, {key: each for key, (each, _) in meta}, joined
        )
        fields = [
            *(["ID", number_node], ["Name", name_node], ["Email", {"t": "string", "v": ""}]),
            ["Tags", {"t": "[]string", "v": [node for _, node in tags]}],
            *(["Admin", {"t": "bool", "v": True}], ["Score", score_node]),
            ["Meta", _pairs("map[string]interface {}", [(_text("string", key)[1], node) for key, (_, node) in meta])],
            ["Joined", joined_node],
        ]
        return value, {"t": "models.User", "v": fields}

    def composed(self, depth: int) -> tuple[str, Callable[[], Made]]:
        """Return the spelling of a composed type, and what makes its values: plain ones, as they are in others."""
        kind = self.chance.random()
        if kind < 0.2:
            return "[]interface {}", lambda: self._list("[]interface {}", lambda: self.interface(depth - 1))
        if kind < 0.4:
            return "map[string]interface {}", lambda: self._map("map[string]interface {}", "string", depth)
        if kind < 0.5:
            spelling = "map[interface {}]interface {}"
            return spelling, lambda: self._pairs(spelling, self._key, lambda: self.interface(depth - 1))
        elem, make = self._elem(depth - 1)
        if kind < 0.7 and elem != "uint8":
            return f"[]{elem}", lambda: self._list(f"[]{elem}", make)
        if kind < 0.8:
            count = self.chance.randrange(1, 4)
            return f"[{count}]{elem}", lambda: self._list(f"[{count}]{elem}", make, count)
        key = self.chance.choice(KEYS)
        spelling = f"map[{key}]{elem}"
        return spelling, lambda: self._pairs(spelling, lambda: BASICS[key](self.chance), make)

    def _elem(self, depth: int) -> tuple[str, Callable[[], Made]]:
        kind = self.chance.random()
        if kind < 0.6 or depth <= 0:
            name = self.chance.choice([*BASICS])
            return name, lambda: BASICS[name](self.chance)
        if kind < 0.7:
            name, make = self.chance.choice((("time.Time", _time), ("main.Point", _point), ("main.Celsius", _celsius)))
            return name, lambda: make(self.chance)
        return self.composed(depth)

    def _list(self, spelling: str, make: Callable[[], Made], count: int | None = None) -> Made:
        made = [make() for _ in range(self.chance.choice((0, 1, 3)) if count is None else count)]
        return [value for value, _ in made], {"t": spelling, "v": [node for _, node in made]}

    def _map(self, spelling: str, key: str, depth: int) -> Made:
        return self._pairs(spelling, lambda: BASICS[key](self.chance), lambda: self.interface(depth - 1))

    def _pairs(self, spelling: str, key: Callable[[], Made], value: Callable[[], Made]) -> Made:
        values, pairs = self._entries(key, value)
        return values, {"t": spelling, "v": pairs}

    def _entries(self, key: Callable[[], Made], value: Callable[[], Made]) -> tuple[dict[Any, Any], list[Any]]:
        values: dict[Any, Any] = {}
        nodes: dict[Any, Any] = {}
        for _ in range(self.chance.choice((0, 1, 2, 4))):
            made, node = key()
            values[made], each = value()
            nodes[made] = [node, each]
        return values, [*nodes.values()]

    def _key(self, *, nil: bool = True) -> Made:
        kind = self.chance.random()
        if kind < 0.6:
            return BASICS[self.chance.choice(("string", "string", "int"))](self.chance)
        if kind < 0.65 and nil:
            return Key(None), NIL
        if kind < 0.75:
            value, node = _point(self.chance)
            return Key(value), node
        if kind < 0.8:
            number = self.chance.choice((1.0, 2.5))
            return Key(number), _float("float64", number)[1]
        name = self.chance.choice([each for each in KEYS if each not in {"string", "int"}])
        value, node = BASICS[name](self.chance)
        return Key(WRAPPED[name](value) if name in WRAPPED else value), node


def _pairs(spelling: str, pairs: list[tuple[Node, Node]]) -> Node:
    return {"t": spelling, "v": [[*pair] for pair in pairs]}


def normal(node: Any) -> Any:
    """Return a node in one form: maps in one order, no texts beside bytes, and a nil slice as an empty one."""
    if isinstance(node, list):
        return [normal(each) for each in node]
    if not isinstance(node, dict):
        return node
    left_out = {"nil"} | (
        {"v"} if {"bits", "re", "hex"} & {*node} or node["t"] in {"time.Time", "netip.Addr"} else set()
    )
    if node["t"] in {"big.Int", "url.URL"}:
        left_out = {"gobbytes"}
    kept = {key: normal(value) for key, value in node.items() if key not in left_out}
    if node["t"].startswith("map["):
        kept["v"].sort(key=lambda pair: json.dumps(pair, sort_keys=True))
    return kept


@pytest.mark.usefixtures("_registered")
def test_random_sessions_go_to_beego_and_come_back() -> None:
    known: set[str] = set()
    with BeegoLines() as lines:

        @settings(
            max_examples=SESSIONS, derandomize=True, deadline=None, database=None, suppress_health_check=[*HealthCheck]
        )
        @given(st.randoms(use_true_random=True))
        def goes_and_comes_back(chance: random.Random) -> None:
            maker = Maker(chance)
            session, node = maker.session()
            if maker.spellings - known:
                lines.register(*sorted(maker.spellings - known))
                known.update(maker.spellings)
            stream = gob.dumps(session)
            assert same(gob.loads(stream), session), "it does not come back here"
            read, again = lines.through(stream)
            assert normal(read) == normal(node), "beego reads something else"
            assert same(gob.loads(again), session), "what beego writes of it is something else"

        goes_and_comes_back()
