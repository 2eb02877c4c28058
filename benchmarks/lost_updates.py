"""How many of 200 concurrent updates of one session are lost, by our engines and by Django's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import django

from benchmarks.peers import PAIRS, configured, store_class

WRITERS, WRITES = 8, 25

_ENVIRONMENT = "BEESESSION_BENCHMARK"


def write(engine: str, key: str, writer: int) -> None:
    """Be one writer: set keys that nobody else sets, each in a request of its own."""
    store = store_class(engine)
    for number in range(WRITES):
        session = store(key)
        session[f"{writer}-{number}"] = True
        session.save()


def _lost(engine: str, settings: dict[str, Any]) -> int:
    store = store_class(engine)
    session = store()
    session["here"] = True
    session.save()
    environment = {**os.environ, _ENVIRONMENT: json.dumps(settings)}
    command = [sys.executable, "-m", "benchmarks.lost_updates", engine, session.session_key]
    writers = [subprocess.Popen([*command, str(number)], env=environment) for number in range(WRITERS)]
    endings = [writer.wait() for writer in writers]
    if any(endings):
        raise SystemExit(f"a writer on {engine} has failed")
    return WRITERS * WRITES - sum(key != "here" for key in dict(store(session.session_key).items()))


def measure() -> Iterator[tuple[str, ...]]:
    """Yield the table's rows."""
    yield ("place", "beesession", "Django")
    for pair in PAIRS:
        if pair.shared:
            with configured(pair) as settings:
                yield (
                    pair.place,
                    *(f"{_lost(engine, settings)} of {WRITERS * WRITES}" for engine in (pair.ours, pair.peer)),
                )


if __name__ == "__main__":
    from django.conf import settings as current

    current.configure(
        SECRET_KEY="for the benchmarks alone, and long enough for them", **json.loads(os.environ[_ENVIRONMENT])
    )
    django.setup()
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
