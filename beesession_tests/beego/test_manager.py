"""BeegoManager: from beego's configuration to Django's settings, and sessions without the middleware."""

import queue
import subprocess
import sys
import threading
import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

import beesession
from beesession import BeegoManager
from beesession.beego import keys, registry
from beesession.exceptions import BeeSessionError, SessionGone
from beesession.provider import Unavailable

SECRET = "hunter2-Zq9"
ON = {"sessionon": True}
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "beesession.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"


def settings_of(**given):
    return BeegoManager.from_keys({**ON, **given}).as_settings()


def memory(**config):
    return BeegoManager.new("memory", {"cookieName": "gosessionid", "gclifetime": 3600, **config})


def started(manager, browser, **values):
    """Start a session, set values, and hand the response to the browser."""
    response = HttpResponse()
    session = manager.session_start(browser.get("/"))
    for name, value in values.items():
        session.set(name, value)
    session.session_release(response)
    browser.keep(response)
    return response


# Settings -----------------------------------------------------------------------------------------------------------


def test_defaults_are_beegos():
    assert settings_of() == {
        "INSTALLED_APPS": ["beesession"],
        "MIDDLEWARE": [OURS],
        "SESSION_ENGINE": "beesession.engines.memory",
        "SESSION_COOKIE_NAME": "beegosessionID",
        "SESSION_COOKIE_AGE": 3600,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
        "SESSION_COOKIE_DOMAIN": None,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": False,
        "SESSION_SAVE_EVERY_REQUEST": True,
        "BEESESSION": {"PROVIDER_CONFIG": "", "LIFETIME": 3600, "ID_LENGTH": 16},
    }


@pytest.mark.parametrize("given", [{}, {"sessionon": "false", "sessionprovider": "nonsense"}])
def test_sessions_that_are_off_give_no_settings(given):
    manager = BeegoManager.from_keys(given)
    assert manager.as_settings() == {}
    namespace = {"MIDDLEWARE": [STOCK]}
    manager.apply(namespace)
    assert namespace == {"MIDDLEWARE": [STOCK]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sessionname": "n"}, {"SESSION_COOKIE_NAME": "n"}),
        (
            {"sessioncookielifetime": 60, "sessiongcmaxlifetime": 30},
            {"SESSION_COOKIE_AGE": 60, "SESSION_EXPIRE_AT_BROWSER_CLOSE": False},
        ),
        ({"sessioncookielifetime": -1}, {"SESSION_COOKIE_AGE": 3600, "SESSION_EXPIRE_AT_BROWSER_CLOSE": True}),
        ({"sessiondomain": ".example.org"}, {"SESSION_COOKIE_DOMAIN": ".example.org"}),
        ({"sessiondisablehttponly": "true"}, {"SESSION_COOKIE_HTTPONLY": False}),
        ({"enablehttps": "on"}, {"SESSION_COOKIE_SECURE": True}),
        ({"sessioncookiesamesite": "2"}, {"SESSION_COOKIE_SAMESITE": "Lax"}),
        ({"sessioncookiesamesite": "3"}, {"SESSION_COOKIE_SAMESITE": "Strict"}),
        ({"sessioncookiesamesite": "4", "enablehttps": True}, {"SESSION_COOKIE_SAMESITE": "None"}),
        ({"sessioncookiesamesite": "1"}, {"SESSION_COOKIE_SAMESITE": False}),
    ],
)
def test_cookie_keys_become_session_cookie_settings(given, expected):
    settings = settings_of(**given)
    assert {name: settings[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sessiongcmaxlifetime": "60"}, {"LIFETIME": 60}),
        ({"sessionidprefix": "go-"}, {"ID_PREFIX": "go-"}),
        ({"sessionenablesidinhttpheader": True}, {"HEADER_NAME": "Beegosessionid"}),
        ({"sessionenablesidinhttpheader": True, "sessionnameinhttpheader": "X-Sid"}, {"HEADER_NAME": "X-Sid"}),
        ({"sessionenablesidinurlquery": True}, {"URL_QUERY": True}),
        (
            {"sessionprovider": "redis", "sessionproviderconfig": {"save_path": "h:1"}},
            {"PROVIDER_CONFIG": {"redis": {"save_path": "h:1"}}},
        ),
        ({"sessionconfig": '{"sessionIDLength": 32, "maxLifetime": 5}'}, {"ID_LENGTH": 32, "LIFETIME": 5}),
        ({"sessionconfig": '{"sessionIDLength": 0}'}, {"ID_LENGTH": 16}),
    ],
)
def test_session_keys_become_keys_of_beesession(given, expected):
    options = settings_of(**given)["BEESESSION"]
    assert {name: options[name] for name in expected} == expected


