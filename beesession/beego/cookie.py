"""The token of beego's cookie engine: one session, encrypted, dated and signed. Pure; imports no Django.

From the inside out, with ``|`` for that byte and N for securityName::

    body  = IV (16 random bytes) + AES-CTR(blockKey, IV, gob)
    text  = timestamp in decimal | base64url(body) |
    token = base64url(text + HMAC-SHA256(securityKey, N | text))

base64url is padded, and the value of the cookie is the token with its ``=`` written as ``%3D``. The timestamp is the
moment of the write in Unix seconds; that, and beego's lifetime, decide how long a token opens.

What beego is lenient about, this module is, too, since all of it is either covered by the signature or changes
nothing of what is signed: other characters written as ``%XX``, line ends inside base64, bits of its last digit that
carry nothing, a sign or zeros before the timestamp. It differs in three things, on purpose:

* **No empty securityKey.** beego takes one, and then anybody can sign.
* **A token from the near future opens** (:data:`CLOCK_SKEW`): the clocks of two servers are never quite the same.
* **A body without any gob opens**, as ``b""``. beego refuses it, and its visitor then has an empty session, which is
  what ``b""`` means.

That the bytes inside are a gob at all is for the codec to find out.
"""

from __future__ import annotations

import hmac
import math
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

CLOCK_SKEW = 5
"""Seconds by which the clock of whoever wrote a token may be ahead of ours."""

BLOCK_KEY_BYTES = (16, 24, 32)
"""Sizes of an AES key."""

_IV_BYTES = 16
_MAC_BYTES = 32
_BAR = b"|"
_BASE64 = re.compile(rb"[0-9A-Za-z_-]*={0,2}")
_LINE_ENDS = re.compile(rb"[\r\n]")
_INTEGER = re.compile(rb"[+-]?[0-9]+")
_LATEST = 2**63 - 1


class TokenRefused(ValueError):
    """The text is no token that these keys have signed. Quotes nothing of it."""


class TokenExpired(TokenRefused):
    """The token is genuine, and older than the lifetime."""


class TokenFromTheFuture(TokenRefused):
    """The token is genuine, and later than our clock by more than :data:`CLOCK_SKEW`."""


class Opened(NamedTuple):
    """What a token holds.

    :ivar gob: the session as beego's codec writes it
    :ivar timestamp: Unix seconds
    """

    gob: bytes
    timestamp: int


class BeegoTokens:
    """Writes and opens tokens with one set of keys. Safe to use from many threads at once.

    :param security_key: key of the signature
    :param block_key: AES key
    :param security_name: the first part of what is signed
    :raises ValueError: the security key is empty, or the block key has not the size of an AES key
    """

    def __init__(self, security_key: bytes, block_key: bytes, security_name: bytes) -> None:
        if not security_key:
            raise ValueError("securityKey is empty: anybody could sign a token")
        if len(block_key) not in BLOCK_KEY_BYTES:
            raise ValueError("blockKey must have 16, 24 or 32 bytes")
        self._security_key = security_key
        self._block_key = block_key
        self._signed_prefix = security_name + _BAR

    def encode(self, gob: bytes, timestamp: int) -> str:
        """Return the cookie value that holds ``gob``; each call gives another one.

        :param timestamp: Unix seconds. beego refuses a token whose timestamp is later than its own clock.
        """
        iv = secrets.token_bytes(_IV_BYTES)
        text = b"%d|%b|" % (timestamp, urlsafe_b64encode(iv + self._crypted(iv, gob)))
        return urlsafe_b64encode(text + self._mac(text)).decode("ascii").replace("=", "%3D")

    def decode(self, value: str, now: float, lifetime: int) -> Opened:
        """Return what a cookie value holds.

        :param value: as it stands in the header, or with its ``%XX`` resolved
        :param now: Unix seconds
        :param lifetime: beego's, in seconds: a token opens until the end of the second that is so long after its own
        :raises TokenRefused: it is damaged, forged, or not signed with these keys
        :raises TokenExpired: it is too old
        :raises TokenFromTheFuture: it is not to be expected yet
        """
        # No character beyond ASCII is in the alphabet, so whatever stands in its place need only be outside of it, too.
        timestamp, body, mac = _split(_from_base64(unquote_to_bytes(value.encode("ascii", "replace"))))
        if not hmac.compare_digest(mac, self._mac(timestamp + _BAR + body + _BAR)):
            raise TokenRefused("the signature is not of these keys")
        written = _seconds(timestamp)
        if written > int(now) + CLOCK_SKEW:
            raise TokenFromTheFuture("the token is later than this server's clock")
        if written < int(now) - lifetime:
            raise TokenExpired("the token is older than the lifetime")
        crypted = _from_base64(body)
        if len(crypted) < _IV_BYTES:
            raise TokenRefused("the body is too short")
        return Opened(self._crypted(crypted[:_IV_BYTES], crypted[_IV_BYTES:]), written)

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._security_key, self._signed_prefix + text, "sha256")

    def _crypted(self, iv: bytes, data: bytes) -> bytes:
        """Encrypt or decrypt: in counter mode these are the same."""
        encryptor = Cipher(AES(self._block_key), CTR(iv)).encryptor()
        return encryptor.update(data) + encryptor.finalize()


def room(length: int) -> int:
    """Return how many bytes of gob a cookie value of ``length`` characters holds, with a timestamp of ten digits.

    >>> room(4096 - len("beegosessionID"))
    2246
    """
    return next((size for size in range(length, 0, -1) if _length(size) <= length), 0)


def _length(gob_bytes: int) -> int:
    text = 10 + 2 * len(_BAR) + 4 * math.ceil((_IV_BYTES + gob_bytes) / 3) + _MAC_BYTES
    return 4 * math.ceil(text / 3) + len("3D") * (-text % 3)


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    parts = text.split(_BAR, 2)  # the signature may hold the byte as well
    if len(parts) != 3:
        raise TokenRefused("it has not the three parts of a token")
    timestamp, body, mac = parts
    return timestamp, body, mac


def _from_base64(text: bytes) -> bytes:
    text = _LINE_ENDS.sub(b"", text)
    # Python skips what is not of the alphabet, and takes the other alphabet as well; Go does neither.
    if len(text) % 4 or not _BASE64.fullmatch(text):
        raise TokenRefused("it is not base64url")
    return urlsafe_b64decode(text)


def _seconds(text: bytes) -> int:
    """Read what Go's parser takes for a whole number of 64 bits."""
    digits = text.lstrip(b"+-0")
    if not _INTEGER.fullmatch(text) or len(digits) > len(str(_LATEST)):
        raise TokenRefused("its timestamp is no number")
    number = int(digits or b"0") * (-1 if text.startswith(b"-") else 1)
    if not -_LATEST - 1 <= number <= _LATEST:
        raise TokenRefused("its timestamp is no number of 64 bits")
    return number
