"""How values are written: the reverse of :mod:`~beesession.codecs.gob.reading`."""

from __future__ import annotations

from typing import Any

from beesession.codecs.gob.basic_writing import WRITERS, Sink, Writer, is_no, text, write_bytes
from beesession.codecs.gob.errors import UnencodableError
from beesession.codecs.gob.naming import INT_MAP, LIST, TEXT_MAP, TOO_LARGE, named, type_of_dict
from beesession.codecs.gob.types import (
    BYTES,
    INTERFACE,
    Basic,
    BlobType,
    GoType,
    ListType,
    MapType,
    NamedType,
    StructType,
    underlying,
)
from beesession.codecs.gob.values import FOREIGN, Key, Opaque
from beesession.codecs.gob.wire import double, sint, uint

# Interfaces ---------------------------------------------------------------------------------------------------------


def write_interface(value: Any, out: bytearray, sink: Sink) -> None:
    write = SIMPLE.get(value.__class__)
    if write is not None:
        write(value, out, sink)
        return
    name, go, content = named(value)
    _enclose(name.encode("utf-8", "surrogateescape"), go, writer(go), content, out, sink)


def _enclose(name: bytes, go: GoType, write: Writer, value: Any, out: bytearray, sink: Sink) -> None:
    body = bytearray()
    if not isinstance(underlying(go), StructType):
        body.append(0)
    write(value, body, sink)
    out += uint(len(name)) + name + sint(sink.definitions.id_of(go)) + uint(len(body))
    out += body


def _nil(value: None, out: bytearray, sink: Sink) -> None:
    out.append(0)


def _alone_int(value: int, out: bytearray, sink: Sink) -> None:
    if -64 <= value < 64:
        out += _INT_HEAD
        out.append(2)
        out.append(0)
        out.append(value << 1 if value >= 0 else ~value << 1 | 1)
        return
    spelling = b"\x03int\x04"
    if -(2**63) <= value < 2**63:
        number = sint(value)
    elif 0 <= value < 2**64:
        spelling, number = b"\x06uint64\x06", uint(value)
    else:
        raise UnencodableError(TOO_LARGE)
    out += spelling
    out.append(1 + len(number))
    out.append(0)
    out += number


_INT_HEAD = b"\x03int\x04"


def _alone_float(value: float, out: bytearray, sink: Sink) -> None:
    number = double(value)
    out += b"\x07float64\x08"
    out.append(1 + len(number))
    out.append(0)
    out += number


def _alone_bool(value: bool, out: bytearray, sink: Sink) -> None:
    out += b"\x04bool\x02\x02\x00\x01" if value else b"\x04bool\x02\x02\x00\x00"


def alone_text(value: str, out: bytearray, sink: Sink) -> None:
    data = text(value)
    length = len(data)
    if length < _SHORT:
        out += _TEXT_HEADS[length]
    else:
        sink.demand_length(length)
        out += _text_head(length)
    out += data


def _text_head(length: int) -> bytes:
    size = uint(length)
    return b"\x06string\x0c" + uint(1 + len(size) + length) + b"\x00" + size


_SHORT = 128
_TEXT_HEADS = [_text_head(length) for length in range(_SHORT)]


def _alone_list(value: list[Any], out: bytearray, sink: Sink) -> None:
    sink.enter(len(value))
    body = bytearray(b"\x00")
    body += uint(len(value))
    for item in value:
        write = SIMPLE.get(item.__class__)
        if write is not None:
            write(item, body, sink)
        else:
            write_interface(item, body, sink)
    sink.depth += 1
    out += b"\x0e[]interface {}" + sint(sink.definitions.id_of(LIST)) + uint(len(body))
    out += body


def _alone_dict(value: dict[Any, Any], out: bytearray, sink: Sink) -> None:
    go = type_of_dict(value)
    if go is not TEXT_MAP:
        spelling = b"map[int]interface {}" if go is INT_MAP else b"map[interface {}]interface {}"
        _enclose(spelling, go, writer(go), value, out, sink)
        return
    sink.enter(len(value))
    body = bytearray(b"\x00")
    body += uint(len(value))
    for key, item in value.items():
        data = text(key)
        length = len(data)
        if length >= _SHORT:
            sink.demand_length(length)
        body += uint(length)
        body += data
        write = SIMPLE.get(item.__class__)
        if write is not None:
            write(item, body, sink)
        else:
            write_interface(item, body, sink)
    sink.depth += 1
    out += b"\x17map[string]interface {}" + sint(sink.definitions.id_of(TEXT_MAP)) + uint(len(body))
    out += body


SIMPLE: dict[type, Writer] = {
    type(None): _nil,
    int: _alone_int,
    float: _alone_float,
    bool: _alone_bool,
    str: alone_text,
    list: _alone_list,
    tuple: _alone_list,
    dict: _alone_dict,
}


