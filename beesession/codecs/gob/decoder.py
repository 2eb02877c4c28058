"""From a stream to Python values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beesession.codecs.gob.definitions import Table
from beesession.codecs.gob.errors import DEFAULT, GobError, Limits
from beesession.codecs.gob.reading import new_known
from beesession.codecs.gob.registry import REGISTRY
from beesession.codecs.gob.state import Known, State
from beesession.codecs.gob.types import INTERFACE, GoType, MapType
from beesession.codecs.gob.wire import get_sint, get_uint

_LONGEST_START = 4096
_MOST_STARTS = 256

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


def _value(raw: bytes, before: State | None, limits: Limits, *, only_sessions: bool) -> tuple[GoType, Any, State]:
    """Read the next value of a stream; return its type, its content, and the state of the stream behind it.

    :param before: the state of the stream; None at its start
    :param only_sessions: it has to be a ``map[interface{}]interface{}``, which beego's sessions are
    """
    if len(raw) > limits.size:
        raise GobError(f"the stream has more than {limits.size} bytes", limits.size)
    try:
        known, at = _start(raw, limits) if before is None else (before.known, before.end)
        state = State(known, at, limits)
        type_id, at = state.type_id(raw, at, inside=False)
        wire, read = state.known.top(type_id, at)
        if only_sessions and (wire.__class__ is not MapType or not wire.key is wire.elem is INTERFACE):
            raise GobError("the value of the stream is of another type", at)
        value, at = read(raw, at, state)
    except IndexError:
        raise GobError("the stream ends within a value", len(raw)) from None
    except GobError as error:
        # A short value is not looked at when it is cut off, and what follows it then begins behind the end.
        raise error if error.offset <= len(raw) else GobError("the stream ends within a value", len(raw)) from None
    except RecursionError:
        raise GobError("values are nested deeper than Python can follow", 0) from None
    if at > state.end:
        raise GobError("a value is longer than its message", state.end)
    return wire, value, state


def _start(raw: bytes, limits: Limits) -> tuple[Known, int]:
    """Read the definitions that a stream starts with, or find what is known of them from another stream."""
    end = _first_value(raw)
    start = raw[:end]
    known = _starts.get(start)
    if known is not None and known.version == REGISTRY.version and known.table.size <= limits.types:
        return known, end
    known, at = new_known(Table()), 0
    while at < end:
        length, at = get_uint(raw, at)
        behind = at + length
        type_id, at = get_sint(raw, at)
        at = known.table.read(raw, at, -type_id, limits)
        if at != behind:
            raise GobError("something follows a type definition in its message, or it is longer than that", at)
    if end <= _LONGEST_START:
        if len(_starts) >= _MOST_STARTS:
            _starts.clear()
        _starts[start] = known
    return known, end


def _first_value(raw: bytes) -> int:
    """Return where the message of the first value begins; all messages before it are definitions."""
    at = 0
    while at < len(raw):
        length = raw[at]
        inside = at + 1
        if not 0 < length < 128:
            length, inside = get_uint(raw, at)
        first = raw[inside]
        # The sign of a number is its last bit.
        if not (first if first < 128 else raw[inside + 256 - first]) & 1:
            return at
        at = inside + length
    raise GobError("the stream has no value", len(raw))
