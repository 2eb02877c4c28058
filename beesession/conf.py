"""Every key of ``settings.BEESESSION``: its name, default, type, and one sentence on what it does.

``Options`` is a validated, frozen BEESESSION. :func:`options` reads the one of the settings, lazily; a BeegoManager
makes its own, so that several configurations live in one process.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

from beesession.codecs.gob.errors import Limits
from beesession.sid import HashFunc, Ids

Check = Callable[[Any], bool]

NAME = "BEESESSION"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _positive(value: object) -> bool:
    return _is_int(value) and cast(int, value) > 0


def _not_negative(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(*allowed: str) -> Check:
    return lambda value: value in allowed


def _provider_config(value: object) -> bool:
    return isinstance(value, (str, Mapping))


def _merge_rules(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and (rule == "raise" or callable(rule)) for key, rule in value.items()
    )


LIMITS = tuple(field.name for field in fields(Limits))


def _limits(value: object) -> bool:
    return isinstance(value, Mapping) and all(name in LIMITS and _positive(each) for name, each in value.items())


def _header_name(value: object) -> bool:
    return isinstance(value, str) and value.replace("-", "").isalnum() and value.isascii()


def _names_engines(value: Mapping[Any, Any], source: str) -> None:
    """Refuse a PROVIDER_CONFIG whose keys are no engines: the engine would quietly connect to its default."""
    from beesession.beego.registry import known

    for name in value:
        if name not in known():
            near = difflib.get_close_matches(str(name).lower(), known(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ImproperlyConfigured(
                f"{source}['PROVIDER_CONFIG'] has the key {name!r}, which is no engine's name.{hint} "
                f"Its keys are engines; the settings of one engine are a string (or JSON text)."
            )


def _keys(value: object) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(k, (str, bytes)) for k in value)
    )


def _key(default: Any, check: Check, allowed: str, sentence: str, *, secret: bool = False) -> Any:
    metadata = {"check": check, "allowed": allowed, "sentence": sentence}
    if isinstance(default, (dict, list)):
        return field(default_factory=lambda: default.copy(), metadata=metadata, repr=not secret, compare=False)
    return field(default=default, metadata=metadata, repr=not secret, compare=False)


@dataclass(frozen=True, eq=False)
class Options:
    """A validated BEESESSION. Each attribute is a key of it, in lower case."""

    provider_config: str | Mapping[str, Any] = _key(
        "",
        _provider_config,
        "a string, or a dict of engine name to string",
        "beego's provider string (or JSON) for the engine, or a dict of engine name to such a string.",
        secret=True,
    )
    alias: str | None = _key(
        None, _or_none(_text), "a string or None", "The CACHES or DATABASES alias to use instead of PROVIDER_CONFIG."
    )
    lifetime: int | None = _key(
        None,
        _or_none(_positive),
        "a positive whole number of seconds, or None",
        "Seconds that a session lives in the store after its last change; None: SESSION_COOKIE_AGE.",
    )
    codec: str = _key(
        "json",
        _one_of("json", "gob"),
        "'json' or 'gob'",
        "How session data is written: 'json' is Django's own signed format, 'gob' beego's, which can then read it.",
    )
    key_prefix: str = _key("", _text, "a string", "Put in front of the id in stores that are shared with other data.")
    on_conflict: str = _key(
        "merge",
        _one_of("merge", "raise"),
        "'merge' or 'raise'",
        "What a save does when another request changed the session meanwhile: merge key by key, or SessionConflict.",
    )
    merge_rules: Mapping[str, str | Callable[[Any, Any, Any], Any]] = _key(
        {},
        _merge_rules,
        "a dict of session key to 'raise' or a function (base, mine, theirs) -> value",
        "Rules for keys that both requests changed; without one, the later save wins that key.",
    )
    detect_nested_changes: bool = _key(
        True, _flag, "True or False", "Notice changes inside lists and dicts that the view has read."
    )
    touch_interval: float = _key(
        0, _not_negative, "a number of seconds, 0 or more", "Do not move an expiry more often than this."
    )
    idle_timeout: int | None = _key(
        None,
        _or_none(_positive),
        "a positive whole number of seconds, or None",
        "A session that no request has used for so long is over, whatever its expiry.",
    )
    absolute_timeout: int | None = _key(
        None,
        _or_none(_positive),
        "a positive whole number of seconds, or None",
        "A session is over so long after it began, however active it is.",
    )
    save_timeout: float = _key(
        5, _not_negative, "a number of seconds, 0 or more", "How long a save goes on merging before SessionConflict."
    )
    id_length: int = _key(16, _positive, "a whole number from 16 to 64", "Random bytes of a new id (written in hex).")
    id_prefix: str = _key("", _text, "a string", "Put in front of each id, and demanded of each.")
    id_hash_func: str | HashFunc | None = _key(
        None,
        _or_none(lambda value: isinstance(value, str) or callable(value)),
        "'sha1', 'sha256', a function (random bytes, key) -> hex digits, or None",
        "Passes the random bytes of a new id through a hash.",
    )
    id_hash_key: str | bytes | None = _key(
        None,
        _or_none(lambda value: isinstance(value, (str, bytes))),
        "a string, bytes or None",
        "The key of that hash.",
        secret=True,
    )
    hash_keys: bool = _key(
        False, _flag, "True or False", "Store sessions under the SHA-256 of their ids: a leaked store opens none."
    )
    encryption_keys: Sequence[str | bytes] = _key(
        [],
        _keys,
        "a list whose members are strings or bytes",
        "Encrypt session data at rest (AES-GCM); the first key writes, all of them read.",
        secret=True,
    )
    header_name: str | None = _key(
        None,
        _or_none(_header_name),
        "a header name of letters, digits and '-', or None",
        "Carry the id in this header, too (beesession's middleware).",
    )
    set_cookie: bool = _key(
        True,
        _flag,
        "True or False",
        "Send the id in a cookie; False leaves HEADER_NAME as the only way (our middleware).",
    )
    url_query: bool = _key(
        False, _flag, "True or False", "Accept the id of a session without a login from the URL's query."
    )
    gob_limits: Mapping[str, int] = _key(
        {},
        _limits,
        f"a dict of {', '.join(LIMITS)} to numbers above 0",
        "How much a record in gob may ask of its reader, where the defaults of `codecs.gob.Limits` do not fit.",
    )
    store_timezone: str = _key("UTC", _text, "a time zone name", "The zone of beego's zone-less PostgreSQL column.")
    async_pool: bool = _key(True, _flag, "True or False", "Give PostgreSQL's async verbs a pool of their own.")

    source: str = field(default=NAME, compare=False)
    """What error messages call these options: the name of the setting they came from."""

    @classmethod
    def from_mapping(cls, mapping: object, source: str = NAME) -> Options:
        """Validate ``mapping`` and return it as Options.

        :raises ImproperlyConfigured: naming the key, what is allowed, and the nearest known key to an unknown one
        """
        if not isinstance(mapping, Mapping):
            raise ImproperlyConfigured(f"{source} must be a dict, not {type(mapping).__name__}.")
        known = keys()
        values: dict[str, Any] = {}
        for key, value in mapping.items():
            if key not in known:
                near = difflib.get_close_matches(str(key).upper(), known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(known)}."
                raise ImproperlyConfigured(f"{source}[{key!r}] is not a key of beesession.{hint}")
            metadata = known[key]
            if not metadata["check"](value):
                raise ImproperlyConfigured(
                    f"{source}[{key!r}] must be {metadata['allowed']}, not {_shown(value, metadata['secret'])}."
                )
            if key == "PROVIDER_CONFIG" and isinstance(value, Mapping):
                _names_engines(value, source)
            values[key.lower()] = value
        made = cls(**values, source=source)
        if not made.set_cookie and made.header_name is None:
            raise ImproperlyConfigured(f"{source}['SET_COOKIE'] can be False only with a HEADER_NAME to send ids in.")
        made.ids  # noqa: B018  (the id rule validates itself; a weak one must not wait for the first visitor)
        return made

    @cached_property
    def ids(self) -> Ids:
        """The rule for session ids that the ID_* keys describe."""
        key = self.id_hash_key or b""
        try:
            return Ids(
                length=self.id_length,
                prefix=self.id_prefix,
                hash_func=self.id_hash_func,
                hash_key=key.encode() if isinstance(key, str) else key,
                hex_only=self.codec == "gob",
            )
        except ValueError as error:
            raise ImproperlyConfigured(f"{self.source}: {error}.") from error

    def provider_config_for(self, engine: str) -> str | Mapping[str, Any]:
        """Return PROVIDER_CONFIG as it stands for one engine."""
        value = self.provider_config
        return value if isinstance(value, str) else value.get(engine, "")

    def store_lifetime(self) -> int:
        """Seconds that a session without an expiry of its own lives in the store."""
        lifetime = self.lifetime if self.lifetime is not None else int(settings.SESSION_COOKIE_AGE)
        return lifetime if self.idle_timeout is None else min(lifetime, self.idle_timeout)

    def mark_lifetime(self) -> int:
        """Seconds that a revocation mark lives: two lifetimes as beego has them, which knows of no idle timeout."""
        return 2 * (self.lifetime if self.lifetime is not None else int(settings.SESSION_COOKIE_AGE))


def _shown(value: object, secret: bool) -> str:
    return f"a value of type {type(value).__name__}" if secret else repr(value)


def keys() -> dict[str, dict[str, Any]]:
    """Return each key of BEESESSION with its default, check, allowed values, sentence, and whether it is secret."""
    found = {}
    for entry in fields(Options):
        if entry.metadata:
            default = entry.default if entry.default is not MISSING else cast(Any, entry.default_factory)()
            found[entry.name.upper()] = {**entry.metadata, "default": default, "secret": not entry.repr}
    return found


_of_settings: Options | None = None


def options() -> Options:
    """Return the Options of ``settings.BEESESSION``, read at first use and again after a change (in tests)."""
    global _of_settings
    if _of_settings is None:
        _of_settings = Options.from_mapping(getattr(settings, NAME, {}))
    return _of_settings


# What a provider or the options may have been made from.
DEPENDS_ON = frozenset(
    {NAME, "CACHES", "DATABASES", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "SESSION_FILE_PATH", "BASE_DIR"}
)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    global _of_settings
    if setting in DEPENDS_ON:
        _of_settings = None
