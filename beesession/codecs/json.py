"""Django's own session format, and the same without its signature for use inside a seal.

Both write what ``settings.SESSION_SERIALIZER`` gives; with Django's default that is JSON.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from django.core import signing
from django.utils.module_loading import import_string

from beesession.exceptions import DecodeError, EncodeError

SALT = "django.contrib.sessions.SessionStore"
"""The salt of each stock engine of Django. Constant, since renaming a class must not log everybody out."""


class PlainJSONCodec:
    """The serialised session behind one byte that says whether it is compressed. Proves nothing: wrap it in a seal."""

    _RAW, _COMPRESSED = b"\x00", b"\x01"

    def __init__(self) -> None:
        self.serializer = import_string(settings.SESSION_SERIALIZER)()

    def dumps(self, data: Mapping[str, Any], key: str) -> bytes:
        plain = self._serialise(data)
        packed = zlib.compress(plain)
        return self._COMPRESSED + packed if len(packed) < len(plain) else self._RAW + plain

    def loads(self, raw: bytes, key: str) -> dict[str, Any]:
        try:
            plain = zlib.decompress(raw[1:]) if raw[:1] == self._COMPRESSED else raw[1:]
            return _dict(self.serializer.loads(plain))
        except Exception as error:  # whatever a serializer makes of foreign bytes
            raise DecodeError("the record is not a session") from error

    def normalise(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return _dict(self.serializer.loads(self._serialise(data)))

    def _serialise(self, data: Mapping[str, Any]) -> bytes:
        # dict(): a subclass would make the JSON encoder call its items().
        plain = dict(data)
        try:
            return cast(bytes, self.serializer.dumps(plain))
        except Exception as error:  # a serializer raises what it likes
            raise _encode_error(self.serializer, plain, error) from error


class JSONCodec(PlainJSONCodec):
    """What Django's ``SessionBase.encode`` gives: signed, and compressed where that is shorter.

    It reads the rows that Django's own db, file and signed engines have written.
    """

    def dumps(self, data: Mapping[str, Any], key: str) -> bytes:
        plain = dict(data)
        try:
            return signing.dumps(plain, salt=SALT, serializer=self._serializer_class, compress=True).encode("ascii")
        except Exception as error:
            raise _encode_error(self.serializer, plain, error) from error

    def loads(self, raw: bytes, key: str) -> dict[str, Any]:
        try:
            return _dict(signing.loads(raw.decode("ascii"), salt=SALT, serializer=self._serializer_class))
        except Exception as error:
            raise DecodeError("the record is not a session that this site has signed") from error

    @property
    def _serializer_class(self) -> Any:
        return type(self.serializer)


def _dict(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError("the record holds no dict")
    return value


def _encode_error(serializer: Any, data: dict[str, Any], error: Exception) -> EncodeError:
    """Name the session key that is to blame: the first that cannot be serialised alone."""
    for key, value in data.items():
        try:
            serializer.dumps({key: value})
        except Exception:
            guilty = type(_first_unserialisable(serializer, value)).__name__
            inside = "" if guilty == type(value).__name__ else f" inside a {type(value).__name__}"
            return EncodeError(
                f"The session key {key!r} holds a {guilty}{inside}, which {type(serializer).__name__} cannot "
                f"serialise. Store text, numbers, lists and dicts, or set SESSION_SERIALIZER.",
                key=key,
            )
    return EncodeError(f"{type(serializer).__name__} cannot serialise the session: {type(error).__name__}.")


def _first_unserialisable(serializer: Any, value: object) -> object:
    """Return the innermost value that is to blame."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    for part in parts:
        try:
            serializer.dumps(part)
        except Exception:
            return _first_unserialisable(serializer, part)
    return value
