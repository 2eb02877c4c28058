"""Promise 7: how many statements a verb sends, counted where the site could count them, and at the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from beesession.provider import Conflict, Gone
from beesession.sql.provider import SQLProvider
from beesession.testing import Verbs
from beesession_tests.sql.databases import ALIAS, HOUR, NEW_SID, SID, Kind, Make, Server, statements_at, stored

UNKNOWN = "a" * 32


def _refused(error: type[Exception], act: Callable[[], Any]) -> None:
    with pytest.raises(error):
        act()


def _superseded(verbs: Verbs | SQLProvider) -> None:
    record = stored(verbs)
    verbs.swap(SID, record, b"theirs", HOUR)
    _refused(Conflict, lambda: verbs.swap(SID, record, b"mine", HOUR))


def _taken(verbs: Verbs | SQLProvider) -> None:
    record = stored(verbs)
    stored(verbs, sid=NEW_SID)
    _refused(Conflict, lambda: verbs.regenerate(SID, NEW_SID, record, b"moved", HOUR))


# What happens, and the first word of each statement that it costs.
COSTS: dict[str, tuple[Callable[[Verbs | SQLProvider], Any], list[str]]] = {
    "create": (lambda verbs: stored(verbs), ["INSERT"]),
    "read": (lambda verbs: verbs.read(UNKNOWN), ["SELECT"]),
    "swap": (lambda verbs: verbs.swap(SID, stored(verbs), b"new", HOUR), ["INSERT", "UPDATE"]),
    "touch": (lambda verbs: verbs.touch(SID, stored(verbs), HOUR), ["INSERT", "UPDATE"]),
    "regenerate": (
        lambda verbs: verbs.regenerate(SID, NEW_SID, stored(verbs), b"new", HOUR),
        ["INSERT", "UPDATE"],
    ),
    "destroy": (lambda verbs: (stored(verbs), verbs.destroy(SID)), ["INSERT", "DELETE"]),
    "active": (lambda verbs: verbs.active(), ["SELECT"]),
    "gc": (lambda verbs: verbs.gc(10), ["DELETE"]),
    "a-large-session": (lambda verbs: stored(verbs, b"x" * 59_000), ["INSERT"]),
    "conflict": (_superseded, ["INSERT", "UPDATE", "UPDATE", "SELECT"]),
    "gone": (lambda verbs: _refused(Gone, lambda: verbs.touch(UNKNOWN, stored(verbs), HOUR)), ["INSERT", "UPDATE"]),
    "taken": (lambda verbs: (stored(verbs), verbs.create(SID, b"", HOUR)), ["INSERT", "INSERT", "UPDATE"]),
    "new-id-taken": (_taken, ["INSERT", "INSERT", "UPDATE", "DELETE"]),
    "nothing-to-destroy": (lambda verbs: verbs.destroy(UNKNOWN), ["DELETE", "DELETE"]),
}


@contextmanager
def statements_of(alias: str) -> Iterator[list[str]]:
    """Note the first word of each statement on a connection of the site until the block ends."""
    seen: list[str] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        seen.append(sql.split()[0])
        return execute(sql, parameters, many, context)

    connections[alias].ensure_connection()
    with connections[alias].execute_wrapper(note):
        yield seen


@pytest.mark.parametrize(("act", "expected"), COSTS.values(), ids=COSTS.keys())
def test_a_verb_sends_so_many_statements(
    make: Make, entry: dict[str, Any], act: Callable[[SQLProvider], Any], expected: list[str]
) -> None:
    # With one, what goes through the whole table has a connection of its own, which the site does not see.
    entry["OPTIONS"].pop("read_timeout", None)
    provider = make(alias=ALIAS)
    with statements_of(ALIAS) as seen:
        act(provider)
    assert seen == expected


@pytest.mark.slow
def test_the_server_counts_the_same(server: Server, verbs: Verbs) -> None:
    verbs.read(UNKNOWN)  # connects
    with statements_at(server) as seen:
        for number, (act, _) in enumerate(COSTS.values()):
            act(verbs)
            server.execute(f"DELETE FROM session -- after act {number}")
    expected = [word for _, words in COSTS.values() for word in [*words, "DELETE"]]
    assert [text.split()[0] for text in seen] == expected


@pytest.mark.usefixtures("entry")
def test_a_very_large_session_costs_a_question_once(kind: Kind, make: Make) -> None:
    provider = make(alias=ALIAS)
    with statements_of(ALIAS) as seen:
        record = stored(provider, b"x" * 1_000_000)
        provider.swap(SID, record, b"y" * 1_000_000, HOUR)
    assert seen == [*(["SELECT"] if kind.is_mysql else []), "INSERT", "UPDATE"]
