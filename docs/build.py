"""Writes the tables that the documentation takes from the code: ``./dev docs``; ``--check`` only tells if one is stale.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent

ENGINES = (
    *("memory", "cookie", "file", "redis"),
    *("redis_cluster", "redis_sentinel", "mysql", "postgresql", "memcache", "couchbase", "ledis", "ssdb"),
)
"""beego's registered names, in the order of the table."""


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _table(head: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    return "\n".join([_row(head), _row("---" for _ in head), *map(_row, rows)])


def engines() -> str:
    """What each engine keeps of the promises, as its Capabilities say."""
    head = (
        "engine",
        "updates merged",
        "logout final",
        "rotation atomic",
        "async",
        "count",
        "expiry by",
        "several processes",
    )
    return _table(head, map(_engine, ENGINES))


def _engine(name: str) -> tuple[str, ...]:
    module = import_module(f"beesession.engines.{name}")
    able = module.SessionStore.provider_class.capabilities
    return (
        f"[`{name}`](docs/engines/{name}.md)",
        _yes(able.swap),
        _yes(able.swap),
        _yes(able.atomic_rotation),
        "native" if able.native_async else "one thread hop",
        _yes(able.active),
        "the token" if able.self_contained else "the store" if able.store_expires else "read, and `session_gc`",
        _yes(able.shareable),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def keys() -> str:
    """Each key of BEESESSION."""
    from beesession import conf

    rows = (
        (f"`{name}`", f"`{entry['default']!r}`", entry["allowed"], entry["sentence"])
        for name, entry in conf.keys().items()
    )
    return _table(("key", "default", "allowed", "what it does"), rows)


def sharing() -> str:
    """What it takes to share each engine with beego, and what does not work there."""
    from beesession.beego.sharing import FACTS, Kind, facts

    everywhere = [fact for fact in FACTS if len(fact.engines) > len(ENGINES) / 2]
    rows = []
    for name in ENGINES:
        own = [fact for fact in facts(name) if fact not in everywhere]
        need = " ".join(fact.text for fact in own if fact.kind is Kind.NEED)
        limits = " ".join(fact.text for fact in own if fact.kind is not Kind.NEED)
        rows.append(
            (f"[`{name}`](engines/{name}.md){' *ours*' if name in _OURS_IN_GO else ''}", need or "-", limits or "-")
        )
    needs = "\n".join(f"* {fact.text}" for fact in everywhere if fact.kind is Kind.NEED)
    table = _table(("engine", "is needed besides", "does not work, or not as expected"), rows)
    return f"On each engine that can be shared both sides need:\n\n{needs}\n\n{table}"


_OURS_IN_GO = {folder.name for folder in (ROOT / "interop" / "go").iterdir() if folder.name in ENGINES}


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "engines": ("README.md", engines),
    "keys": ("docs/settings.md", keys),
    "sharing": ("docs/sharing.md", sharing),
}


def stale(*, write: bool) -> list[str]:
    """Return the files whose tables are not what the code says; with ``write``, bring them up to date."""
    found = []
    for name, (file, make) in TABLES.items():
        path = ROOT / file
        text = path.read_text(encoding="utf-8")
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not marked.search(text):
            raise SystemExit(f"{file} has no place for the table {name!r}")
        fresh = marked.sub(lambda match, make=make: f"{match[1]}{make()}\n{match[2]}", text)
        if fresh != text:
            found.append(file)
            if write:
                path.write_text(fresh, encoding="utf-8")
    return found


def main() -> int:
    if not settings.configured:
        settings.configure(SECRET_KEY="only for reading the engines' capabilities")
        django.setup()
    check = sys.argv[1:] == ["--check"]
    found = stale(write=not check)
    for file in found:
        print(f"{file}: {'stale, run ./dev docs' if check else 'written'}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
