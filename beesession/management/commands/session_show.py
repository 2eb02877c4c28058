"""``session_show``: one session, decoded."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser

from beesession.binding import bind
from beesession.codecs import gob
from beesession.codecs.gobcodec import GobCodec
from beesession.exceptions import DecodeError
from beesession.management.base import SessionCommand
from beesession.management.terminal import columns
from beesession.provider import Record
from beesession.sid import fingerprint
from beesession.store import SessionStore


class Command(SessionCommand):
    help = (
        "Shows one session: its keys and their types (Go's, where CODEC is 'gob'), its size, and how long it has left. "
        "Values stay hidden."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        complain = parser.error

        def error(message: str) -> Any:
            # argparse quotes what it does not understand, and here that may be a session id.
            return complain(
                "one SID is needed (after -- if it begins with a dash), or - to read it from the standard input; "
                "--values shows the values, too"
            )

        parser.error = error  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sid", metavar="SID", help="its id; - reads it from the standard input, past the history")
        parser.add_argument("--values", action="store_true", help="show the values, too, which may be personal data")

    def work(self, given: Namespace) -> None:
        store = self.store()
        sid = sys.stdin.readline().strip() if given.sid == "-" else given.sid
        if not store.provider_class.ids(store.bound_options()).accepts(sid):
            raise CommandError("This is not the form that session ids of this site have. (It is not shown here.)")
        key = store(sid).store_key(sid)
        record = _read(store, key)
        if record is None:
            raise CommandError(f"There is no such session, or it has expired ({fingerprint(sid)}).")
        try:
            data = store.codec().loads(record.data, key)
        except DecodeError as error:
            reason = type(error.__cause__ or error).__name__
            raise CommandError(
                f"The record of session {fingerprint(sid)} cannot be decoded ({reason}): it is damaged, or was written "
                "with other keys, or by another program."
            ) from error
        about = [
            ("engine", store.provider_class.name),
            ("fingerprint", fingerprint(sid)),
            ("bytes", str(len(record.data))),
            ("seconds left", "unknown" if record.remaining is None else f"{record.remaining:.0f}"),
            ("keys", str(len(data))),
        ]
        for line in columns(about):
            self.stdout.write(line)
        kind_of = gob.go_type if isinstance(store.codec(), GobCodec) else _python_type
        for line in columns(list(_described(data, kind_of, given.values))) if data else ():
            self.stdout.write(f"  {line}")


def _read(store: type[SessionStore], key: str) -> Record | None:
    record = store.provider.read(key)
    if record is not None and record.remaining is None:
        # Where telling the expiry is not free, an engine reads it only if TOUCH_INTERVAL is going to need it.
        curious = replace(store.bound_options(), touch_interval=1)
        return bind(store.provider_class, curious).read(key)
    return record


def _python_type(value: object) -> str:
    return type(value).__name__


def _described(data: dict[Any, Any], kind_of: Callable[[object], str], values: bool) -> Iterator[tuple[str, str, str]]:
    for key, value in data.items():
        kind = kind_of(value)
        if isinstance(value, (str, bytes, list, dict)):
            kind += f" of {len(value)}"
        # What somebody has put into a session must not steer the terminal.
        name = key if isinstance(key, str) and key.isprintable() else repr(key)
        yield name, kind if kind.isprintable() else repr(kind), repr(value) if values else ""
