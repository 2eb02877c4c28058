"""``session_gc``: removes expired sessions."""

from __future__ import annotations

import time
from argparse import Namespace

from django.core.management.base import CommandError, CommandParser

from beesession.management.base import SessionCommand, count, outage, seconds
from beesession.management.terminal import ChangingLine, StopSignals, some
from beesession.operations import GC_BATCH
from beesession.provider import Provider, Unavailable


class Command(SessionCommand):
    help = "Removes expired sessions in bounded batches. Engines whose store expires them have nothing to remove."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=seconds, metavar="S", help="go on until stopped, with S seconds of rest")
        parser.add_argument(
            "--batch", type=count, default=GC_BATCH, metavar="N", help="sessions at a time (%(default)s)"
        )
        parser.add_argument(
            "--max-seconds", type=seconds, metavar="S", help="stop after the batch that S seconds end in"
        )
        parser.add_argument("--dry-run", action="store_true", help="count what would be removed, and remove nothing")

    def work(self, given: Namespace) -> None:
        provider = self.provider()
        if not provider.capabilities.gc:
            if not provider.capabilities.store_expires:
                raise CommandError(f"The {provider.name} engine cannot remove expired sessions.")
            self.stdout.write(f"Sessions of the {provider.name} engine expire by themselves: there is nothing to do.")
            return
        with StopSignals() as stop:
            while True:
                try:
                    self._collect(provider, stop, given)
                except Unavailable as error:
                    if given.every is None:
                        raise
                    self.stderr.write(f"{outage(error)} Trying again in {given.every:g} seconds.")
                if given.every is None or stop.wait(given.every):
                    return

    def _collect(self, provider: Provider, stop: StopSignals, given: Namespace) -> None:
        """Go through the store once, and say what came of it."""
        began = time.monotonic()
        progress = ChangingLine(self.stdout)
        verb = "would be removed" if given.dry_run else "removed"
        removed, finished, in_time = 0, False, True
        try:
            while not finished and in_time and not stop.received:
                sweep = provider.gc(given.batch, dry_run=given.dry_run)
                removed, finished = removed + sweep.removed, sweep.finished
                elapsed = time.monotonic() - began
                in_time = given.max_seconds is None or elapsed < given.max_seconds
                if given.verbosity > 0:
                    progress.show(f"{some(removed, 'expired session')} {verb} so far, {elapsed:.0f} s")
        finally:
            progress.clear()
        if given.verbosity == 0:
            return
        outcome = f"{some(removed, 'expired session')} {verb}"
        if not finished:
            reason = "when asked to" if in_time else f"after {given.max_seconds:g} seconds"
            advice = "There may be more." if given.dry_run else "Go on by running it again."
            self.stdout.write(f"Stopped {reason}: {outcome} so far. {advice}")
        else:
            self.stdout.write(f"{outcome}.")
        if not provider.capabilities.shareable:
            self.stdout.write(
                f"Of this process only: the {provider.name} engine keeps the sessions of each process in that process, "
                "which removes them itself when it needs the room."
            )
