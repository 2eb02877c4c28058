"""The Python values of Go types that Python has no type for.

What Go's ``int``, ``float64``, ``complex128``, ``bool``, ``string``, ``[]uint8``, ``[]interface {}`` and
``map[string]interface {}`` hold comes as int, float, complex, bool, str, bytes, list and dict. All else keeps its Go
type by the class of its value, so that it is written back as what it was: an ``int64`` stays an ``int64`` for Go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, SupportsFloat, SupportsIndex, SupportsInt, TypeVar, overload
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
        if type(result) is tuple:  # of divmod
            return tuple(_fitted(type(self), each, base) for each in result)
        return _fitted(type(self), result, base)

    return typed


def _fitted(cls: type, result: Any, base: type) -> Any:
    if type(result) is not base:
        return result  # NotImplemented, or a number of another kind
    try:
        return cls(result)
    except OverflowError:
        return result


_ARITHMETIC = ("add", "sub", "mul", "truediv", "pow")
_WHOLE = ("floordiv", "mod", "divmod")
_BITS = ("and", "or", "xor", "lshift", "rshift")


def _both_ways(*names: str) -> tuple[str, ...]:
    """Return the methods of operators, and those of their reversed forms."""
    return *(f"__{name}__" for name in names), *(f"__r{name}__" for name in names)


@_keeping_its_type(
    int,
    *_both_ways(*_ARITHMETIC, *_WHOLE, *_BITS),
    *("__neg__", "__pos__", "__abs__", "__invert__", "__round__"),
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
    *_both_ways(*_ARITHMETIC, *_WHOLE),
    *("__neg__", "__pos__", "__abs__", "__round__"),
)
class Float32(float):
    """A ``float32``; what it is made of is rounded to one. Arithmetic keeps the type, as with every Integer.

    :raises OverflowError: it does not reach so far
    """

    __slots__ = ()

    def __new__(cls, number: SupportsFloat = 0.0) -> Float32:
        return super().__new__(cls, single(float(number)))

    def __repr__(self) -> str:
        return f"Float32({float(self)!r})"

    __str__ = float.__repr__


@_keeping_its_type(complex, *_both_ways(*_ARITHMETIC), *("__neg__", "__pos__", "conjugate"))
class Complex64(complex):
    """A ``complex64``; what it is made of is rounded to one. Arithmetic keeps the type, as with every Integer.

    :raises OverflowError: it does not reach so far
    """

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
    are plain Python values, whatever Go calls them there. Parts, sums and copies are of the same type; parts
    and sums of an array are plain lists, since their lengths differ.

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

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> Any: ...

    @overload
    def __getitem__(self, at: slice, /) -> list[Any]: ...

    def __getitem__(self, at: Any, /) -> Any:
        found = super().__getitem__(at)
        return self._like(found) if isinstance(at, slice) else found

    def __add__(self, others: list[Any], /) -> list[Any]:
        return self._like(super().__add__(others))

    def __radd__(self, others: list[Any], /) -> list[Any]:
        return self._like([*others, *self]) if isinstance(others, list) else NotImplemented

    def __mul__(self, times: SupportsIndex, /) -> list[Any]:
        return self._like(super().__mul__(times))

    __rmul__ = __mul__

    def copy(self) -> Slice:
        return type(self)(self)

    __copy__ = copy

    def _like(self, elements: list[Any]) -> list[Any]:
        return type(self)(elements) if self.go_type.startswith("[]") else elements

    def __repr__(self) -> str:
        return f"Slice.of({self.go_type!r})({super().__repr__()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (Slice, self.go_type, [*self])


@_keeping_its_type(dict, "__or__", "__ror__", "copy")
class Map(dict[Any, Any]):
    """A dict of a Go type of its own, such as ``Map.of("map[string]int")({"a": 1})``. A class for each type, as Slice.
    Copies and unions are of the same type.

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
    A Key equals what it wraps, if that is of the very type, so that a dict holds no key of Go's twice.

    >>> Key(True) == Key(1.0), Key(1.0) == Key(1.0), Key(Int64(1)) == 1
    (False, True, False)

    :ivar value: the key as Go has it
    :raises ValueError: it is a str or an int, which are keys themselves
    """

    __slots__ = ("_frozen", "value")

    def __init__(self, value: Any) -> None:
        if type(value) in (str, int):
            raise ValueError("a str or int is a key of its own: leave Key out")
        self.value = value
        self._frozen = _frozen(value, signs=False)  # to Go, too, zeros of two signs are one key

    def __eq__(self, other: object) -> bool:
        return self._frozen == (other._frozen if isinstance(other, Key) else _frozen(other, signs=False))

    def __hash__(self) -> int:
        return hash(self.value if _is_hashed_by_value(self.value) else self._frozen)

    def __reduce__(self) -> tuple[Any, ...]:
        return Key, (self.value,)

    def __repr__(self) -> str:
        return f"Key({self.value!r})"


def _is_hashed_by_value(value: Any) -> bool:
    """Return whether equal values have equal hashes, so that a Key may have that of what it wraps."""
    if isinstance(value, (list, tuple, dict)) or value != value:
        return False
    if hasattr(type(value), "__dataclass_fields__"):
        made = type(value).__dataclass_params__
        return bool(made.eq and made.frozen)
    return type(value).__hash__ is not None


def _frozen(value: Any, *, signs: bool = True) -> tuple[Any, ...]:
    """Return what tells a value from all others, types included, and can be hashed.

    :param signs: zeros of two signs are told apart
    """
    kind = type(value)
    if isinstance(value, dict):
        return kind, frozenset((key, _frozen(item, signs=signs)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return kind, *(_frozen(item, signs=signs) for item in value)
    if isinstance(value, (float, complex)):
        parts = complex(value)
        if not signs:
            parts += complex(0.0, 0.0)  # which makes a plus of the minus
        return kind, struct.pack("<dd", parts.real, parts.imag)
    if isinstance(value, Opaque):
        return kind, value.name, _frozen(value.value, signs=signs)
    if hasattr(kind, "__dataclass_fields__"):
        fields = [getattr(value, name) for name in kind.__dataclass_fields__]
        return kind, *(_frozen(item, signs=signs) for item in (*fields, getattr(value, FOREIGN, None)))
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

    def __reduce__(self) -> tuple[Any, ...]:
        return Opaque, (self.name, self.go, self.value)
