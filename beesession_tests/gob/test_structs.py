"""Dataclasses stand for structs of Go, and subclasses of int, float, str and bytes for its named types."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
from dataclasses import dataclass, field
from typing import Annotated, Any, Optional

import pytest

from beesession.codecs import gob
from beesession.codecs.gob import Float32, Int8, Int64, Map, Slice
from beesession.codecs.gob.naming import named
from beesession.codecs.gob.registry import REGISTRY
from beesession.codecs.gob.types import BASICS, INTERFACE, GoType, ListType, StructType, fits
from beesession.delta import same
from beesession_tests.gob.trees import normal, tree, vectors

pytestmark = pytest.mark.usefixtures("registry")

UTC = datetime.timezone.utc
GO = {each["name"]: each for each in vectors("gob.json")}


@dataclass
class Point:
    X: int = 0
    Y: int = 0


@dataclass
class Tree:
    V: int = 0
    Left: Tree | None = None
    Right: Optional[Tree] = None  # noqa: UP045  # the older spelling


@dataclass
class User:
    id: int = field(default=0, metadata={"gob": "ID"})
    Name: str = ""
    Score: float = 0.0
    Admin: bool = False
    Small: Annotated[int, "int8"] = 0
    Other: Int64 = field(default_factory=Int64)
    Single: Float32 = field(default_factory=Float32)
    Tags: Annotated[list[str], "[]string"] = field(default_factory=list)
    Places: list[Point] = field(default_factory=list)
    ByName: dict[str, Point] = field(default_factory=dict)
    Meta: dict[str, Any] = field(default_factory=dict)
    Any: Any = None
    Home: Point = field(default_factory=Point)
    Work: Point | None = None
    Joined: datetime.datetime | None = None
    Words: Slice.of("[2]string") = field(default_factory=lambda: ["", ""])  # type: ignore[valid-type]
    Raw: bytes = b""


class Celsius(float):
    pass


class Color(str):
    pass


class Small(int):
    pass


class Raw(bytes):
    pass


def through(value: Any) -> Any:
    return gob.loads(gob.dumps({"k": value}))["k"]


def test_a_dataclass_comes_back_as_what_it_was() -> None:
    gob.register(Point, "main.Point")
    gob.register(User, "example.com/app/models.User")
    user = User(
        id=7,
        Name="asta",
        Score=1.5,
        Admin=True,
        Small=-5,
        Other=Int64(5),
        Single=Float32(0.5),
        Tags=["a"],
        Places=[Point(1, 2), Point()],
        ByName={"x": Point(3)},
        Meta={"a": [1, None]},
        Any=Int8(1),
        Home=Point(4),
        Work=Point(),
        Joined=datetime.datetime(2024, 1, 1, tzinfo=UTC),
        Words=["a", "b"],
        Raw=b"x",
    )
    assert through(user) == user
    assert through([user, Point(5)]) == [user, Point(5)]
    places = Slice.of("[]main.Point")([Point(1)])
    assert same(through(places), places)
    users = Map.of("map[string]models.User")({"a": user})
    again = through(users)
    assert type(again) is type(users)
    assert again == users
    empty = through(User())
    assert empty == dataclasses.replace(User(), Home=Point())
    assert (empty.Work, empty.Joined, empty.Words, empty.Tags) == (None, None, ["", ""], [])


def test_register_is_a_decorator_too() -> None:
    @gob.register("main.Decorated")
    @dataclass
    class Decorated:
        X: int = 0

    assert through(Decorated(5)) == Decorated(5)
    assert Decorated.__name__ == "Decorated"


def test_a_struct_may_be_a_part_of_itself() -> None:
    gob.register(Tree, "main.Tree")
    value = Tree(1, Tree(2), Tree(3, Tree(4)))
    assert through(value) == value
    vector = GO["beego/struct/tree"]
    session = gob.loads(bytes.fromhex(vector["hex"]))
    assert {type(each) for each in session.values()} == {Tree}
    assert gob.loads(gob.dumps(session)) == session


def test_zeros_are_left_out_as_go_does() -> None:
    gob.register(Point, "main.Point")
    _, go, _ = named(Point())
    assert tree(go, Point(0, 5)) == {"w": "struct", "name": "Point", "v": [["Y", {"w": "int", "v": "5"}]]}
    assert gob.dump_value(go, Point()).endswith(b"\xff\x80\x00")  # the id, and nothing of it
    assert gob.dump_value(go, Point(3, -4)).endswith(bytes.fromhex("0106010700"))


def test_what_go_wrote_for_a_struct_is_written_back_alike() -> None:
    gob.register(Point, "main.Point")
    gob.register(Tree, "main.Tree")
    for name, vector in GO.items():
        if vector["mode"] == "beego" and "struct" in name:
            session = gob.loads(bytes.fromhex(vector["hex"]))
            again = gob.loads(gob.dumps(session))
            assert same(again, session)


def test_a_pointer_has_a_name_of_its_own() -> None:
    gob.register(Point, "*main.PtrPoint")
    assert named(Point())[0] == "*main.PtrPoint"
    assert through(Point(1)) == Point(1)
    assert through([Point(1)]) == [Point(1)]
    # In the spelling of another type there is no path, and a pointer is what it points to.
    assert same(through(Slice.of("[]*main.PtrPoint")([Point(1)])), Slice.of("[]*main.PtrPoint")([Point(1)]))


# What only Go has ----------------------------------------------------------------------------------------------------


@dataclass
class FullPoint:
    X: int = 0
    Z: str = ""
    Y: int = 0


@dataclass
class FullLine:
    Name: str = ""
    Ends: list[FullPoint] = field(default_factory=list)
    Extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Line:
    Ends: list[Point] = field(default_factory=list)


def _unregister(*classes: type) -> None:
    """Forget classes, as another process would not know them."""
    for cls in classes:
        entry = REGISTRY.by_class.pop(cls)
        REGISTRY._by_name.pop(entry.name)
        REGISTRY._in_spellings.pop(entry.name)
    REGISTRY._parsed.clear()
    REGISTRY.version += 1


def test_fields_that_only_go_has_survive() -> None:
    gob.register(FullPoint, "main.Point")
    gob.register(FullLine, "main.Line")
    line = FullLine("x", [FullPoint(1, "one", 2), FullPoint(0, "", 5)], {"a": [1, None]})
    stream = gob.dumps({"line": line, "point": FullPoint(7, "seven")})
    _unregister(FullPoint, FullLine)

    gob.register(Point, "main.Point")
    gob.register(Line, "main.Line")
    session = gob.loads(stream)
    assert session == {"line": Line([Point(1, 2), Point(0, 5)]), "point": Point(7)}
    session["line"].Ends[0].Y = 3
    session["line"].Ends.append(Point(8, 9))
    session["point"].X = 8
    stream = gob.dumps(session)
    _unregister(Point, Line)

    gob.register(FullPoint, "main.Point")
    gob.register(FullLine, "main.Line")
    line.Ends[0].Y = 3
    assert gob.loads(stream) == {
        "line": FullLine("x", [*line.Ends, FullPoint(8, "", 9)], {"a": [1, None]}),
        "point": FullPoint(8, "seven"),
    }


def test_a_struct_that_learns_a_field_is_defined_anew_wherever_it_is_a_part() -> None:
    gob.register(FullPoint, "main.Point")
    full = gob.dumps({"k": FullPoint(1, "one", 2)})
    _unregister(FullPoint)
    gob.register(Point, "main.Point")
    points = Slice.of("[]main.Point")([Point(1, 2)])
    before = gob.Opaque("main.Points", ListType(StructType("Point", [*_fields(Point)])), [])
    assert gob.loads(gob.dumps({"k": points}))["k"] == points
    point = gob.loads(full)["k"]
    stream = gob.dumps({"old": before, "new": Slice.of("[]main.Point")([point])})
    _unregister(Point)
    gob.register(FullPoint, "main.Point")
    assert gob.loads(stream)["new"] == [FullPoint(1, "one", 2)]


def test_a_field_that_only_go_has_may_have_another_type_in_another_version_of_the_program() -> None:
    def stream(extra: GoType, value: Any) -> bytes:
        form = StructType("Point", [("X", BASICS["int"]), ("Extra", extra)])
        return gob.dumps({"k": gob.Opaque("main.Point", form, gob.Fields(X=1, Extra=value))})

    old, new = stream(BASICS["int"], 5), stream(BASICS["string"], "five")
    gob.register(Point, "main.Point")
    written = [gob.dumps(gob.loads(each)) for each in (old, new, old, new)]
    _unregister(Point)
    assert [gob.loads(each)["k"].value["Extra"] for each in written] == [5, "five", 5, "five"]


def _stream_of_a_point(**extra: tuple[GoType, Any]) -> bytes:
    """Return a session with a main.Point of a program in which it has further fields."""
    form = StructType("Point", [("X", BASICS["int"]), *((name, go) for name, (go, _) in extra.items())])
    values = {name: value for name, (_, value) in extra.items()}
    return gob.dumps({"k": gob.Opaque("main.Point", form, gob.Fields(X=1, **values))})


def test_versions_of_a_struct_that_are_read_in_turn_are_each_written_as_they_came() -> None:
    old = _stream_of_a_point(Age=(BASICS["int"], 5))
    new = _stream_of_a_point(Age=(BASICS["string"], "five"), Name=(BASICS["string"], "x"))
    gob.register(Point, "main.Point")
    sessions = [gob.loads(old), gob.loads(new)]
    written = [gob.dumps(each) for each in sessions]
    assert all(same(gob.loads(stream), session) for stream, session in zip(written, sessions, strict=True))
    _unregister(Point)
    assert [{**gob.loads(each)["k"].value} for each in written] == [
        {"X": 1, "Age": 5},
        {"X": 1, "Age": "five", "Name": "x"},
    ]


def test_two_versions_of_a_struct_in_one_session_are_refused_by_the_name_of_the_field() -> None:
    old, new = _stream_of_a_point(Age=(BASICS["int"], 5)), _stream_of_a_point(Age=(BASICS["string"], "five"))
    gob.register(Point, "main.Point")
    with pytest.raises(gob.UnencodableError, match="two versions, which differ in the field Age"):
        gob.dumps({"a": gob.loads(old)["k"], "b": gob.loads(new)["k"]})


def test_what_one_session_has_beside_a_class_is_not_written_into_another() -> None:
    streams = [_stream_of_a_point(**{f"Field{number}": (BASICS["int"], 1)}) for number in range(1500)]
    gob.register(Point, "main.Point")
    before = gob.dumps({"k": Point(1)})
    for stream in streams:
        gob.loads(stream)
    assert gob.dumps({"k": Point(1)}) == before


def test_what_only_go_has_is_copied_with_the_object() -> None:
    stream = _stream_of_a_point(Tags=(ListType(BASICS["string"]), ["a"]))
    gob.register(Point, "main.Point")
    session = gob.loads(stream)
    copied = copy.deepcopy(session)
    assert same(copied, session)
    assert gob.dumps(copied) == gob.dumps(session)


def _fields(cls: type) -> Any:
    return REGISTRY.by_class[cls].go.fields  # type: ignore[attr-defined]


def test_what_was_opaque_is_an_object_once_its_class_is_registered() -> None:
    stream = bytes.fromhex(GO["beego/struct/point"]["hex"])
    (before,) = {type(each) for each in gob.loads(stream).values()}
    gob.register(Point, "main.Point")
    (after,) = {type(each) for each in gob.loads(stream).values()}
    assert (before, after) == (gob.Opaque, Point)


def test_an_opaque_value_is_told_apart_by_its_type_and_content() -> None:
    stream = bytes.fromhex(GO["beego/struct/point"]["hex"])
    (one,), (other,) = gob.loads(stream).values(), gob.loads(stream).values()
    assert one == other
    assert hash(one) == hash(other)
    assert one != gob.Opaque("main.Other", one.go, one.value)
    assert one != gob.Opaque(one.name, one.go, gob.Fields(X=99))
    assert one != "main.Point"
    assert "Point" in repr(one)


# Named types ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [Celsius(1.5), Color("red"), Small(5), Raw(b"x")], ids=lambda each: type(each).__name__
)
def test_a_subclass_stands_for_a_named_type(value: Any) -> None:
    gob.register(type(value), f"main.{type(value).__name__}")
    assert same(through(value), value)
    spelling = f"[]main.{type(value).__name__}"
    assert same(through(Slice.of(spelling)([value])), Slice.of(spelling)([value]))
    with pytest.raises(gob.UnencodableError, match="where its Go type has a"):
        gob.dumps({"k": Slice.of(spelling)([1j])})


def test_a_value_that_its_class_refuses_is_refused_without_telling_it() -> None:
    class Checked(str):
        def __new__(cls, text: str) -> Checked:
            if text == "secret":
                raise ValueError(f"{text!r} is not allowed")
            return super().__new__(cls, text)

    gob.register(Color, "main.Checked")
    stream = gob.dumps({"k": Color("secret")})
    _unregister(Color)
    gob.register(Checked, "main.Checked")
    with pytest.raises(gob.GobError, match="Checked") as caught:
        gob.loads(stream)
    assert "secret" not in str(caught.value)


class Mood(str, enum.Enum):
    GLAD = "glad"


@dataclass
class Visitor:
    Name: str = ""
    Mood: Mood | None = None
    Kelvin: Celsius | None = None
    Tree: Any = None
    Whole: dict[str, int] = field(default_factory=dict)
    Other: Point = field(default_factory=Point)


def test_a_field_of_a_class_that_takes_no_zero_has_the_plain_one() -> None:
    for cls in (Mood, Celsius, Point, Visitor):
        gob.register(cls, f"main.{cls.__name__}")
    again = through(Visitor("asta", Whole={"a": 1}))
    assert (again.Mood, again.Kelvin, again.Whole) == ("", Celsius(0), {"a": 1})
    assert type(again.Kelvin) is Celsius
    assert through(again) == again
    assert through(Visitor(Mood=Mood.GLAD)).Mood is Mood.GLAD
    assert through([Mood.GLAD]) == [Mood.GLAD]
    empty = gob.Opaque("main.Visitor", StructType("Visitor"), gob.Fields())
    assert (through(empty).Whole, through(empty).Other) == ({}, None)


# Refusals ------------------------------------------------------------------------------------------------------------


def test_a_field_that_has_no_form_in_go_is_named() -> None:
    for annotation in (set[int], complex | int, "Annotated[int, 'int65']", tuple[int, ...], Point):
        made = dataclasses.make_dataclass("Made", [("Good", int, 0), ("Bad", annotation, field(default=None))])
        with pytest.raises(TypeError, match=r"Made.Bad: .* has no form in Go here|names what its module"):
            gob.register(made, "main.Made")


def test_a_field_that_go_does_not_send_is_named() -> None:
    @dataclass
    class Lower:
        name: str = ""

    with pytest.raises(TypeError, match=r'Lower.name: .*field\(metadata=\{"gob": "Name"\}\)'):
        gob.register(Lower, "main.Lower")


def test_two_fields_of_one_name_are_refused() -> None:
    @dataclass
    class Twice:
        X: int = 0
        Y: int = field(default=0, metadata={"gob": "X"})

    with pytest.raises(TypeError, match=r"Twice.Y: another field stands for Go's X already"):
        gob.register(Twice, "main.Twice")


def test_a_class_without_room_for_what_only_go_has_is_refused() -> None:
    with pytest.raises(TypeError, match="Tight has slots"):
        gob.register(dataclasses.make_dataclass("Tight", [("X", int)], slots=True), "main.Tight")


def test_an_annotation_that_names_nothing_is_told() -> None:
    made = dataclasses.make_dataclass("Made", [("X", "Nobody")])
    with pytest.raises(TypeError, match="Nobody"):
        gob.register(made, "main.Made")


def test_a_name_is_that_of_one_class() -> None:
    gob.register(Point, "main.Point")
    gob.register(Point, "main.Point")
    with pytest.raises(ValueError, match="is that of Point already"):
        gob.register(FullPoint, "main.Point")


@pytest.mark.parametrize(
    "name", ["", "Point", "main.", ".Point", "[]main.Point", "main.My Point", "main." + "x" * 1024]
)
def test_what_is_no_name_of_a_go_type_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a Go type"):
        gob.register(Point, name)


@pytest.mark.parametrize("cls", [set, int, bool, str, object, list])
def test_a_class_that_stands_for_nothing_is_refused(cls: type) -> None:
    with pytest.raises(TypeError, match="is no dataclass"):
        gob.register(cls, "main.X")
    with pytest.raises(TypeError, match="register takes"):
        gob.register(5, "main.X")  # type: ignore[call-overload]


def test_a_value_of_another_class_is_refused() -> None:
    gob.register(Point, "main.Point")
    with pytest.raises(gob.UnencodableError, match="a str where its Go type has a Point"):
        gob.dumps({"k": Slice.of("[]main.Point")(["x"])})

    class Derived(Point):
        pass

    with pytest.raises(gob.UnencodableError, match="Derived has no type in Go"):
        gob.dumps({"k": Derived()})


# Signatures ----------------------------------------------------------------------------------------------------------


def _cycle(*labels: str) -> StructType:
    made = [StructType(label) for label in labels]
    for one, other in zip(made, [*made[1:], made[0]], strict=True):
        one.fields = [("Next", ListType(other)), ("Any", INTERFACE)]
    return made[0]


def test_types_that_are_written_alike_have_one_signature() -> None:
    assert ListType(INTERFACE).signature == ListType(INTERFACE).signature
    assert ListType(INTERFACE).signature != ListType(INTERFACE, 0).signature
    assert _cycle("A", "B").signature == _cycle("A", "B").signature
    assert _cycle("A", "B").signature != _cycle("A", "C").signature
    assert ListType(_cycle("A")).signature == ListType(_cycle("A")).signature
    inner = _cycle("A", "B")
    assert inner.fields[0][1].elem.signature == _cycle("B", "A").signature  # type: ignore[attr-defined]


def test_two_lists_of_what_they_are_a_part_of_are_not_taken_for_one() -> None:
    def pair(*, mixed: bool) -> StructType:
        one, other = StructType("X"), StructType("Y")
        of_one, of_other = ListType(one), ListType(other)
        one.fields, other.fields = [("L", of_one)], [("L", of_one if mixed else of_other)]
        return StructType("R", [("A", one), ("B", other)])

    assert pair(mixed=True).signature != pair(mixed=False).signature
    assert pair(mixed=True).signature == pair(mixed=True).signature
    assert fits(pair(mixed=False), pair(mixed=False))


def test_a_field_of_a_wide_type_is_written_and_read() -> None:
    wide = StructType("Wide", [(f"F{number}", BASICS["int"]) for number in range(900)])
    value = gob.Fields({f"F{number}": number for number in range(1, 900)})
    ((go, again),) = gob.load_all(gob.dump_value(wide, value))
    assert again == value
    assert normal(tree(go, again)) == normal(tree(wide, value))
