"""What the rules look at, and how they report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from beesession.beego.mapping import AUTHENTICATION, STOCK_MIDDLEWARE
from beesession.conf import Options
from beesession.provider import Capabilities, Provider
from beesession.store import SessionStore


@dataclass(frozen=True)
class Site:
    """A site that keeps its sessions in one of beesession's engines.

    :ivar store: the SessionStore of its SESSION_ENGINE
    :ivar options: its BEESESSION
    """

    store: type[SessionStore]
    options: Options

    @property
    def provider_class(self) -> type[Provider]:
        return self.store.provider_class

    @property
    def engine(self) -> str:
        """beego's name of the engine."""
        return self.provider_class.name

    @property
    def capabilities(self) -> Capabilities:
        return self.provider_class.capabilities

    @property
    def provider_config(self) -> str | Mapping[str, Any]:
        return self.options.provider_config_for(self.engine)

    @property
    def cookie_is_persistent(self) -> bool:
        """Whether the cookie outlives the browser window."""
        return not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE


Rule = Callable[[Site], Iterator[CheckMessage]]


def error(number: int, text: str, hint: str | None = None) -> checks.Error:
    """Return the message ``beesession.E<number>``. It needs no hint where its text says what to change, and to what."""
    return checks.Error(text, hint=hint, id=f"beesession.E{number:03}")


def warning(number: int, text: str, hint: str) -> checks.Warning:
    """Return the message ``beesession.W<number>``."""
    return checks.Warning(text, hint=hint, id=f"beesession.W{number:03}")


@dataclass(frozen=True)
class Middleware:
    """One entry of MIDDLEWARE.

    :ivar ancestry: the dotted paths of the class and of all that it inherits from; empty for a function
    """

    path: str
    ancestry: frozenset[str]

    @property
    def keeps_sessions(self) -> bool:
        """Whether it is Django's session middleware or a subclass of that."""
        return STOCK_MIDDLEWARE in self.ancestry

    @property
    def authenticates(self) -> bool:
        return AUTHENTICATION in self.ancestry


def middleware() -> list[Middleware]:
    """Return the entries of MIDDLEWARE that can be imported; of the others Django complains at its start."""
    found = []
    for path in settings.MIDDLEWARE:
        try:
            item = import_string(path)
        except Exception:  # whatever a module of the site may raise
            continue
        classes = item.__mro__ if isinstance(item, type) else ()
        found.append(Middleware(path, frozenset(f"{each.__module__}.{each.__qualname__}" for each in classes)))
    return found