@pytest.mark.filterwarnings("ignore::beesession.beego.keys.BeegoConfigWarning")
@pytest.mark.parametrize(
    ("given", "func", "key"),
    [
        ({"sessionhashfunc": "sha256", "sessionhashkey": "k"}, "sha256", "k"),
        ({"sessionhashkey": "k"}, "sha1", "k"),
        ({"sessionhashfunc": "sha1"}, "sha1", None),
    ],
)
def test_hash_keys_shape_ids_again(given, func, key):
    options = settings_of(**given)["BEESESSION"]
    assert (options["ID_HASH_FUNC"], options["ID_HASH_KEY"]) == (func, key)


ENGINES = {
    "memory": "", "cookie": "", "file": "./tmp", "mysql": "u:p@tcp(h:1)/app", "postgresql": "postgres://u:p@h/app",
    "redis": "h:1", "redis_cluster": "h:1;i:2", "redis_sentinel": "h:1", "memcache": "h:1",
    "couchbase": "http://u:p@h:8091,,b", "ledis": "h:1", "ssdb": "h:1",
}  # fmt: skip


@pytest.mark.parametrize(("provider", "config"), ENGINES.items(), ids=ENGINES)
def test_each_provider_of_beego_maps_to_its_engine(provider, config):
    settings = settings_of(sessionprovider=provider, sessionproviderconfig=config)
    assert settings["SESSION_ENGINE"] == f"beesession.engines.{provider}"
    assert settings["BEESESSION"]["PROVIDER_CONFIG"] == config


def test_redis_gets_an_entry_in_caches_beside_a_default():
    caches = settings_of(sessionprovider="redis", sessionproviderconfig="h:1,5,pw")["CACHES"]
    assert caches["beesession"]["LOCATION"] == "redis://h:1/0"
    assert caches["beesession"]["OPTIONS"]["PASSWORD"] == "pw"
    assert caches["default"]["BACKEND"] == "django.core.cache.backends.locmem.LocMemCache"


@pytest.mark.parametrize(
    ("provider", "config"), [("mysql", "u:p@tcp(h:1)/app"), ("postgresql", "postgres://u:p@h:1/app")]
)
def test_sql_engines_get_an_entry_in_databases_beside_a_default(provider, config):
    databases = settings_of(sessionprovider=provider, sessionproviderconfig=config)["DATABASES"]
    entry = databases["beesession"]
    assert entry["ENGINE"] == f"django.db.backends.{provider}"
    assert [entry[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == ["u", "p", "h", "1", "app"]
    assert databases["default"]["ENGINE"] == "django.db.backends.dummy"


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        ("redis", f"h:1,5,{SECRET}"),
        ("redis", f'{{"save_path": "h:1", "password": "{SECRET}"}}'),
        ("redis", {"save_path": "h:1", "password": SECRET}),
        ("mysql", f"u:{SECRET}@tcp(h:1)/app"),
        ("postgresql", f"postgres://u:{SECRET}@h/app"),
        ("own", {"nodes": [{"url": f"own://:{SECRET}@h"}]}),
    ],
)
@pytest.mark.usefixtures("registered")
def test_djangos_error_pages_show_no_password(settings, provider, config):
    # One setting for all, since a change of DATABASES would reach Django's connections.
    settings.FROM_BEEGO = settings_of(sessionprovider=provider, sessionproviderconfig=config)
    reporter = ExceptionReporter(None, ValueError, ValueError("a test"), None, is_email=True)
    for report in (reporter.get_traceback_text(), reporter.get_traceback_html()):
        assert "PROVIDER_CONFIG" in report
        assert SECRET not in report


# apply() --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [OURS]),
        ([COMMON, STOCK, AUTH], [COMMON, OURS, AUTH]),
        ([COMMON, AUTH], [COMMON, OURS, AUTH]),
        ([COMMON], [OURS, COMMON]),
        ([OURS, AUTH], [OURS, AUTH]),
        ((STOCK, OURS), [OURS]),
    ],
)
def test_apply_puts_the_middleware_in_its_place(before, after):
    namespace = {"MIDDLEWARE": before}
    BeegoManager.from_keys(ON).apply(namespace)
    assert namespace["MIDDLEWARE"] == after


def test_apply_keeps_a_session_middleware_of_the_sites_own_and_says_so():
    namespace = {"MIDDLEWARE": ["site.MySessionMiddleware", AUTH]}
    with pytest.warns(keys.BeegoConfigWarning, match=r"site\.MySessionMiddleware is kept"):
        BeegoManager.from_keys(ON).apply(namespace)
    assert namespace["MIDDLEWARE"] == ["site.MySessionMiddleware", AUTH]


