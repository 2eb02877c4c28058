"""Talking to people: aligned columns, a line that changes while they wait, and being asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from queue import Empty, SimpleQueue
from textwrap import wrap
from types import FrameType, TracebackType

from django.core.management.base import OutputWrapper


def columns(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Yield the lines of each row; the columns begin one below the other.

    :param width: characters of a line at most, for which the widest columns are broken into several lines

    >>> list(columns([("asta", "one two"), ("xie", "three")], width=11))
    ['asta  one', '      two', 'xie   three']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    if width is not None:
        for _ in range(sum(widths) + 2 * (len(widths) - 1) - width):
            widths[widths.index(max(widths))] -= 1
    for row in rows:
        cells = [[cell] if len(cell) <= size else wrap(cell, size) for cell, size in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield "  ".join(part.ljust(size) for part, size in zip(parts, widths, strict=True)).rstrip()


def some(number: int, thing: str) -> str:
    """Return the number with its noun.

    >>> some(1, "live session"), some(2, "live session")
    ('1 live session', '2 live sessions')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


class ChangingLine:
    """One line of a terminal that is written over and over. Where the output is no terminal, nothing is written.

    :ivar visible: whether the output is a terminal
    """

    _CLEAR = "\r\x1b[K"

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self.visible = out.isatty()

    def show(self, text: str) -> None:
        """Write the text in the place of what the line says."""
        if self.visible:
            self._out.write(f"{self._CLEAR}{text}", ending="")
            self._out.flush()

    def clear(self) -> None:
        """Empty the line, for something else to be written there."""
        self.show("")


class StopSignals:
    """SIGINT and SIGTERM are noted, rather than acted on at once, until the block ends.

    Outside the main thread nothing is noted: Python has signals there only.
    """

    def __enter__(self) -> StopSignals:
        # A signal handler may put into a SimpleQueue at any moment; an Event, set while it is waited for, can deadlock.
        self._received: SimpleQueue[int] = SimpleQueue()
        in_main_thread = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if in_main_thread else ()
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received.put(number)

    @property
    def received(self) -> bool:
        """Whether the process was asked to stop."""
        return not self._received.empty()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the process is asked to stop; return whether it was."""
        if not self.received:
            try:
                self._received.put(self._received.get(timeout=seconds))
            except Empty:
                return False
        return True
