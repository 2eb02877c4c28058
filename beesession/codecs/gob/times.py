"""Go's ``time.Time``."""

from __future__ import annotations

import datetime
import struct
from typing import Any, SupportsIndex

from beesession.codecs.gob.errors import UnencodableError

_FORM = struct.Struct(">bqih")  # version, seconds since year 1, nanoseconds, offset in minutes
_SECONDS_TOO = 2  # the version with a byte more: what the offset has beyond its minutes
_UTC = -1
_MINUTE, _DAY = 60, 24 * 3600
_YEAR_1 = datetime.datetime(1, 1, 1)
_SECOND = datetime.timedelta(seconds=1)


class Time(datetime.datetime):
    """A ``time.Time``: an aware datetime that keeps nanoseconds.

    What arithmetic gives is a Time, too, without those below the microsecond; another time zone keeps them.

    :ivar nanosecond: 0 to 999, on top of the microseconds; the order of two Times does not look at it
    """

    nanosecond: int = 0  # also of what Python makes without asking __new__

    def __new__(cls, *parts: Any, nanosecond: int = 0, **named: Any) -> Time:
        made = super().__new__(cls, *parts, **named)
        made.nanosecond = _checked(nanosecond)
        return made

    @property
    def nonzero(self) -> bool:
        """Whether it is another moment than Go's zero: 1 January of year 1, in UTC."""
        return bool(self.nanosecond) or self.tzinfo is not datetime.timezone.utc or self.replace(tzinfo=None) != _YEAR_1

    def replace(self, *parts: Any, nanosecond: int | None = None, **named: Any) -> Time:
        """Return it with other parts; the nanoseconds stay unless they are among them.

        :raises ValueError: a part is out of its range
        """
        return self._keeping(super().replace(*parts, **named), nanosecond)

    __replace__ = replace  # of copy.replace, since Python 3.13

    def astimezone(self, tz: datetime.tzinfo | None = None) -> Time:
        """Return the same moment in another time zone."""
        return self._keeping(super().astimezone(tz), None)

    def _keeping(self, made: Time, nanosecond: int | None) -> Time:
        if made is not self:
            made.nanosecond = self.nanosecond if nanosecond is None else _checked(nanosecond)
        return made

    def __eq__(self, other: object) -> bool:
        equal = super().__eq__(other)
        return equal and self.nanosecond == getattr(other, "nanosecond", 0) if equal is not NotImplemented else equal

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        return super().__hash__()

    def __repr__(self) -> str:
        return f"Time({self.isoformat()!r}, nanosecond={self.nanosecond})"

    def __deepcopy__(self, memo: object) -> Time:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _made, (datetime.datetime.__reduce_ex__(self, protocol), self.nanosecond)


def _checked(nanosecond: int) -> int:
    if not 0 <= nanosecond < 1000:
        raise ValueError("the nanoseconds below a microsecond are 0 to 999")
    return nanosecond


def _made(parts: Any, nanosecond: int) -> Time:
    made: Time = parts[0](*parts[1])
    made.nanosecond = nanosecond
    return made


def dump(moment: datetime.datetime) -> bytes:
    """Return a moment as a ``time.Time`` encodes itself.

    :raises UnencodableError: it is naive, so that nobody knows which moment it is
    """
    offset = moment.utcoffset()
    if offset is None:
        raise UnencodableError(
            "a datetime without a time zone is no moment in time; make it aware, as django.utils.timezone does"
        )
    # Before year 1, or after 9999, in UTC there is no datetime.
    seconds = (moment.replace(tzinfo=None) - _YEAR_1) // _SECOND - offset // _SECOND
    nanoseconds = moment.microsecond * 1000 + getattr(moment, "nanosecond", 0)
    if moment.tzinfo is datetime.timezone.utc or moment.tzname() == "UTC":
        return _FORM.pack(1, seconds, nanoseconds, _UTC)
    total = offset // _SECOND
    if total == _UTC * _MINUTE:
        raise UnencodableError("a time zone of minus one minute stands for UTC in Go")
    minutes = int(total / _MINUTE)  # towards zero, as in Go
    rest = total - minutes * _MINUTE
    head = _FORM.pack(_SECONDS_TOO if rest else 1, seconds, nanoseconds, minutes)
    return head + struct.pack(">b", rest) if rest else head


def load(raw: bytes) -> Time:
    """Return the moment that a ``time.Time`` has encoded.

    :raises ValueError: that is none, as Go has it
    :raises OverflowError: it is one that a datetime does not reach
    """
    if len(raw) not in (_FORM.size, _FORM.size + 1) or raw[0] != 1 + len(raw) - _FORM.size:
        raise ValueError("that is no time.Time")
    _, seconds, nanoseconds, minutes = _FORM.unpack_from(raw)
    rest = struct.unpack(">b", raw[_FORM.size :])[0] if len(raw) > _FORM.size else 0
    offset = minutes * _MINUTE + rest
    if offset == _UTC * _MINUTE:
        zone, offset = datetime.timezone.utc, 0
    else:
        if abs(offset) >= _DAY:
            raise OverflowError("a datetime has no such offset")
        # A name keeps an offset of nothing apart from UTC.
        span = datetime.timedelta(seconds=offset)
        zone = datetime.timezone(span) if offset else datetime.timezone(span, "+00:00")
    try:
        local = _YEAR_1 + datetime.timedelta(seconds=seconds + offset)
    except OverflowError:
        raise OverflowError("a datetime does not reach so far") from None
    microseconds, nanosecond = divmod(nanoseconds, 1000)
    if not 0 <= microseconds < 10**6:
        raise OverflowError("a datetime does not hold so many nanoseconds")
    clock = (local.year, local.month, local.day, local.hour, local.minute, local.second)
    return Time(*clock, microseconds, zone, nanosecond=nanosecond)
