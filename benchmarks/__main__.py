"""Measures everything and prints it as Markdown; with ``--write`` into docs/benchmarks.md.

With ``codec`` it measures the codec alone.
"""

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

CODEC = """
## The gob codec

The time of our gob over that of another format for the same session, in one run: below 1 gob is the faster. Signed JSON
is what Django's sessions are by default; pickle is unsigned; beego is its own gob, compiled Go. The session of 10 keys
is one of Django's with some 500 bytes; that of 1,000 entries has them in lists and in a dict. Medians of interleaved
rounds; `./dev bench codec` measures this table alone.
"""


def table(rows: list[tuple[str, ...]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, tuple("---" for _ in head), *body)) + "\n"


def main() -> None:
    settings.configure(SECRET_KEY="for the benchmarks alone, and long enough for them")
    django.setup()
    from benchmarks import codec, lost_updates, speed

    if "codec" in sys.argv[1:]:
        print(CODEC + "\n" + table(list(codec.measure())))
        return
    machine = f"Python {platform.python_version()}, Django {django.get_version()}, {platform.machine()}, two cores"
    page = HEAD.format(machine=machine) + SPEED + "\n" + table(list(speed.measure()))
    page += LOST + "\n" + table(list(lost_updates.measure()))
    page += CODEC + "\n" + table(list(codec.measure()))
    print(page)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
