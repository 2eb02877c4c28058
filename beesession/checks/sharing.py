"""Rules about sessions that a running beego application uses, too: ``CODEC = "gob"``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from django.conf import settings
from django.conf.global_settings import SESSION_SERIALIZER
from django.core.checks import CheckMessage

from beesession.beego import dsn, sharing
from beesession.checks.engine import idle_keys
from beesession.checks.site import Site, error, warning

_WHAT_BEEGO_CANNOT_READ = {
    "KEY_PREFIX": "beego looks for a session under its bare id",
    "HASH_KEYS": "beego looks for a session under its id, and not under a hash of it",
    "ENCRYPTION_KEYS": "beego knows nothing of this encryption",
}


def beego_can_read_the_records(site: Site) -> Iterator[CheckMessage]:
    """E040: a key that hides records from beego. (An ID_HASH_FUNC that gives no hex digits is E002 with any CODEC.)"""
    if site.options.codec != "gob":
        return
    for key in sorted(_WHAT_BEEGO_CANNOT_READ.keys() - idle_keys(site)):
        if getattr(site.options, key.lower()):
            yield error(
                40,
                f"BEESESSION[{key!r}] cannot be used with CODEC = 'gob': {_WHAT_BEEGO_CANNOT_READ[key]}.",
                f"Remove {key}, or CODEC if no beego application shares the sessions.",
            )


def engine_can_be_shared(site: Site) -> Iterator[CheckMessage]:
    """W040: beego cannot use the sessions of this engine, or not all of them."""
    if site.options.codec == "gob":
        for text in filter(None, (sharing.refusal(site.engine), *sharing.doubts(site.engine))):
            yield warning(
                40,
                f"CODEC = 'gob': {text}",
                "Choose another engine on both sides, or remove CODEC if no beego application shares the sessions.",
            )


def time_zone_was_thought_of(site: Site) -> Iterator[CheckMessage]:
    """W044: PostgreSQL's column has no zone, and beego writes its local time into it."""
    said = getattr(settings, "BEESESSION", {})
    if site.options.codec == "gob" and site.engine == "postgresql" and "STORE_TIMEZONE" not in said:
        yield warning(
            44,
            "CODEC = 'gob': beego writes its local time into the table, and BEESESSION['STORE_TIMEZONE'] does not say "
            "which zone that is.",
            "Set STORE_TIMEZONE to the zone of the beego process ('UTC' if that is it); with our Go provider, to its "
            "postgresql.TimeZone.",
        )


def path_of_the_cookie_is_beegos(site: Site) -> Iterator[CheckMessage]:
    """W045: beego's cookie is for all paths; a browser would keep two cookies of one name."""
    if site.options.codec == "gob" and settings.SESSION_COOKIE_PATH != "/":
        yield warning(
            45,
            f"SESSION_COOKIE_PATH is {settings.SESSION_COOKIE_PATH!r}, and that of beego's cookie always '/': a "
            "browser keeps one of each, and the two sides have two sessions.",
            "Remove SESSION_COOKIE_PATH.",
        )


def serializer_has_an_effect(site: Site) -> Iterator[CheckMessage]:
    """W041: a serializer of the site's own, which writes no gob."""
    if site.options.codec == "gob" and settings.SESSION_SERIALIZER != SESSION_SERIALIZER:
        yield warning(
            41,
            f"SESSION_SERIALIZER: {settings.SESSION_SERIALIZER!r} has no effect with CODEC = 'gob'.",
            "Remove the setting; beesession.codecs.gob.register makes types of the site's own known.",
        )


def keys_of_the_cookie_are_long(site: Site) -> Iterator[CheckMessage]:
    """W042: a signature that can be tried out. beego takes such a key, so it is no error here."""
    config = _cookie(site)
    if config is None:
        return
    from beesession.codecs.seal import MIN_KEY_BYTES  # needs the extra "crypto", as this engine does

    if len(config.security_key.encode("utf-8", "surrogatepass")) < MIN_KEY_BYTES:
        yield warning(
            42,
            f"securityKey in BEESESSION['PROVIDER_CONFIG'] has fewer than {MIN_KEY_BYTES} bytes: who finds it by "
            "trying can make a session of any user.",
            "Use a longer random key, in the configuration of the beego application as well.",
        )


def cookie_has_one_name(site: Site) -> Iterator[CheckMessage]:
    """W043: beego's cookie engine writes a cookie of a name that is not read here."""
    config, name = _cookie(site), settings.SESSION_COOKIE_NAME
    if config is not None and config.cookie_name not in ("", name):
        yield warning(
            43,
            # Text of a provider string shows itself as hidden; this much of it is no secret.
            f"cookieName in BEESESSION['PROVIDER_CONFIG'] is '{config.cookie_name}', and SESSION_COOKIE_NAME '{name}': "
            "what beego writes is not read here.",
            "Give cookieName, beego's sessionname and SESSION_COOKIE_NAME the same value.",
        )


def _cookie(site: Site) -> dsn.CookieConfig | None:
    """Return the keys of a cookie engine that beego shares."""
    if site.options.codec != "gob" or site.engine != "cookie":
        return None
    return cast(dsn.CookieConfig, dsn.parse("cookie", site.provider_config))
