"""The Python values of Go types that Python has no type for.

What Go's ``int``, ``float64``, ``complex128``, ``bool``, ``string``, ``[]uint8``, ``[]interface {}`` and
``map[string]interface {}`` hold comes as int, float, complex, bool, str, bytes, list and dict. All else keeps its Go
type by the class of its value, so that it is written back as what it was: an ``int64`` stays an ``int64`` for Go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, SupportsFloat, SupportsInt, TypeVar
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from beesession.codecs.gob.types import GoType

N = TypeVar("N", bound=type)
X = TypeVar("X")

FOREIGN = "_gob_foreign"
"""The attribute of a struct's object that keeps what the stream had beside the fields of its class."""


def _keeping_its_type(base: type, *names: str) -> Callable[[N], N]:
    """Have operators of ``base`` give the class that they are called on, as long as it can hold what they give."""

    def decorate(cls: N) -> N:
        for name in names:
            setattr(cls, name, _typed(getattr(base, name), base))
        return cls

    return decorate


def _typed(operator: Callable[..., Any], base: type) -> Callable[..., Any]:
    def typed(self: Any, *others: Any) -> Any:
        result = operator(self, *others)
        if type(result) is not base:
            return result  # NotImplemented, or a number of another kind
        try:
            return type(self)(result)
        except OverflowError:
            return result

    return typed


@_keeping_its_type(
    int,
    *(
        f"__{name}__"
        for name in ("add", "sub", "mul", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift", "pow")
    ),
    *(f"__r{name}__" for name in ("add", "sub", "mul")),
    *("__neg__", "__pos__", "__abs__", "__invert__"),
)
class Integer(int):
    """An integer of one Go type. Arithmetic keeps the type while the result fits it; otherwise an int comes out.

    >>> visits = Int64(41)
    >>> visits += 1
    >>> visits
    Int64(42)

    :raises OverflowError: the type does not reach so far
    """

    go_type: ClassVar[str]
    low: ClassVar[int]
    high: ClassVar[int]
    __slots__ = ()

    def __new__(cls, number: SupportsInt = 0) -> Integer:
        made = super().__new__(cls, number)
        if not cls.low <= int(made) <= cls.high:
            raise OverflowError(f"{cls.go_type} does not hold that")
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"

    __str__ = int.__repr__


class Int8(Integer):
    go_type, low, high = "int8", -(2**7), 2**7 - 1


class Int16(Integer):
    go_type, low, high = "int16", -(2**15), 2**15 - 1


class Int32(Integer):
    go_type, low, high = "int32", -(2**31), 2**31 - 1


class Int64(Integer):
    go_type, low, high = "int64", -(2**63), 2**63 - 1


class Uint(Integer):
    go_type, low, high = "uint", 0, 2**64 - 1


class Uint8(Integer):
    go_type, low, high = "uint8", 0, 2**8 - 1


class Uint16(Integer):
    go_type, low, high = "uint16", 0, 2**16 - 1


class Uint32(Integer):
    go_type, low, high = "uint32", 0, 2**32 - 1


class Uint64(Integer):
    go_type, low, high = "uint64", 0, 2**64 - 1


class Uintptr(Integer):
    go_type, low, high = "uintptr", 0, 2**64 - 1


_SINGLE = struct.Struct("<f")


def single(number: float) -> float:
    """Return the ``float32`` that is nearest.

    :raises OverflowError: it does not reach so far
    """
    rounded: float = _SINGLE.unpack(_SINGLE.pack(number))[0]
    return rounded


@_keeping_its_type(
    float,
    *(f"__{name}__" for name in ("add", "sub", "mul", "truediv", "radd", "rsub", "rmul", "rtruediv")),
    *("__neg__", "__pos__", "__abs__"),
)
class Float32(float):
    """A ``float32``; what it is made of is rounded to one.

    :raises OverflowError: it does not reach so far
    """

    __slots__ = ()

    def __new__(cls, number: SupportsFloat = 0.0) -> Float32:
        return super().__new__(cls, single(float(number)))

    def __repr__(self) -> str:
        return f"Float32({float(self)!r})"

    __str__ = float.__repr__


class Complex64(complex):
    """A ``complex64``; what it is made of is rounded to one."""

    __slots__ = ()

    def __new__(cls, number: complex = 0) -> Complex64:
        number = complex(number)
        return super().__new__(cls, single(number.real), single(number.imag))

    def __getnewargs__(self) -> tuple[complex]:
        return (complex(self),)  # complex itself is copied by two numbers

    def __repr__(self) -> str:
        return f"Complex64({complex(self)!r})"


# Lists and maps -----------------------------------------------------------------------------------------------------


class Slice(list[Any]):
    """A list of a Go type of its own, such as ``Slice.of("[]string")(["a", "b"])``; arrays, too:
    ``Slice.of("[3]int")``.

    A class for each type: two lists of different types are told apart even if their elements are equal. The elements
    are plain Python values, whatever Go calls them there.

    :cvar go_type: how Go spells the type
    """

    go_type: ClassVar[str] = ""

    @staticmethod
    def of(go_type: str) -> type[Slice]:
        """Return the class of this type's lists."""
        return _class_of(Slice, go_type, _slices)

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        if not self.go_type:
            raise TypeError('Slice has no Go type: write Slice.of("[]string")(...)')
        super().__init__(elements)

    def __repr__(self) -> str:
        return f"Slice.of({self.go_type!r})({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (Slice, self.go_type, [*self])


class Map(dict[Any, Any]):
    """A dict of a Go type of its own, such as ``Map.of("map[string]int")({"a": 1})``. A class for each type, as Slice.

    :cvar go_type: how Go spells the type
    """

    go_type: ClassVar[str] = ""

    @staticmethod
    def of(go_type: str) -> type[Map]:
        """Return the class of this type's dicts."""
        return _class_of(Map, go_type, _maps)

    def __init__(self, entries: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), /) -> None:
        if not self.go_type:
            raise TypeError('Map has no Go type: write Map.of("map[string]int")(...)')
        super().__init__(entries)

    def __repr__(self) -> str:
        return f"Map.of({self.go_type!r})({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (Map, self.go_type, {**self})


