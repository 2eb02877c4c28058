"""The engines that are measured, each beside the one of Django's that keeps its sessions in the same place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.test import override_settings

from beesession.binding import close_all
from beesession_tests.servers import redis_server


@dataclass(frozen=True)
class Pair:
    """One of our engines and its peer.

    :ivar place: where both keep their sessions
    :ivar shared: several processes see the same sessions
    """

    place: str
    ours: str
    peer: str
    shared: bool = True


PAIRS = (
    Pair("memory", "beesession.engines.memory", "django.contrib.sessions.backends.cache", shared=False),
    Pair("cookie", "beesession.engines.cookie", "django.contrib.sessions.backends.signed_cookies", shared=False),
    Pair("file", "beesession.engines.file", "django.contrib.sessions.backends.file"),
    Pair("redis", "beesession.engines.redis", "django.contrib.sessions.backends.cache"),
)


@contextmanager
def configured(pair: Pair) -> Iterator[dict[str, Any]]:
    """Give settings under which both engines of a pair work, as a dict, and make them the current ones."""
    with TemporaryDirectory() as folder:
        values: dict[str, Any] = {
            "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "SESSION_FILE_PATH": str(Path(folder)),
            "BEESESSION": {"PROVIDER_CONFIG": {"file": str(Path(folder) / "bee")}},
        }
        if pair.place != "redis":
            with override_settings(**values):
                yield values
                close_all()
            return
        with redis_server() as server:
            location = f"redis://127.0.0.1:{server.port}"
            values["CACHES"] = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location}}
            values["BEESESSION"] = {"PROVIDER_CONFIG": location}
            with override_settings(**values):
                yield values
                close_all()


def store_class(engine: str) -> Any:
    """Return the SessionStore of an engine module."""
    return import_module(engine).SessionStore
