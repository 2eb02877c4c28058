"""beego's own format, for a store that a beego application uses, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beesession.codecs import gob
from beesession.codecs.gob.errors import DEFAULT
from beesession.exceptions import DecodeError, EncodeError

NONE_KEYS = "_none"
"""The session key under which the names of keys whose value is None travel, as a ``[]string``."""

_Names: type[gob.Slice] = gob.Slice.of("[]string")


class GobCodec:
    """Sessions as beego writes them: a gob stream of ``map[interface{}]interface{}``; no bytes are an empty session.

    What Go's types become, and what Python's do: :func:`beesession.codecs.gob.dumps`.

    **None.** beego reads a nil under a key of the session and ends with a nil pointer when it saves that session. So a
    key whose value is None does not travel; its name does, in a list under ``_none``, and it is back when the session
    is read here. beego sees no such key, which is what its ``GetSession`` answers nil for. If it gives the key a value,
    that counts. A None inside a list or a dict is a nil there, and does no harm.

    Nothing proves who wrote a record: whoever can write to the store is believed, as with beego.

    :param limits: how much a record may ask of its reader, and how deep what is written may be nested
    """

    def __init__(self, limits: gob.Limits = DEFAULT) -> None:
        self._limits = limits

    def dumps(self, data: Mapping[Any, Any], key: str) -> bytes:
        nothing = [name for name, value in data.items() if value is None]
        if NONE_KEYS in data and (nothing or isinstance(data[NONE_KEYS], _Names)):
            raise EncodeError(
                f"The session key {NONE_KEYS!r} is where the names of keys go whose value is None; use another key.",
                key=NONE_KEYS,
            )
        if not nothing:
            return self._dumps(data)
        for name in nothing:
            if not isinstance(name, str):
                raise EncodeError(
                    f"The session key {name!r} holds None, which only a key that is text can hold.", key=name
                )
        values = {name: value for name, value in data.items() if value is not None}
        return self._dumps({**values, NONE_KEYS: _Names(nothing)})

    def loads(self, raw: bytes, key: str) -> dict[Any, Any]:
        if not raw:
            return {}
        try:
            data = gob.loads(raw, limits=self._limits)
        except gob.GobError as error:
            raise DecodeError("the record is not a session of beego's") from error
        if isinstance(data.get(NONE_KEYS), _Names):
            data = {**dict.fromkeys(data.pop(NONE_KEYS)), **data}
        return data

    def normalise(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        return self.loads(self.dumps(data, ""), "")

    def _dumps(self, data: Mapping[Any, Any]) -> bytes:
        try:
            return gob.dumps(data, limits=self._limits)
        except gob.UnencodableError as error:
            raise EncodeError(
                f"The session key {error.key!r} holds what Go cannot be given: {error}.", key=error.key
            ) from error