# The classes stay as long as they are in use: there must not be two for one type, and types that only a foreign stream
# knows must not pile up.
_slices: WeakValueDictionary[str, type[Slice]] = WeakValueDictionary()
_maps: WeakValueDictionary[str, type[Map]] = WeakValueDictionary()
_making = Lock()


def _class_of(base: type[X], go_type: str, classes: WeakValueDictionary[str, type[X]]) -> type[X]:
    with _making:
        found = classes.get(go_type)
        if found is None:
            found = classes[go_type] = type(base.__name__, (base,), {"go_type": go_type, "__module__": __name__})
        return found


def _made(cls: type[Slice] | type[Map], go_type: str, content: Any) -> Slice | Map:
    return cls.of(go_type)(content)


class Key:
    """A key of a Go map that would meet another one in a dict: Go tells 1, 1.0 and true apart, Python does not.

    ``str`` and ``int`` stand for Go's ``string`` and ``int`` themselves; keys of all other types are wrapped.

    >>> Key(True) == Key(1.0), Key(1.0) == Key(1.0), Key(Int64(1)) == 1
    (False, True, False)

    :ivar value: the key as Go has it
    """

    __slots__ = ("_frozen", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._frozen = _frozen(value)

    def __eq__(self, other: object) -> bool:
        return self._frozen == other._frozen if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._frozen)

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


def _frozen(value: Any) -> tuple[Any, ...]:
    """Return what tells a value from all others, types included, and can be hashed."""
    kind = type(value)
    if isinstance(value, dict):
        return kind, frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return kind, *map(_frozen, value)
    if isinstance(value, float):
        return kind, struct.pack("<d", value)  # zeros of two signs, and NaN, are keys of their own
    if isinstance(value, complex):
        return kind, struct.pack("<dd", value.real, value.imag)
    if isinstance(value, Opaque):
        return kind, value.name, _frozen(value.value)
    if hasattr(kind, "__dataclass_fields__"):
        fields = (getattr(value, name) for name in kind.__dataclass_fields__)
        return kind, *map(_frozen, fields), _frozen(getattr(value, FOREIGN, None))
    return kind, value


# What this side has no class for ------------------------------------------------------------------------------------


def _shown(name: str) -> str:
    # It comes from a stream, and must not steer the terminal that it is shown on.
    return name if name.isprintable() else repr(name)


class Fields(dict[str, Any]):
    """The fields of a struct that were sent, by their names, in order; Go leaves zero values out."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{_shown(name)}: {value!r}" for name, value in self.items()) + "}"


class Opaque:
    """A value of a Go type that nobody has registered here: kept as it came, and written back as that.

    :ivar name: the name under which the Go program has registered the type
    :ivar go: its form on the wire
    :ivar value: its content: :class:`Fields` of a struct, bytes of what encodes itself, else plain Python values.
        Not to be changed.
    """

    __slots__ = ("go", "name", "value")

    def __init__(self, name: str, go: GoType, value: Any) -> None:
        self.name = name
        self.go = go
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Opaque):
            return NotImplemented
        same_type = self.name == other.name and self.go.signature == other.go.signature
        return same_type and _frozen(self.value) == _frozen(other.value)

    def __hash__(self) -> int:
        return hash((self.name, _frozen(self.value)))

    def __repr__(self) -> str:
        shown = repr(self.value)
        name = _shown(self.name)
        return f"{name}{shown}" if isinstance(self.value, Fields) else f"{name}({shown})"

    def __deepcopy__(self, memo: object) -> Opaque:
        return self
