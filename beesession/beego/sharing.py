"""What it takes to share a store with a running beego application, and what does not work; each sentence once.

``session_config`` shows all of it, ``BeegoManager`` refuses and warns with it, and so do the system checks. Pure;
imports no Django. What is said of beego holds for v2.3.8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from beesession.beego.dsn import CookieConfig


class Kind(Enum):
    """What a sentence is about."""

    NEED = "Needed on both sides"
    LIMIT = "Will not work, or not as expected"
    FORBIDDING = "Cannot be shared"


@dataclass(frozen=True)
class Fact:
    """One sentence, on one or more engines.

    :ivar engines: beego's names of the engines
    :ivar doubtful: a configuration that shares such an engine is warned of
    """

    kind: Kind
    engines: frozenset[str]
    text: str
    doubtful: bool = False


_STORES = frozenset(
    {
        "file", "redis", "redis_cluster", "redis_sentinel", "mysql", "postgresql", "memcache", "couchbase", "ssdb",
    }
)  # fmt: skip
_ALL = _STORES | {"cookie"}


def _on(*engines: str) -> frozenset[str]:
    return frozenset(engines)


# fmt: off
FACTS: tuple[Fact, ...] = (
    Fact(Kind.FORBIDDING, _on("memory"),
         "The memory engine cannot be shared with beego: each process has sessions of its own."),
    Fact(Kind.FORBIDDING, _on("ledis"),
         "The ledis engine cannot be shared with beego: beego's own cannot write, and crashes at its first save."),

    Fact(Kind.NEED, _ALL, "One form: BEESESSION['CODEC'] is 'gob'."),
    Fact(Kind.NEED, _STORES,
         "One store: both configurations lead to the same place, and KEY_PREFIX, HASH_KEYS and ENCRYPTION_KEYS are "
         "not set."),
    Fact(Kind.NEED, _ALL, "One lifetime: BEESESSION['LIFETIME'] is beego's sessiongcmaxlifetime."),
    Fact(Kind.NEED, _ALL,
         "One cookie: SESSION_COOKIE_NAME is beego's sessionname, SESSION_COOKIE_DOMAIN its sessiondomain, and "
         "SESSION_COOKIE_PATH is '/', which beego's always is."),
    Fact(Kind.NEED, _STORES, "One form of ids: BEESESSION['ID_PREFIX'] is beego's sessionidprefix."),
    Fact(Kind.NEED, _ALL,
         "Types that both sides know: Go's own, and structs that are registered, with gob.Register in Go and with "
         "beesession.codecs.gob.register here."),
    Fact(Kind.NEED, _on("file"),
         "One user: both processes run as the same one, since only the owner may read the files."),
    Fact(Kind.NEED, _on("file"),
         "One folder: its whole path, as a relative one starts at BASE_DIR here, and at the working directory there."),
    Fact(Kind.NEED, _on("postgresql"),
         "One time zone: BEESESSION['STORE_TIMEZONE'] is the local zone of the beego process, which writes its local "
         "time into a column without a zone (with our Go provider: its postgresql.TimeZone, UTC unless it is set)."),
    Fact(Kind.NEED, _on("cookie"),
         "The same securityKey, blockKey and securityName: beego takes a missing securityKey for an empty one, with "
         "which anybody can sign, and draws the other two at random at each start."),
    Fact(Kind.NEED, _on("cookie"),
         "The same cookieName as sessionname: beego writes the one and reads the other."),

    Fact(Kind.LIMIT, _STORES,
         "Stock beego writes each session whole at the end of each request, changed or not, so it can overwrite "
         "what was stored here meanwhile; beesession's Go providers (in interop/go, for redis, mysql, postgresql and "
         "memcache) cannot."),
    Fact(Kind.LIMIT, _STORES,
         "Each save by beego gives a session its full lifetime, whatever set_expiry() or IDLE_TIMEOUT have set."),
    Fact(Kind.LIMIT, _on("couchbase"),
         "beego's couchbase engine cannot start sessions: it only reads and continues those that were started here.",
         doubtful=True),
    Fact(Kind.LIMIT, _on("memcache"),
         "beego answers 503 to an id that memcached does not know (any more), until the browser drops its cookie."),
    Fact(Kind.LIMIT, _on("memcache"), "beego panics at SessionRegenerateID."),
    Fact(Kind.LIMIT, _on("redis_cluster"),
         "beego's SessionRegenerateID loses the session: the new id is empty, and the old one still opens it."),
    Fact(Kind.LIMIT, _on("mysql"),
         "beego's table holds 65,535 bytes of a session (BLOB), and beego does not tell of a save that did not fit."),
    Fact(Kind.LIMIT, _on("file"), "beego moves the expiry of a session at each read."),
    Fact(Kind.LIMIT, _on("ssdb"),
         "beego has one connection for all requests, without a lock: parallel ones can get each other's replies."),
    Fact(Kind.LIMIT, _on("cookie"),
         "The beego application has to save (SessionRelease) before it writes the body: beego itself saves afterwards, "
         "when a cookie can no longer be sent."),
    Fact(Kind.LIMIT, _on("cookie"), "beego's SessionRegenerateID loses the session, and then crashes."),
    Fact(Kind.LIMIT, _on("cookie"),
         "A logout reaches one browser, on either side: a copy of the cookie opens until it expires."),
)
# fmt: on


def facts(engine: str) -> tuple[Fact, ...]:
    """Return what is to be said of an engine; nothing of one that beego does not have."""
    return tuple(fact for fact in FACTS if engine in fact.engines)


def texts(engine: str, kind: Kind) -> tuple[str, ...]:
    """Return the sentences of one kind on an engine."""
    return tuple(fact.text for fact in facts(engine) if fact.kind is kind)


def refusal(engine: str) -> str:
    """Return why an engine cannot be shared; "" when it can."""
    return " ".join(texts(engine, Kind.FORBIDDING))


def doubts(engine: str) -> Iterator[str]:
    """Yield what whoever shares this engine should hear without asking."""
    return (fact.text for fact in facts(engine) if fact.doubtful)


def missing_keys(config: CookieConfig) -> str:
    """Return what is wrong with keys of the cookie engine that both sides are to use; "" when nothing is."""
    given = {
        "securityKey": config.security_key,
        "blockKey": config.block_key,
        "securityName": config.security_name,
    }
    missing = [name for name, value in given.items() if not value]
    if not missing:
        return ""
    return (
        f"{', '.join(missing)} must be set for CODEC = 'gob'. beego takes a missing securityKey for an empty one, with "
        "which anybody can sign, and draws a missing blockKey or securityName at random at each start."
    )
