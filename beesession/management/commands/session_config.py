"""``session_config``: what a configuration means, and whether the engine works."""

from __future__ import annotations

import json
import warnings
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.management.base import CommandError, CommandParser

from beesession.aliases import ALIAS
from beesession.beego.keys import BeegoConfigWarning
from beesession.beego.manager import BeegoManager
from beesession.beego.sharing import Kind
from beesession.conf import Options
from beesession.management import describe, doctor
from beesession.management.base import SessionCommand, outage
from beesession.management.terminal import columns
from beesession.provider import Unavailable
from beesession.store import SessionStore

NOT_SET = "(not set)"
WIDTH = 98
"""Characters of a line of a table, without its indentation."""


class Command(SessionCommand):
    help = "Shows what the settings, or a beego configuration file, mean for sessions, key by key. Secrets stay hidden."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", nargs="?", help="a beego configuration, such as conf/app.conf")
        parser.add_argument("--doctor", action="store_true", help="try the engine on its server, on its own record")
        parser.add_argument("--shared", action="store_true", help="tell what sharing with a beego application takes")
        parser.add_argument("--json", action="store_true", help="write JSON, for programs")

    def work(self, given: Namespace) -> None:
        manager = None if given.file is None else _manager(given.file, given.shared)
        report = self._on_settings(given.json) if manager is None else self._on_beego(given.file, manager, given.json)
        if (codec := self._codec(manager)) == "gob" or given.shared:
            report["sharing"] = self._on_sharing(report["engine"], codec, given.json)
        if given.doctor:
            store = self.store() if manager is None else self._store_of(manager)
            report["doctor"] = self._examined(store, given.json)
        if given.json:
            self.stdout.write(json.dumps(report, indent=2))

    def _on_settings(self, as_json: bool) -> dict[str, Any]:
        """Tell what each key of BEESESSION is set to; return the same for JSON."""
        store = self.store()
        options, engine = store.bound_options(), store.provider_class.name
        rows = list(describe.option_rows(options, engine))
        if not as_json:
            self.stdout.write(f"SESSION_ENGINE = {settings.SESSION_ENGINE!r}")
            self.stdout.write(
                f"A session lives {options.store_lifetime()} seconds in the store, and its cookie {_cookie_lifetime()}."
            )
            self.stdout.write("\nBEESESSION")
            self._table((row.key, _with_default(row), row.sentence) for row in rows)
        return {"engine": engine, "keys": {row.key: asdict(row) for row in rows}}

    def _on_beego(self, file: str, manager: BeegoManager, as_json: bool) -> dict[str, Any]:
        """Tell what becomes of each key of a beego configuration; return the same for JSON."""
        mapped = manager.as_settings()
        rows = list(describe.beego_rows(manager.config, mapped))
        others = describe.other_settings(rows, mapped)
        if not as_json:
            self.stdout.write(f"{file}: {'sessions are on' if manager.config.on else 'sessions are off (sessionon)'}")
            self._table((f"{row.key} = {_given(row.value)}", f"-> {row.setting} = {_becomes(row)}") for row in rows)
            if others:
                self.stdout.write("\nAlso set")
                self._table((name, _text(value)) for name, value in others.items())
            self.stdout.write("\nWarnings" if manager.warnings else "\nNo warnings.")
            for text in manager.warnings:
                self.stdout.write(self.style.WARNING(f"  {text}"))
        return {
            "engine": manager.config.provider if manager.config.on else None,
            "keys": {row.key: asdict(row) for row in rows},
            "settings": others,
            "warnings": list(manager.warnings),
        }

    def _codec(self, manager: BeegoManager | None) -> str:
        """Return how sessions are written; "" where there are none."""
        if manager is None:
            return self.store().bound_options().codec
        mapped = manager.as_settings()
        return str(mapped["BEESESSION"].get("CODEC", "json")) if mapped else ""

    def _on_sharing(self, engine: str | None, codec: str, as_json: bool) -> dict[str, Any] | None:
        """Tell what sharing the sessions with a beego application takes; return the same for JSON."""
        if engine is None:
            return None
        told = describe.sharing_with_beego(engine, codec)
        if not as_json:
            self.stdout.write(f"\nSharing with beego; CODEC is {codec!r}")
            for kind, lines in ((Kind.NEED, told.needs), (Kind.LIMIT, told.limits)):
                if lines:
                    self.stdout.write(f"\n{kind.value}")
                    self._table(("-", line) for line in lines)
        return asdict(told)

    def _store_of(self, manager: BeegoManager) -> type[SessionStore]:
        """Return the SessionStore that a beego configuration would make."""
        mapped = manager.as_settings()
        if not mapped:
            raise CommandError("--doctor: sessionon is false, so there is no engine to try.")
        ours = mapped.get("CACHES", {}).get(ALIAS)
        if ours is not None and caches.settings.get(ALIAS, ours) != ours:
            raise CommandError(
                f"--doctor: the settings have an entry {ALIAS!r} in CACHES that the engine would take, and it differs "
                "from what the file says. Leave out FILE to try the settings."
            )
        options = Options.from_mapping(mapped["BEESESSION"], source="BeegoManager")
        return type("SessionStore", (self.store(mapped["SESSION_ENGINE"]),), {"options": options})

    def _examined(self, store: type[SessionStore], as_json: bool) -> dict[str, float]:
        """Try the engine, and tell how it does; return the milliseconds that each verb took."""
        name = store.provider_class.name
        took: dict[str, float] = {}
        if not as_json:
            self.stdout.write(f"\nTrying the {name} engine")
        try:
            for step in doctor.examine(store):
                took[step.name] = round(step.seconds * 1000, 3)
                if not as_json:
                    self.stdout.write(f"  {step.name:<12}{took[step.name]:>9.1f} ms")
        except Unavailable as error:
            before = f"After {', '.join(took)}: " if took else ""
            raise outage(error, before) from error
        except doctor.Fault as fault:
            raise CommandError(str(fault)) from fault
        if not as_json:
            self.stdout.write(self.style.SUCCESS(f"The {name} engine works."))
        return took

    def _table(self, rows: Iterable[tuple[str, ...]]) -> None:
        for line in columns(list(rows), WIDTH):
            self.stdout.write(f"  {line}")


def _manager(file: str, shared: bool) -> BeegoManager:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BeegoConfigWarning)  # they are shown below the keys
        return BeegoManager.from_conf(file, shared=shared)


def _cookie_lifetime() -> str:
    if settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        return "until the browser is closed"
    return f"{settings.SESSION_COOKIE_AGE} seconds"


def _with_default(row: describe.OptionRow) -> str:
    return _text(row.value) if row.is_default else f"{_text(row.value)} (default {_text(row.default)})"


def _given(value: object) -> str:
    return NOT_SET if value is None else _text(value)  # None cannot be written in beego's configuration


def _becomes(row: describe.BeegoRow) -> str:
    return _text(row.becomes) if row.is_set else NOT_SET


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else repr(value)
