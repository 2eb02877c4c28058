"""``session_active``: how many sessions are live."""

from __future__ import annotations

import json
from argparse import Namespace

from django.core.management.base import CommandParser

from beesession.management.base import SessionCommand, seconds
from beesession.management.terminal import ChangingLine, StopSignals, some
from beesession.provider import Count, Provider


class Command(SessionCommand):
    help = "Counts the live sessions, expired ones left out, and says how it counted and what it cannot see."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help='write {"active": N or null, "how": "..."}')
        parser.add_argument("--watch", type=seconds, metavar="S", help="count again every S seconds until stopped")

    def work(self, given: Namespace) -> None:
        provider = self.provider()
        if given.watch is None:
            self.stdout.write(_told(provider, given.json))
            return
        line = ChangingLine(self.stdout)
        with StopSignals() as stop:
            while True:
                text = _told(provider, given.json)
                # Somebody who watches wants one number; a program that reads wants one line for each.
                if line.visible and not given.json:
                    line.show(text.splitlines()[0])
                else:
                    self.stdout.write(text)
                    self.stdout.flush()
                if stop.wait(given.watch):
                    break
        if line.visible:
            self.stdout.write("")


def _told(provider: Provider, as_json: bool) -> str:
    count = _counted(provider)
    if as_json:
        return json.dumps({"active": count.number, "how": count.how})
    number = "unknown" if count.number is None else some(count.number, "live session")
    if count.number is not None and not provider.capabilities.shareable:
        number += " in this process; those of the site's own processes cannot be seen"
    return f"{number}\n{count.how[:1].upper()}{count.how[1:]}."


def _counted(provider: Provider) -> Count:
    if provider.capabilities.active:
        return provider.active()
    if provider.capabilities.self_contained:
        return Count(None, f"the {provider.name} engine keeps sessions in the browsers, where nobody can count them")
    return Count(None, f"the {provider.name} engine cannot count its sessions")
