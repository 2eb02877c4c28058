"""Rules about what happens around a request: middleware, transport, cookie, and how long all of it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie

from django.conf import settings
from django.core.checks import CheckMessage

from beesession.beego.mapping import MIDDLEWARE as OURS
from beesession.beego.mapping import STOCK_MIDDLEWARE
from beesession.checks.site import Site, error, middleware, warning

# A foundation: while it reports something, the other rules are not asked -------------------------------------------


def cookie_can_be_made(site: Site) -> Iterator[CheckMessage]:
    """E010: no cookie can have this name or age."""
    name, age = settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_AGE
    try:
        SimpleCookie({name: ""})
    except (AttributeError, TypeError, CookieError):  # the first two for what is no string
        yield error(
            10,
            f"SESSION_COOKIE_NAME must be a name that a cookie can have, not {name!r}: letters, digits, '-' and '_', "
            "and no attribute of cookies, such as 'path'.",
        )
    if not isinstance(age, int) or isinstance(age, bool) or age <= 0:
        yield error(
            10,
            f"SESSION_COOKIE_AGE must be a positive whole number of seconds, not {age!r}.",
            "For a cookie that ends with the browser, set SESSION_EXPIRE_AT_BROWSER_CLOSE.",
        )


# Middleware ----------------------------------------------------------------------------------------------------


def there_is_a_session_middleware(site: Site) -> Iterator[CheckMessage]:
    """W004: an engine was chosen, and nothing opens sessions."""
    if not any(each.keeps_sessions for each in middleware()):
        yield warning(
            4,
            "MIDDLEWARE has no session middleware: requests have no session.",
            f"Put {OURS!r} into MIDDLEWARE, before the AuthenticationMiddleware.",
        )


def only_one_session_middleware(site: Site) -> Iterator[CheckMessage]:
    """E006: each of two would open, save and send a session of its own."""
    found = [each.path for each in middleware() if each.keeps_sessions]
    if len(found) > 1:
        yield error(
            6,
            f"MIDDLEWARE has {len(found)} session middlewares: {', '.join(found)}.",
            f"Keep one of them; {OURS!r} does all that Django's does.",
        )


def sessions_come_before_authentication(site: Site) -> Iterator[CheckMessage]:
    """E007: the user is read from a session that is not there yet."""
    entries = middleware()
    sessions = [place for place, each in enumerate(entries) if each.keeps_sessions]
    users = [place for place, each in enumerate(entries) if each.authenticates]
    if sessions and users and sessions[0] > users[0]:
        first, second = entries[users[0]].path, entries[sessions[0]].path
        yield error(
            7,
            f"MIDDLEWARE: {first!r} needs the session, and {second!r} comes after it.",
            "Move the session middleware up, before the other.",
        )


def keys_of_our_middleware_have_an_effect(site: Site) -> Iterator[CheckMessage]:
    """W005: a key that only beesession's middleware looks at."""
    present = [each for each in middleware() if each.keeps_sessions]
    if not present or any(OURS in each.ancestry for each in present):
        return
    hint = f"Put {OURS!r} in the place of {present[0].path!r}."
    for key, value in (("HEADER_NAME", site.options.header_name), ("URL_QUERY", site.options.url_query)):
        if value:
            yield warning(5, f"BEESESSION[{key!r}] does nothing: {present[0].path!r} does not know it.", hint)
    if site.options.idle_timeout is not None and not settings.SESSION_SAVE_EVERY_REQUEST:
        yield warning(
            5,
            "BEESESSION['IDLE_TIMEOUT'] counts from the last change of a session: visitors who only read are logged "
            f"out while they do, since {present[0].path!r} does not note their requests.",
            f"{hint} Or set SESSION_SAVE_EVERY_REQUEST.",
        )


# How the id travels --------------------------------------------------------------------------------------------


_TAKEN_HEADERS = frozenset({"authorization", "content-length", "content-type", "cookie", "host"})


def header_is_meant(site: Site) -> Iterator[CheckMessage]:
    """W006: what HttpOnly does for the cookie, nothing does for a header. E011: a header with a use of its own."""
    name = site.options.header_name
    if name is not None and name.lower() in _TAKEN_HEADERS:
        yield error(
            11,
            f"BEESESSION['HEADER_NAME'] is {name!r}, which requests have for a use of its own: it cannot carry an id.",
            "Name a header that nothing else uses, such as 'X-Session-Id'.",
        )
    elif name is not None:
        yield warning(
            6,
            "BEESESSION['HEADER_NAME'] hands session ids to scripts: a cross-site script can read and send them away.",
            "Set it to None unless clients without cookies need it; then silence this.",
        )


def ids_stay_out_of_urls(site: Site) -> Iterator[CheckMessage]:
    """W007 while DEBUG is on, E008 when it is off: addresses are logged, shared, and sent as referrers."""
    if site.options.url_query:
        report, number = (warning, 7) if settings.DEBUG else (error, 8)
        yield report(
            number,
            "BEESESSION['URL_QUERY'] takes session ids from the URL, and whoever sees the URL has the session.",
            "Set it to False (sessionenablesidinurlquery), or accept the risk: add this id to SILENCED_SYSTEM_CHECKS.",
        )


