"""Reading beego's configuration files. Pure; imports no Django.

:func:`read` takes an INI file as beego's own reader does (``conf/app.conf``), and JSON, YAML and TOML by their suffix.
Two differences are on purpose: the environment's run mode is known before anything is read (beego applies
``BEEGO_RUNMODE`` only after it has read the session keys), and what beego replaces by a default without a word, such
as a number that is none, is an error here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT = "default"
"""The section of keys that stand before any section."""

_RUN_MODES = ("dev", "test", "prod")
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True", "yes", "YES", "Yes", "y", "Y", "on", "ON", "On"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False", "no", "NO", "No", "n", "N", "off", "OFF", "Off"})
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}\Z")
_INCLUDE = re.compile(r'include\s+(?:"(?P<quoted>[^"]+)"|(?P<plain>\S+))\Z', re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(?P<name>.*?)(?:\|\|(?P<default>.*))?\}\Z", re.DOTALL)

# The structs of beego's configuration that hold session keys; a file other than INI may nest the keys in them.
_STRUCTS: dict[str, Any] = {"webconfig": {"session": {}}, "listen": {}}


class AppConfError(ValueError):
    """A configuration file cannot be read or used. Names the file and the line, and quotes nothing of it."""


class Entry(NamedTuple):
    """A value and where it stands, as ``file`` or ``file:line``.

    ``unset`` is the ``${NAME}`` that the value is empty for: no such variable, and no default beside it.
    """

    value: object
    where: str
    unset: str = ""


@dataclass(frozen=True)
class AppConf:
    """A configuration that has been read.

    :ivar path: the file that was read
    :ivar runmode: the run mode, whose section is asked before the default section
    :ivar runmode_asked: whether anybody asked for it; False: it is the default
    """

    path: Path
    runmode: str
    sections: Mapping[str, Mapping[str, Entry]] = field(repr=False)
    runmode_asked: bool = False

    def get(self, key: str, default: object = None) -> object:
        """Return the value of ``"key"`` (run mode first, then default section), or of ``"section::key"``.

        Case does not matter. A value of an INI file is a string, elsewhere it has the file's own type.
        """
        entry = self.entry(key)
        return default if entry is None else entry.value

    def entry(self, key: str) -> Entry | None:
        """Return the value with the place where it stands, or None."""
        section, separator, name = key.lower().rpartition("::")
        for candidate in (section,) if separator else (self.runmode.lower(), DEFAULT):
            found = self.sections.get(candidate, {}).get(name)
            if found is not None:
                return found
        return None

    def names(self) -> tuple[str, ...]:
        """Return the keys that :meth:`get` finds without a section, in lower case."""
        return tuple({**self.sections.get(DEFAULT, {}), **self.sections.get(self.runmode.lower(), {})})

    def unread_sections(self) -> tuple[str, ...]:
        """Return the sections that are named like a struct of beego's configuration; beego takes no keys from them."""
        return tuple(
            name for name in ("session", *_STRUCTS) if self.sections.get(name) and name != self.runmode.lower()
        )

    def other_run_modes(self) -> tuple[str, ...]:
        """Return the run modes that have a section, if the one that was asked for has none; otherwise nothing.

        Any section may be a run mode's. Only those that most likely are count: by their name, or by a session key.
        """
        if not self.runmode_asked or self.runmode.lower() in self.sections:
            return ()
        return tuple(
            name
            for name, entries in self.sections.items()
            if name in _RUN_MODES
            or (name not in (DEFAULT, "session", *_STRUCTS) and any(key.startswith("session") for key in entries))
        )


def read(path: str | os.PathLike[str], runmode: str | None = None, environ: Mapping[str, str] | None = None) -> AppConf:
    """Read a configuration file.

    The run mode is ``runmode``, else the environment's ``BEEGO_RUNMODE``, else the file's own ``runmode``, else
    "prod". With ``BEEGO_RUNMODE=X`` beego looks for ``X.app.conf`` in place of ``app.conf``; so does this, if
    ``app.conf`` was asked for and the other one exists beside it (beego starts with its defaults where it does not).

    :param environ: the variables for ``${NAME||default}``; None: the process's own
    :raises AppConfError: with the file and, where there is one, the line
    """
    environ = os.environ if environ is None else environ
    path = Path(path)
    from_environment = environ.get("BEEGO_RUNMODE", "")
    if from_environment and path.name == "app.conf" and Path(from_environment).name == from_environment:
        own = path.with_name(f"{from_environment}.app.conf")
        path = own if own.is_file() else path
    sections = _read_ini(path, environ, ()) if path.suffix.lower() not in _LOADERS else _read_tree(path, environ)
    entry = sections.get(DEFAULT, {}).get("runmode")
    from_file = str(entry.value) if entry is not None and entry.value else ""
    asked = runmode or from_environment or from_file
    return AppConf(path, asked or "prod", sections, runmode_asked=bool(asked))