# Types that are made of others --------------------------------------------------------------------------------------


def _list(go: ListType) -> Writer:
    write, length = _later(go.elem), go.length

    def list_(value: Any, out: bytearray, sink: Sink) -> None:
        if not isinstance(value, (list, tuple)):
            raise is_no(value, "slice")
        if length is not None and len(value) != length:
            raise UnencodableError(f"it has {len(value)} elements where its Go type is an array of {length}")
        sink.enter(len(value))
        out += uint(len(value))
        for item in value:
            write(_not_nil(item, go.elem), out, sink)
        sink.depth += 1

    return list_


_KEYS = {str, int, float, bool, type(None)}


def write_key(value: Any, out: bytearray, sink: Sink) -> None:
    """Write the key of a map whose keys are interfaces.

    :raises UnencodableError: Go, too, cannot have such a key, and a beego program ends when it reads one
    """
    if isinstance(value, Key):
        value = value.value
    if value.__class__ not in _KEYS:
        _, go, _ = named(value)
        form = underlying(go)
        if form is BYTES or isinstance(form, MapType) or (isinstance(form, ListType) and form.length is None):
            raise UnencodableError(f"a {type(value).__name__} is no key of a map in Go")
    write_interface(value, out, sink)


def _map(go: MapType) -> Writer:
    write_each, write_value = write_key if go.key is INTERFACE else _later(go.key), _later(go.elem)

    def map_(value: Any, out: bytearray, sink: Sink) -> None:
        if not isinstance(value, dict):
            raise is_no(value, "map")
        sink.enter(len(value))
        out += uint(len(value))
        for key, item in value.items():
            write_each(key.value if isinstance(key, Key) else key, out, sink)
            write_value(_not_nil(item, go.elem), out, sink)
        sink.depth += 1

    return map_


def _struct(go: StructType) -> Writer:
    writers = {name: (number, _later(part)) for number, (name, part) in enumerate(go.fields)}
    take_apart, python, zeros = go.take_apart, go.python, go.zeros

    def struct(value: Any, out: bytearray, sink: Sink) -> None:
        sink.enter(0)
        if take_apart is None:
            sent = value
        elif python is not None and isinstance(value, python):
            sent = take_apart(value)
        else:
            raise is_no(value, go.name)
        # As they are counted when they are read, where those of a class that were not sent are values, too.
        sink.left -= len(sent) + zeros
        before = -1
        for name, item in sent.items():
            number, write = writers[name]
            out += uint(number - before)
            before = number
            write(item, out, sink)
        foreign = getattr(value, FOREIGN, None) if python is not None else None
        if foreign is not None:
            sink.left -= len(foreign)
            numbers = {name: sink.definitions.number_of(go, name, foreign.types[name]) for name in foreign}
            for name in sorted(numbers, key=numbers.__getitem__):
                out += uint(numbers[name] - before)
                before = numbers[name]
                writer(foreign.types[name])(foreign[name], out, sink)
        out.append(0)
        sink.depth += 1

    return struct


def _named(go: NamedType) -> Writer:
    write, accepts, dump = _later(go.under), go.accepts, go.dump

    def named(value: Any, out: bytearray, sink: Sink) -> None:
        if isinstance(value, Opaque):
            write(value.value, out, sink)
            return
        if not isinstance(value, accepts):
            raise is_no(value, go.python.__name__)
        try:
            content = dump(value)
        except UnencodableError:
            raise
        except ValueError:
            # What the error says may be what the session holds.
            raise UnencodableError(f"it has a {accepts.__name__} that Go does not take") from None
        write(content, out, sink)

    return named


def _not_nil(value: Any, go: GoType) -> Any:
    if value is None and go is not INTERFACE:
        raise UnencodableError("it has a None among the elements of a Go type that has no nil")
    return value


def _later(go: GoType) -> Writer:
    """Return the writer of a part, which is made when it is first needed: a type may be a part of itself."""
    return writer(go) if isinstance(go, Basic) else lambda value, out, sink: writer(go)(value, out, sink)


WRITERS[INTERFACE] = write_interface


def writer(go: GoType) -> Writer:
    """Return what writes values of a type."""
    if isinstance(go, Basic):
        return WRITERS[go]
    found: Writer | None = go.__dict__.get("writer")
    if found is None:
        found = go.__dict__["writer"] = _make(go)
    return found


def _make(go: GoType) -> Writer:
    if isinstance(go, ListType):
        return _list(go)
    if isinstance(go, MapType):
        return _map(go)
    if isinstance(go, StructType):
        return _struct(go)
    if isinstance(go, NamedType):
        return _named(go)
    assert isinstance(go, BlobType), "there are no other types"
    return write_bytes
