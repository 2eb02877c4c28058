"""Which Python classes stand for which named Go types, and under which names those travel.

A value in an interface carries the name under which the Go program has registered its type: the import path and the
name, as in ``example.com/app/models.User`` (``main.User`` in package main), and for a pointer ``*models.User``, with no
path. Inside the spelling of another type there is no path either: ``[]models.User``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, overload

from beesession.codecs.gob.spelling import LONGEST, parse
from beesession.codecs.gob.structs import struct_type
from beesession.codecs.gob.types import BYTES, FLOAT64, INT, STRING, GoType, NamedType

C = TypeVar("C", bound=type)

_UNDER: tuple[tuple[type, GoType], ...] = ((int, INT), (float, FLOAT64), (str, STRING), (bytes, BYTES))


class Registered(NamedTuple):
    """A class and the Go type that it stands for."""

    name: str
    go: GoType


class Registry:
    """The named types of this process.

    :ivar version: changes with each registration
    """

    def __init__(self) -> None:
        self.version = 0
        self.by_class: dict[type, Registered] = {}
        self._by_name: dict[str, GoType] = {}
        self._in_spellings: dict[str, GoType] = {}
        self._parsed: dict[str, GoType | None] = {}

    def add(self, cls: type, name: str, go: GoType) -> None:
        """Note down that ``cls`` stands for the Go type which travels under ``name``.

        :raises ValueError: the name cannot be one of a named Go type, or is another class's
        """
        short = name.lstrip("*").rpartition("/")[2]
        package, _, own = short.partition(".")
        if not (package and own) or len(name.encode()) > LONGEST or "[" in name or " " in name:
            raise ValueError(f"{name!r} is no name of a Go type; it looks like 'main.User' or 'example.com/app.User'")
        other = next(
            (each for each, entry in self.by_class.items() if entry.name == name and not _same(each, cls)), None
        )
        if other is not None:
            raise ValueError(f"the name {name!r} is that of {other.__qualname__} already")
        self.by_class[cls] = Registered(name, go)
        self._by_name[name] = go
        self._in_spellings[short] = go
        self._parsed.clear()
        self.version += 1

    def named(self, name: str) -> GoType | None:
        """Return the type that travels under this name; None where nobody has registered it."""
        try:
            return self._parsed[name]
        except KeyError:
            pass
        version, found = self.version, self._by_name.get(name)
        if found is None and not name.startswith("*"):
            try:
                found = parse(name, self._in_spellings)
            except LookupError:
                found = None
            # Only what is made of other types travels under its spelling.
            if found is not None and name in self._in_spellings:
                found = None
        if len(self._parsed) < _REMEMBERED and version == self.version:
            self._parsed[name] = found
        return found


_REMEMBERED = 1000

REGISTRY = Registry()


@overload
def register(cls: C, name: str) -> C: ...
@overload
def register(cls: str) -> Callable[[C], C]: ...


def register(cls: Any, name: str | None = None) -> Any:
    """Have a class of yours stand for a named Go type.

    A dataclass stands for a struct. Its fields have the names of those of Go, or say them:
    ``user_id: int = field(default=0, metadata={"gob": "UserID"})``. What an annotation does not tell, it is told:
    ``Annotated[int, "int64"]``; ``X | None`` is a pointer. An object that is read is made without ``__init__``: a field
    that was not sent has Go's zero value. Fields that only Go has are kept aside, and written back.

    A subclass of int, float, str or bytes stands for a type of that form, such as ``type Celsius float64``.

    >>> @register("main.User")
    ... @dataclasses.dataclass
    ... class User:
    ...     ID: int = 0
    ...     Name: str = ""

    :param cls: the class; as a decorator, the name
    :param name: what the Go program registers the type under: import path and name, as in ``example.com/app.User``
        (``main.User`` for package main); for a pointer to it ``*app.User``
    :raises TypeError: it is no such class, or an annotation has no form in Go; the message names the field
    :raises ValueError: the name is none of a Go type, or another class's
    """
    if isinstance(cls, str) and name is None:
        return lambda decorated: register(decorated, cls)
    if not isinstance(cls, type) or not isinstance(name, str):
        raise TypeError("register takes a class and the name of its Go type, or that name alone, as a decorator")
    REGISTRY.add(cls, name, _type_of(cls, name))
    return cls


def register_encoded(
    cls: type,
    name: str,
    form: GoType,
    load: Callable[[Any], Any],
    dump: Callable[[Any], Any],
    *,
    accepts: type | None = None,
) -> None:
    """Have a class stand for a Go type of any form, such as one that encodes itself (a BlobType).

    :param form: how it is written
    :param load: makes an object from a value of that form; raises ValueError for what the type would refuse
    :param dump: the reverse
    :param accepts: a base of the class, objects of which may stand in its place in what is written
    """
    REGISTRY.add(cls, name, NamedType(form, cls, load, dump, accepts))


def _type_of(cls: type, name: str) -> GoType:
    if dataclasses.is_dataclass(cls):
        return struct_type(cls, name.rpartition(".")[2], REGISTRY.by_class)
    for base, form in _UNDER:
        if issubclass(cls, base) and cls not in (base, bool):
            return NamedType(form, cls, cls, _unchanged)
    raise TypeError(f"{cls.__qualname__} is no dataclass, nor a subclass of int, float, str or bytes")


def _unchanged(value: Any) -> Any:
    # Not as the base makes one of it: str() of a member of an enumeration is its name.
    return value


def _same(one: type, other: type) -> bool:
    # A module may be reloaded, which makes each class of it anew.
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
