"""Type definitions of a stream: how they are read, and how ours are written."""

from __future__ import annotations

from typing import NamedTuple

from beesession.codecs.gob.errors import GobError, Limits, UnencodableError
from beesession.codecs.gob.types import (
    FIRST_ID,
    ON_THE_WIRE,
    Basic,
    BlobType,
    GoType,
    ListType,
    MapType,
    StructType,
    underlying,
)
from beesession.codecs.gob.wire import get_sint, get_uint, sint, uint

_LARGEST_ID = 2**31 - 1

# Numbers of the fields of a definition, of which one is sent. The first field of that has the name and the id.
_ARRAY, _SLICE, _STRUCT, _MAP, _FIRST_BLOB, _LAST_BLOB = 1, 2, 3, 4, 5, 7
_COMMON = 1


class Definition(NamedTuple):
    """A type as a stream defines it.

    :ivar kind: which of the fields of a definition was sent
    :ivar name: the type's name, where it has one
    :ivar ids: of its key and elements, or of its fields
    :ivar names: of its fields
    :ivar length: of an array
    """

    kind: int
    name: str
    ids: tuple[int, ...]
    names: tuple[str, ...]
    length: int


class Table:
    """The types that a stream has defined so far.

    :param known: those of the stream's start, which other streams may share
    :ivar size: what :attr:`Limits.types` limits: how many they are, or the fields of the widest one
    """

    def __init__(self, known: Table | None = None) -> None:
        self._definitions: dict[int, Definition] = {} if known is None else dict(known._definitions)
        self._types: dict[int, GoType] = dict(ON_THE_WIRE) if known is None else dict(known._types)
        self.size: int = 0 if known is None else known.size

    def read(self, raw: bytes, at: int, type_id: int, limits: Limits) -> int:
        """Read the definition of a type, and return the position behind it."""
        if not FIRST_ID <= type_id <= _LARGEST_ID or type_id in self._definitions:
            raise GobError(f"type id {type_id} is reserved, or defined twice", at)
        if len(self._definitions) >= limits.types:
            raise GobError(f"there are more than {limits.types} type definitions", at)
        self._definitions[type_id], at = _definition(raw, at, limits)
        self.size = max(self.size, len(self._definitions), len(self._definitions[type_id].names))
        return at

    def get(self, type_id: int, at: int) -> GoType:
        """Return the type with this id.

        :param at: where it was asked for
        :raises GobError: it is not defined, or a part of it is not
        """
        found = self._types.get(type_id)
        if found is not None:
            return found
        made: dict[int, GoType] = {}
        found = self._make(type_id, made, at)
        self._types.update(made)
        return found

    def _make(self, type_id: int, made: dict[int, GoType], at: int) -> GoType:
        found = self._types.get(type_id) or made.get(type_id)
        if found is not None:
            return found
        if type_id not in self._definitions:
            raise GobError(f"type id {type_id} is not defined", at)
        kind, name, ids, names, length = self._definitions[type_id]
        # Each is noted down before its parts are made: a type may be a part of itself.
        if kind in (_ARRAY, _SLICE):
            made[type_id] = list_type = ListType(ON_THE_WIRE[1], length if kind == _ARRAY else None)
            list_type.elem = self._make(ids[0], made, at)
        elif kind == _MAP:
            made[type_id] = map_type = MapType(ON_THE_WIRE[1], ON_THE_WIRE[1])
            map_type.key, map_type.elem = self._make(ids[0], made, at), self._make(ids[1], made, at)
        elif kind == _STRUCT:
            made[type_id] = struct = StructType(name)
            struct.fields = [(name, self._make(part, made, at)) for name, part in zip(names, ids, strict=True)]
        else:
            made[type_id] = BlobType(kind, name)
        return made[type_id]


def _definition(raw: bytes, at: int, limits: Limits) -> tuple[Definition, int]:
    kind, start = get_uint(raw, at)
    if not _ARRAY <= kind <= _LAST_BLOB:
        raise GobError("that is no type definition", at)
    name, ids, names, numbers = "", list[int](), list[str](), [0, 0]
    number, at = 0, start
    # The fields behind the common one are numbers, but for the list of a struct's fields.
    last = {_ARRAY: 3, _SLICE: 2, _STRUCT: 2, _MAP: 3}.get(kind, _COMMON)
    while True:
        delta, at = get_uint(raw, at)
        if delta == 0:
            break
        number += delta
        if number > last:
            raise GobError("a type definition has a field that Go does not know", at)
        if number == _COMMON:
            name, _, at = _name_and_id(raw, at, limits)
        elif kind == _STRUCT:
            names, ids, at = _fields(raw, at, limits)
        else:
            numbers[number - 2], at = get_sint(raw, at)
    delta, at = get_uint(raw, at)
    if delta != 0:
        raise GobError("a type definition defines two types", at)
    if kind == _ARRAY:
        if not 0 <= numbers[1] <= limits.count:
            raise GobError(f"an array has more than {limits.count} elements", at)
        return Definition(kind, name, (numbers[0],), (), numbers[1]), at
    parts = {_SLICE: numbers[:1], _MAP: numbers, _STRUCT: ids}.get(kind, [])
    return Definition(kind, name, tuple(parts), tuple(names), 0), at


