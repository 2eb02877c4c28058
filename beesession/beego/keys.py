"""Every key of beego's session configuration, in one table, and the reading of keys into a :class:`SessionConfig`.

There are two worlds of keys: those of ``app.conf`` (web) and those of ``ManagerConfig`` (library). beego looks at
neither spelling nor age of a key; here a misspelled one is an error, and one that beego has renamed or dropped warns.
A key that is not given has the default of the web world in both: Go's zero values (no cookie name, no cookie, a
collection that never rests) are of no use to anybody.
"""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from beesession.beego import appconf
from beesession.sid import HashFunc

SameSite = Literal["Lax", "Strict", "None", False]
"""A SameSite attribute; False: it is not written."""


class BeegoConfigWarning(UserWarning):
    """A key of a beego configuration does not do here what it says; the text tells what it does."""


class World(Enum):
    """Where a key is written."""

    WEB = "app.conf"
    LIBRARY = "ManagerConfig"


class Fate(Enum):
    """What becomes of a key."""

    MAPPED = "mapped"
    RENAMED = "mapped, with a warning"
    DEAD = "ignored, with a warning"


@dataclass(frozen=True)
class SessionConfig:
    """A session configuration of beego, whichever world it was written in.

    :ivar gc_lifetime: seconds between two collections, and without ``max_lifetime`` the lifetime of the data, too
    :ivar max_lifetime: seconds; 0: as ``gc_lifetime``
    :ivar cookie_lifetime: seconds; 0 or less: until the browser closes
    :ivar same_site: None: not configured, which leaves the attribute to Django's own default
    """

    on: bool = False
    provider: str = "memory"
    provider_config: str | Mapping[str, object] = field(default="", repr=False)
    cookie_name: str = "beegosessionID"
    set_cookie: bool = True
    gc_lifetime: int = 3600
    max_lifetime: int = 0
    cookie_lifetime: int = 0
    domain: str = ""
    disable_http_only: bool = False
    secure: bool = False
    same_site: SameSite | None = None
    header: bool = False
    header_name: str = "Beegosessionid"
    url_query: bool = False
    id_prefix: str = ""
    id_length: int = 16
    id_hash_func: str | HashFunc | None = None
    id_hash_key: str | None = field(default=None, repr=False)

    @property
    def lifetime(self) -> int:
        """Seconds that the data lives in the store."""
        return self.max_lifetime or self.gc_lifetime


@dataclass(frozen=True)
class Key:
    """One row of the table.

    :ivar field: the attribute of :class:`SessionConfig` that it fills; "" when it fills none
    :ivar setting: the Django setting that it ends up in
    :ivar note: why it is renamed or dead; for a renamed one, what to write in its place
    """

    world: World
    name: str
    type: str
    field: str
    setting: str
    sentence: str
    fate: Fate = Fate.MAPPED
    note: str = ""

    @property
    def default(self) -> object:
        """The value when the key is not given."""
        return getattr(SessionConfig, self.field) if self.field else ""


_W, _L = World.WEB, World.LIBRARY
_OLD, _GONE = Fate.RENAMED, Fate.DEAD
_HASH = "beego 2 ignores it; here it shapes new ids again"
_HEADER, _QUERY = "BEESESSION['HEADER_NAME']", "BEESESSION['URL_QUERY']"
_SET_COOKIE = "BEESESSION['SET_COOKIE']"
_MIDDLEWARE, _PROVIDER = "MIDDLEWARE", "BEESESSION['PROVIDER_CONFIG']"

