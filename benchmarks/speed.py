"""How long the steps of a request take, beside those of Django's engine for the same place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.peers import PAIRS, configured, store_class

ROUNDS = 9
REQUESTS = 200

DATA = {f"key{number}": "x" * 40 for number in range(10)}


def _create(store: Any, key: str) -> None:
    session = store()
    session.update(DATA)
    session.save()


def _read(store: Any, key: str) -> None:
    store(key).get("key1")


def _change(store: Any, key: str) -> str:
    session = store(key)
    session["count"] = session.get("count", 0) + 1
    session.save()
    return str(session.session_key)


def _unchanged(store: Any, key: str) -> str:
    """A request under SESSION_SAVE_EVERY_REQUEST that only reads."""
    session = store(key)
    session.get("key1")
    session.save()
    return str(session.session_key)


STEPS: tuple[tuple[str, Callable[[Any, str], Any]], ...] = (
    ("create", _create),
    ("read", _read),
    ("change", _change),
    ("save unchanged", _unchanged),
)


def _seconds(step: Callable[[Any, str], Any], store: Any, key: str) -> float:
    began = time.perf_counter()
    for _ in range(REQUESTS):
        key = step(store, key) or key
    return time.perf_counter() - began


def _started(store: Any) -> str:
    session = store()
    session.update(DATA)
    session.save()
    return str(session.session_key)


def measure() -> Iterator[tuple[str, ...]]:
    """Yield the table's rows: the peer's time over ours, best of interleaved rounds; above 1 ours is the faster."""
    yield ("place", *(name for name, _ in STEPS))
    for pair in PAIRS:
        with configured(pair):
            ours, peer = store_class(pair.ours), store_class(pair.peer)
            row = [pair.place]
            for _, step in STEPS:
                times: tuple[list[float], list[float]] = ([], [])
                for _ in range(ROUNDS):
                    for taken, store in zip(times, (ours, peer), strict=True):
                        taken.append(_seconds(step, store, _started(store)))
                row.append(f"{min(times[1]) / min(times[0]):.2f}")
            yield tuple(row)
