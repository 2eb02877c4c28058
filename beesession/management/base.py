"""What the commands have in common: the engine they work on, their numbers, and how a fault is told.

Exit codes: 0 done, 1 a wrong configuration or request, or a store that refuses, 2 a wrong command line, 75 the store
cannot be reached, and the same command may work in a while (``EX_TEMPFAIL``, which mail systems and schedulers know).
"""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from argparse import ArgumentTypeError, Namespace
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from beesession import selected
from beesession.provider import Provider, Unavailable
from beesession.sql.dialect import AccessDenied
from beesession.store import SessionStore

UNREACHABLE = 75

# The classes of redis-py, which need not be installed, for what a server says of a user, a password or a database
# number that it does not take. Their subclasses, such as that for a full memory, may be over in a while.
_REFUSALS = frozenset(
    {
        "AuthenticationError", "AuthenticationWrongNumberOfArgsError", "AuthorizationError",
        "NoPermissionError", "ResponseError",
    }
)  # fmt: skip


class SessionCommand(BaseCommand):
    """A command on the sessions of this site."""

    # A wrong BEESESSION is told when it is read; what else the checks have to say must not fill the mail of a cron job.
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the output, such as head, has seen enough. Python flushes the rest of it at the exit.
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, sys.stdout.fileno())
            os.close(devnull)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.work(Namespace(**options))
        except Unavailable as error:
            raise outage(error) from error
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error

    @abstractmethod
    def work(self, given: Namespace) -> None:
        """Do what the command is for.

        :param given: the options and arguments
        :raises Unavailable: told as one line that names the cause
        :raises ImproperlyConfigured: told as it is
        """

    def store(self, engine: str | None = None) -> type[SessionStore]:
        """Return the SessionStore of the site.

        :param engine: the module of the engine; None: SESSION_ENGINE
        :raises CommandError: it is none of beesession's
        """
        found = selected.store_class(engine)
        if found is None:
            raise CommandError(
                f"SESSION_ENGINE is {engine or settings.SESSION_ENGINE!r}, which is none of beesession's engines; "
                "set it to one, such as 'beesession.engines.redis'."
            )
        return found

    def provider(self) -> Provider:
        """Return the provider of the site's engine."""
        provider: Provider = self.store().provider
        return provider


def outage(error: Unavailable, before: str = "") -> CommandError:
    """Return the error that tells people of a store that failed; it quotes nothing of the driver's message.

    :param before: put in front of the sentence
    """
    cause = type(error.__cause__ or error).__name__
    advice = ""
    if isinstance(error, AccessDenied):
        advice = "see the user and password that the engine is given, and what that user may do"
    elif cause in _REFUSALS:
        advice = "see the user, password and database number that the engine is given"
    if advice:
        return CommandError(f"{before}The session store refused ({cause}): {advice}.")
    return CommandError(f"{before}The session store cannot be reached ({cause}).", returncode=UNREACHABLE)


def seconds(text: str) -> float:
    """Read a number of seconds from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise ArgumentTypeError("it must be a number of seconds above 0")
    return value


def count(text: str) -> int:
    """Read a whole number from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError("it must be a whole number of 1 or more")
    return int(text)
