"""System checks, ``beesession.E001`` and on and ``beesession.W001`` and on: one function a rule.

Each rule says in its docstring which ids it reports. They are asked only on a site whose SESSION_ENGINE is one of
beesession's engines, or made from one; E001 also where it should be one and is not. ``manage.py check --tag
beesession`` asks them alone; ``--deploy`` adds those for a live site, and ``--deploy --database default`` those that
connect to the session server.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags
from django.core.exceptions import ImproperlyConfigured

from beesession import selected
from beesession.beego import keys
from beesession.beego.mapping import MIDDLEWARE as OURS
from beesession.beego.mapping import STOCK_MIDDLEWARE
from beesession.checks import engine, memcache, redis, request, sharing, sql
from beesession.checks.site import Rule, Site, error, middleware, warning

TAG = "beesession"

FOUNDATIONS: tuple[Rule, ...] = (
    engine.serializer_works,
    request.cookie_can_be_made,
    engine.engine_can_be_made,
)
"""Asked in this order; the first one that reports something is the last one that is asked."""

CONFIGURATION: tuple[Rule, ...] = (
    engine.serializer_is_no_pickle,
    engine.processes_share_sessions,
    engine.keys_have_an_effect,
    engine.keys_are_strong,
    redis.provider_config_is_looked_at,
    redis.no_cache_clears_the_sessions,
    redis.replies_stay_bytes,
    redis.sessions_are_read_where_they_are_written,
    sql.database_of_provider_config_is_looked_at,
    sql.requests_are_no_transactions,
    memcache.provider_config_is_looked_at,
    memcache.no_cache_clears_the_sessions,
    sharing.beego_can_read_the_records,
    sharing.engine_can_be_shared,
    sharing.time_zone_was_thought_of,
    sharing.path_of_the_cookie_is_beegos,
    sharing.serializer_has_an_effect,
    sharing.keys_of_the_cookie_are_long,
    sharing.cookie_has_one_name,
    request.there_is_a_session_middleware,
    request.only_one_session_middleware,
    request.sessions_come_before_authentication,
    request.keys_of_our_middleware_have_an_effect,
    request.header_is_meant,
    request.ids_stay_out_of_urls,
    request.browsers_keep_the_cookie,
    request.cookie_does_not_outlive_the_record,
    request.timeouts_can_be_reached,
)
DEPLOYMENT: tuple[Rule, ...] = (
    request.cookie_is_secure,
    request.cookie_is_http_only,
    request.cookie_has_samesite,
)
SERVER: tuple[Rule, ...] = (redis.redis_drops_no_sessions, sql.table_serves, memcache.memcached_keeps_sessions)


def register() -> None:
    """Make the checks known to Django."""
    checks.register(check_configuration, TAG)
    checks.register(check_deployment, TAG, Tags.security, deploy=True)
    checks.register(check_server, TAG, Tags.database, deploy=True)


def check_configuration(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    """Check what can be checked without connecting to anything."""
    messages: list[CheckMessage] = list(_beego_keys())
    try:
        site = _site()
    except _Broken as broken:
        return [*messages, broken.message]
    if site is None:
        return messages
    return messages + (_faults(site) or _reports(CONFIGURATION, site))


def check_deployment(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    """Check what matters on a live site only."""
    site = _usable_site()
    return [] if site is None else _reports(DEPLOYMENT, site)


def check_server(app_configs: object, databases: object = None, **kwargs: object) -> list[CheckMessage]:
    """Check what only the session server can tell.

    :param databases: empty, where nobody named one: then, as with Django's own checks of databases, nothing connects.
        From Django 6.1 on all of them are named where a tag is.
    """
    site = _usable_site() if databases else None
    return [] if site is None else _reports(SERVER, site)


class _Broken(Exception):
    """There is no site to look at."""

    def __init__(self, message: CheckMessage) -> None:
        super().__init__(message.msg)
        self.message = message


def _site() -> Site | None:
    """Return the site, or None when its engine is none of ours.

    E001: no such engine, or one that our middleware cannot work with. E002: BEESESSION is wrong.
    """
    try:
        store = selected.store_class()
    except ImproperlyConfigured as failure:
        hint = "Set SESSION_ENGINE to an engine that exists, and install the extra that the message names, if any."
        raise _Broken(error(1, str(failure), hint)) from failure
    if store is None:
        if any(OURS in each.ancestry for each in middleware()):
            raise _Broken(
                error(
                    1,
                    "MIDDLEWARE has beesession's SessionMiddleware, which needs one of its engines; "
                    f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}.",
                    f"Set SESSION_ENGINE to one, such as 'beesession.engines.redis', or put {STOCK_MIDDLEWARE!r} in "
                    "the place of the middleware.",
                )
            )
        return None
    try:
        return Site(store, store.bound_options())
    except ImproperlyConfigured as failure:
        raise _Broken(error(2, str(failure))) from failure


def _usable_site() -> Site | None:
    """Return the site if the configuration check has nothing to say against its foundations."""
    try:
        site = _site()
    except _Broken:
        return None
    return None if site is None or _faults(site) else site


def _faults(site: Site) -> list[CheckMessage]:
    """Return what the first of the foundations reports that reports something."""
    return next(filter(None, (list(rule(site)) for rule in FOUNDATIONS)), [])


def _reports(rules: tuple[Rule, ...], site: Site) -> list[CheckMessage]:
    return [message for rule in rules for message in rule(site)]


def _beego_keys() -> Iterator[CheckMessage]:
    """W016: what BeegoManager has warned of, also where it stands alone and SESSION_ENGINE is another."""
    for text in keys.reported():
        yield warning(16, text, "Change the key in beego's configuration; session_config FILE shows all of them.")
