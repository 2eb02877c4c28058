"""Authenticated encryption of session records: AES-256-GCM under keys that HKDF derives from the site's secrets.

Needs the extra ``crypto``. A sealed record is ``version (1 byte) | key id (4) | nonce (12) | ciphertext and tag``; all
of it is authenticated, and so is the context, which is not stored: a record sealed for one key of the store, or for
one cookie, does not open as another.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from beesession.codecs.base import Codec
from beesession.exceptions import DecodeError

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as error:
    raise ImproperlyConfigured(
        "The cookie engine and ENCRYPTION_KEYS need the package cryptography: pip install beesession[crypto]"
    ) from error

MIN_KEY_BYTES = 16

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_AES_KEY_BYTES = 32
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES

OVERHEAD = _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES
"""Bytes by which a sealed record is longer than the plain one."""


class SealError(DecodeError):
    """The record was not sealed with one of these keys for this purpose and context.

    Damage, forgery, a retired key and a foreign context look all the same, on purpose.
    """

    def __init__(self) -> None:
        super().__init__("the record does not open with the keys of this site")


class Seal:
    """Seals and opens bytes. Safe to use from many threads at once.

    Nonces are random, so one key should seal no more than 2**32 records in its life; a new first key starts over.

    :param keys: secrets of at least 16 bytes each (text counts as UTF-8); the first one seals, each of them opens
    :param purpose: what the seal is for; seals of different purposes do not open each other's records
    :param source: what error messages call the keys: the setting that they came from
    :raises ImproperlyConfigured: naming ``source``, when there is no key, or a short one
    """

    def __init__(self, keys: Sequence[str | bytes], purpose: str, *, source: str = "ENCRYPTION_KEYS") -> None:
        if not keys:
            raise ImproperlyConfigured(f"{source}: at least one key is needed.")
        self._readers: dict[bytes, list[AESGCM]] = {}
        for position, key in enumerate(keys, start=1):
            secret = _utf8(key) if isinstance(key, str) else key
            if len(secret) < MIN_KEY_BYTES:
                raise ImproperlyConfigured(
                    f"{source}: key number {position} is too short; at least {MIN_KEY_BYTES} bytes are needed."
                )
            key_id, cipher = _derive(secret, purpose)
            header = _VERSION + key_id
            # Four bytes may coincide for two keys, so an id leads to a list.
            self._readers.setdefault(header, []).append(cipher)
            if position == 1:
                self._header, self._writer = header, cipher

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return ``plain`` encrypted and bound to ``context``; each call gives other bytes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._header + nonce + self._writer.encrypt(nonce, plain, self._header + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed with the same context.

        :raises SealError: for anything else, whatever the reason
        """
        header, body = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        nonce, ciphertext = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
        if len(sealed) >= OVERHEAD:
            for cipher in self._readers.get(header, ()):
                try:
                    return cipher.decrypt(nonce, ciphertext, header + context)
                except InvalidTag:
                    continue
        raise SealError


def _derive(secret: bytes, purpose: str) -> tuple[bytes, AESGCM]:
    """Return the id of a key, which tells nothing about it, and its cipher."""
    length = _KEY_ID_BYTES + _AES_KEY_BYTES
    derived = HKDF(algorithm=SHA256(), length=length, salt=None, info=_utf8(purpose)).derive(secret)
    return derived[:_KEY_ID_BYTES], AESGCM(derived[_KEY_ID_BYTES:])


def _utf8(text: str) -> bytes:
    # JSON can hold half a surrogate pair; a key may be any text.
    return text.encode("utf-8", "surrogatepass")


class SealedCodec:
    """Encryption at rest: seals what another codec writes, and binds it to the key under which the store keeps it.

    :param inner: the codec that makes the plain bytes
    :param seal: the seal around them
    """

    def __init__(self, inner: Codec, seal: Seal) -> None:
        self._inner = inner
        self._seal = seal

    def dumps(self, data: Mapping[str, Any], key: str) -> bytes:
        return self._seal.seal(self._inner.dumps(data, key), key.encode())

    def loads(self, raw: bytes, key: str) -> dict[str, Any]:
        return self._inner.loads(self._seal.open(raw, key.encode()), key)

    def normalise(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return self._inner.normalise(data)


def at_rest(inner: Codec, keys: tuple[str | bytes, ...]) -> SealedCodec:
    """Return the codec for ``BEESESSION["ENCRYPTION_KEYS"]``.

    :raises ImproperlyConfigured: naming ENCRYPTION_KEYS, when a key is too short
    """
    return SealedCodec(inner, _seal_at_rest(keys))


# A codec is made for each request; its keys need not be derived each time.
@lru_cache(maxsize=16)
def _seal_at_rest(keys: tuple[str | bytes, ...]) -> Seal:
    return Seal(keys, "beesession: records at rest")