# fmt: off
TABLE: tuple[Key, ...] = (
    Key(_W, "sessionon", "flag", "on", _MIDDLEWARE, "Whether there are sessions at all."),
    Key(_W, "sessionprovider", "text", "provider", "SESSION_ENGINE", "The engine that keeps them."),
    Key(_W, "sessionproviderconfig", "object", "provider_config", _PROVIDER, "Where the engine keeps them."),
    Key(_W, "sessionname", "text", "cookie_name", "SESSION_COOKIE_NAME", "The cookie's name."),
    Key(_W, "sessiongcmaxlifetime", "whole", "gc_lifetime", "BEESESSION['LIFETIME']",
        "Seconds that a session lives in the store, and between two collections."),
    Key(_W, "sessioncookielifetime", "whole", "cookie_lifetime", "SESSION_COOKIE_AGE",
        "Seconds that the cookie lives; 0: until the browser closes."),
    Key(_W, "sessionautosetcookie", "flag", "set_cookie", _SET_COOKIE, "Whether the id is sent in a cookie."),
    Key(_W, "sessiondomain", "text", "domain", "SESSION_COOKIE_DOMAIN", "The cookie's domain."),
    Key(_W, "sessiondisablehttponly", "flag", "disable_http_only", "SESSION_COOKIE_HTTPONLY",
        "Whether scripts may read the cookie."),
    Key(_W, "sessioncookiesamesite", "same_site", "same_site", "SESSION_COOKIE_SAMESITE",
        "1: attribute not written, 2: Lax, 3: Strict, 4: None."),
    Key(_W, "sessionenablesidinhttpheader", "flag", "header", _HEADER, "Whether the id travels in a header, too."),
    Key(_W, "sessionnameinhttpheader", "text", "header_name", _HEADER, "The name of that header."),
    Key(_W, "sessionenablesidinurlquery", "flag", "url_query", _QUERY, "Whether the id may come in the URL's query."),
    Key(_W, "sessionidprefix", "text", "id_prefix", "BEESESSION['ID_PREFIX']", "Put in front of each new id."),
    Key(_W, "enablehttps", "flag", "secure", "SESSION_COOKIE_SECURE", "Whether the cookie travels over HTTPS only."),
    Key(_W, "sessionconfig", "object", "", "all of them", "A ManagerConfig, which replaces all keys but two."),
    Key(_W, "sessionhashfunc", "hash", "id_hash_func", "BEESESSION['ID_HASH_FUNC']",
        "The hash that makes ids.", _OLD, _HASH),
    Key(_W, "sessionhashkey", "text", "id_hash_key", "BEESESSION['ID_HASH_KEY']",
        "The key of that hash.", _OLD, _HASH),
    Key(_W, "sessionsavepath", "object", "provider_config", _PROVIDER,
        "Where the engine keeps its sessions.", _OLD, "it is called sessionproviderconfig now"),
    Key(_W, "sessionenablesetcookie", "flag", "set_cookie", _SET_COOKIE,
        "Whether the id is sent in a cookie.", _OLD, "it is called sessionautosetcookie now"),
    Key(_W, "enablesetcookie", "flag", "set_cookie", _SET_COOKIE,
        "Whether the id is sent in a cookie.", _OLD, "it is called sessionautosetcookie now"),
    Key(_W, "enablesidinhttpheader", "flag", "header", _HEADER,
        "Whether the id travels in a header, too.", _OLD, "it is called sessionenablesidinhttpheader now"),
    Key(_W, "enablesidinurlquery", "flag", "url_query", _QUERY,
        "Whether the id may come in the URL's query.", _OLD, "it is called sessionenablesidinurlquery now"),
    Key(_W, "sessionsecure", "any", "", "", "No key of beego.", _GONE, "ignored, the Secure flag follows enablehttps"),

    Key(_L, "cookieName", "text", "cookie_name", "SESSION_COOKIE_NAME", "The cookie's name."),
    Key(_L, "enableSetCookie", "flag", "set_cookie", _SET_COOKIE, "Whether the id is sent in a cookie."),
    Key(_L, "gclifetime", "whole", "gc_lifetime", "BEESESSION['LIFETIME']", "Seconds between two collections."),
    Key(_L, "maxLifetime", "whole", "max_lifetime", "BEESESSION['LIFETIME']",
        "Seconds that a session lives in the store; 0: as gclifetime."),
    Key(_L, "disableHTTPOnly", "flag", "disable_http_only", "SESSION_COOKIE_HTTPONLY",
        "Whether scripts may read the cookie."),
    Key(_L, "secure", "flag", "secure", "SESSION_COOKIE_SECURE", "Whether the cookie travels over HTTPS only."),
    Key(_L, "cookieLifeTime", "whole", "cookie_lifetime", "SESSION_COOKIE_AGE",
        "Seconds that the cookie lives; 0: until the browser closes."),
    Key(_L, "providerConfig", "object", "provider_config", _PROVIDER, "Where the engine keeps its sessions."),
    Key(_L, "domain", "text", "domain", "SESSION_COOKIE_DOMAIN", "The cookie's domain."),
    Key(_L, "sessionIDLength", "whole", "id_length", "BEESESSION['ID_LENGTH']",
        "Random bytes of a new id, which is written in hex; 0: 16."),
    Key(_L, "EnableSidInHTTPHeader", "flag", "header", _HEADER, "Whether the id travels in a header, too."),
    Key(_L, "SessionNameInHTTPHeader", "text", "header_name", _HEADER, "The name of that header."),
    Key(_L, "EnableSidInURLQuery", "flag", "url_query", _QUERY, "Whether the id may come in the URL's query."),
    Key(_L, "sessionIDPrefix", "text", "id_prefix", "BEESESSION['ID_PREFIX']", "Put in front of each new id."),
    Key(_L, "cookieSameSite", "same_site", "same_site", "SESSION_COOKIE_SAMESITE",
        "1: attribute not written, 2: Lax, 3: Strict, 4: None."),
    Key(_L, "enableSetCookie,omitempty", "flag", "set_cookie", _SET_COOKIE,
        "Whether the id is sent in a cookie.", _OLD, "it is called enableSetCookie"),
    Key(_L, "sessionIDHashFunc", "hash", "id_hash_func", "BEESESSION['ID_HASH_FUNC']",
        "The hash that makes ids.", _OLD, _HASH),
    Key(_L, "sessionIDHashKey", "text", "id_hash_key", "BEESESSION['ID_HASH_KEY']",
        "The key of that hash.", _OLD, _HASH),
    Key(_L, "savePath", "object", "provider_config", _PROVIDER,
        "Where the engine keeps its sessions.", _OLD, "it is called providerConfig now"),
)
# fmt: on