def browsers_keep_the_cookie(site: Site) -> Iterator[CheckMessage]:
    """E009: browsers drop such a cookie without a word, so no session is ever found again."""
    name, secure = settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE
    if str(settings.SESSION_COOKIE_SAMESITE).lower() == "none" and settings.SESSION_COOKIE_SAMESITE and not secure:
        yield error(
            9,
            "Browsers drop the session cookie: SESSION_COOKIE_SAMESITE is 'None' and SESSION_COOKIE_SECURE is off.",
            "Set SESSION_COOKIE_SECURE (enablehttps in beego), or SESSION_COOKIE_SAMESITE to 'Lax'.",
        )
    if name.startswith(("__Secure-", "__Host-")) and not secure:
        yield error(
            9,
            f"Browsers drop the session cookie: its name {name!r} demands SESSION_COOKIE_SECURE.",
            "Set SESSION_COOKIE_SECURE, or choose a SESSION_COOKIE_NAME without that prefix.",
        )
    if name.startswith("__Host-") and (settings.SESSION_COOKIE_DOMAIN or settings.SESSION_COOKIE_PATH != "/"):
        yield error(
            9,
            f"Browsers drop the session cookie: its name {name!r} allows no domain and no path but '/'.",
            "Remove SESSION_COOKIE_DOMAIN and SESSION_COOKIE_PATH, or use the prefix '__Secure-'.",
        )


# How long it lasts ---------------------------------------------------------------------------------------------


def cookie_does_not_outlive_the_record(site: Site) -> Iterator[CheckMessage]:
    """W008: the cookie promises more than the store keeps.

    That the two differ is no fault in itself: beego has a setting for each, and extends both at each request. The
    record then ends when it was not used for LIFETIME. Without the extension it ends in the midst of a visit. A cookie
    that ends before the record, as each one that ends with the browser, is harmless.
    """
    lifetime = site.options.lifetime
    promised = settings.SESSION_COOKIE_AGE
    extends = settings.SESSION_SAVE_EVERY_REQUEST or site.options.idle_timeout is not None
    if lifetime is not None and site.cookie_is_persistent and promised > lifetime and not extends:
        yield warning(
            8,
            f"The cookie lasts {promised} seconds, but the session only {lifetime} after its last change: visitors "
            "are logged out before the cookie is over, however active they are.",
            "Set SESSION_SAVE_EVERY_REQUEST, as beego does, or BEESESSION['LIFETIME'] to SESSION_COOKIE_AGE at least.",
        )


def timeouts_can_be_reached(site: Site) -> Iterator[CheckMessage]:
    """W009: an idle timeout that something shorter always comes before."""
    idle = site.options.idle_timeout
    for key, other in (("LIFETIME", site.options.lifetime), ("ABSOLUTE_TIMEOUT", site.options.absolute_timeout)):
        if idle is not None and other is not None and idle > other:
            yield warning(
                9,
                f"BEESESSION['IDLE_TIMEOUT'] ({idle} seconds) is never reached: {key} ends sessions after {other}.",
                f"Make IDLE_TIMEOUT shorter than {key}, or remove it.",
            )


# For a live site: these are asked with --deploy only -------------------------------------------------------------


def _django_asks() -> bool:
    """Whether Django's own checks look at the session cookie; they do not know subclasses of its middleware."""
    return "django.contrib.sessions" in settings.INSTALLED_APPS or STOCK_MIDDLEWARE in settings.MIDDLEWARE


def cookie_is_secure(site: Site) -> Iterator[CheckMessage]:
    """W010: security.W010 to W012 for sites on which Django does not ask."""
    if settings.SESSION_COOKIE_SECURE is not True and not _django_asks():
        yield warning(
            10,
            "The session cookie is sent over plain HTTP, too, where anybody on the way can read it.",
            "Set SESSION_COOKIE_SECURE to True (enablehttps in beego).",
        )


def cookie_is_http_only(site: Site) -> Iterator[CheckMessage]:
    """W011: security.W013 to W015 for sites on which Django does not ask."""
    if settings.SESSION_COOKIE_HTTPONLY is not True and not _django_asks():
        yield warning(
            11,
            "Scripts can read the session cookie, and a cross-site script can send it away.",
            "Set SESSION_COOKIE_HTTPONLY to True (sessiondisablehttponly = false in beego).",
        )


def cookie_has_samesite(site: Site) -> Iterator[CheckMessage]:
    """W012: which requests of other sites carry the cookie is left to the browser."""
    if not settings.SESSION_COOKIE_SAMESITE:
        yield warning(
            12,
            "The session cookie has no SameSite attribute: older browsers send it with each request of another site.",
            "Set SESSION_COOKIE_SAMESITE to 'Lax' or 'Strict' (sessioncookiesamesite = 2 or 3 in beego).",
        )
