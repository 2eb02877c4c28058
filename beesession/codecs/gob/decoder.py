"""From a stream to Python values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beesession.codecs.gob.basic_reading import SHORT
from beesession.codecs.gob.definitions import Table
from beesession.codecs.gob.errors import DEFAULT, GobError, Limits
from beesession.codecs.gob.reading import new_known
from beesession.codecs.gob.registry import REGISTRY
from beesession.codecs.gob.state import Known, State
from beesession.codecs.gob.types import INTERFACE, GoType, MapType
from beesession.codecs.gob.wire import get_sint, get_uint

_LONGEST_START = 4096
_MOST_STARTS = 64

_starts: dict[bytes, Known] = {}


def loads(raw: bytes, *, limits: Limits = DEFAULT) -> dict[Any, Any]:
    """Return the session in a stream of beego's. What follows it in the stream is ignored, as beego does.

    Keys that Go has as ``string`` and ``int`` are str and int; all others are wrapped, see
    :class:`~beesession.codecs.gob.Key`.

    :raises GobError: it is no such stream, or exceeds a limit
    """
    session: dict[Any, Any]
    _, session, _ = _value(raw, None, limits, only_sessions=True)
    return session


def load_all(raw: bytes, *, limits: Limits = DEFAULT) -> Iterator[tuple[GoType, Any]]:
    """Yield each value of a stream of any kind, with its type as the stream defines it.

    :raises GobError: it is no gob stream, or exceeds a limit
    """
    state = None
    while state is None or state.end < len(raw):
        go, value, state = _value(raw, state, limits, only_sessions=False)
        yield go, value


def _value(
    raw: bytes, before: State | None, limits: Limits, *, only_sessions: bool, carefully: bool = False
) -> tuple[GoType, Any, State]:
    """Read the next value of a stream; return its type, its content, and the state of the stream behind it.

    :param before: the state of the stream; None at its start
    :param only_sessions: it has to be a ``map[interface{}]interface{}``, which beego's sessions are
    :param carefully: for text that is no UTF-8
    """
    if len(raw) > limits.size:
        raise GobError(f"the stream has more than {limits.size} bytes", limits.size)
    try:
        if before is None:
            start, at, end = _first_value(raw)
            known = _known(raw[:start], limits)
        else:
            known, at, end = before.known, before.end, before.end
        state = State(new_known(Table(known.table), is_careful=True) if carefully else known, end, limits)
        type_id, at = get_sint(raw, at) if before is None else state.type_id(raw, at, inside=False)
        wire, read = state.known.top(type_id, at)
        if only_sessions and (wire.__class__ is not MapType or not wire.key is wire.elem is INTERFACE):
            raise GobError("the value of the stream is of another type", at)
        value, at = read(raw, at, state)
    except IndexError:
        raise GobError("the stream ends within a value", len(raw)) from None
    except GobError as error:
        # A short value is not looked at when it is cut off, and what follows it then begins behind the end.
        raise error if error.offset <= len(raw) else GobError("the stream ends within a value", len(raw)) from None
    except UnicodeDecodeError:
        return _value(raw, before, limits, only_sessions=only_sessions, carefully=True)
    except RecursionError:
        raise GobError("values are nested deeper than Python can follow", 0) from None
    if at > state.end:
        raise GobError("a value is longer than its message", state.end)
    return wire, value, state


def _known(start: bytes, limits: Limits) -> Known:
    """Return what is known of a stream that starts with these definitions, from another stream if there was one."""
    known = _starts.get(start)
    if known is not None and known.version == REGISTRY.version and known.table.size <= limits.types:
        return known
    known, at = new_known(Table()), 0
    while at < len(start):
        length, at = get_uint(start, at)
        end = at + length
        type_id, at = get_sint(start, at)
        at = known.table.read(start, at, -type_id, limits)
        if at != end:
            raise GobError("something follows a type definition in its message, or it is longer than that", at)
    if len(start) <= _LONGEST_START:
        if len(_starts) >= _MOST_STARTS:
            _starts.clear()
        _starts[start] = known
    return known


def _first_value(raw: bytes) -> tuple[int, int, int]:
    """Return where the message of the first value begins, its content, and where it ends.

    All messages before it are definitions.
    """
    begin, size = 0, len(raw)
    while begin < size:
        length = raw[begin]
        at = begin + 1
        if length >= SHORT:
            length, at = get_uint(raw, begin)
        if length == 0:
            raise GobError("a message is empty", begin)
        end = at + length
        if end > size:
            raise GobError("a message is longer than what is left of the stream", begin)
        first = raw[at]
        # The sign of a number is its last bit.
        if not (first if first < SHORT else raw[at + 256 - first]) & 1:
            return begin, at, end
        begin = end
    raise GobError("the stream has no value", size)