_SAME_SITE: dict[str, SameSite] = {
    **dict.fromkeys(("0", "1", "default"), False),
    **dict.fromkeys(("2", "lax"), "Lax"),
    **dict.fromkeys(("3", "strict"), "Strict"),
    **dict.fromkeys(("4", "none"), "None"),
}

Where = Callable[[str], str]
"""Names the place of a key for an error message."""


class Place(NamedTuple):
    """Where a field of a :class:`SessionConfig` was written, and the key as it was written there."""

    where: str
    key: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}"


@dataclass(frozen=True)
class Reading:
    """Keys that have been read: the configuration, and one sentence for each warning.

    :ivar places: the place of each field that was given; that of ``provider_config`` also when it was forgotten
    """

    config: SessionConfig
    warnings: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)


def read_web(given: Mapping[str, object], where: Where, *, judge_all: bool = True) -> Reading:
    """Read keys of the web world; case does not matter, and Go's full path of a key stands for the key.

    :param judge_all: False for a file that holds other keys, too: only those that look like session keys are judged
    :raises ImproperlyConfigured: for an unknown key, with the nearest known one, and for a wrong value
    """
    paths = {last_part(name): name for name in given}
    named = [(last_part(name), value) for name, value in given.items()]
    if not judge_all:
        named = [(name, value) for name, value in named if _looks_like_ours(name)]
    found, places, texts = _read(World.WEB, named, lambda name: where(paths[name]))
    nested = found.pop("sessionconfig", None)
    config = SessionConfig(**found)
    if not nested:
        if "provider" in places:
            places.setdefault("provider_config", Place(places["provider"].where, "sessionproviderconfig"))
        return Reading(config, texts, places)
    inner = read_library(nested, places["sessionconfig"].where)
    lost = [name for name, _ in named if name.lower() not in ("sessionon", "sessionprovider", "sessionconfig")]
    if lost:
        texts = (*texts, f"{', '.join(sorted(lost))}: ignored, since sessionconfig replaces all keys but two")
    return Reading(
        replace(inner.config, on=config.on, provider=config.provider),
        (*texts, *inner.warnings),
        {**places, **inner.places},
    )


def read_library(given: object, where: str) -> Reading:
    """Read a ManagerConfig, given as a mapping or as JSON text; case does not matter. Sessions are on.

    :raises ImproperlyConfigured: for broken JSON, an unknown key, with the nearest known one, and for a wrong value
    """
    if isinstance(given, str):
        given = _from_json(given)
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{where}: expected a JSON object (or a dict) of ManagerConfig keys.")
    found, places, texts = _read(World.LIBRARY, given.items(), lambda name: where)
    places.setdefault("provider_config", Place(where, "providerConfig"))
    return Reading(SessionConfig(on=True, **found), texts, places)


def last_part(name: object) -> str:
    """Return the key that Go's full path of it ends with, such as "SessionOn"."""
    return str(name).rpartition(".")[2]


def row_of(world: World, name: str) -> Key | None:
    """Return the row of a key, whose case does not matter."""
    return _rows(world).get(name.lower())