@pytest.mark.parametrize("apps", [["a", "beesession"], ["beesession.apps.BeesessionConfig", "a"]])
def test_apply_adds_no_app_twice(apps):
    namespace = {"INSTALLED_APPS": apps}
    BeegoManager.from_keys(ON).apply(namespace)
    assert namespace["INSTALLED_APPS"] == apps


def test_apply_discards_nothing():
    other = {"BACKEND": "other"}
    namespace = {"INSTALLED_APPS": ["a"], "CACHES": {"default": other, "b": other}, "X": 1, "SESSION_ENGINE": "old"}
    BeegoManager.from_keys({**ON, "sessionprovider": "redis"}).apply(namespace)
    assert namespace["INSTALLED_APPS"] == ["a", "beesession"]
    assert namespace["CACHES"].keys() == {"default", "b", "beesession"}
    assert (namespace["CACHES"]["default"], namespace["CACHES"]["b"], namespace["X"]) == (other, other, 1)
    assert namespace["SESSION_ENGINE"] == "beesession.engines.redis"


def test_what_the_module_says_itself_wins_with_a_warning():
    namespace = {"BEESESSION": {"LIFETIME": 5, "CODEC": "json"}, "SESSION_COOKIE_SECURE": True}
    manager = BeegoManager.from_keys(ON)
    with pytest.warns(keys.BeegoConfigWarning) as caught:
        manager.apply(namespace)
    assert namespace["BEESESSION"] == {"LIFETIME": 5, "CODEC": "json", "PROVIDER_CONFIG": "", "ID_LENGTH": 16}
    assert namespace["SESSION_COOKIE_SECURE"] is True
    told = sorted(str(entry.message).partition(":")[0] for entry in caught)
    assert told == ["BEESESSION['LIFETIME']", "SESSION_COOKIE_SECURE"]
    assert {entry.filename for entry in caught} == {__file__}
    assert len(manager.warnings) == 2


def test_applying_twice_changes_nothing():
    namespace = {"MIDDLEWARE": [AUTH]}
    manager = BeegoManager.from_keys({**ON, "sessionprovider": "redis"})
    manager.apply(namespace)
    once = {name: value.copy() if hasattr(value, "copy") else value for name, value in namespace.items()}
    manager.apply(namespace)
    assert namespace == once


def test_a_setting_that_has_to_be_a_dict_is_named():
    with pytest.raises(ImproperlyConfigured, match="BEESESSION must be a dict, not list"):
        BeegoManager.from_keys(ON).apply({"BEESESSION": []})


SITE = """
import beesession
SECRET_KEY = "s" * 50
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
MIDDLEWARE = ["django.contrib.auth.middleware.AuthenticationMiddleware"]
ROOT_URLCONF = "site_settings"
urlpatterns = []
beesession.BeegoManager.from_conf({conf!r}).apply(globals())
"""
TRY = """
import sys, beesession
assert not [name for name in sys.modules if name.partition(".")[0] in ("redis", "django_redis", "yaml", "MySQLdb")]
from django.conf import settings
assert not settings.configured
import django
django.setup()
from django.test import Client
session = Client().session
session["k"] = "v"
session.save()
print(settings.SESSION_COOKIE_NAME, settings.SESSION_ENGINE, len(session.session_key))
"""


