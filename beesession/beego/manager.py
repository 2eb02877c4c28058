"""``BeegoManager``: sessions configured as beego configures them, for a whole Django site or without its middleware."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

from beesession.beego import appconf, dsn, keys, mapping, registry, sharing
from beesession.beego.session import BeegoSession, opened
from beesession.conf import Options
from beesession.exceptions import BeeSessionError
from beesession.middleware import Transport, received, ways_back
from beesession.operations import collect
from beesession.provider import Provider, Unavailable
from beesession.sid import HashFunc
from beesession.stepping import directly, run
from beesession.store import SessionStore

logger = logging.getLogger("beesession")

# How Options begins an error: BeegoManager['HEADER_NAME'] ..., BeegoManager: ID_PREFIX: ...
_OPTION = re.compile(r"BeegoManager(?:: |\[')(?P<name>[A-Z_]+)(?:'\])?")


class CannotCount(BeeSessionError, NotImplementedError):
    """The engine cannot tell how many sessions are live."""


class BeegoManager:
    """A session manager from a beego configuration. Made by :meth:`from_conf`, :meth:`from_keys` or :meth:`new`.

    In a settings module, :meth:`apply` makes the configuration the site's own, and the session middleware does the
    rest. Without it, a view starts, releases and destroys its sessions here; several managers, of the same engine,
    too, live side by side.

    Each of the three takes two keywords. ``codec="gob"`` writes sessions in beego's own form, so that beego can read
    them. ``shared=True`` says that it will: it means ``codec="gob"``, and refuses an engine that beego cannot share.

    :ivar config: the configuration as it was understood
    :ivar warnings: one sentence for each key that is renamed, ignored, or does not do what it seems to
    """

    def __init__(
        self, reading: keys.Reading, *, codec: str = "json", shared: bool = False, stacklevel: int = 1
    ) -> None:
        self.config = reading.config
        self._codec = "gob" if shared else codec
        self._shared = shared
        self._places = dict(reading.places)
        self._engine = ""
        if self.config.on:
            place = str(self._places.get("provider", "sessionprovider"))
            self._engine = registry.resolve(self.config.provider, place)
            if shared and (reason := sharing.refusal(self.config.provider)):
                raise ImproperlyConfigured(f"{place}: {reason} Choose another engine, on both sides.")
        self._store_class: type[SessionStore] | None = None
        self._lock = threading.Lock()
        self._collector: tuple[threading.Thread, threading.Event] | None = None
        self._options = self._checked()
        self.warnings = (*reading.warnings, *_doubts(self.config), *self._doubts_of_sharing(shared))
        keys.report(self.warnings, stacklevel + 1)

    def __repr__(self) -> str:
        return f"<BeegoManager: {self.config.provider if self.config.on else 'sessions are off'}>"

    @classmethod
    def from_conf(
        cls, path: str | os.PathLike[str], runmode: str | None = None, *, codec: str = "json", shared: bool = False
    ) -> BeegoManager:
        """Return the manager that a beego configuration file asks for.

        :param path: ``conf/app.conf``, or a file that ends in .json, .yaml or .toml
        :param runmode: None: ``BEEGO_RUNMODE``, else the file's own, else "prod"
        :param codec: "json", or "gob" for sessions that beego can read
        :param shared: a running beego application uses the same sessions: ``codec="gob"``, on an engine that allows it
        :raises ImproperlyConfigured: with file and line; keys that have nothing to do with sessions are left alone
        """
        try:
            conf = appconf.read(path, runmode)
        except appconf.AppConfError as error:
            raise ImproperlyConfigured(str(error)) from error
        entries = {name: entry for name in conf.names() if (entry := conf.entry(name)) is not None}
        values = {name: entry.value for name, entry in entries.items()}
        reading = keys.read_web(values, lambda name: entries[name].where, judge_all=False)
        reading = replace(reading, warnings=(*reading.warnings, *_lost(conf)))
        return cls(reading, codec=codec, shared=shared, stacklevel=2)

    @classmethod
    def from_keys(cls, given: Mapping[str, object], *, codec: str = "json", shared: bool = False) -> BeegoManager:
        """Return the manager for web keys, such as ``{"sessionon": True, "sessionprovider": "redis"}``.

        :param given: keys of ``app.conf`` in any case, with values of Python or as the file would have them
        :param codec, shared: as for :meth:`from_conf`
        :raises ImproperlyConfigured: for each key that is no session key, and each wrong value
        """
        reading = keys.read_web(given, lambda name: "BeegoManager.from_keys")
        return cls(reading, codec=codec, shared=shared, stacklevel=2)

    @classmethod
    def new(
        cls, provider: str, config: Mapping[str, object] | str, *, codec: str = "json", shared: bool = False
    ) -> BeegoManager:
        """Return the manager for a provider name and a ManagerConfig.

        :param config: a mapping or JSON text; case does not matter
        :param codec, shared: as for :meth:`from_conf`
        :raises ImproperlyConfigured: for an unknown provider, each unknown key, and each wrong value
        """
        reading = keys.read_library(config, "BeegoManager.new")
        places = {**reading.places, "provider": keys.Place("BeegoManager.new", "provider")}
        reading = replace(reading, config=replace(reading.config, provider=provider), places=places)
        return cls(reading, codec=codec, shared=shared, stacklevel=2)

    # Django settings --------------------------------------------------------------------------------------

    def as_settings(self) -> dict[str, Any]:
        """Return the Django settings that this configuration maps to, fit to be used as they are.

        ``{}`` when sessions are off. Secrets of the provider string are in it.

        :raises ImproperlyConfigured: for a provider string that cannot become an entry of DATABASES
        """
        try:
            return mapping.settings_for(self.config, self._engine, self._codec)
        except dsn.DSNError as error:
            raise self._unusable(error) from error

    def apply(self, namespace: MutableMapping[str, Any]) -> None:
        """Merge :meth:`as_settings` into a settings module: ``manager.apply(globals())``, as its last line.

        Nothing is discarded: lists grow, dicts get the keys that they lack (BEESESSION, CACHES and DATABASES, too),
        and a value that the module has set itself wins, with a warning when beego's differs. Replaced are only
        SESSION_ENGINE and Django's own session middleware. Applying twice changes nothing.

        :raises ImproperlyConfigured: the module's own BEESESSION has another CODEC than ``shared=True`` needs
        """
        ours = self.as_settings()
        own = namespace.get("BEESESSION", {})
        if self._shared and ours and isinstance(own, Mapping) and own.get("CODEC", "gob") != "gob":
            raise ImproperlyConfigured("BEESESSION['CODEC'] must be 'gob', or be left out, with shared=True.")
        kept = mapping.merge_into(namespace, ours)
        self.warnings += tuple(text for text in kept if text not in self.warnings)
        keys.report(kept, 2)

    # Sessions without the middleware ----------------------------------------------------------------------

    def session_start(self, request: HttpRequest) -> BeegoSession:
        """Return the session of this request, the same one each time; a new one if its id opens none.

        The id is looked for where the session middleware would: cookie, then query and header, if they are on.
        """
        started = self._started(request)
        if self not in started:
            transport, sid = received(request, self.config.cookie_name, self._options)
            store = self._store()(sid)
            store.anonymous_only = transport is Transport.QUERY
            started[self] = BeegoSession(store, self.session_release, transport)
        return started[self]

    def session_release(self, session: BeegoSession, response: HttpResponseBase) -> None:
        """Save the session, move its expiry, and put its id on the response.

        An empty session that is new is neither stored nor sent.

        :raises SessionGone: it was ended meanwhile; see ``SessionStore.save`` for the other errors
        """
        store = opened(session.store)
        if not store.is_empty():
            store.save()
            self._send(response, session)

    def session_regenerate_id(self, request: HttpRequest, response: HttpResponseBase) -> BeegoSession:
        """Give the session of this request a new id, and put it on the response; the old one opens nothing any more.

        A request without a session gets a new one.

        :raises SessionGone: the session was ended meanwhile
        """
        session = self.session_start(request)
        session.store.cycle_key()
        self._send(response, session)
        return session

    def session_destroy(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """End the session of this request, however its id came, and take the id off the client."""
        self.session_start(request).store.flush()
        del self._started(request)[self]
        config = self.config
        if config.set_cookie:
            response.delete_cookie(config.cookie_name, domain=config.domain or None, samesite=config.same_site or None)
            response.cookies[config.cookie_name]["secure"] = config.secure or ""
            response.cookies[config.cookie_name]["httponly"] = not config.disable_http_only or ""
        if config.header:
            response.headers[config.header_name] = ""

    # The manager itself -----------------------------------------------------------------------------------

    def get_active_session(self) -> int:
        """Return how many sessions are live; expired ones are not counted.

        :raises CannotCount: the engine cannot tell (beego answers 0 then)
        """
        provider = self._store().provider
        number = provider.active().number if provider.capabilities.active else None
        if number is None:
            raise CannotCount(f"The {self.config.provider} engine cannot count its sessions.")
        return number

    def gc(self) -> int:
        """Remove expired sessions now, and return how many; 0 where the store does that by itself."""
        provider: Provider = self._store().provider
        return run(collect(directly, provider)) if provider.capabilities.gc else 0

    def start_gc(self) -> None:
        """Remove expired sessions now and every gclifetime seconds from now on, in a daemon thread.

        A second call changes nothing. An unreachable store is logged, and tried again the next time.

        :raises ImproperlyConfigured: gclifetime is 0, which would never rest
        """
        interval = self.config.gc_lifetime
        if interval <= 0:
            raise ImproperlyConfigured("gclifetime: start_gc() needs a number of seconds above 0.")
        with self._lock:
            if self._collector is None or not self._collector[0].is_alive():
                stop = threading.Event()
                thread = threading.Thread(
                    target=self._collect, args=(interval, stop), name="beesession-gc", daemon=True
                )
                self._collector = thread, stop
                thread.start()

    def stop_gc(self) -> None:
        """End what :meth:`start_gc` started, after the collection that may be running; without one, do nothing."""
        with self._lock:
            collector, self._collector = self._collector, None
        if collector is not None:
            thread, stop = collector
            stop.set()
            thread.join()

    def set_secure(self, secure: bool) -> None:
        """Send the cookie over HTTPS only, or not."""
        self.config = replace(self.config, secure=secure)

    def set_hash_func(self, func: str | HashFunc, key: str | None = None) -> None:
        """Pass the random bytes of new ids through a hash. To be called before the first session is started.

        :param func: the name of a hash, such as "sha1", or a function (random bytes, key) -> hex digits
        :raises ImproperlyConfigured: for a hash that would make unusable ids
        """
        before = self.config, self._places
        self.config = replace(self.config, id_hash_func=func, id_hash_key=key)
        arguments = {"id_hash_func": "func", "id_hash_key": "key"}
        places = {field: keys.Place("BeegoManager.set_hash_func", name) for field, name in arguments.items()}
        self._places = {**self._places, **places}
        try:
            self._options = self._checked()
        except ImproperlyConfigured:
            self.config, self._places = before
            raise
        self._store_class = None

    # Parts ------------------------------------------------------------------------------------------------

    def _checked(self) -> Options:
        """Return this manager's own options, after everything that can be checked without a store has been."""
        config = self.config
        if not config.on:
            return Options()
        if config.lifetime <= 0 or config.gc_lifetime < 0:
            place = self._places["max_lifetime" if config.max_lifetime < 0 else "gc_lifetime"]
            raise ImproperlyConfigured(f"{place}: it must be above 0 seconds.")
        if config.provider in dsn.PARSERS:
            try:
                store = dsn.parse(config.provider, config.provider_config)
            except dsn.DSNError as error:
                raise self._unusable(error) from error
            if self._codec == "gob" and isinstance(store, dsn.CookieConfig) and (text := sharing.missing_keys(store)):
                raise ImproperlyConfigured(f"{self._places['provider_config']}: {text}")
        try:
            return Options.from_mapping(mapping.options_for(config, self._codec), source="BeegoManager")
        except ImproperlyConfigured as error:
            raise ImproperlyConfigured(_OPTION.sub(self._as_written, str(error), count=1)) from error

    def _doubts_of_sharing(self, shared: bool) -> tuple[str, ...]:
        """What works otherwise than one may expect when beego uses the same sessions."""
        if not shared or not self.config.on:
            return ()
        return tuple(f"sessionprovider: {text}" for text in sharing.doubts(self.config.provider))

    def _unusable(self, error: dsn.DSNError) -> ImproperlyConfigured:
        """The error of the provider string, which says "sessionproviderconfig of the ... engine", with its place."""
        return ImproperlyConfigured(f"{self._places['provider_config']} {str(error).partition(' ')[2]}")

    def _as_written(self, option: re.Match[str]) -> str:
        """The place and the key of beego's that an option of BEESESSION was made from."""
        return str(self._places.get(option["name"].lower(), option[0]))

    def _store(self) -> type[SessionStore]:
        if not self.config.on:
            raise ImproperlyConfigured("sessionon is false: this configuration has no sessions.")
        if self._store_class is None:
            engine = import_module(self._engine)
            self._store_class = type("SessionStore", (engine.SessionStore,), {"options": self._options})
        return self._store_class

    @staticmethod
    def _started(request: HttpRequest) -> dict[BeegoManager, BeegoSession]:
        started: dict[BeegoManager, BeegoSession] = request.__dict__.setdefault("_beego_sessions", {})
        return started

    def _cookie_age(self, store: Any) -> int | None:
        if "_session_expiry" in store:
            return None if store.get_expire_at_browser_close() else int(store.get_expiry_age())
        return self.config.cookie_lifetime if self.config.cookie_lifetime > 0 else None

    def _send(self, response: HttpResponseBase, session: BeegoSession) -> None:
        config, store = self.config, session.store
        sid, is_new = str(store.session_key), getattr(store, "has_new_id", True)
        by_cookie, by_header = ways_back(session.transport, self._options, has_new_id=is_new)
        if config.set_cookie and by_cookie:
            response.set_cookie(
                config.cookie_name,
                sid,
                max_age=self._cookie_age(store),
                domain=config.domain or None,
                secure=config.secure,
                httponly=not config.disable_http_only,
                samesite=config.same_site or None,
            )
            patch_vary_headers(response, ("Cookie",))
        if by_header:
            response.headers[config.header_name] = sid
            patch_vary_headers(response, (config.header_name,))

    def _collect(self, interval: int, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.gc()
            except Unavailable as error:
                logger.error("Expired sessions were not removed: %s.", type(error.__cause__ or error).__name__)
            stop.wait(interval)


def _lost(conf: appconf.AppConf) -> tuple[str, ...]:
    """What a file says and nobody hears."""
    found = [
        f"{conf.path}: no session key is taken from section [{name}]; a section is the name of a run mode"
        for name in conf.unread_sections()
    ]
    if others := conf.other_run_modes():
        found.append(f"{conf.path}: the run mode {conf.runmode!r} has no section; there are: {', '.join(others)}")
    for name in conf.names():
        entry, row = conf.entry(name), keys.row_of(keys.World.WEB, keys.last_part(name))
        if entry is not None and entry.unset and row is not None and row.fate is not keys.Fate.DEAD:
            default = f"the default, {row.default}," if row.default else "nothing"
            found.append(f"{entry.where}: {row.name}: {entry.unset} is not set, and {default} is used")
    return tuple(found)


def _doubts(config: keys.SessionConfig) -> tuple[str, ...]:
    """What is allowed and will surprise."""
    if not config.on:
        return ()
    found = []
    if config.provider in dsn.PARSERS:
        store = dsn.parse(config.provider, config.provider_config)
        found += [f"sessionproviderconfig: {note}" for note in getattr(store, "notes", ())]
        if isinstance(store, dsn.CookieConfig):
            found += _cookie_doubts(config, store)
    if not config.set_cookie and not config.header:
        found.append(
            "sessionautosetcookie is off, and so is the header: the session middleware sends the cookie all the same; "
            "without it, each request starts a new session"
        )
    if config.same_site == "None" and not config.secure:
        found.append("sessioncookiesamesite is None without enablehttps: browsers refuse such a cookie")
    return tuple(found)


def _cookie_doubts(config: keys.SessionConfig, store: dsn.CookieConfig) -> list[str]:
    """What the cookie engine's own keys ask for, and the manager's keys decide. A zero value asks for nothing."""
    rows = (
        ("cookieName", store.cookie_name, config.cookie_name, "SESSION_COOKIE_NAME", keys.names("cookie_name")),
        ("secure", store.secure, config.secure, "SESSION_COOKIE_SECURE", keys.names("secure")),
        ("maxage", store.max_age, config.cookie_lifetime, "SESSION_COOKIE_AGE", keys.names("cookie_lifetime")),
    )
    return [
        f"sessionproviderconfig: {name} has no effect; {setting} does that in Django; set {written}"
        for name, asked, decided, setting, written in rows
        if asked and asked != decided
    ]
