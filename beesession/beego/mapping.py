"""From beego's configuration to Django's settings. Pure mappings: nothing is imported or connected here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from beesession.beego import dsn
from beesession.beego.keys import SessionConfig
from beesession.masked import masked

ALIAS = "beesession"
"""The name of our entry in CACHES or DATABASES."""

APP = "beesession"
MIDDLEWARE = "beesession.middleware.SessionMiddleware"
STOCK_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"

# Django refuses CACHES and DATABASES that have entries and no "default"; these are what it takes without any entry.
_DEFAULTS = {
    "CACHES": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "DATABASES": {"ENGINE": "django.db.backends.dummy"},
}


def options_for(config: SessionConfig, codec: str = "json") -> dict[str, Any]:
    """Return the BEESESSION dict: provider string, lifetime and id length, and what beego's configuration turns on.

    :param codec: CODEC, which is in the dict unless it is the default
    """
    provider_config = masked(config.provider_config)
    given: dict[str, Any] = {
        "PROVIDER_CONFIG": provider_config if isinstance(provider_config, str) else {config.provider: provider_config},
        "LIFETIME": config.lifetime,
        "ID_LENGTH": config.id_length or SessionConfig.id_length,
    }
    if codec != "json":
        given["CODEC"] = codec
    if config.id_prefix:
        given["ID_PREFIX"] = config.id_prefix
    if config.header:
        given["HEADER_NAME"] = config.header_name
        if not config.set_cookie:
            given["SET_COOKIE"] = False
    if config.url_query:
        given["URL_QUERY"] = True
    if config.id_hash_func is not None or config.id_hash_key is not None:
        # A key alone goes with the hash that beego's documentation names as the default.
        given["ID_HASH_FUNC"] = config.id_hash_func or "sha1"
        given["ID_HASH_KEY"] = config.id_hash_key
    return given


def settings_for(config: SessionConfig, engine: str, codec: str = "json") -> dict[str, Any]:
    """Return the Django settings; ``{}`` when sessions are off.

    :param engine: the engine's module
    :param codec: BEESESSION["CODEC"]
    :raises dsn.DSNError: for a database that Django cannot be told to connect to
    """
    if not config.on:
        return {}
    until_browser_closes = config.cookie_lifetime <= 0
    settings: dict[str, Any] = {
        "INSTALLED_APPS": [APP],
        "MIDDLEWARE": [MIDDLEWARE],
        "SESSION_ENGINE": engine,
        "SESSION_COOKIE_NAME": config.cookie_name,
        "SESSION_COOKIE_AGE": config.lifetime if until_browser_closes else config.cookie_lifetime,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": until_browser_closes,
        "SESSION_COOKIE_DOMAIN": config.domain or None,
        "SESSION_COOKIE_HTTPONLY": not config.disable_http_only,
        "SESSION_COOKIE_SECURE": config.secure,
        "SESSION_SAVE_EVERY_REQUEST": True,
        "BEESESSION": options_for(config, codec),
    }
    if config.same_site is not None:
        settings["SESSION_COOKIE_SAMESITE"] = config.same_site
    if config.provider in ("redis", "mysql", "postgresql"):
        store = dsn.parse(config.provider, config.provider_config)
        if isinstance(store, dsn.RedisConfig):
            settings["CACHES"] = {"default": _DEFAULTS["CACHES"], ALIAS: store.django_cache()}
        elif isinstance(store, (dsn.MySQLConfig, dsn.PostgreSQLConfig)):
            settings["DATABASES"] = {"default": _DEFAULTS["DATABASES"], ALIAS: store.django_database()}
    return settings


def merge_into(namespace: MutableMapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, ...]:
    """Merge settings into those of a module, and return a sentence for each value of the module that was kept.

    Nothing is discarded: lists grow, dicts get the keys that they lack, and what the module says itself stays. The two
    exceptions are what all this is for: SESSION_ENGINE is replaced, and Django's own session middleware is.

    :raises ImproperlyConfigured: a setting that has to be a dict is none
    """
    kept: list[str] = []
    for name, value in ours.items():
        if name == "INSTALLED_APPS":
            namespace[name] = _with_app(namespace.get(name, []))
        elif name == "MIDDLEWARE":
            namespace[name] = _with_middleware(namespace.get(name, []), kept)
        elif name not in namespace or name == "SESSION_ENGINE":
            namespace[name] = value
        elif isinstance(value, Mapping):
            there = namespace[name]
            if not isinstance(there, Mapping):
                raise ImproperlyConfigured(f"{name} must be a dict, not {type(there).__name__}.")
            kept += [
                f"{name}[{key!r}]: the value of the settings module is kept; beego's configuration has another"
                for key in value.keys() & there.keys()
                if key != "default" and there[key] != value[key]
            ]
            namespace[name] = {**value, **there}
        elif namespace[name] != value:
            kept.append(f"{name}: the value of the settings module is kept; beego's configuration has another")
    return tuple(kept)


def _with_app(apps: Iterable[str]) -> list[str]:
    present = any(app == APP or app.startswith(f"{APP}.apps.") for app in apps)
    return [*apps] if present else [*apps, APP]


def _with_middleware(middleware: Iterable[str], kept: list[str]) -> list[str]:
    entries = [*middleware]
    if MIDDLEWARE in entries:
        return [entry for entry in entries if entry != STOCK_MIDDLEWARE]
    if STOCK_MIDDLEWARE in entries:
        return [MIDDLEWARE if entry == STOCK_MIDDLEWARE else entry for entry in entries]
    own = [entry for entry in entries if entry.endswith("SessionMiddleware")]
    if own:
        kept.append(f"MIDDLEWARE: {own[0]} is kept; what only {MIDDLEWARE} can do (header, query) needs that one")
        return entries
    place = entries.index(AUTHENTICATION) if AUTHENTICATION in entries else 0
    return [*entries[:place], MIDDLEWARE, *entries[place:]]