def test_a_settings_module_can_apply_an_app_conf(tmp_path):
    (tmp_path / "app.conf").write_text("appname = x\nsessionon = true\nsessionname = ${COOKIE||gosessionid}\n")
    (tmp_path / "site_settings.py").write_text(SITE.format(conf=str(tmp_path / "app.conf")))
    path = [str(tmp_path), *(entry for entry in sys.path if entry)]
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", f"import sys; sys.path[:0] = {path!r}\n{TRY}"],
        env={"DJANGO_SETTINGS_MODULE": "site_settings"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["gosessionid", "beesession.engines.memory", "32"], done.stderr


# Files ----------------------------------------------------------------------------------------------------------------


def test_an_app_conf_is_read_with_its_run_mode(tmp_path):
    conf = tmp_path / "app.conf"
    conf.write_text(
        "appname = demo\nhttpport = 8080\nrunmode = dev\nsessionon = true\n"
        "[dev]\nsessionprovider = file\nsessionproviderconfig = ./tmp\n[prod]\nsessionprovider = redis\n"
    )
    assert BeegoManager.from_conf(conf).config.provider == "file"
    assert BeegoManager.from_conf(conf, runmode="prod").config.provider == "redis"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sessionon", r"app\.conf:1: expected"),
        ("\nsessionon = maybe", r"app\.conf:2: sessionon must be true or false"),
        ("sessionon = true\n\nsessionname2 = x", r"app\.conf:3: 'sessionname2' .* Did you mean 'sessionname'"),
        ("sessionon = 1\nweb.BConfig.WebConfig.Session.SessionName2 = x", r"app\.conf:2: 'sessionname2'"),
        ("sessionon = 1\nsessiongcmaxlifetime = 0", r"app\.conf:2: sessiongcmaxlifetime: it must be above 0"),
        ("sessionon = 1\nsessionprovider = rediss", r"app\.conf:2: sessionprovider: .*'rediss'. Did you mean 'redis'"),
        (
            "sessionon = 1\nsessionprovider = file",
            r"app\.conf:2: sessionproviderconfig of the file engine: the directory is missing",
        ),
        (
            f"sessionon = 1\nsessionprovider = redis\nsessionproviderconfig = h:1,{SECRET}",
            r"app\.conf:3: sessionproviderconfig of the redis engine: the pool size must",
        ),
        (
            "sessionon = 1\nsessionprovider = redis\nsessionsavepath = h:x",
            r"app\.conf:3: sessionsavepath of the redis engine: the port",
        ),
        ("sessionon = 1\nsessionidprefix = a/b", r"app\.conf:2: sessionidprefix: up to 32 letters"),
        (
            "sessionon = 1\nsessionenablesidinhttpheader = 1\nsessionnameinhttpheader = a b",
            r"app\.conf:3: sessionnameinhttpheader must be a header name",
        ),
        ("sessionon = 1\nsessionhashfunc = md17", r"app\.conf:2: sessionhashfunc: 'md17' is no hash"),
        (
            'sessionon = 1\nsessionconfig = {"maxLifetime": -1}',
            r"app\.conf:2: maxLifetime: it must be above 0",
        ),
        (
            'sessionon = 1\nsessionconfig = {"sessionIDLength": 8}',
            r"app\.conf:2: sessionIDLength: 8 is not between",
        ),
        (
            'sessionon = 1\nsessionprovider = file\nsessionconfig = {"cookieName": "c"}',
            r"app\.conf:3: providerConfig of the file engine: the directory is missing",
        ),
    ],
)
def test_a_wrong_app_conf_is_an_error_that_says_what_to_change(tmp_path, text, problem):
    (tmp_path / "app.conf").write_text(text)
    with pytest.raises(ImproperlyConfigured, match=problem) as caught:
        BeegoManager.from_conf(tmp_path / "app.conf")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "config", "problem"),
    [
        ("rediss", {}, "BeegoManager.new: provider: there is no engine named 'rediss'"),
        ("file", {}, "BeegoManager.new: providerConfig of the file engine: the directory is missing"),
        ("memory", {"SessionIDLength": -1}, "BeegoManager.new: SessionIDLength must be a whole number"),
        ("memory", {"sessionIDPrefix": "a/b"}, "BeegoManager.new: sessionIDPrefix: up to 32"),
    ],
)
def test_a_wrong_manager_config_is_an_error_in_its_own_words(provider, config, problem):
    with pytest.raises(ImproperlyConfigured, match=problem):
        BeegoManager.new(provider, config)


def test_a_provider_string_that_django_cannot_use_is_an_error_with_its_place(tmp_path):
    (tmp_path / "app.conf").write_text(
        f"sessionon = 1\nsessionprovider = mysql\nsessionproviderconfig = u:{SECRET}@tcp(h)/d?tls=mine"
    )
    manager = BeegoManager.from_conf(tmp_path / "app.conf")
    with pytest.raises(ImproperlyConfigured, match=r"app\.conf:3: sessionproviderconfig of the mysql engine") as caught:
        manager.as_settings()
    assert SECRET not in str(caught.value)


def test_a_run_mode_without_a_section_warns(tmp_path):
    (tmp_path / "app.conf").write_text("runmode = staging\n[dev]\nsessionon = true\n")
    with pytest.warns(keys.BeegoConfigWarning, match=r"app\.conf: the run mode 'staging' has no section; .* are: dev$"):
        BeegoManager.from_conf(tmp_path / "app.conf")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("sessionprovider = ${NOPE}", "sessionprovider: ${NOPE} is not set, and the default, memory, is used"),
        ("sessionproviderconfig = ${NOPE}", "sessionproviderconfig: ${NOPE} is not set, and nothing is used"),
    ],
)
def test_a_variable_that_is_not_set_warns(tmp_path, monkeypatch, line, sentence):
    monkeypatch.delenv("NOPE", raising=False)
    (tmp_path / "app.conf").write_text(f"appname = ${{NOPE}}\nsessionon = true\n{line}\n")
    with pytest.warns(keys.BeegoConfigWarning):
        manager = BeegoManager.from_conf(tmp_path / "app.conf")
    assert manager.warnings == (f"{tmp_path}/app.conf:3: {sentence}",)


