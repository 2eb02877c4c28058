from __future__ import annotations

import time
from collections.abc import Callable


def eventually(reached: Callable[[], bool], within: float = 5) -> bool:
    """Return whether it comes true within so many seconds; a server notices in its own time that a client has gone."""
    deadline = time.monotonic() + within
    while not (is_reached := reached()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_reached
