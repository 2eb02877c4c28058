"""From Python values to a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beesession.codecs.gob.basic_writing import Sink
from beesession.codecs.gob.definitions import Definitions
from beesession.codecs.gob.errors import DEFAULT, Limits, UnencodableError
from beesession.codecs.gob.naming import ANY_MAP
from beesession.codecs.gob.types import FIRST_ID, GoType, StructType, underlying
from beesession.codecs.gob.wire import sint, uint
from beesession.codecs.gob.writing import SIMPLE, alone_text, write_interface, write_key, writer


def dumps(session: Mapping[Any, Any], *, limits: Limits = DEFAULT) -> bytes:
    """Return a session as a stream that beego reads.

    ===================================  ===========================================================
    Python                               Go
    ===================================  ===========================================================
    bool, float, str, bytes, complex     bool, float64, string, []uint8, complex128
    int                                  int; uint64 where that is too small
    list, tuple                          []interface {}
    dict with str, int, or other keys    map[string]interface {}, map[int]..., map[interface {}]...
    None inside of these                 nil
    aware datetime                       time.Time, which the Go program has to have registered
    what :func:`loads` gave              what it was
    a registered class                   the type that it stands for
    ===================================  ===========================================================

    :param limits: what exceeds them could not be read again
    :raises UnencodableError: naming the key whose value has no form in Go. A None right under a key is one: beego reads
        that, and ends with a nil pointer when it saves the session.
    """
    sink = Sink(Definitions(FIRST_ID), limits)
    top = sink.definitions.id_of(ANY_MAP)
    sink.enter(len(session))
    body = bytearray(sint(top) + b"\x00" + uint(len(session)))
    for key, value in session.items():
        try:
            if key.__class__ is str:
                alone_text(key, body, sink)
            else:
                write_key(key, body, sink)
            write = SIMPLE.get(value.__class__)
            if value is None:
                raise UnencodableError("None at the top of a session ends a beego program that saves it")
            if write is not None:
                write(value, body, sink)
            else:
                write_interface(value, body, sink)
        except UnencodableError as error:
            error.key = key
            raise
        except RecursionError:
            raise UnencodableError("it is nested too deep, or contains itself", key) from None
    return _stream(sink, body)


def dump_value(go: GoType, value: Any, *, limits: Limits = DEFAULT) -> bytes:
    """Return a stream of one value of a given type: the reverse of :func:`~beesession.codecs.gob.decoder.load_all`.

    :raises UnencodableError: it is no value of that type
    """
    sink = Sink(Definitions(FIRST_ID), limits)
    body = bytearray(sint(sink.definitions.id_of(go)))
    if not isinstance(underlying(go), StructType):
        body.append(0)
    try:
        writer(go)(value, body, sink)
    except RecursionError:
        raise UnencodableError("it is nested too deep, or contains itself") from None
    return _stream(sink, body)


def _stream(sink: Sink, body: bytearray) -> bytes:
    stream = b"".join((sink.definitions.messages(), uint(len(body)), body))
    if len(stream) > sink.limits.size:
        raise UnencodableError("the stream has more bytes than the limits allow to be read (GOB_LIMITS)")
    return stream
