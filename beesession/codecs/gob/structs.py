"""Dataclasses as Go structs."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from beesession.codecs.gob.spelling import parse
from beesession.codecs.gob.times import Time
from beesession.codecs.gob.types import (
    BASICS,
    BOOL,
    BYTES,
    COMPLEX128,
    FLOAT64,
    INT,
    INTERFACE,
    STRING,
    Basic,
    BlobType,
    GoType,
    ListType,
    MapType,
    NamedType,
    StructType,
    underlying,
)
from beesession.codecs.gob.values import FOREIGN, Complex64, Float32, Integer, Map, Slice

if TYPE_CHECKING:
    from beesession.codecs.gob.registry import Registered

_PLAIN: dict[Any, GoType] = {
    bool: BOOL,
    int: INT,
    float: FLOAT64,
    str: STRING,
    bytes: BYTES,
    complex: COMPLEX128,
    Any: INTERFACE,
    object: INTERFACE,
    list: ListType(INTERFACE),
    dict: MapType(STRING, INTERFACE),
}


class ForeignFields(dict[str, Any]):
    """The fields of a struct that were sent and that only Go has.

    :ivar types: what these are
    """

    __slots__ = ("types",)

    def __init__(self, values: Mapping[str, Any], types: Mapping[str, GoType]) -> None:
        super().__init__(values)
        self.types = types

    def __deepcopy__(self, memo: dict[int, Any]) -> ForeignFields:
        return ForeignFields(copy.deepcopy({**self}, memo), self.types)

    def __reduce__(self) -> tuple[Any, ...]:
        return ForeignFields, ({**self}, self.types)


def struct_type(cls: type, name: str, registered: Mapping[type, Registered]) -> StructType:
    """Return the struct that a dataclass stands for.

    :param name: the struct's own name
    :param registered: the classes that stand for other types
    :raises TypeError: naming the field whose name or annotation has no form in Go
    """
    if not getattr(cls, "__dictoffset__", 0):
        raise TypeError(
            f"{cls.__qualname__} has slots, and so no room for fields that only Go has; leave slots=True out"
        )
    made = StructType(name)
    try:
        hints = typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise TypeError(f"{cls.__qualname__}: an annotation names what its module does not have: {error}") from error
    attributes: dict[str, str] = {}
    fields: list[tuple[str, GoType]] = []
    for field in dataclasses.fields(cls):
        go_name = field.metadata.get("gob", field.name)
        if not go_name[:1].isupper():
            raise TypeError(
                f"{cls.__qualname__}.{field.name}: the fields of Go that travel begin with a capital letter; call it "
                f'so, or say how Go calls it: field(metadata={{"gob": "{go_name.title()}"}})'
            )
        try:
            go = _from_annotation(
                hints[field.name], {cls: made, **{each: entry.go for each, entry in registered.items()}}
            )
        except LookupError as error:
            raise TypeError(
                f"{cls.__qualname__}.{field.name}: {error} has no form in Go here; register its class first, or say "
                'the Go type, as in Annotated[int, "int64"]'
            ) from None
        if go_name in attributes:
            raise TypeError(f"{cls.__qualname__}.{field.name}: another field stands for Go's {go_name} already")
        attributes[go_name] = field.name
        fields.append((go_name, go))

    def build(sent: dict[str, Any], foreign_types: dict[str, GoType]) -> Any:
        built: Any = object.__new__(cls)
        # Not by its __init__: a class that checks its values must not make a whole session unreadable.
        for go_name, go in fields:
            object.__setattr__(built, attributes[go_name], sent[go_name] if go_name in sent else zero(go))
        foreign = {go_name: sent[go_name] for go_name in foreign_types if go_name in sent}
        if foreign:
            object.__setattr__(built, FOREIGN, ForeignFields(foreign, foreign_types))
        return built

    def take_apart(value: Any) -> dict[str, Any]:
        sent = {}
        for go_name, go in fields:
            held = getattr(value, attributes[go_name])
            if not is_zero(held, go):
                sent[go_name] = held
        return sent

    made.fields, made.python, made.build, made.take_apart = fields, cls, build, take_apart
    made.zeros = sum(zeros(go) for _, go in fields)
    return made


def _from_annotation(hint: Any, classes: Mapping[Any, GoType]) -> GoType:
    """Return the Go type of an annotation.

    :raises LookupError: it has none
    """
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        spelling = next((each for each in arguments[1:] if isinstance(each, str)), None)
        return _from_annotation(arguments[0], classes) if spelling is None else parse(spelling, {})
    if origin in (Union, types.UnionType):
        parts = [each for each in arguments if each is not type(None)]
        if len(parts) == 1:
            return _from_annotation(parts[0], classes)
    if origin is list:
        return ListType(_from_annotation(arguments[0], classes))
    if origin is dict:
        return MapType(*(_from_annotation(each, classes) for each in arguments))
    if hint in classes:
        return classes[hint]
    if isinstance(hint, type):
        if issubclass(hint, (Integer, Float32, Complex64)):
            return next(basic for basic in BASICS.values() if basic.python is hint)
        if issubclass(hint, (Slice, Map)) and hint.go_type:
            return parse(hint.go_type, {})
        if issubclass(hint, datetime.datetime):
            return classes[Time]
    raise LookupError(getattr(hint, "__name__", hint))


def zero(go: GoType) -> Any:
    """Return what Go has in a variable of this type that nothing was assigned to."""
    go, form = underlying(go), go
    if isinstance(form, NamedType) and isinstance(go, Basic):
        try:
            return form.load(zero(go))
        except ValueError:
            return zero(go)  # a class that takes no zero, such as an enumeration
    if isinstance(go, Basic):
        return None if go is INTERFACE else go.python()
    if isinstance(go, ListType):
        return [zero(go.elem) for _ in range(go.length or 0)]
    if isinstance(go, MapType):
        return {}
    return None


def zeros(go: GoType) -> int:
    """Return how many values :func:`zero` makes."""
    go = underlying(go)
    return 1 + (go.length or 0) * zeros(go.elem) if isinstance(go, ListType) else 1


def is_zero(value: Any, go: GoType) -> bool:
    """Return whether Go leaves out a field with this value."""
    go = underlying(go)
    if value is None:
        return True
    if isinstance(go, Basic) and go is not INTERFACE:
        return not value
    if isinstance(go, ListType):
        return go.length is None and not value
    return isinstance(go, BlobType) and not getattr(value, "nonzero", True)
