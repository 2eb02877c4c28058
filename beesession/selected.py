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
    :raises ImproperlyConfigured: the module cannot be imported, perhaps for want of its driver
    """
    name = settings.SESSION_ENGINE if module_name is None else module_name
    try:
        module = import_module(name)
    except ImportError as error:
        known = [f"{engines.__name__}.{module.name}" for module in pkgutil.iter_modules(engines.__path__)]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ImproperlyConfigured(f"SESSION_ENGINE: {name!r} cannot be imported: {error}.{hint}") from error
    found = getattr(module, "SessionStore", None)
    return found if isinstance(found, type) and issubclass(found, SessionStore) else None
