"""A stand-in for an SSDB server, which no package registry has: its protocol, and the commands of its key-value part.

Written from SSDB's documentation and from how its server answers; it keeps everything in memory, and a restart empties
it. The tests with it are protocol tests against our own stand-in. That it speaks the protocol at all is checked with
the Go client that beego uses.

``python -m beesession_tests.servers.ssdb_standin PORT [PASSWORD]``
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from signal import SIGUSR1
from typing import Any

HOST = "127.0.0.1"
LARGEST_REQUEST = 128 * 1024 * 1024
LONGEST_KEY = 255

Words = list[bytes]


class Wrong(Exception):
    """A request that is answered with ``client_error``."""


class Entries:
    """The entries of the server, each of them with an expiry (Unix seconds) or without one."""

    def __init__(self) -> None:
        self._data: dict[bytes, bytes] = {}
        self._expiry: dict[bytes, float] = {}

    def get(self, key: bytes) -> bytes | None:
        if self._expiry.get(key, float("inf")) <= time.time():
            self.remove(key)
        return self._data.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        # An expiry that was there stays, as with SSDB's own set.
        self.get(key)
        self._data[key] = value

    def remove(self, key: bytes) -> None:
        self._data.pop(key, None)
        self._expiry.pop(key, None)

    def expire(self, key: bytes, seconds: int) -> None:
        self._expiry[key] = time.time() + seconds

    def ttl(self, key: bytes) -> int:
        """Return the whole seconds that are left; -1 without an expiry, and for what is not there."""
        if self.get(key) is None or key not in self._expiry:
            return -1
        return int(self._expiry[key] - time.time())

    def between(self, after: bytes, end: bytes, limit: int) -> Iterator[bytes]:
        """Yield keys in order: those behind ``after``, up to and with ``end``; empty: without that bound."""
        for key in sorted(self._data):
            if limit and key > after and (not end or key <= end) and self.get(key) is not None:
                limit -= 1
                yield key


class StandIn:
    """The commands of one server.

    :param password: what ``auth`` asks for; "" for nothing
    """

    def __init__(self, password: bytes = b"") -> None:
        self.entries = Entries()
        self.password = password
        self.links: set[asyncio.StreamWriter] = set()
        self.calls = 0
        # Each command, and how many words it takes at least.
        self._commands: dict[bytes, tuple[int, Callable[..., Words]]] = {
            b"get": (2, self._get), b"set": (3, self._set), b"setx": (4, self._setx), b"setnx": (3, self._setnx),
            b"getset": (3, self._getset), b"incr": (2, self._incr), b"del": (2, self._del), b"ttl": (2, self._ttl),
            b"expire": (3, self._expire), b"exists": (2, self._exists), b"keys": (4, self._keys),
            b"scan": (4, self._scan), b"multi_del": (2, self._multi_del), b"ping": (1, self._ping),
            b"info": (1, self._info),
        }  # fmt: skip

    def answer(self, words: Words) -> Words:
        """Run a request and return its reply."""
        self.calls += 1
        shortest, command = self._commands.get(words[0], (0, None))
        if command is None:
            return [b"client_error", b"Unknown Command: " + words[0]]
        if len(words) < shortest:
            return [b"client_error", b"wrong number of arguments"]
        try:
            return command(*words[1:])
        except Wrong as error:
            return [b"client_error", str(error).encode()]

    # The commands -----------------------------------------------------------------------------------------

    def _get(self, key: bytes) -> Words:
        return _found(self.entries.get(key))

    def _set(self, key: bytes, value: bytes) -> Words:
        self.entries.put(key, value)
        return [b"ok", b"1"]

    def _setx(self, key: bytes, value: bytes, seconds: bytes) -> Words:
        if len(key) > LONGEST_KEY:
            return [b"error"]  # the list of expiries has no place for it, but by then the entry is there
        self.entries.put(key, value)
        self.entries.expire(key, _int32(seconds))
        return [b"ok", b"1"]

    def _setnx(self, key: bytes, value: bytes) -> Words:
        if self.entries.get(key) is not None:
            return [b"ok", b"0"]
        return self._set(key, value)

    def _getset(self, key: bytes, value: bytes) -> Words:
        before = self.entries.get(key)
        self.entries.put(key, value)
        return _found(before)

    def _incr(self, key: bytes, by: bytes = b"1") -> Words:
        try:
            number = int(self.entries.get(key) or b"0") + int(by)
        except ValueError:
            return [b"error", b"value is not an integer or out of range"]
        self.entries.put(key, b"%d" % number)
        return [b"ok", b"%d" % number]

    def _del(self, key: bytes) -> Words:
        self.entries.remove(key)
        return [b"ok", b"1"]  # whether there was one or not

    def _multi_del(self, *keys: bytes) -> Words:
        for key in keys:
            self.entries.remove(key)
        return [b"ok", b"%d" % len(keys)]

    def _ttl(self, key: bytes) -> Words:
        return [b"ok", b"%d" % self.entries.ttl(key)]

    def _expire(self, key: bytes, seconds: bytes) -> Words:
        if self.entries.get(key) is None or len(key) > LONGEST_KEY:
            return [b"ok", b"0"]
        self.entries.expire(key, _int32(seconds))
        return [b"ok", b"1"]

    def _exists(self, key: bytes) -> Words:
        return [b"ok", b"1" if self.entries.get(key) is not None else b"0"]

    def _keys(self, after: bytes, end: bytes, limit: bytes) -> Words:
        return [b"ok", *self.entries.between(after, end, _int32(limit))]

    def _scan(self, after: bytes, end: bytes, limit: bytes) -> Words:
        found = [b"ok"]
        for key in self.entries.between(after, end, _int32(limit)):
            found += [key, self.entries.get(key) or b""]
        return found

    def _ping(self) -> Words:
        return [b"ok"]

    def _info(self, *sections: bytes) -> Words:
        return [b"ok", b"ssdb-server stand-in", b"links", b"%d" % len(self.links), b"total_calls", b"%d" % self.calls]

    # The network ------------------------------------------------------------------------------------------

    async def serve(self, port: int) -> None:
        """Listen on a port of this machine until the process ends. SIGUSR1 breaks all connections."""
        asyncio.get_running_loop().add_signal_handler(SIGUSR1, self._break_links)
        server = await asyncio.start_server(self._link, HOST, port, limit=LARGEST_REQUEST)
        async with server:
            await server.serve_forever()

    def _break_links(self) -> None:
        for writer in self.links:
            writer.transport.abort()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links.add(writer)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # the client has gone, or speaks something else: SSDB closes the connection, too
        finally:
            self.links.remove(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known = not self.password
        while words := await _request(reader):
            if words[0] == b"auth":
                known = known or words[1:] == [self.password]
                reply = [b"ok", b"1"] if known else [b"error", b"invalid password"]
            elif not known:
                reply = [b"noauth", b"authentication required"]
            else:
                reply = self.answer(words)
            writer.write(b"".join(b"%d\n%b\n" % (len(word), word) for word in reply) + b"\n")
            await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Words:
    """Return the words of the next request; none when the client has gone.

    :raises ValueError: it is no request
    """
    words: Words = []
    while line := await reader.readline():
        if line in (b"\n", b"\r\n"):
            if words:
                return words
            continue  # empty lines between two requests do no harm
        length = int(line)
        if length < 0 or length + sum(map(len, words)) > LARGEST_REQUEST:
            raise ValueError("the request is too large")
        words.append(await reader.readexactly(length))
        await reader.readline()
    return []


def _found(value: bytes | None) -> Words:
    return [b"not_found"] if value is None else [b"ok", value]


def _int32(text: bytes) -> int:
    try:
        number = int(text)
    except ValueError:
        raise Wrong("an integer is expected") from None
    if not -(2**31) <= number < 2**31:
        raise Wrong("an integer of 32 bits is expected")
    return number


def main(arguments: list[str]) -> Any:
    """Serve on the port that the first argument names."""
    password = arguments[1].encode() if len(arguments) > 1 else b""
    asyncio.run(StandIn(password).serve(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
