"""Streams that nobody would write, by the thousand: ``python -m beesession_tests.gob.fuzz N [--seed S]``.

They are made from the vectors by small changes. What leads to a line or a branch of the decoder that no stream has led
to before is changed further (with Python 3.12 and later, which can tell).

Each one is read, and what comes out is written and read again. It must end in a value or a GobError, in time, and with
no more memory than :data:`MEMORY` allows.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beesession.codecs import gob
from beesession.codecs.gob.naming import ANY_MAP
from beesession.delta import same
from beesession_tests.gob.registrations import taken_back
from beesession_tests.gob.trees import normal, read, streams, tree, vectors, written

LIMITS = gob.Limits(size=1 << 20, length=1 << 20, count=10_000, values=10_000)
"""What the streams are read with: small, so that one that exceeds them is found by its memory."""

MEMORY = 16, 1 << 20
"""Bytes that a stream may take up while it is read: for each of its own bytes, and however short it is.

The latter is for what :attr:`Limits.values` allows: up to 100 bytes for each of the 10,000 here."""

SLOWEST = 1.0
"""Seconds of the processor that a stream may take."""

_NUMBERS = [0, 1, 2, 8, 62, 63, 64, 65, 127, 128, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32, 2**60, 2**63, 2**64 - 1]
_PACKAGE = str(Path(gob.__file__).parent)
_MEASURED = 10  # of so many streams, the memory of one is measured: that takes as long as reading ten
_MOST_SEEDS = 5000


class Finding(AssertionError):
    """A stream led to what it must not.

    :ivar stream: the stream
    """

    def __init__(self, stream: bytes, what: str) -> None:
        super().__init__(f"{what}: {stream.hex()}")
        self.stream = stream

    def __reduce__(self) -> tuple[Any, ...]:
        return _finding, (self.stream, self.args)


def _finding(stream: bytes, args: tuple[Any, ...]) -> Finding:
    made = Finding(stream, "")
    made.args = args
    return made


@dataclass
class Told:
    """What a run has met with."""

    streams: int = 0
    read: int = 0
    slowest: float = 0.0
    memory: int = 0
    ratio: float = 0.0
    kept: int = 0
    findings: list[str] = field(default_factory=list)

    def add(self, other: Told) -> None:
        """Add what another process has met with."""
        self.streams += other.streams
        self.read += other.read
        self.slowest = max(self.slowest, other.slowest)
        self.memory = max(self.memory, other.memory)
        self.ratio = max(self.ratio, other.ratio)
        self.kept += other.kept
        self.findings += other.findings


# Changes -----------------------------------------------------------------------------------------------------------


def _flip(stream: bytearray, other: bytes, chance: random.Random) -> None:
    stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)


def _set(stream: bytearray, other: bytes, chance: random.Random) -> None:
    stream[chance.randrange(len(stream))] = chance.randrange(256)


def _delete(stream: bytearray, other: bytes, chance: random.Random) -> None:
    at = chance.randrange(len(stream))
    del stream[at : at + chance.choice((1, 1, 2, 8, 64))]


def _insert(stream: bytearray, other: bytes, chance: random.Random) -> None:
    at = chance.randrange(len(stream))
    stream[at:at] = chance.randbytes(chance.choice((1, 1, 2, 8)))


def _splice(stream: bytearray, other: bytes, chance: random.Random) -> None:
    stream[chance.randrange(len(stream)) :] = other[chance.randrange(len(other)) :]


def _copy(stream: bytearray, other: bytes, chance: random.Random) -> None:
    at, size, to = chance.randrange(len(stream)), chance.choice((1, 4, 16, 64)), chance.randrange(len(stream))
    stream[to:to] = stream[at : at + size] * chance.choice((1, 1, 2, 50))


def _number(stream: bytearray, other: bytes, chance: random.Random) -> None:
    at, number = chance.randrange(len(stream)), chance.choice(_NUMBERS)
    size = (number.bit_length() + 7) // 8
    written = bytes((number,)) if number < 128 else bytes((256 - size,)) + number.to_bytes(size, "big")
    stream[at : at + chance.choice((0, 1, len(written)))] = written


def _type_id(stream: bytearray, other: bytes, chance: random.Random) -> None:
    """Put the id of another type in the place of one."""
    ids = [at for at in range(len(stream) - 1) if stream[at] == 0xFF and stream[at + 1] >= 0x80]
    if ids:
        stream[chance.choice(ids) + 1] = stream[chance.choice(ids) + 1]
    else:
        _set(stream, other, chance)


_CHANGES: list[Callable[[bytearray, bytes, random.Random], None]] = [
    *(_flip, _set, _delete, _insert, _splice, _copy, _number, _type_id)
]


def changed(seeds: list[bytes], chance: random.Random) -> bytes:
    """Return a stream that one of the seeds has become by some changes."""
    stream = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        if stream:
            chance.choice(_CHANGES)(stream, chance.choice(seeds), chance)
    return bytes(stream[: 1 << 16])


# What is asked of each ---------------------------------------------------------------------------------------------


def check(stream: bytes, told: Told, *, measured: bool) -> None:
    """Read a stream, both ways, and write what came out.

    :param measured: measure the memory, too
    :raises Finding: it led to what it must not
    """
    for mode in ("beego", "stream"):
        if measured:
            tracemalloc.start()
        start = time.thread_time()
        try:
            values = read(stream, mode, LIMITS)
        except gob.GobError as error:
            values = []
            if not 0 <= error.offset <= len(stream):
                raise Finding(stream, f"an error at byte {error.offset}") from None
        except Exception as error:
            raise Finding(stream, repr(error)) from error
        finally:
            taken = time.thread_time() - start
            if measured:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
        told.slowest = max(told.slowest, taken)
        if taken > SLOWEST:
            raise Finding(stream, f"{mode} took {taken:.1f} s")
        if measured:
            told.memory, told.ratio = max(told.memory, peak), max(told.ratio, peak / max(len(stream), 4096))
            if peak > max(MEMORY[0] * len(stream), MEMORY[1]):
                raise Finding(stream, f"{mode} took {peak} bytes")
        told.read += bool(values)
        for go, value in values:
            _check_writing(stream, mode, go, value)


def _check_writing(stream: bytes, mode: str, go: Any, value: Any) -> None:
    try:
        try:
            again = written(go, value)
        except gob.UnencodableError:
            return
        ((other_type, other),) = read(again, mode if go is ANY_MAP and None not in value.values() else "stream", LIMITS)
        if go is ANY_MAP:
            if not same(other, value):
                raise Finding(stream, "another session came back")
        elif normal(tree(other_type, other)) != normal(tree(go, value)):
            raise Finding(stream, "another value came back")
    except Finding:
        raise
    except Exception as error:
        raise Finding(stream, f"{error!r} when written and read again") from error


@dataclass
class Point:
    """What vectors have, with a field less than there."""

    X: int = 0


@dataclass
class Tree:
    """What vectors have."""

    V: int = 0
    Left: Tree | None = None
    Right: Tree | None = None


@dataclass
class User:
    """What vectors have, with some fields less than there."""

    Name: str = ""
    Tags: list[str] = field(default_factory=list)
    Meta: dict[str, Any] = field(default_factory=dict)
    Joined: gob.Time | None = None


class Celsius(float):
    """What vectors have."""


_CLASSES = {
    "main.Point": Point,
    "main.Tree": Tree,
    "beesession/beego-peer/models.User": User,
    "main.Celsius": Celsius,
}


def run(count: int, seed: int) -> Told:
    """Check so many streams, and return what was met with. With an odd seed there are classes for some types."""
    with taken_back():
        if seed % 2:
            for name, cls in _CLASSES.items():
                gob.register(cls, name)
        return _run(count, seed)


def _run(count: int, seed: int) -> Told:
    told = Told()
    chance = random.Random(seed)
    seeds = [each for name in ("gob.json", "gob-handmade.json") for vector in vectors(name) for each in streams(vector)]
    seeds = sorted({each for each in seeds if 0 < len(each) < 4096})
    first = len(seeds)
    with _coverage() as reached:
        for number in range(count):
            stream = changed(seeds, chance)
            before = len(reached)
            try:
                check(stream, told, measured=number % _MEASURED == 0)
            except Finding as finding:
                told.findings.append(str(finding))
            if stream and len(reached) > before and len(seeds) < _MOST_SEEDS:
                seeds.append(stream)
            told.streams += 1
    told.kept = len(seeds) - first
    return told


@contextmanager
def _coverage() -> Iterator[set[object]]:
    """Collect where the codec's code has been: its lines, and which way each of its branches went."""
    reached: set[object] = set()
    if sys.version_info < (3, 12):
        yield reached
        return
    monitoring = sys.monitoring
    tool = next((each for each in (4, 3, 5) if monitoring.get_tool(each) is None), None)
    if tool is None:
        yield reached
        return

    def line(code: Any, number: int) -> object:
        if code.co_filename.startswith(_PACKAGE):
            reached.add((code, number))
        return monitoring.DISABLE  # each is told once

    def branch(code: Any, at: int, to: int) -> object:
        if not code.co_filename.startswith(_PACKAGE):
            return monitoring.DISABLE
        reached.add((code, at, to))
        # Of both ways, each once: Python forgets a branch as a whole, so it stays until both are known.
        return monitoring.DISABLE if sum((code, at, other) in reached for other in _ways(code, at, to)) > 1 else None

    ways: dict[tuple[object, int], set[int]] = {}

    def _ways(code: object, at: int, to: int) -> set[int]:
        ways.setdefault((code, at), set()).add(to)
        return ways[code, at]

    events = monitoring.events
    monitoring.use_tool_id(tool, "fuzz")
    monitoring.register_callback(tool, events.LINE, line)
    monitoring.register_callback(tool, events.BRANCH, branch)
    monitoring.set_events(tool, events.LINE | events.BRANCH)
    try:
        yield reached
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


def main() -> int:
    """Run as many as the command line says, in as many processes as there are processors."""
    parser = argparse.ArgumentParser(description="Read streams that nobody would write.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    start, told = time.perf_counter(), Told()
    with ProcessPoolExecutor(options.processes) as processes:
        share = options.count // options.processes
        seeds = range(options.seed, options.seed + options.processes)
        for each in processes.map(run, [share] * options.processes, seeds):
            told.add(each)
    taken = time.perf_counter() - start
    for finding in told.findings[:20]:
        print(finding)
    print(
        f"{told.streams} streams, {told.read} of them read, in {taken:.0f} s: {told.streams / taken:.0f} a second; "
        f"{told.kept} kept for where they led; slowest {told.slowest * 1000:.0f} ms; at most {told.memory} bytes, "
        f"and {told.ratio:.1f} times a stream's own; {len(told.findings)} findings"
    )
    return 1 if told.findings else 0


if __name__ == "__main__":
    sys.exit(main())
