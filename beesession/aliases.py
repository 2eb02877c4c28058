"""The entries of Django's settings by which an engine connects, where it is not PROVIDER_CONFIG that says how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from beesession.beego.mapping import ALIAS
from beesession.conf import Options

__all__ = ["ALIAS", "cache_entry_named", "entry_named", "session_alias"]


def session_alias(options: Options, entries: Mapping[str, Any]) -> str | None:
    """Return the name of the entry that comes before PROVIDER_CONFIG, or None where none does.

    It is ``BEESESSION["ALIAS"]``, or else the entry that BeegoManager would make.

    :param entries: those of CACHES or of DATABASES
    """
    return options.alias or (ALIAS if ALIAS in entries else None)


def entry_named(alias: str, options: Options, setting: str, entries: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an entry of CACHES or of DATABASES.

    :param setting: which of the two ``entries`` are
    :raises ImproperlyConfigured: there is no such entry
    """
    if alias not in entries:
        known = ", ".join(sorted(entries))
        raise ImproperlyConfigured(f"{options.source}['ALIAS']: {setting} has no entry {alias!r}; it has {known}.")
    return cast("Mapping[str, Any]", entries[alias])


def cache_entry_named(alias: str, options: Options, kind: type[BaseCache]) -> Mapping[str, Any]:
    """Return an entry of CACHES that an engine can connect by.

    :param kind: the cache backend that connects as the engine does
    :raises ImproperlyConfigured: there is no such entry, or it is none of that kind
    """
    entry = entry_named(alias, options, "CACHES", caches.settings)
    try:
        backend = import_string(entry.get("BACKEND", ""))
    except ImportError as error:
        raise ImproperlyConfigured(f"CACHES[{alias!r}]['BACKEND'] cannot be imported.") from error
    if not (isinstance(backend, type) and issubclass(backend, kind)):
        raise ImproperlyConfigured(
            f"CACHES[{alias!r}]['BACKEND'] must be '{kind.__module__}.{kind.__qualname__}' (or a subclass of it) to "
            f"hold sessions; set {options.source}['ALIAS'] to an entry of that kind."
        )
    return entry
