"""One provider per process and configuration, made when it is first needed.

A provider holds connections, so it is made after a fork (the process id is part of its name here), and it goes when
the settings that it was made from change, which happens in tests.
"""

from __future__ import annotations

import os
import threading

from django.core.signals import setting_changed
from django.dispatch import receiver

from beesession.conf import DEPENDS_ON, Options
from beesession.provider import Provider

_lock = threading.Lock()


def _forked() -> None:
    # Another thread of the parent may have held it.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

_providers: dict[tuple[int, type[Provider], Options], Provider] = {}


def bind(provider_class: type[Provider], options: Options) -> Provider:
    """Return the provider of this class for these options in this process."""
    key = (os.getpid(), provider_class, options)
    found = _providers.get(key)
    if found is None:
        with _lock:
            found = _providers.get(key)
            if found is None:
                value = options.provider_config_for(provider_class.name)
                found = _providers[key] = provider_class.from_config(value, options)
    return found


def close_all() -> None:
    """Close each provider of this process; the next use makes new ones."""
    with _lock:
        mine = [key for key in _providers if key[0] == os.getpid()]
        closing = [_providers.pop(key) for key in mine]
    for provider in closing:
        provider.close()


@receiver(setting_changed)
def _close(*, setting: str, **kwargs: object) -> None:
    if setting in DEPENDS_ON:
        close_all()
