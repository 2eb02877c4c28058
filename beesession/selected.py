"""The engine that a site has chosen."""

from __future__ import annotations

import difflib
import pkgutil
from importlib import import_module

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from beesession import engines
from beesession.store import SessionStore


def store_class(module_name: str | None = None) -> type[SessionStore] | None:
    """Return the SessionStore of an engine, or None when it is none of beesession's (nor made from one).

    :param module_name: None: that of ``settings.SESSION_ENGINE``
    :raises ImproperlyConfigured: there is no such engine, or it cannot be imported, perhaps for want of its driver
    """
    name: object = settings.SESSION_ENGINE if module_name is None else module_name
    if not isinstance(name, str) or not name or name.startswith("."):
        raise ImproperlyConfigured(
            f"SESSION_ENGINE must be the module of an engine, such as '{engines.__name__}.redis', not {name!r}."
        )
    try:
        module = import_module(name)
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        # What an engine of the site's own lacks is no reason to suggest another engine.
        advice = _advice(name) if missing and f"{name}.".startswith(f"{missing}.") else ""
        raise ImproperlyConfigured(f"SESSION_ENGINE: {name!r} cannot be imported: {error}.{advice}") from error
    if not hasattr(module, "SessionStore"):
        raise ImproperlyConfigured(f"SESSION_ENGINE: {name!r} has no SessionStore.{_advice(name)}")
    found = module.SessionStore
    return found if isinstance(found, type) and issubclass(found, SessionStore) else None


def _advice(name: str) -> str:
    """Return what to choose in the place of a module that is no engine."""
    built = [module.name for module in pkgutil.iter_modules(engines.__path__)]
    near = difflib.get_close_matches(name.rpartition(".")[2].lower(), built, n=1)
    if near:
        return f" Did you mean '{engines.__name__}.{near[0]}'?"
    return f" The engines of this version are {', '.join(f'{engines.__name__}.{each}' for each in built)}."
