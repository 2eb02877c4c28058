"""``python -m beesession_tests.servers up``: every server that the tests share, to try an engine by hand.

Prints for each one its name and what to write into PROVIDER_CONFIG, as soon as it answers, and stops all of them at
Ctrl-C or SIGTERM. What cannot be started is told on stderr, and the rest runs.

``build`` makes those servers that have to be compiled, and the beego application of the tests, and starts none.
"""

from __future__ import annotations

import argparse
import signal
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

import pytest

from beesession_tests.interop import beego
from beesession_tests.servers import CouchbaseServer, LedisServer, ServerError, Servers

NAMES = [name for name, member in vars(Servers).items() if isinstance(member, cached_property)]


def main() -> int:
    """Run what the command line asks for, and return the exit code: 1 when a server could not be started."""
    parser = argparse.ArgumentParser(prog="python -m beesession_tests.servers", description=__doc__)
    parser.add_argument("command", choices=["up", "build"], help="up: start all servers, and wait")
    return up() if parser.parse_args().command == "up" else build()


def build() -> int:
    """Build the Go programs that tests start, unless they are built already."""
    with TemporaryDirectory() as directory:
        programs = (
            lambda: CouchbaseServer(Path(directory)),
            lambda: LedisServer(Path(directory)),
            beego.program,
            lambda: beego.program(ours=True),
        )
        for built in programs:
            try:
                built()
            except (ServerError, pytest.skip.Exception) as error:
                print(error, file=sys.stderr)
                return 1
    return 0


def up() -> int:
    """Start all servers at once, and stop them when asked to."""
    # A signal that raised would leave behind a server that is just being started.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: signals.put(number))
    failed = 0
    with Servers() as servers:
        with ThreadPoolExecutor(len(NAMES)) as threads:
            starts = {threads.submit(getattr, servers, name): name for name in NAMES}
            for start in as_completed(starts):
                try:
                    print(f"{starts[start]}: {start.result().provider_config}", flush=True)
                except (ServerError, pytest.skip.Exception) as error:
                    failed += 1
                    print(f"{starts[start]}: not started. {error}", file=sys.stderr, flush=True)
        print("Ctrl-C stops them.", file=sys.stderr, flush=True)
        signals.get()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
