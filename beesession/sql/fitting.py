"""What the columns of the table can hold: which ids, and which options."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

from beesession.conf import Options
from beesession.sid import IdRule
from beesession.sql.layout import KEY_LENGTH


@dataclass(frozen=True)
class ColumnIds:
    """An id rule, and that the column must hold the id."""

    rule: IdRule

    def new(self) -> str:
        """Return a new id."""
        return self.rule.new()

    def accepts(self, sid: object) -> bool:
        """Return whether ``sid`` could be an id of this site. Takes anything, raises nothing, does no I/O."""
        return self.rule.accepts(sid) and isinstance(sid, str) and len(sid) <= KEY_LENGTH


def demand_fitting(options: Options, engine: str) -> None:
    """Refuse options that would need wider columns, or name no time zone.

    :raises ImproperlyConfigured: naming the key to change
    """
    source = options.source
    if options.key_prefix:
        raise ImproperlyConfigured(
            f"{source}['KEY_PREFIX'] must be empty for the {engine} engine: its table holds nothing but sessions, and "
            f"the column has room for {KEY_LENGTH} characters."
        )
    length = len(options.ids.new())
    if length > KEY_LENGTH and not options.hash_keys:
        raise ImproperlyConfigured(
            f"{source}: ids of {length} characters do not fit the {KEY_LENGTH} of the column session_key; make "
            "ID_LENGTH or ID_PREFIX shorter, or set HASH_KEYS."
        )
    if options.store_timezone != "UTC":  # which the database knows, even where Python has no time zones
        try:
            zoneinfo.ZoneInfo(options.store_timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ImproperlyConfigured(
                f"{source}['STORE_TIMEZONE']: {options.store_timezone!r} is no time zone; use a name such as "
                "'Europe/Berlin'."
            ) from error
