"""What a configuration means, key by key, for people and for programs. Secrets are never part of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from beesession import conf
from beesession.beego import dsn, sharing
from beesession.beego.keys import TABLE, Fate, SessionConfig, World
from beesession.beego.sharing import Kind
from beesession.conf import Options

HIDDEN = "(hidden)"

_ENTRY = re.compile(r"BEESESSION\['(\w+)'\]\Z")


@dataclass(frozen=True)
class OptionRow:
    """One key of BEESESSION.

    :ivar value: its value, or for a secret one what may be shown of it
    :ivar is_default: whether it is what it would be if the key were left out
    """

    key: str
    value: object
    default: object
    is_default: bool
    sentence: str


@dataclass(frozen=True)
class BeegoRow:
    """One key of a beego configuration, and what becomes of it.

    :ivar setting: the Django setting
    :ivar becomes: the value of that; None also where it is left alone
    :ivar is_set: whether it is not left alone
    """

    key: str
    value: object
    setting: str
    becomes: object
    is_set: bool
    sentence: str


@dataclass(frozen=True)
class Sharing:
    """What it takes to share sessions with a running beego application.

    :ivar codec: BEESESSION["CODEC"], which has to be "gob"
    :ivar is_possible: whether beego can use the sessions of this engine at all
    :ivar needs: what has to be so on both sides
    :ivar limits: what will not work, or not as expected
    """

    codec: str
    is_possible: bool
    needs: list[str]
    limits: list[str]


def sharing_with_beego(engine: str, codec: str) -> Sharing:
    """Return what it takes to share the sessions of an engine.

    :param engine: the engine's name, as beego has it
    :param codec: BEESESSION["CODEC"]
    """
    refused, needs, limits = (list(sharing.texts(engine, kind)) for kind in (Kind.FORBIDDING, Kind.NEED, Kind.LIMIT))
    return Sharing(codec, not refused, needs, [*refused, *limits])


def option_rows(options: Options, engine: str) -> Iterator[OptionRow]:
    """Yield each key of BEESESSION.

    :param engine: the engine's name, whose provider string is described
    """
    for key, about in conf.keys().items():
        value, default = getattr(options, key.lower()), about["default"]
        if key == "PROVIDER_CONFIG":
            shown: object = provider_config(engine, options.provider_config_for(engine))
        elif about["secret"]:
            shown = HIDDEN if value != default else default
        else:
            shown = plain(value)
        yield OptionRow(key, shown, plain(default), value == default, about["sentence"])


def beego_rows(config: SessionConfig, settings: Mapping[str, Any]) -> Iterator[BeegoRow]:
    """Yield each key of ``app.conf`` that is mapped; one that a ManagerConfig has set, too, under its web name.

    :param settings: the Django settings that were made of the configuration
    """
    for row in TABLE:
        if row.world is not World.WEB or row.fate is not Fate.MAPPED or not row.field:
            continue
        value, (is_set, becomes) = getattr(config, row.field), _found(settings, row.setting)
        if row.field == "provider_config":
            value, becomes = provider_config(config.provider, value), HIDDEN if becomes else becomes
        yield BeegoRow(row.name, plain(value), row.setting, plain(becomes), is_set, row.sentence)


def other_settings(rows: Iterable[BeegoRow], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that come with a beego configuration, whatever its keys say.

    Entries of CACHES and DATABASES are only named: they hold what the provider string says, passwords included.
    """
    told = {row.setting.partition("[")[0] for row in rows}
    return {
        name: "an entry 'beesession' for this store" if name in ("CACHES", "DATABASES") else plain(value)
        for name, value in settings.items()
        if name not in told
    }


def provider_config(engine: str, value: str | Mapping[str, Any]) -> str:
    """Return what may be shown of a provider string: how it was understood, without its secrets.

    Of a string for an engine of somebody else's nothing is shown, since nothing is known of it.
    """
    if not value:
        return ""
    if engine not in dsn.PARSERS:
        return HIDDEN
    try:
        parsed = dsn.parse(engine, value)
    except dsn.DSNError:
        return HIDDEN
    known = {each.name: getattr(parsed, each.name) for each in fields(parsed)}
    secret = {each.name for each in fields(parsed) if not each.repr}
    given = {name: value for name, value in known.items() if value not in (None, "", (), False)}
    return ", ".join(f"{name} {HIDDEN if name in secret else plain(value)}" for name, value in given.items())


def plain(value: object) -> Any:
    """Return a value that JSON can hold; a function becomes its name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [plain(each) for each in value]
    return getattr(value, "__qualname__", None) or str(value)


def _found(settings: Mapping[str, Any], setting: str) -> tuple[bool, object]:
    """Return whether a setting, or a key of BEESESSION, is there, and its value."""
    entry = _ENTRY.match(setting)
    holder, name = (settings.get("BEESESSION", {}), entry[1]) if entry else (settings, setting)
    return name in holder, holder.get(name)
