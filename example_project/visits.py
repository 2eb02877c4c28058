"""What the beego application next door keeps in the session: a struct there, a dataclass here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from beesession.codecs import gob


@gob.register("main.Visit")
@dataclass(frozen=True)
class Visit:
    """The last thing that was done at the beego application."""

    Action: str = ""
    At: datetime = datetime(1, 1, 1, tzinfo=timezone.utc)

    def __str__(self) -> str:
        return f"{self.Action}, at {self.At.astimezone(timezone.utc):%H:%M:%S} UTC"
