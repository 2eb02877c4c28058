"""Which engine module a ``sessionprovider`` name stands for: beego's twelve, registered ones, installed ones."""

from __future__ import annotations

import difflib
import re
from importlib.metadata import entry_points

from django.core.exceptions import ImproperlyConfigured

from beesession.beego import dsn

ENTRY_POINTS = "beesession.engines"
"""The entry-point group in which an installed package names its engine modules."""

_ENGINES = "beesession.engines"
_NAME = re.compile(r"[0-9A-Za-z_-]+\Z")
_registered: dict[str, str] = {}


def register(name: str, module: str) -> None:
    """Make ``sessionprovider = name`` stand for an engine module.

    The module holds a ``SessionStore``; it is imported when it is first used.

    :param name: letters, digits, ``_`` and ``-``; none of beego's own names
    :param module: a dotted path, such as ``"myapp.sessions.own"``
    :raises ImproperlyConfigured: for a name that cannot be used, or that stands for another module already
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ImproperlyConfigured("beesession.register: the name must consist of letters, digits, '_' and '-'.")
    if name in dsn.PARSERS:
        raise ImproperlyConfigured(f"beesession.register: {name!r} is one of beego's own names; choose another.")
    if not isinstance(module, str) or not all(part.isidentifier() for part in module.split(".")):
        raise ImproperlyConfigured(
            f"beesession.register: {name!r} must stand for a module, such as 'myapp.sessions.own'."
        )
    if _registered.setdefault(name, module) != module:
        raise ImproperlyConfigured(f"beesession.register: {name!r} stands for {_registered[name]!r} already.")


def known() -> tuple[str, ...]:
    """Return the names that stand for an engine: beego's twelve, then registered ones, then installed ones."""
    return (*dsn.PARSERS, *_registered, *_installed())


def resolve(name: str, place: str = "sessionprovider") -> str:
    """Return the engine module for a ``sessionprovider`` name. Case matters, as in beego.

    :param place: where the name was written, for the error
    :raises ImproperlyConfigured: for an unknown name, with the nearest known one
    """
    if name in dsn.PARSERS:
        return f"{_ENGINES}.{name}"
    if name in _registered:
        return _registered[name]
    installed = _installed()
    if name in installed:
        return installed[name]
    near = difflib.get_close_matches(name.lower(), known(), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known())}."
    raise ImproperlyConfigured(f"{place}: there is no engine named {name!r}. {hint}")


def _installed() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
