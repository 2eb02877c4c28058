"""Types of Go's standard library that come into sessions. A Go program has to register those that it stores."""

from __future__ import annotations

import copyreg
import datetime
import ipaddress
from typing import Any, ClassVar

from beesession.codecs.gob import times
from beesession.codecs.gob.registry import register_encoded
from beesession.codecs.gob.times import Time
from beesession.codecs.gob.types import BASICS, BYTES, Basic, BlobType
from beesession.codecs.gob.values import Integer, Opaque

_TIME = BlobType(5, "Time")


class Duration(Integer):
    """A ``time.Duration``: nanoseconds. Arithmetic keeps the type, as with every Integer."""

    go_type, low, high = "time.Duration", -(2**63), 2**63 - 1
    __slots__ = ()

    @property
    def timedelta(self) -> datetime.timedelta:
        """It as a timedelta, without what is below the microsecond."""
        return datetime.timedelta(microseconds=int(self) // 1000)


class BigInt(int):
    """A ``*big.Int``: an integer of any size."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"BigInt({int(self)})"

    __str__ = int.__repr__


class URL(str):
    """A ``*url.URL``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"


class IP(bytes):
    """A ``net.IP``: the bytes of an address, 4 or 16; none for no address."""

    __slots__ = ()

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address. One of IPv4 that takes 16 bytes, as Go likes to have them, is one of IPv4.

        :raises ValueError: it is none
        """
        address = ipaddress.ip_address(bytes(self))
        mapped = getattr(address, "ipv4_mapped", None)
        return address if mapped is None else mapped


class Addr(bytes):
    """A ``netip.Addr``: the bytes of an address, 4 or 16, and those of a zone behind the latter."""

    __slots__ = ()
    _IPV6: ClassVar[int] = 16

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address.

        :raises ValueError: it is none
        """
        zone = bytes(self[self._IPV6 :]).decode("utf-8", "replace")
        address = ipaddress.ip_address(bytes(self[: self._IPV6]))
        return ipaddress.IPv6Address(f"{address}%{zone}") if zone else address


def _load_time(raw: bytes) -> Any:
    try:
        return times.load(raw)
    except OverflowError:
        # Go's times reach further; what no datetime can hold is kept, and written back.
        return Opaque("time.Time", _TIME, raw)


_NOT_NEGATIVE, _NEGATIVE = b"\x02", b"\x03"


def _load_big(raw: bytes) -> BigInt:
    if not raw:
        return BigInt(0)
    if raw[:1] not in (_NOT_NEGATIVE, _NEGATIVE):
        raise ValueError("that is no big.Int")
    size = int.from_bytes(raw[1:], "big")
    return BigInt(size if raw[:1] == _NOT_NEGATIVE else -size)


def _dump_big(number: int) -> bytes:
    size = abs(int(number))
    sign = _NEGATIVE if number < 0 else _NOT_NEGATIVE
    return sign + size.to_bytes((size.bit_length() + 7) // 8, "big")


def _load_url(raw: bytes) -> URL:
    return URL(raw.decode("utf-8", "surrogateescape"))


def _dump_url(url: str) -> bytes:
    return str(url).encode("utf-8", "surrogateescape")


def _basic(spelling: str) -> Basic:
    return BASICS[spelling]


def _reduced(basic: Basic) -> tuple[Any, ...]:
    return _basic, (basic.spelling,)


# A basic type is told by its identity, also when it is a part of an Opaque's type that has been pickled.
copyreg.pickle(Basic, _reduced)

register_encoded(Time, "time.Time", _TIME, _load_time, times.dump, accepts=datetime.datetime)
register_encoded(Duration, "time.Duration", BASICS["int64"], Duration, int)
register_encoded(BigInt, "*big.Int", BlobType(5), _load_big, _dump_big)
register_encoded(URL, "*url.URL", BlobType(6, "URL"), _load_url, _dump_url)
register_encoded(IP, "net.IP", BYTES, IP, bytes)
register_encoded(Addr, "net/netip.Addr", BlobType(6, "Addr"), Addr, bytes)
