"""How values are read: a function for each pair of a Go type and a form on the wire.

Such a function, a :data:`Reader`, takes the bytes of the stream, a position and the state of the stream, and returns
the value and the position behind it. It is made once for each type of a stream, and kept with the stream's definitions,
which the next stream of the same writer has in common with it. As with the numbers
(:mod:`~beesession.codecs.gob.wire`), nobody looks whether a value ends within its message until the next place where a
message may end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beesession.codecs.gob.basic_reading import QUICK, READERS, SHORT, read_bytes, read_text
from beesession.codecs.gob.definitions import Table
from beesession.codecs.gob.errors import GobError
from beesession.codecs.gob.registry import REGISTRY
from beesession.codecs.gob.spelling import LONGEST
from beesession.codecs.gob.state import Known, Reader, State, after_zero, behind_zero
from beesession.codecs.gob.types import (
    BASICS,
    INTERFACE,
    Basic,
    BlobType,
    GoType,
    ListType,
    MapType,
    NamedType,
    StructType,
    fits,
    underlying,
)
from beesession.codecs.gob.values import Fields, Key, Map, Opaque, Slice
from beesession.codecs.gob.wire import get_uint, sint, uint

_MOST_HEADS = 200
_SHOWN = 60  # characters of a name, in an error


def new_known(table: Table, *, is_careful: bool = False) -> Known:
    """Return what is known of a stream that has defined these types.

    :param is_careful: take no short cuts; they raise UnicodeDecodeError where text is no UTF-8
    """
    return Known(table, _reader, _HEADS, version=REGISTRY.version, is_careful=is_careful)


# Interfaces ---------------------------------------------------------------------------------------------------------


def _interface(raw: bytes, at: int, state: State) -> tuple[Any, int]:
    length = raw[at]
    if length == 0:
        return None, at + 1
    id_at = at + 1 + length
    if length < SHORT and id_at < state.end:
        if length == _TEXT:
            text_at = at + _TEXT_HEAD
            size = _TEXT_SIZES.get(raw[at:text_at])
            if size is not None:
                end = text_at + size
                return raw[text_at:end].decode(), end
        elif raw[id_at + 1] == _ONE_BYTE:
            end = id_at + _ONE_BYTE_END
            small = _ONE_BYTE_VALUES.get(raw[at:end])
            if small is not None:
                return small, end
        elif length == _INT:
            number_at = at + _INT_HEAD
            size = _INT_SIZES.get(raw[at:number_at])
            if size is not None:
                end = number_at + size
                number = int.from_bytes(raw[number_at:end], "big")
                return (~(number >> 1) if number & 1 else number >> 1), end
        first = raw[id_at]
        count_at = id_at + 1 if first < SHORT else id_at + 257 - first
        reader = state.heads.get(raw[at:count_at])
        if reader is not None:
            if raw[count_at] < SHORT:
                return reader(raw, count_at + 1, state)
            _, at = get_uint(raw, count_at)
            return reader(raw, at, state)
    return _strange_interface(raw, at, state)


# A short text as Go writes it: name, id, byte count, the zero, and the length of the text.
_TEXT = 6
_TEXT_SIZES = {b"\x06string\x0c%c\x00%c" % (size + 2, size): size for size in range(SHORT - 2)}
_TEXT_HEAD = 11

_KEYS = frozenset({str, int})

# What takes one byte, in the same way, whole: name, id, the byte count of two, the zero, and that byte.
# An integer of several bytes: name, id, byte count, the zero, and how many bytes come.
_INT = 3
_INT_SIZES = {b"\x03int\x04%c\x00%c" % (size + 2, 256 - size): size for size in range(1, 9)}
_INT_HEAD = 8

_ONE_BYTE = 2
_ONE_BYTE_END = 4
_ONE_BYTE_VALUES: dict[bytes, int] = {
    **{b"\x03int\x04\x02\x00" + sint(number): number for number in range(-64, 64)},
    b"\x04bool\x02\x02\x00\x00": False,
    b"\x04bool\x02\x02\x00\x01": True,
}


def _strange_interface(raw: bytes, at: int, state: State) -> tuple[Any, int]:
    """Read an interface whose type this stream has not had before."""
    start = at
    length, at = get_uint(raw, at)
    if length == 0:
        return None, at
    if length > LONGEST or length > len(raw) - at:
        raise GobError("a type's name is longer than Go allows", start)
    name = raw[at : at + length].decode("utf-8", "surrogateescape")
    at += length
    type_id, end = state.type_id(raw, at, inside=True)
    head = raw[start:end]
    # In other cases there is a definition between name and id, or one of them is written in its own way.
    is_plain = head == uint(length) + raw[end - len(head) + len(uint(length)) : at] + sint(type_id)
    is_kept = is_plain and len(head) < SHORT and len(state.heads) < _MOST_HEADS
    if not is_kept:
        state.own()  # so that what is made for it goes with the stream
    wire = state.known.table.get(type_id, at)
    reader = _alone(name, wire, state.known, at)
    if is_kept:
        state.heads[head] = reader
    _, at = get_uint(raw, end)
    return reader(raw, at, state)


def _alone(name: str, wire: GoType, known: Known, at: int) -> Reader:
    """Return what reads the content of an interface: a struct as it is, all else after a zero."""
    go = REGISTRY.named(name)
    if wire is INTERFACE:
        raise GobError("an interface holds an interface, which no value is", at)
    if go is None:
        read = known.reader(wire, wire)
    elif fits(go, wire):
        read = known.reader(go, wire)
    else:
        raise GobError(f"a {name[:_SHOWN]!r} is written as something else", at)
    wrap = _wrapping(name, go, wire)
    if name in _QUICK and not known.is_careful:
        read = _QUICK[name]
    elif not isinstance(wire, StructType):
        read = behind_zero(read)
    return read if wrap is None else _wrapped(read, wrap)


def _wrapped(read: Reader, wrap: Callable[[Any], Any]) -> Reader:
    def wrapped(raw: bytes, at: int, state: State) -> tuple[Any, int]:
        value, at = read(raw, at, state)
        return wrap(value), at

    return wrapped


def _wrapping(name: str, go: GoType | None, wire: GoType) -> Callable[[Any], Any] | None:
    """Return what makes a value of this type tell its type; None where it does so itself."""
    if go is None:
        return lambda value: Opaque(name, wire, value)
    if isinstance(go, Basic):
        return None if go.python in _PLAIN else go.python
    if isinstance(go, ListType):
        return None if name == "[]interface {}" else Slice.of(name)
    if isinstance(go, MapType):
        return None if name == "map[string]interface {}" else Map.of(name)
    return None


_PLAIN = frozenset({bool, int, float, complex, str, bytes, object})


# Types that are made of others --------------------------------------------------------------------------------------


def _list(go: ListType, wire: ListType, known: Known) -> Reader:
    read, length = known.reader(go.elem, wire.elem), wire.length

    def list_(raw: bytes, at: int, state: State) -> tuple[list[Any], int]:
        count, at = state.enter(raw, at)
        if length is not None and count != length:
            raise GobError(f"an array of {length} elements has {count}", at)
        values = []
        for _ in range(count):
            value, at = read(raw, at, state)
            values.append(value)
        state.depth += 1
        return values, at

    return list_


def _map(go: MapType, wire: MapType, known: Known) -> Reader:
    read_key, read_value = known.reader(go.key, wire.key), known.reader(go.elem, wire.elem)
    needs_no_wrapping = _keys_of(go.key)

    def map_(raw: bytes, at: int, state: State) -> tuple[dict[Any, Any], int]:
        count, at = state.enter(raw, at)
        values = {}
        for _ in range(count):
            key, at = read_key(raw, at, state)
            if key.__class__ not in needs_no_wrapping:
                key = Key(key)
            values[key], at = read_value(raw, at, state)
        state.depth += 1
        return values, at

    return map_


def _any_map(raw: bytes, at: int, state: State) -> tuple[dict[Any, Any], int]:
    """Read what a whole session is: as :func:`_map` makes it, with what most entries are in place."""
    count, at = state.enter(raw, at)
    values: dict[Any, Any] = {}
    end, followers = state.end, state.known.followers
    key: Any = None
    for _ in range(count):
        # Mostly a key comes behind the one that it came behind before: then its text is known.
        written, size, text = followers.get(key, _NO_GUESS)
        if raw.startswith(written, at) and at + size < end:
            key = text
            at += size
        else:
            key, at = _next_key(raw, at, state, key)
            end = state.end
        if raw[at] == _TEXT:
            text_at = at + _TEXT_HEAD
            length = _TEXT_SIZES.get(raw[at:text_at])
            if length is not None and text_at < end:
                at = text_at + length
                values[key] = raw[text_at:at].decode()
                continue
        values[key], at = _interface(raw, at, state)
        end = state.end
    state.depth += 1
    return values, at


_NO_GUESS = (b"", 2**63, None)  # longer than any stream


def _next_key(raw: bytes, at: int, state: State, before: Any) -> tuple[Any, int]:
    """Read a key of a session that could not be guessed, and have it be the guess behind that key from now on."""
    start, end, followers = at, state.end, state.known.followers
    key, at = _interface(raw, at, state)
    if key.__class__ not in _KEYS:
        return Key(key), at
    size = at - start
    is_shared = state.known.followers is followers  # and so what was read has not defined a type
    if is_shared and before not in followers and size < SHORT and at < end and len(followers) < _MOST_HEADS:
        followers[before] = raw[start:at], size, key
    return key, at


def _any_list(raw: bytes, at: int, state: State) -> tuple[list[Any], int]:
    """Read the content of an interface that holds ``[]interface {}``, likewise."""
    count, at = state.enter(raw, at + 1 if raw[at] == 0 else after_zero(raw, at))
    values: list[Any] = []
    end = state.end
    for _ in range(count):
        if raw[at] == _TEXT:
            text_at = at + _TEXT_HEAD
            length = _TEXT_SIZES.get(raw[at:text_at])
            if length is not None and text_at < end:
                at = text_at + length
                values.append(raw[text_at:at].decode())
                continue
        value, at = _interface(raw, at, state)
        values.append(value)
        end = state.end
    state.depth += 1
    return values, at


def _text_map(raw: bytes, at: int, state: State) -> tuple[dict[str, Any], int]:
    """Read the content of an interface that holds ``map[string]interface {}``, likewise."""
    count, at = state.enter(raw, at + 1 if raw[at] == 0 else after_zero(raw, at))
    values: dict[str, Any] = {}
    end = state.end
    for _ in range(count):
        size = raw[at]
        if size < SHORT:
            text_at = at + 1
            at = text_at + size
            key = raw[text_at:at].decode()
        else:
            key, at = read_text(raw, at, state)
        if raw[at] == _TEXT:
            text_at = at + _TEXT_HEAD
            length = _TEXT_SIZES.get(raw[at:text_at])
            if length is not None and text_at < end:
                at = text_at + length
                values[key] = raw[text_at:at].decode()
                continue
        values[key], at = _interface(raw, at, state)
        end = state.end
    state.depth += 1
    return values, at


_QUICK: dict[str, Reader] = {"[]interface {}": _any_list, "map[string]interface {}": _text_map}


def _keys_of(go: GoType) -> frozenset[type]:
    """Return the classes of what can be the key of a dict as it is, of the keys of this type."""
    if go is INTERFACE:
        return _KEYS
    go = underlying(go)
    return frozenset({go.python, *go.python.__mro__}) if isinstance(go, Basic) else frozenset()


def _struct(go: StructType, wire: StructType, known: Known) -> Reader:
    by_name = go.by_name
    readers = [(name, known.reader(by_name.get(name, part), part)) for name, part in wire.fields]
    build, last, zeros = go.build, len(readers), go.zeros
    foreign = {name: part for name, part in wire.fields if name not in by_name}

    def struct(raw: bytes, at: int, state: State) -> tuple[Any, int]:
        state.left -= zeros
        state.enter_struct(at)
        sent = Fields()
        number = -1
        # What ends with its message needs no zero at its end.
        while at < state.end:
            delta, at = get_uint(raw, at)
            if delta == 0:
                break
            number += delta
            if number >= last:
                raise GobError("a struct has no such field", at)
            name, read = readers[number]
            sent[name], at = read(raw, at, state)
            state.left -= 1
        state.depth += 1
        return (sent if build is None else build(sent, foreign)), at

    return struct


def _named(go: NamedType, wire: GoType, known: Known) -> Reader:
    read, load, name = known.reader(go.under, wire), go.load, go.python.__name__

    def named(raw: bytes, at: int, state: State) -> tuple[Any, int]:
        value, end = read(raw, at, state)
        try:
            return load(value), end
        except (ValueError, OverflowError):
            # What the error says may be what the session holds.
            raise GobError(f"a value is none that a {name} can have", at) from None

    return named


def _reader(go: GoType, wire: GoType, known: Known) -> Reader:
    if isinstance(go, NamedType):
        return _named(go, wire, known)
    if isinstance(go, Basic):
        return _strange_interface if go is INTERFACE and known.is_careful else READERS[go]
    if isinstance(go, ListType) and isinstance(wire, ListType):
        return _list(go, wire, known)
    if isinstance(go, MapType) and isinstance(wire, MapType):
        is_any = go.key is go.elem is INTERFACE and not known.is_careful
        return _any_map if is_any else _map(go, wire, known)
    if isinstance(go, StructType) and isinstance(wire, StructType):
        return _struct(go, wire, known)
    assert isinstance(go, BlobType), "there are no other types that fit"
    return read_bytes


READERS[INTERFACE] = _interface

_HEADS: dict[bytes, Reader] = {}
for _type in BASICS.values():
    if _type is not INTERFACE:
        _head = uint(len(_type.spelling)) + _type.spelling.encode() + sint(_type.id)
        _HEADS[_head] = QUICK.get(_type) or _alone(_type.spelling, _type, new_known(Table()), 0)