def test_a_section_that_beego_does_not_read_warns(tmp_path):
    (tmp_path / "app.conf").write_text("sessionon = true\n[session]\nsessionname = lost\n")
    with pytest.warns(keys.BeegoConfigWarning, match=r"no session key is taken from section \[session\]"):
        manager = BeegoManager.from_conf(tmp_path / "app.conf")
    assert manager.config.cookie_name == "beegosessionID"


def test_without_the_cookie_the_header_is_the_only_way():
    given = {**ON, "sessionautosetcookie": False, "sessionenablesidinhttpheader": True}
    options = BeegoManager.from_keys(given).as_settings()["BEESESSION"]
    assert (options["HEADER_NAME"], options["SET_COOKIE"]) == ("Beegosessionid", False)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sessionhashfunc": "sha1"}, "sessionhashfunc"),
        ({"sessionautosetcookie": False}, "each request starts a new session"),
        ({"sessioncookiesamesite": 4}, "browsers refuse"),
        ({"sessionprovider": "redis_sentinel", "sessionproviderconfig": "h:1,,,,m,3"}, "one field early"),
        ({"sessionprovider": "cookie", "sessionproviderconfig": {"cookieName": "x"}}, "SESSION_COOKIE_NAME does that"),
        ({"sessionprovider": "cookie", "sessionproviderconfig": {"secure": True}}, "SESSION_COOKIE_SECURE does that"),
        ({"sessionprovider": "cookie", "sessionproviderconfig": {"maxage": 60}}, "SESSION_COOKIE_AGE does that"),
    ],
)
def test_what_will_surprise_is_warned_of_and_kept_for_the_checks(given, sentence):
    with pytest.warns(keys.BeegoConfigWarning, match=sentence) as caught:
        manager = BeegoManager.from_keys({**ON, **given})
    assert {entry.filename for entry in caught} == {__file__}
    assert [text for text in manager.warnings if sentence in text]
    assert set(manager.warnings) <= set(keys.reported())


def test_keys_of_the_cookie_engine_that_agree_with_the_managers_do_not_warn():
    engine = {"cookieName": "n", "secure": True, "maxage": 60}
    given = {**ON, "sessionname": "n", "enablehttps": True, "sessioncookielifetime": 60}
    assert (
        BeegoManager.from_keys({**given, "sessionprovider": "cookie", "sessionproviderconfig": engine}).warnings == ()
    )


def test_a_warning_is_told_once_however_often_the_hash_is_set():
    with pytest.warns(keys.BeegoConfigWarning):
        manager = BeegoManager.new("cookie", {"providerConfig": {"secure": True}})
    manager.set_hash_func("sha1")
    assert len(manager.warnings) == 1


def test_repr_of_a_manager_shows_no_secret():
    manager = BeegoManager.from_keys({**ON, "sessionprovider": "redis", "sessionproviderconfig": f"h:1,5,{SECRET}"})
    assert repr(manager) == "<BeegoManager: redis>"


# Engines of one's own ------------------------------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    beesession.register("own", "beesession.engines.memory")


@pytest.mark.usefixtures("registered")
def test_a_registered_engine_resolves_by_its_name(browser):
    manager = BeegoManager.new("own", {"providerConfig": ""})
    assert manager.as_settings()["SESSION_ENGINE"] == "beesession.engines.memory"
    started(manager, browser, k="v")
    assert manager.session_start(browser.get("/")).get("k") == "v"


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "module", "problem"),
    [
        ("redis", "a.b", "one of beego's own names"),
        ("own", "a.b", "stands for 'beesession.engines.memory' already"),
        ("o w n", "a.b", "letters, digits"),
        ("new", "a b", "must stand for a module"),
    ],
)
def test_a_registration_that_cannot_work_is_refused(name, module, problem):
    with pytest.raises(ImproperlyConfigured, match=problem):
        beesession.register(name, module)


@pytest.mark.usefixtures("registered")
def test_an_unknown_engine_is_refused_with_the_nearest_name():
    with pytest.raises(ImproperlyConfigured, match="no engine named 'ownn'. Did you mean 'own'"):
        BeegoManager.new("ownn", {})


def test_an_installed_package_brings_engines_by_entry_point(tmp_path, monkeypatch):
    metadata = tmp_path / "own_engines-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-engines\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[beesession.engines]\ninstalled = own_engines.sessions\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert BeegoManager.new("installed", {}).as_settings()["SESSION_ENGINE"] == "own_engines.sessions"