def _fields(raw: bytes, at: int, limits: Limits) -> tuple[list[str], list[int], int]:
    count, at = get_uint(raw, at)
    if count > limits.types:
        raise GobError(f"a struct has more than {limits.types} fields", at)
    names, ids = [], []
    for _ in range(count):
        name, type_id, at = _name_and_id(raw, at, limits)
        names.append(name)
        ids.append(type_id)
    if len({*names}) < count:
        raise GobError("a struct has two fields of one name", at)
    return names, ids, at


def _name_and_id(raw: bytes, at: int, limits: Limits) -> tuple[str, int, int]:
    """Read a struct of a name and an id, each of which may be left out."""
    name, type_id, number = "", 0, 0
    while True:
        delta, at = get_uint(raw, at)
        if delta == 0:
            return name, type_id, at
        number += delta
        if number == 1:
            length, at = get_uint(raw, at)
            if length > limits.length or length > len(raw) - at:
                raise GobError("a name is longer than the stream, or than the limit", at)
            name = raw[at : at + length].decode("utf-8", "surrogateescape")
            at += length
        elif number == 2:
            type_id, at = get_sint(raw, at)
        else:
            raise GobError("a type definition has a field that Go does not know", at)


_MESSAGES: dict[tuple[str | GoType, int], bytes] = {}
_MOST_MESSAGES = 500


class Definitions:
    """The definitions that a stream of ours starts with, one for each form that it has."""

    def __init__(self, first_id: int) -> None:
        self._messages = bytearray()
        self._ids: dict[str | GoType, int] = {}
        self._next = first_id
        # A struct is defined when all values are written: they may have fields that its class has not.
        self._structs: list[tuple[StructType, int]] = []
        self._foreign: dict[int, dict[str, tuple[int, GoType]]] = {}

    def messages(self) -> bytes:
        """Return them as messages, once all values are written."""
        for struct, type_id in self._structs:  # it grows while it is gone through
            self._messages += self._message(struct, struct, type_id)
        self._structs.clear()
        return bytes(self._messages)

    def number_of(self, struct: StructType, name: str, go: GoType) -> int:
        """Return the number of a field that only Go has, among those of a struct in this stream.

        :raises UnencodableError: values of two versions of the struct are in one stream
        """
        fields = self._foreign.setdefault(self.id_of(struct), {})
        number, known = fields.setdefault(name, (len(struct.fields) + len(fields), go))
        if known is not go and known.signature != go.signature:
            raise UnencodableError(f"it has structs of two versions, which differ in the field {name}")
        return number

    def id_of(self, go: GoType) -> int:
        """Return the id of a type in this stream; define it, and what it is made of, where that is to be done."""
        go = underlying(go)
        if isinstance(go, Basic):
            return go.id
        found = self._ids.get(go)
        if found is None:
            return self._new_id(go, go.signature)
        return found

    def _part(self, go: GoType) -> int:
        """Return the id of a part of a type that is being defined, of which this is known to be a part."""
        go = underlying(go)
        if isinstance(go, Basic):
            return go.id
        found = self._ids.get(go)
        if found is None:
            # Within a cycle each type is one of its own: to compare each with all others would take too long.
            return self._new_id(go, go.known_signature or go)
        return found

    def _new_id(self, go: GoType, key: str | GoType) -> int:
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = self._ids[go] = self._next
            self._next += 1
            if isinstance(go, StructType):
                self._structs.append((go, found))
            else:
                self._messages += _MESSAGES.get((key, found)) or self._message(go, key, found)
        else:
            self._ids[go] = found
        return found

    def _message(self, go: GoType, key: str | GoType, type_id: int) -> bytes:
        content = sint(-type_id) + self._content(go, type_id)
        message = uint(len(content)) + content
        if isinstance(go, (ListType, MapType)) and len(_MESSAGES) < _MOST_MESSAGES:
            _, parts = go.parts()
            # With no other ids in it, it is the same in each stream.
            if isinstance(key, str) and all(isinstance(underlying(part), Basic) for part in parts):
                _MESSAGES[key, type_id] = message
        return message

    def _content(self, go: GoType, type_id: int) -> bytes:
        end = b"\x00"
        if isinstance(go, ListType) and go.length is None:
            return b"\x02" + _common("", type_id) + b"\x01" + sint(self._part(go.elem)) + end + end
        if isinstance(go, ListType):
            size = b"\x01" + sint(go.length or 0) if go.length else b""
            return b"\x01" + _common("", type_id) + b"\x01" + sint(self._part(go.elem)) + size + end + end
        if isinstance(go, MapType):
            key, elem = sint(self._part(go.key)), sint(self._part(go.elem))
            return b"\x04" + _common("", type_id) + b"\x01" + key + b"\x01" + elem + end + end
        if isinstance(go, StructType):
            foreign = [(name, part) for name, (_, part) in self._foreign.get(type_id, {}).items()]
            fields = [_common(name, self._part(part), first=False) for name, part in (*go.fields, *foreign)]
            listed = b"\x01" + uint(len(fields)) + b"".join(fields) if fields else b""
            return b"\x03" + _common(go.name, type_id) + listed + end + end
        assert isinstance(go, BlobType), "there are no other types"
        return uint(go.id) + _common(go.name, type_id) + end + end


def _common(name: str, type_id: int, *, first: bool = True) -> bytes:
    """Return a struct of a name and an id, as the first field of another struct or by itself."""
    text = name.encode("utf-8", "surrogateescape")
    named = b"\x01" + uint(len(text)) + text + b"\x01" if text else b"\x02"
    return (b"\x01" if first else b"") + named + sint(type_id) + b"\x00"
