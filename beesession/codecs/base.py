"""What a codec is: the bytes of a record on one side, the dict of a session on the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Codec(Protocol):
    """Turns session data into bytes and back.

    ``key`` is the key under which the store keeps the record. A codec that encrypts binds the record to it, so
    that no record can be passed off as another's; others ignore it.
    """

    def dumps(self, data: Mapping[str, Any], key: str) -> bytes:
        """Encode session data.

        :raises beesession.exceptions.EncodeError: naming the session key whose value cannot be encoded
        """

    def loads(self, raw: bytes, key: str) -> dict[str, Any]:
        """Decode what :meth:`dumps` gave.

        :raises beesession.exceptions.DecodeError: for anything else
        """

    def normalise(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data as it would come back from the store: a tuple as a list, for instance.

        :raises beesession.exceptions.EncodeError: as :meth:`dumps` does
        """