# Sessions without the middleware -------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "file"])
def manager(request, tmp_path):
    return BeegoManager.new(
        request.param,
        {"cookieName": "gosessionid", "gclifetime": 3600, "cookieLifeTime": 60, "providerConfig": str(tmp_path / "s")},
    )


def test_a_session_comes_back_with_its_cookie(manager, browser):
    response = started(manager, browser, name="asta")
    cookie = response.cookies["gosessionid"]
    assert len(cookie.value) == 32
    assert (cookie["path"], cookie["max-age"], cookie["httponly"], cookie["secure"]) == ("/", 60, True, "")
    session = manager.session_start(browser.get("/"))
    assert (session.get("name"), session.session_id()) == ("asta", cookie.value)


def test_the_cookie_has_the_configured_attributes_when_it_is_set_and_when_it_is_taken(browser):
    manager = memory(domain="example.org", cookieSameSite=3, secure=True, disableHTTPOnly=True)
    set_cookie = started(manager, browser, k=1).cookies["gosessionid"]
    response = HttpResponse()
    manager.session_destroy(browser.get("/"), response)
    for cookie in (set_cookie, response.cookies["gosessionid"]):
        assert [cookie[name] for name in ("domain", "path", "samesite", "secure", "httponly")] == [
            "example.org", "/", "Strict", True, "",
        ]  # fmt: skip


def test_one_request_has_one_session(manager, browser):
    request = browser.get("/")
    assert manager.session_start(request) is manager.session_start(request)
    assert manager.session_start(request) is not manager.session_start(browser.get("/"))


def test_an_empty_new_session_is_neither_stored_nor_sent(manager, browser):
    response = started(manager, browser)
    assert not response.cookies
    assert manager.get_active_session() == 0


def test_asking_a_new_session_for_its_id_stores_it(manager, browser):
    session = manager.session_start(browser.get("/"))
    sid = session.session_id()
    assert session.session_id() == sid
    assert manager.get_active_session() == 1
    browser.cookies["gosessionid"] = sid
    assert manager.session_start(browser.get("/")).session_id() == sid


@pytest.mark.parametrize("sid", ["0123456789abcdef0123456789abcdef", "../../etc/passwd", "x", ""])
def test_an_id_that_was_never_issued_is_not_adopted(manager, browser, sid):
    browser.cookies["gosessionid"] = sid
    response = started(manager, browser, k="v")
    assert response.cookies["gosessionid"].value != sid


def test_delete_and_flush_remove_values_and_keep_the_session(manager, browser):
    sid = started(manager, browser, a=1, b=2, c=3).cookies["gosessionid"].value
    session = manager.session_start(browser.get("/"))
    session.delete("a")
    session.delete("never set")
    assert (session.get("a"), session.get("b")) == (None, 2)
    session.flush()
    session.session_release(HttpResponse())
    again = manager.session_start(browser.get("/"))
    assert (again.get("b"), again.session_id()) == (None, sid)


def test_release_without_a_response_saves(manager, browser):
    started(manager, browser, k=1)
    session = manager.session_start(browser.get("/"))
    session.set("k", 2)
    session.session_release()
    assert manager.session_start(browser.get("/")).get("k") == 2


def test_regeneration_moves_the_data_and_kills_the_old_id(manager, browser):
    old = started(manager, browser, k="v").cookies["gosessionid"].value
    request, response = browser.get("/"), HttpResponse()
    manager.session_start(request).set("set", "before")
    session = manager.session_regenerate_id(request, response)
    new = response.cookies["gosessionid"].value
    assert new == session.session_id() != old
    assert manager.session_start(browser.get("/")).get("k") is None
    browser.keep(response)
    fresh = manager.session_start(browser.get("/"))
    assert (fresh.get("k"), fresh.get("set")) == ("v", "before")


def test_regeneration_without_a_session_starts_one(manager, browser):
    response = HttpResponse()
    manager.session_regenerate_id(browser.get("/"), response)
    assert len(response.cookies["gosessionid"].value) == 32
    assert manager.get_active_session() == 1


def test_destruction_ends_the_session_and_takes_the_cookie(manager, browser):
    started(manager, browser, k="v")
    sid = browser.cookies["gosessionid"].value
    request, response = browser.get("/"), HttpResponse()
    manager.session_destroy(request, response)
    cookie = response.cookies["gosessionid"]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, "/")
    assert manager.get_active_session() == 0
    browser.cookies["gosessionid"] = sid
    assert manager.session_start(browser.get("/")).get("k") is None


