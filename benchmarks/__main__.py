"""Measures everything and prints it as Markdown; with ``--write`` into docs/benchmarks.md."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import django
from django.conf import settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"

HEAD = """\
# Benchmarks

Made by `./dev bench --write` on {machine}. Ratios hold between the columns of one run; seconds would not.
"""

SPEED = """
## Speed

The time of Django's engine over that of ours, for a session of ten keys and some 500 bytes: above 1 ours is faster.
Django's engine in memory, and in Redis, is its cache engine (LocMem, and django-redis); in the cookie, signed cookies.
"""

LOST = """
## Lost updates

Eight processes write 25 distinct keys each into one session, as 25 requests would.
"""


def table(rows: list[tuple[str, ...]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, tuple("---" for _ in head), *body)) + "\n"


def main() -> None:
    settings.configure(SECRET_KEY="for the benchmarks alone, and long enough for them")
    django.setup()
    from benchmarks import lost_updates, speed

    machine = f"Python {platform.python_version()}, Django {django.get_version()}, {platform.machine()}, two cores"
    page = HEAD.format(machine=machine) + SPEED + "\n" + table(list(speed.measure()))
    page += LOST + "\n" + table(list(lost_updates.measure()))
    print(page)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
