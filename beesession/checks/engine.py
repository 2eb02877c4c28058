"""Rules about the engine: can it be made, does the site fit it, and are its keys any good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks.security.base import (
    SECRET_KEY_INSECURE_PREFIX,
    SECRET_KEY_MIN_LENGTH,
    SECRET_KEY_MIN_UNIQUE_CHARACTERS,
)
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from beesession import conf
from beesession.beego import dsn
from beesession.checks.site import Site, error, warning

# Foundations: while one of these reports something, the other rules are not asked ----------------------------


def serializer_works(site: Site) -> Iterator[CheckMessage]:
    """E003: SESSION_SERIALIZER cannot be used."""
    sample = {"asta": 1}
    try:
        serializer = import_string(settings.SESSION_SERIALIZER)()
        written = serializer.dumps(sample)
        problem = "" if isinstance(written, bytes) else f"its dumps() returns {type(written).__name__}, not bytes"
        if not problem and serializer.loads(written) != sample:
            problem = "its loads() does not return what its dumps() was given"
    except Exception as failure:  # whatever a serializer of the site's own raises
        problem = f"{type(failure).__name__}: {failure}"
    if problem:
        yield error(
            3,
            f"SESSION_SERIALIZER: {settings.SESSION_SERIALIZER!r} cannot be used: {problem}.",
            "Name a class with dumps(dict) -> bytes and loads(bytes) -> dict, or remove the setting to use JSON.",
        )


def engine_can_be_made(site: Site) -> Iterator[CheckMessage]:
    """E004: the provider string, the alias or the keys cannot be used."""
    try:
        if site.engine == "file":
            _file_engine(site)
        else:
            site.provider_class.from_config(site.provider_config, site.options).close()
        site.store.codec()
    except ImproperlyConfigured as failure:
        hint = "Name a directory in BEESESSION['PROVIDER_CONFIG'], or leave that out and set SESSION_FILE_PATH."
        is_of_the_path = site.engine == "file" and any(
            name in str(failure) for name in ("PROVIDER_CONFIG", "FILE_PATH")
        )
        yield error(4, str(failure), hint if is_of_the_path else None)


def _file_engine(site: Site) -> None:
    # To make the provider would make its directory, and for whoever runs the checks: root, when an image is built.
    from beesession.engines.file import session_root

    if site.options.key_prefix:
        raise ImproperlyConfigured(
            "BEESESSION['KEY_PREFIX'] must be empty for the file engine: its directory is not shared."
        )
    by_path = settings.SESSION_FILE_PATH and not site.provider_config
    key = "SESSION_FILE_PATH" if by_path else "BEESESSION['PROVIDER_CONFIG']"
    root = Path(session_root(site.provider_config, key))
    nearest = next(each for each in (root, *root.parents) if os.path.lexists(each))
    if not nearest.is_dir():
        what = "it" if nearest == root else str(nearest)
        raise ImproperlyConfigured(
            f"{key}: {root} must be a directory that this process can read and write: {what} is not a directory."
        )


# The other rules -----------------------------------------------------------------------------------------------


def serializer_is_no_pickle(site: Site) -> Iterator[CheckMessage]:
    """E005: whoever can write to the store, or knows SECRET_KEY, could run code."""
    if "pickle" in settings.SESSION_SERIALIZER.lower():
        yield error(
            5,
            f"SESSION_SERIALIZER: {settings.SESSION_SERIALIZER!r} looks like pickle, which runs what it loads.",
            "Remove the setting to use JSON, and keep other types in the session as text or numbers.",
        )


def processes_share_sessions(site: Site) -> Iterator[CheckMessage]:
    """W001: an engine of a single process on what looks like a live site."""
    if not site.capabilities.shareable and not settings.DEBUG:
        yield warning(
            1,
            f"The {site.engine} engine keeps sessions in one process: with several, visitors are logged out at "
            "random, and a restart ends all sessions.",
            "Set SESSION_ENGINE to an engine that processes share, or silence this for a site of a single process.",
        )


# Keys of BEESESSION that an engine does not look at. Its ids are tokens that cannot be compared, so the cookie engine
# has the longest list.
_WITHOUT_EFFECT: dict[str, frozenset[str]] = {
    "memory": frozenset({"ALIAS", "KEY_PREFIX"}),
    "file": frozenset({"ALIAS"}),
    "ssdb": frozenset({"ALIAS"}),
    "cookie": frozenset(
        {
            "ALIAS", "KEY_PREFIX", "HASH_KEYS", "ON_CONFLICT", "MERGE_RULES",
            "ID_LENGTH", "ID_PREFIX", "ID_HASH_FUNC", "ID_HASH_KEY",
        }
    ),
}  # fmt: skip
_POSTGRESQL_ONLY = frozenset({"STORE_TIMEZONE", "ASYNC_POOL"})


def idle_keys(site: Site) -> frozenset[str]:
    """Return the keys of BEESESSION that this engine does not look at."""
    elsewhere = frozenset() if site.engine == "postgresql" else _POSTGRESQL_ONLY
    return _WITHOUT_EFFECT.get(site.engine, frozenset()) | elsewhere


def keys_have_an_effect(site: Site) -> Iterator[CheckMessage]:
    """W002: a key that is set and does nothing."""
    given = {key for key, about in conf.keys().items() if getattr(site.options, key.lower()) != about["default"]}
    idle = given & idle_keys(site)
    for key in sorted(idle):
        yield warning(
            2,
            f"BEESESSION[{key!r}] has no effect with the {site.engine} engine.",
            f"Remove {key}, or set SESSION_ENGINE to an engine that knows it.",
        )
    if "ID_HASH_KEY" in given - idle and "ID_HASH_FUNC" not in given:
        yield warning(2, "BEESESSION['ID_HASH_KEY'] has no effect without ID_HASH_FUNC.", "Set ID_HASH_FUNC, too.")
    if {"ALIAS", "PROVIDER_CONFIG"} <= given - idle:
        yield warning(
            2,
            "BEESESSION['PROVIDER_CONFIG'] has no effect beside ALIAS, which is where the engine connects to.",
            "Remove one of the two.",
        )


def keys_are_strong(site: Site) -> Iterator[CheckMessage]:
    """W003: session data is encrypted, or signed, with what can be guessed."""
    if settings.DEBUG:
        return
    for name, key, shortest in _protecting_keys(site):
        text = key.decode("latin-1") if isinstance(key, bytes) else key
        if (
            len(text) < shortest
            or len(set(text)) < SECRET_KEY_MIN_UNIQUE_CHARACTERS
            or text.startswith(SECRET_KEY_INSECURE_PREFIX)
        ):
            yield warning(
                3,
                f"{name} protects sessions and is weak: short, of few different characters, or made by startproject.",
                "Use a random key, such as that of django.core.management.utils.get_random_secret_key().",
            )


def _protecting_keys(site: Site) -> Iterator[tuple[str, str | bytes, int]]:
    """Yield each key that sessions are encrypted or signed with: its name, the key, and below which length it is weak.

    That the engine refuses shorter ones altogether has been seen to.
    """
    if site.options.encryption_keys:
        for position, key in enumerate(site.options.encryption_keys):
            yield f"BEESESSION['ENCRYPTION_KEYS'][{position}]", key, 0
    elif site.engine == "cookie":
        config = dsn.cookie(site.provider_config)
        if config.security_key:
            yield "securityKey in BEESESSION['PROVIDER_CONFIG']", config.security_key, 0
            if site.options.codec == "gob":
                yield "blockKey in BEESESSION['PROVIDER_CONFIG']", config.block_key, 0
            return
        yield "SECRET_KEY", settings.SECRET_KEY, SECRET_KEY_MIN_LENGTH
        for position, key in enumerate(settings.SECRET_KEY_FALLBACKS):
            yield f"SECRET_KEY_FALLBACKS[{position}]", key, SECRET_KEY_MIN_LENGTH