def test_late_release_after_destruction_is_refused(manager, browser):
    started(manager, browser, k=1)
    late = manager.session_start(browser.get("/"))
    late.set("k", 2)
    manager.session_destroy(browser.get("/"), HttpResponse())
    with pytest.raises(SessionGone):
        late.session_release(HttpResponse())
    assert manager.get_active_session() == 0


def test_release_in_the_destroying_request_brings_nothing_back(manager, browser):
    started(manager, browser, k=1)
    request, response = browser.get("/"), HttpResponse()
    session = manager.session_start(request)
    session.set("k", 2)
    manager.session_destroy(request, response)
    session.session_release(response)
    assert manager.get_active_session() == 0
    assert response.cookies["gosessionid"].value == ""


def test_an_id_in_a_header_is_used_regenerated_and_destroyed(browser):
    manager = memory(EnableSidInHTTPHeader=True, SessionNameInHTTPHeader="X-Sid")
    response = started(manager, browser, k="v")
    browser.cookies.clear()
    sid = response.headers["X-Sid"]
    assert manager.session_start(browser.get("/", headers={"X-Sid": sid})).get("k") == "v"
    regenerated = HttpResponse()
    manager.session_regenerate_id(browser.get("/", headers={"X-Sid": sid}), regenerated)
    new = regenerated.headers["X-Sid"]
    assert manager.session_start(browser.get("/", headers={"X-Sid": sid})).get("k") is None
    destroyed = HttpResponse()
    manager.session_destroy(browser.get("/", headers={"X-Sid": new}), destroyed)
    assert destroyed.headers["X-Sid"] == ""
    assert manager.get_active_session() == 0


@pytest.mark.filterwarnings("ignore::beesession.beego.keys.BeegoConfigWarning")
def test_without_set_cookie_the_header_alone_carries_the_id(browser):
    manager = memory(EnableSidInHTTPHeader=True, enableSetCookie=False)
    response = started(manager, browser, k="v")
    assert not response.cookies
    assert len(response.headers["Beegosessionid"]) == 32
    assert response.headers["Vary"] == "Beegosessionid"


@pytest.mark.parametrize(("on", "value"), [(True, "v"), (False, None)])
def test_an_id_in_the_query_counts_only_when_it_is_on(browser, on, value):
    manager = memory(EnableSidInURLQuery=on)
    sid = started(manager, browser, k="v").cookies["gosessionid"].value
    browser.cookies.clear()
    assert manager.session_start(browser.get("/", {"gosessionid": sid})).get("k") == value


def test_an_id_in_the_query_opens_no_session_with_a_login(browser):
    manager = memory(EnableSidInURLQuery=True)
    sid = started(manager, browser, _auth_user_id="1").cookies["gosessionid"].value
    browser.cookies.clear()
    assert manager.session_start(browser.get("/", {"gosessionid": sid})).get("_auth_user_id") is None


def test_the_header_is_ignored_unless_it_is_on(browser):
    manager = memory()
    sid = started(manager, browser, k="v").cookies["gosessionid"].value
    browser.cookies.clear()
    assert manager.session_start(browser.get("/", headers={"Beegosessionid": sid})).get("k") is None


def test_two_managers_of_one_engine_keep_apart(browser):
    one, other = memory(), memory(cookieName="other")
    started(one, browser, k="one")
    started(other, browser, k="other")
    request = browser.get("/")
    assert (one.session_start(request).get("k"), other.session_start(request).get("k")) == ("one", "other")
    assert (one.get_active_session(), other.get_active_session()) == (1, 1)


def test_a_session_with_an_expiry_of_its_own_gets_a_cookie_to_match(manager, browser):
    session = manager.session_start(browser.get("/"))
    session.store.set_expiry(600)
    response = HttpResponse()
    session.session_release(response)
    assert response.cookies["gosessionid"]["max-age"] == 600


def test_secure_can_be_switched(browser):
    manager = memory()
    manager.set_secure(True)
    assert started(manager, browser, k=1).cookies["gosessionid"]["secure"] is True
    assert manager.as_settings()["SESSION_COOKIE_SECURE"] is True


@pytest.mark.parametrize(
    ("func", "length"), [("sha1", 40), ("sha256", 64), (lambda entropy, key: entropy.hex() + key.hex(), 34)]
)
def test_a_hash_function_shapes_new_ids(browser, func, length):
    manager = memory()
    manager.set_hash_func(func, "k")
    assert len(started(manager, browser, k=1).cookies["gosessionid"].value) == length
    assert manager.as_settings()["BEESESSION"]["ID_HASH_FUNC"] == func