def names(field: str) -> str:
    """Return what a field of :class:`SessionConfig` is called today: in ``app.conf``, and in a ManagerConfig."""
    web, library = (row.name for row in TABLE if row.field == field and row.fate is Fate.MAPPED)
    return f"{web} (ManagerConfig: {library})"


def report(texts: Iterable[str], stacklevel: int) -> None:
    """Warn of each text, and remember it for the system checks."""
    for text in texts:
        _reported[text] = None
        warnings.warn(text, BeegoConfigWarning, stacklevel=stacklevel + 1)


def reported() -> tuple[str, ...]:
    """Return what has been warned of in this process, each text once."""
    return tuple(_reported)


_reported: dict[str, None] = {}


def _read(
    world: World, given: Iterable[tuple[str, object]], where: Where
) -> tuple[dict[str, Any], dict[str, Place], tuple[str, ...]]:
    rows = _rows(world)
    found: dict[str, tuple[Any, Place]] = {}
    outdated: dict[str, tuple[Any, Place]] = {}
    texts: list[str] = []
    seen: set[str] = set()
    for name, value in given:
        row = rows.get(str(name).lower())
        if row is None:
            raise ImproperlyConfigured(f"{where(name)}: {name!r} is no session key of beego. {_hint(world, name)}")
        if row.name in seen:
            raise ImproperlyConfigured(f"{where(name)}: {row.name} is given twice, in different spelling.")
        seen.add(row.name)
        if row.fate is not Fate.MAPPED:
            texts.append(f"{row.name}: {row.note}")
        if row.fate is Fate.DEAD or value is None or (row.type in ("text", "object") and value == ""):
            continue
        target = outdated if row.fate is Fate.RENAMED else found
        target[row.field or row.name] = _converted(row, value, where(name)), Place(where(name), str(name))
    fields = {**outdated, **found}
    values = {name: value for name, (value, _) in fields.items()}
    return values, {name: place for name, (_, place) in fields.items()}, tuple(texts)


def _rows(world: World) -> dict[str, Key]:
    return {row.name.lower(): row for row in TABLE if row.world is world}


def _converted(row: Key, value: object, where: str) -> Any:
    try:
        return _CONVERTERS[row.type](value)
    except ValueError as error:
        # Text may be a secret; a flag or a number that is none is shown, so that it can be found.
        shown = f", not {value!r}" if row.type in ("flag", "whole", "same_site") else f", not {type(value).__name__}"
        raise ImproperlyConfigured(f"{where}: {row.name} {error}{shown}.") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _object(value: object) -> object:
    if not isinstance(value, (str, Mapping)):
        raise ValueError("must be text or an object")
    return value


def _hash(value: object) -> object:
    if not isinstance(value, str) and not callable(value):
        raise ValueError("must be the name of a hash, such as 'sha1', or a function (random bytes, key) -> hex digits")
    return value


def _same_site(value: object) -> SameSite:
    word = str(value).lower()
    if isinstance(value, bool) or word not in _SAME_SITE:
        raise ValueError("must be 1 (attribute not written), 2 (Lax), 3 (Strict), 4 (None), or one of these words")
    return _SAME_SITE[word]


_CONVERTERS: dict[str, Callable[[object], Any]] = {
    "flag": appconf.flag,
    "whole": appconf.whole,
    "text": _text,
    "object": _object,
    "hash": _hash,
    "same_site": _same_site,
}


def _from_json(text: str) -> object:
    # None in place of the error: a JSONDecodeError carries the whole text, passwords included.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _hint(world: World, name: object) -> str:
    """A sentence that names keys as they are written today."""
    live = {key: row for key, row in _rows(world).items() if row.fate is Fate.MAPPED}
    stranger = row_of(World.LIBRARY if world is World.WEB else World.WEB, str(name))
    if stranger is not None and stranger.fate is Fate.MAPPED:
        same = [row.name for row in live.values() if row.field == stranger.field]
        return f"Did you mean {same[0]!r}?" if same else f"It is only in {stranger.world.value}: {stranger.name}."
    near = difflib.get_close_matches(str(name).lower(), live, n=1)
    if near:
        return f"Did you mean {live[near[0]].name!r}?"
    return f"Known are {', '.join(row.name for row in live.values())}."


def _looks_like_ours(name: str) -> bool:
    name = name.lower()
    web = [row.name for row in TABLE if row.world is World.WEB]
    session_keys = [key for key in web if key.startswith("session")]
    return name in web or name.startswith("session") or bool(difflib.get_close_matches(name, session_keys, 1, 0.85))