def flag(value: object) -> bool:
    """Return a bool, given as such or as one of beego's words for it.

    :raises ValueError: for anything else
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, int)) and str(value) in _TRUE | _FALSE:
        return str(value) in _TRUE
    raise ValueError("must be true or false (or 1, 0, yes, no, on, off)")


def whole(value: object) -> int:
    """Return a whole number, given as such or in decimal digits.

    :raises ValueError: for anything else
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.match(value):
        return int(value)
    raise ValueError("must be a whole number in decimal digits")


# INI --------------------------------------------------------------------------------------------------------------


def _read_ini(path: Path, environ: Mapping[str, str], including: tuple[Path, ...]) -> dict[str, dict[str, Entry]]:
    if path.resolve() in including:
        raise AppConfError(f"{path}: the file includes itself")
    sections: dict[str, dict[str, Entry]] = {}
    section = DEFAULT
    for number, line in enumerate(_text(path).split("\n"), start=1):
        line = line.strip()
        where = f"{path}:{number}"
        if not line or line[0] in "#;":
            continue
        include = _INCLUDE.match(line)
        if include is not None:
            other = path.parent / (include["quoted"] or include["plain"])
            for name, entries in _read_ini(other, environ, (*including, path.resolve())).items():
                sections.setdefault(name, {}).update(entries)
        elif line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip().lower()
            sections.setdefault(section, {})
        else:
            key, equals, value = line.partition("=")
            if not equals or not key.strip():
                raise AppConfError(f"{where}: expected 'key = value', '[section]' or 'include \"file\"'")
            sections.setdefault(section, {})[key.strip().lower()] = _entry(_unquoted(value.strip()), where, environ)
    return sections


def _unquoted(value: str) -> str:
    # Only a leading quote counts, and then all quotes at both ends go, without any escapes.
    return value.strip('"') if value.startswith('"') else value


def _entry(value: object, where: str, environ: Mapping[str, str]) -> Entry:
    variable = _VARIABLE.match(value) if isinstance(value, str) else None
    if variable is None:
        return Entry(value, where)
    name, default = variable["name"].strip(), variable["default"]
    unset = f"${{{name}}}" if name not in environ and default is None else ""
    return Entry(environ.get(name, "") or default or "", where, unset)


def _text(path: Path) -> str:
    # Errors are raised outside the except clause: a UnicodeDecodeError carries the file's content.
    problem = None
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    raise AppConfError(f"{path}: the file {problem}")


# JSON, YAML, TOML ---------------------------------------------------------------------------------------------------


def _read_tree(path: Path, environ: Mapping[str, str]) -> dict[str, dict[str, Entry]]:
    tree = _LOADERS[path.suffix.lower()](path)
    if not isinstance(tree, dict):
        raise AppConfError(f"{path}: the file must hold an object at its top")
    sections: dict[str, dict[str, Entry]] = {DEFAULT: dict(_lifted(tree, _STRUCTS, str(path), environ))}
    for name, member in tree.items():
        if isinstance(member, dict) and str(name).lower() not in _STRUCTS:
            sections.setdefault(str(name).lower(), {}).update(_lifted(member, _STRUCTS, str(path), environ))
    return sections


def _lifted(
    tree: Mapping[object, object], structs: Mapping[str, Any], where: str, environ: Mapping[str, str]
) -> Iterator[tuple[str, Entry]]:
    """Yield the values of ``tree`` and of the structs inside it; a value further out comes later, and wins."""
    for name, member in tree.items():
        if isinstance(member, dict) and str(name).lower() in structs:
            yield from _lifted(member, structs[str(name).lower()], where, environ)
    for name, member in tree.items():
        key = str(name).lower()
        if key in structs or (isinstance(member, dict) and key not in _OBJECT_VALUES) or member is None:
            continue
        yield key, _entry(member, where, environ)


# Keys whose value may be written as an object in place of JSON text.
_OBJECT_VALUES = frozenset({"sessionproviderconfig", "sessionconfig"})


def _load_json(path: Path) -> object:
    text, line = _text(path), None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = error.lineno
    except RecursionError:
        line = 1
    raise AppConfError(f"{path}:{line}: this is not valid JSON")


def _load_yaml(path: Path) -> object:
    yaml, text, line = _extra(path, "yaml"), _text(path), 1
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
    except (ValueError, RecursionError):
        line = 1
    raise AppConfError(f"{path}:{line}: this is not valid YAML")


def _load_toml(path: Path) -> object:
    toml, text = _extra(path, "tomllib", "tomli"), _text(path)
    line = None
    try:
        return toml.loads(text)
    except toml.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
    except RecursionError:
        pass
    raise AppConfError(f"{path}:{line[1] if line else 1}: this is not valid TOML")


def _load_xml(path: Path) -> object:
    raise AppConfError(f"{path}: XML is not supported; write it as app.conf (INI), JSON, YAML or TOML")


def _extra(path: Path, *modules: str) -> Any:
    for module in modules:
        try:
            return import_module(module)
        except ModuleNotFoundError:
            continue
    raise AppConfError(f"{path}: to read this file, install the extra: pip install 'beesession[config]'")


_LOADERS = {".json": _load_json, ".yaml": _load_yaml, ".yml": _load_yaml, ".toml": _load_toml, ".xml": _load_xml}