@pytest.mark.parametrize("func", ["sha-none", lambda entropy, key: "constant"])
def test_a_hash_function_that_makes_unusable_ids_is_refused_and_changes_nothing(browser, func):
    manager = memory()
    with pytest.raises(ImproperlyConfigured, match=r"BeegoManager\.set_hash_func: func: "):
        manager.set_hash_func(func)
    assert len(started(manager, browser, k=1).cookies["gosessionid"].value) == 32


def test_sessions_that_are_off_cannot_be_started(browser):
    with pytest.raises(ImproperlyConfigured, match="sessionon is false"):
        BeegoManager.from_keys({}).session_start(browser.get("/"))


def test_an_engine_that_cannot_count_says_so():
    with pytest.raises(BeeSessionError, match="cookie engine cannot count") as caught:
        BeegoManager.new("cookie", {}).get_active_session()
    assert isinstance(caught.value, NotImplementedError)


# Collection -----------------------------------------------------------------------------------------------------------


def test_gc_removes_expired_sessions_only(manager, browser):
    started(manager, browser, k=1)
    browser.cookies.clear()
    short = manager.session_start(browser.get("/"))
    short.store.set_expiry(1)
    short.session_release(HttpResponse())
    assert manager.get_active_session() == 2
    time.sleep(1.1)
    assert manager.gc() == 1
    assert manager.get_active_session() == 1


@pytest.fixture
def collections(monkeypatch):
    """What each collection of any manager removed, in their order."""
    removed = queue.Queue()
    gc = BeegoManager.gc
    monkeypatch.setattr(BeegoManager, "gc", lambda manager: removed.put(gc(manager)))
    return removed


def test_started_gc_collects_at_once_and_then_rests_for_the_interval(collections):
    manager = memory(gclifetime=3600)
    manager.start_gc()
    manager.start_gc()
    assert collections.get(timeout=5) == 0
    manager.stop_gc()
    assert collections.empty()
    assert not [thread for thread in threading.enumerate() if thread.name == "beesession-gc"]


def test_started_gc_comes_again_after_the_interval(collections, browser):
    manager = memory(gclifetime=1)
    started(manager, browser, k=1)
    manager.start_gc()
    assert collections.get(timeout=5) == 0
    while not (removed := collections.get(timeout=5)):
        pass
    manager.stop_gc()
    assert removed == 1


def test_started_gc_survives_an_outage_and_logs_no_more_than_its_kind(monkeypatch, caplog):
    manager = memory(gclifetime=1)
    answers = iter([Unavailable("the store at password@host"), None])
    recovered = threading.Event()

    def gc():
        failure = next(answers, None)
        if failure is not None:
            raise failure
        recovered.set()

    monkeypatch.setattr(manager, "gc", gc)
    manager.start_gc()
    assert recovered.wait(5)
    manager.stop_gc()
    assert [record.getMessage() for record in caplog.records] == ["Expired sessions were not removed: Unavailable."]


def test_gc_that_would_never_rest_is_refused():
    with pytest.raises(ImproperlyConfigured, match="gclifetime"):
        memory(gclifetime=0, maxLifetime=60).start_gc()


@pytest.mark.parametrize("config", [{"gclifetime": 0}, {"gclifetime": -1}, {"maxLifetime": -1}])
def test_a_lifetime_that_is_none_is_refused(config):
    with pytest.raises(ImproperlyConfigured, match="above 0 seconds"):
        memory(**config)


def test_stopping_what_was_not_started_does_nothing():
    memory().stop_gc()


@pytest.mark.parametrize("header", [False, True])
def test_an_id_that_came_in_a_link_is_not_planted_in_a_cookie_or_header(header):
    manager = BeegoManager.from_keys(
        {**ON, "sessionenablesidinurlquery": True, "sessionenablesidinhttpheader": header, "sessionname": "sid"}
    )
    planted = manager.session_start(RequestFactory().get("/")).session_id()
    request, response = RequestFactory().get("/", {"sid": planted}), HttpResponse()
    session = manager.session_start(request)
    session.set("mine", 1)
    session.session_release(response)
    assert session.session_id() == planted
    assert not response.cookies
    assert "Beegosessionid" not in response.headers
    manager.session_regenerate_id(request, response)
    assert response.cookies["sid"].value not in ("", planted)


def test_a_session_that_came_in_the_header_goes_back_in_the_header_alone():
    manager = BeegoManager.from_keys({**ON, "sessionenablesidinhttpheader": True})
    sid = manager.session_start(RequestFactory().get("/")).session_id()
    request, response = RequestFactory().get("/", headers={"Beegosessionid": sid}), HttpResponse()
    session = manager.session_start(request)
    session.set("mine", 1)
    session.session_release(response)
    assert response.headers["Beegosessionid"] == sid
    assert not response.cookies
