"""What the readers of all provider strings have in common: errors, JSON objects, numbers, addresses.

A provider string may hold a password in any of its places, since a forgotten comma moves it. So no error quotes a
value, and none is chained to an exception that does.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

ProviderString = str | Mapping[str, object]
"""A provider string as beego takes it (plain or JSON), or the JSON object as a Python mapping."""

_HOST = re.compile(r"[0-9A-Za-z._-]+\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[0-9A-Za-z._-]+)?\Z")
_SCHEME = re.compile(r"\s*[A-Za-z][0-9A-Za-z+.-]*://")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(h|ms|m|s|us|µs|μs|ns)")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


class DSNError(ValueError):
    """``sessionproviderconfig`` cannot be read. Says which field is wrong and what is allowed, and quotes no value."""


class Address(NamedTuple):
    """A TCP endpoint; ``host`` is a name, an IPv4 address, or an IPv6 address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Form:
    """The form of one engine's provider string: reads the parts of it, and words what is wrong with them."""

    engine: str
    allowed: str

    def error(self, problem: str) -> DSNError:
        """Return the error to raise. ``problem`` must quote nothing of the provider string."""
        stop = "" if problem.endswith("?") else "."
        return DSNError(f"sessionproviderconfig of the {self.engine} engine: {problem}{stop} Allowed: {self.allowed}.")

    def members(self, value: ProviderString, keys: Iterable[str]) -> dict[str, object] | None:
        """Return the members of a JSON object under the spelling of ``keys``, or None when ``value`` is plain text.

        Case is ignored and null counts as absent, as in Go.

        :raises DSNError: for broken JSON, and for a key that is not one of ``keys``
        """
        if isinstance(value, str):
            if not value.lstrip().startswith("{"):
                return None
            value = self._json(value)
        elif not isinstance(value, Mapping):
            raise self.error(f"it must be a string or a mapping, not {type(value).__name__}")
        spelling = {key.lower(): key for key in keys}
        found: dict[str, object] = {}
        for key, member in value.items():
            known = spelling.get(str(key).lower())
            if known is None:
                near = difflib.get_close_matches(str(key).lower(), spelling, n=1)
                hint = f"did you mean {spelling[near[0]]!r}?" if near else "known are " + ", ".join(spelling.values())
                raise self.error(f"its JSON object has an unknown key; {hint}")
            if member is not None:
                found[known] = member
        return found

    def _json(self, text: str) -> Mapping[str, object]:
        # Raised outside the except clause: a JSONDecodeError carries the whole text, passwords included.
        try:
            decoded = json.loads(text)
        except (ValueError, RecursionError):
            decoded = None
        if not isinstance(decoded, dict):
            raise self.error("it starts with '{' but is not valid JSON")
        return decoded

    def text(self, value: object, field: str) -> str:
        """Return ``value``, which must be a string without control characters."""
        if not isinstance(value, str):
            raise self.error(f"{field} must be a string")
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise self.error(f"{field} holds a control character")
        return value

    def number(self, value: object, field: str, *, at_least: int = 0, at_most: int | None = None) -> int:
        """Return a whole number given as such or, in a plain string, in decimal digits."""
        if isinstance(value, str) and _NUMBER.match(value.strip()):
            value = int(value)
        limits = f"from {at_least} to {at_most}" if at_most is not None else f"of {at_least} or more"
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise self.error(f"{field} must be a whole number {limits}")
        if at_most is not None and value > at_most:
            raise self.error(f"{field} must be a whole number {limits}")
        return value

    def seconds(self, value: object, field: str) -> float:
        """Return the seconds of a Go duration such as ``"1m30s"``, or of a plain number of seconds."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return float(value)
        text = value.strip() if isinstance(value, str) else ""
        if text == "0":
            return 0.0
        parts = _DURATION_PART.findall(text)
        if not parts or _DURATION_PART.sub("", text):
            raise self.error(f"{field} must be a duration such as '30s' or '1h30m'")
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)

    def address(self, text: str, field: str, *, default_port: int | None = None) -> Address:
        """Return the endpoint of ``host:port``, ``[ipv6]:port`` or ``:port`` (this machine).

        :param default_port: the port when none is written; None: it must be written
        """
        text = text.strip()
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            valid = bool(bracket) and _IPV6.match(host) is not None and (not rest or rest.startswith(":"))
            port = rest[1:]
        else:
            host, colon, port = text.partition(":")
            host = host or ("127.0.0.1" if colon else "")
            valid = _HOST.match(host) is not None
        if not valid:
            raise self.error(f"{field} must be 'host:port' (an IPv6 host in brackets)")
        if not port and default_port is not None:
            return Address(host, default_port)
        return Address(host, self.number(port, f"the port of {field}", at_least=1, at_most=65535))

    def addresses(self, text: str, field: str, *, default_port: int | None = None) -> tuple[Address, ...]:
        """Return the endpoints of a list that is separated by ``;``."""
        parts = [part for part in text.split(";") if part.strip()]
        if not parts:
            raise self.error(f"{field} must be one 'host:port' or several, separated by ';'")
        return tuple(self.address(part, field, default_port=default_port) for part in parts)

    @staticmethod
    def is_url(value: ProviderString) -> bool:
        """Return whether ``value`` is text that begins like a URL."""
        return isinstance(value, str) and _SCHEME.match(value) is not None

    def url(self, text: str) -> tuple[SplitResult, int | None]:
        """Return the parts of a URL, and its port."""
        if "#" in text:
            raise self.error("its URL has a '#': write it as %23 inside a password")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            parts = None
        if parts is None or port == 0:
            raise self.error("its URL has a malformed host or port")
        return parts, port
