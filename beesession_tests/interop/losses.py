"""``python -m beesession_tests.interop.losses``: what a deployment loses that Django and beego share, with beego's own
providers and with ours, as a table in Markdown.

A number of lost updates is that of the median of some runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from statistics import median_low
from tempfile import TemporaryDirectory
from typing import Any

import django

RUNS = 3
RACES = 100

HEAD = ("store", "Go side", "updates lost of 200", "logouts undone for beego", "logouts undone for Django")


def measure() -> Iterator[tuple[str, ...]]:
    """Yield the table's rows. The servers that it takes must be installed, and so must Go."""
    from beesession_tests.engines import ENGINES
    from beesession_tests.interop.crowds import ENGINES_OF_OURS
    from beesession_tests.interop.django_site import sharing
    from beesession_tests.races.crowd import processes
    from beesession_tests.servers import Servers

    yield HEAD
    with ExitStack() as running:
        servers = running.enter_context(Servers())
        pool = running.enter_context(processes())
        directory = Path(running.enter_context(TemporaryDirectory()))
        for name in ENGINES_OF_OURS:
            (engine,) = (each for each in ENGINES if each.name == name)
            for ours in (False, True):
                with engine.running(servers, lambda: directory) as alone, sharing(alone) as site:
                    yield (name, "ours" if ours else "stock beego", *_numbers(site, pool, ours))


def _numbers(site: Any, pool: Executor, ours: bool) -> tuple[str, ...]:
    from beesession_tests.interop.crowds import lost_updates, races_against_logout

    lost = [len(lost_updates(site, pool, ours=ours)) for _ in range(RUNS)]
    races = races_against_logout(site, pool, RACES, ours=ours)
    for_beego = f"{races.revived_for_beego} of {races.races}"
    return str(median_low(lost)), for_beego, f"{races.revived_for_django} of {races.races}"


def main() -> int:
    """Print the table, row by row."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "beesession_tests.settings")
    django.setup()
    for number, row in enumerate(measure()):
        print(f"| {' | '.join(row)} |", flush=True)
        if number == 0:
            print(f"|{' --- |' * len(row)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
