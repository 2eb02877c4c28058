"""The system checks: each rule speaks up where it should, and is silent on a good configuration."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from django.core.checks import CheckMessage, Error, run_checks
from django.core.management import call_command
from django.test import override_settings

from beesession.beego import keys, sharing
from beesession.beego.manager import BeegoManager
from beesession.middleware import SessionMiddleware
from beesession_tests.engines import ENGINES
from beesession_tests.servers import free_port, redis_server

OURS = "beesession.middleware.SessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
DJANGO_REDIS = "django_redis.cache.RedisCache"
DJANGOS = "django.contrib.sessions.backends.db"
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}

ENGINE = "beesession.engines."
SERVER = "127.0.0.1:6379"
STRONG = "Zk3-1x_q8Vw2Lr7Tn5Yb9Ce4Hd6Jf0GmPsQaUoIiXvBtEyRuNz"
APPS = ["django.contrib.contenttypes", "django.contrib.auth", "beesession"]
PROVIDER_CONFIGS = {
    "memory": "",
    "cookie": "{}",
    "file": "tmp/sessions",
    "mysql": "bee:pw@tcp(127.0.0.1:3306)/bee",
    "postgresql": "postgres://bee:pw@127.0.0.1/bee",
    "redis": SERVER,
    "redis_cluster": "127.0.0.1:7000;127.0.0.1:7001",
    "redis_sentinel": "127.0.0.1:26379;127.0.0.1:26380",
    "memcache": "127.0.0.1:11211",
    "couchbase": "http://bee:pw@127.0.0.1:8091,default,bee",
    "ledis": "127.0.0.1:6380",
    "ssdb": "127.0.0.1:8888",
}

GOOD: dict[str, Any] = {
    "SECRET_KEY": STRONG,
    "DEBUG": False,
    "INSTALLED_APPS": APPS,
    "MIDDLEWARE": [OURS, AUTHENTICATION],
    "SESSION_ENGINE": f"{ENGINE}redis",
    "SESSION_COOKIE_SECURE": True,
    "BEESESSION": {"PROVIDER_CONFIG": SERVER, "KEY_PREFIX": "session:", "LIFETIME": 1209600},
}


class TextSerializer(JSONSerializer):
    def dumps(self, obj: Any) -> Any:
        return super().dumps(obj).decode()


class ForgetfulSerializer(JSONSerializer):
    def loads(self, data: bytes) -> Any:
        return {}


class PickleSerializer:
    def dumps(self, obj: Any) -> bytes:
        return pickle.dumps(obj)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


class SubclassOfOurs(SessionMiddleware):
    pass


class OwnMiddleware:
    """Stands for a middleware that has nothing to do with sessions."""


def messages(*, deploy: bool = False, server: bool = False, **changes: Any) -> list[CheckMessage]:
    """Return what the checks say of the good configuration with these changes; BEESESSION is added to.

    :param server: ask those that connect, too, which are for a live site
    """
    options = {**GOOD["BEESESSION"], **changes.pop("BEESESSION", {})}
    with override_settings(**{**GOOD, "BEESESSION": options, **changes}):
        databases = ["default"] if server else []
        found = run_checks(tags=["beesession"], include_deployment_checks=deploy or server, databases=databases)
    return [message for message in found if str(message.id).startswith("beesession.")]


def ids(**changes: Any) -> list[str]:
    return sorted({str(message.id).removeprefix("beesession.") for message in messages(**changes)})


def on(engine: str, **options: Any) -> dict[str, Any]:
    """Return the changes that select an engine; what the good configuration says of Redis goes."""
    config = {"file": "tmp/sessions", "redis": SERVER}.get(engine, "")
    return {
        "SESSION_ENGINE": f"{ENGINE}{engine}",
        "BEESESSION": {"PROVIDER_CONFIG": config, "KEY_PREFIX": "", **options},
    }


def shared(engine: str, **options: Any) -> dict[str, Any]:
    """Return the changes that select an engine which a beego application uses, too."""
    return on(engine, **{"CODEC": "gob", "PROVIDER_CONFIG": PROVIDER_CONFIGS[engine], **options})


def shared_cookie(**keys: str) -> dict[str, Any]:
    """Return the changes that select beego's cookie engine with these keys, and good ones for the rest."""
    good = {"securityKey": STRONG, "blockKey": STRONG[:16], "securityName": "shop", "cookieName": "sessionid"}
    return shared("cookie", PROVIDER_CONFIG=json.dumps({**good, **keys}))


def cache(location: str) -> dict[str, Any]:
    return {"BACKEND": DJANGO_REDIS, "LOCATION": location}


def caches(location: str, **more: Any) -> dict[str, Any]:
    return {"CACHES": {"default": LOCMEM, "pages": cache(location), **more}}


# Good configurations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        on("file"),
        on("cookie"),
        on("redis", ENCRYPTION_KEYS=["0123456789abcdef"], HASH_KEYS=True),
        on("memory") | {"DEBUG": True},
        {"MIDDLEWARE": [STOCK, AUTHENTICATION]},
        shared("redis", ID_PREFIX="shop-", ID_HASH_FUNC="sha1", ABSOLUTE_TIMEOUT=3600),
        shared("file"),
        shared_cookie(),
    ],
    ids=[
        "redis",
        "file",
        "cookie",
        "redis-sealed",
        "memory-in-development",
        "stock-middleware",
        "redis-shared",
        "file-shared",
        "cookie-shared",
    ],
)
def test_a_good_configuration_has_nothing_to_be_told(changes: dict[str, Any]) -> None:
    assert messages(deploy=True, **changes) == []


@pytest.mark.filterwarnings("error::beesession.beego.keys.BeegoConfigWarning")
@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")  # nothing connects to it
@pytest.mark.parametrize("engine", ENGINES)
def test_what_beego_has_by_default_is_no_fault(engine: Any) -> None:
    given = {
        "sessionon": True,
        "sessionprovider": engine.name,
        "sessionproviderconfig": PROVIDER_CONFIGS[engine.name],
    }
    site = BeegoManager.from_keys(given).as_settings()
    options = site.pop("BEESESSION")
    changes: dict[str, Any] = {
        **site,
        "DEBUG": True,
        "INSTALLED_APPS": APPS,
        "BEESESSION": {"KEY_PREFIX": "", **options},
    }
    assert messages(**changes) == []


@pytest.mark.parametrize("engine", ["db", "cache", "file", "signed_cookies"])
def test_sites_with_an_engine_of_djangos_are_left_alone(engine: str) -> None:
    changes: dict[str, Any] = {
        "SESSION_ENGINE": f"django.contrib.sessions.backends.{engine}",
        "MIDDLEWARE": [AUTHENTICATION, STOCK, STOCK],
        "SESSION_COOKIE_SECURE": False,
        "SESSION_COOKIE_SAMESITE": "None",
        "BEESESSION": {"LIFETIEM": 1},
    }
    assert messages(deploy=True, **changes) == []


# Each rule ---------------------------------------------------------------------------------------------------

FIRING: list[tuple[str, dict[str, Any]]] = [
    ("E001", {"SESSION_ENGINE": "beesession.engines.reddis"}),
    ("E001", {"SESSION_ENGINE": "no_such_package.engine"}),
    ("E001", {"SESSION_ENGINE": "redis"}),
    ("E001", {"SESSION_ENGINE": "beesession.engines"}),
    ("E001", {"SESSION_ENGINE": "mysql"}),
    ("E001", {"SESSION_ENGINE": ""}),
    ("E001", {"SESSION_ENGINE": None}),
    ("E001", {"SESSION_ENGINE": DJANGOS}),
    ("E001", {"SESSION_ENGINE": DJANGOS, "MIDDLEWARE": [f"{__name__}.SubclassOfOurs"]}),
    ("E002", {"BEESESSION": {"LIFETIEM": 60}}),
    ("E002", {"BEESESSION": {"LIFETIME": "an hour"}}),
    ("E002", {"BEESESSION": {"ID_LENGTH": 8}}),
    ("E003", {"SESSION_SERIALIZER": "no.such.Serializer"}),
    ("E003", {"SESSION_SERIALIZER": f"{__name__}.TextSerializer"}),
    ("E003", {"SESSION_SERIALIZER": f"{__name__}.ForgetfulSerializer"}),
    ("E004", {"BEESESSION": {"PROVIDER_CONFIG": "127.0.0.1:port"}}),
    ("E004", {"BEESESSION": {"ALIAS": "nowhere"}}),
    ("E004", {"BEESESSION": {"ENCRYPTION_KEYS": ["short"]}}),
    ("E004", on("file", PROVIDER_CONFIG="")),
    ("E004", on("file", KEY_PREFIX="session:")),
    ("E004", on("file", PROVIDER_CONFIG='{"save_pth": "tmp"}')),
    ("E004", on("file", PROVIDER_CONFIG="{}")),
    ("E004", on("file", PROVIDER_CONFIG="/")),
    ("E004", on("file", PROVIDER_CONFIG=__file__)),
    ("E004", on("file", PROVIDER_CONFIG=f"{__file__}/sessions")),
    ("E004", on("file", PROVIDER_CONFIG="") | {"SESSION_FILE_PATH": __file__}),
    ("E004", on("cookie", PROVIDER_CONFIG='{"securityKey": "short"}')),
    ("E004", on("cookie", PROVIDER_CONFIG="no JSON")),
    ("E004", shared("cookie")),
    ("E004", shared_cookie(securityName="")),
    ("E005", {"SESSION_SERIALIZER": f"{__name__}.PickleSerializer"}),
    ("E006", {"MIDDLEWARE": [STOCK, OURS, AUTHENTICATION]}),
    ("E006", {"MIDDLEWARE": [OURS, OURS, AUTHENTICATION]}),
    ("E007", {"MIDDLEWARE": [AUTHENTICATION, OURS]}),
    ("E007", {"MIDDLEWARE": [AUTHENTICATION, STOCK]}),
    ("E008", {"BEESESSION": {"URL_QUERY": True}}),
    ("E009", {"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": False}),
    ("E009", {"SESSION_COOKIE_NAME": "__Secure-id", "SESSION_COOKIE_SECURE": False}),
    ("E009", {"SESSION_COOKIE_NAME": "__Host-id", "SESSION_COOKIE_DOMAIN": "example.com"}),
    ("E009", {"SESSION_COOKIE_NAME": "__Host-id", "SESSION_COOKIE_PATH": "/shop/"}),
    ("E010", {"SESSION_COOKIE_AGE": 0}),
    ("E010", {"SESSION_COOKIE_AGE": "3600"}),
    ("E010", {"SESSION_COOKIE_AGE": None}),
    ("E010", {"SESSION_COOKIE_AGE": True}),
    ("E010", {"SESSION_COOKIE_NAME": "session id"}),
    ("E010", {"SESSION_COOKIE_NAME": "path"}),
    ("E010", {"SESSION_COOKIE_NAME": ""}),
    ("E010", {"SESSION_COOKIE_NAME": None}),
    ("E010", {"SESSION_COOKIE_NAME": b"sessionid"}),
    ("E011", {"BEESESSION": {"HEADER_NAME": "Cookie"}}),
    ("E011", {"BEESESSION": {"HEADER_NAME": "AUTHORIZATION"}}),
    ("E011", {"BEESESSION": {"HEADER_NAME": "host"}}),
    ("E011", {"BEESESSION": {"HEADER_NAME": "Content-Type"}}),
    ("E011", {"BEESESSION": {"HEADER_NAME": "Content-Length"}}),
    ("E040", shared("redis", KEY_PREFIX="session:")),
    ("E040", shared("redis", HASH_KEYS=True)),
    ("E040", shared("file", HASH_KEYS=True)),
    ("W001", on("memory")),
    ("W002", on("memory", KEY_PREFIX="session:") | {"DEBUG": True}),
    ("W002", on("file", ALIAS="sessions")),
    ("W002", on("cookie", HASH_KEYS=True)),
    ("W002", on("cookie", ID_PREFIX="shop-")),
    ("W002", on("cookie", MERGE_RULES={"visits": "raise"})),
    ("W002", {"BEESESSION": {"ASYNC_POOL": False}}),
    ("W002", {"BEESESSION": {"ID_HASH_KEY": "key"}}),
    ("W002", {"BEESESSION": {"ALIAS": "pages"}, **caches("redis://127.0.0.1:6379/1")}),
    ("W002", caches("redis://127.0.0.1:6379/1", beesession=cache("redis://127.0.0.1:6379/7"))),
    ("W002", caches("redis://127.0.0.1:6379/1", beesession=cache("redis://sessions.example.com:6379/0"))),
    ("W002", {"BEESESSION": {"PROVIDER_CONFIG": "a:b:c"}, **caches("unused", beesession=cache(f"redis://{SERVER}"))}),
    ("W003", on("cookie") | {"SECRET_KEY": "django-insecure-" + STRONG}),
    ("W003", on("cookie") | {"SECRET_KEY": STRONG[:30]}),
    ("W003", on("cookie") | {"SECRET_KEY_FALLBACKS": ["ab" * 30]}),
    ("W003", on("cookie", PROVIDER_CONFIG='{"securityKey": "aaaaaaaaaaaaaaaa"}')),
    ("W003", {"BEESESSION": {"ENCRYPTION_KEYS": [STRONG, b"\0" * 32]}}),
    ("W004", {"MIDDLEWARE": [AUTHENTICATION]}),
    ("W005", {"BEESESSION": {"IDLE_TIMEOUT": 900}, "MIDDLEWARE": [STOCK, AUTHENTICATION]}),
    ("W006", {"BEESESSION": {"HEADER_NAME": "X-Session"}}),
    ("W007", {"BEESESSION": {"URL_QUERY": True}, "DEBUG": True}),
    ("W008", {"SESSION_COOKIE_AGE": 61, "BEESESSION": {"LIFETIME": 60}}),
    ("W009", {"BEESESSION": {"IDLE_TIMEOUT": 3600, "ABSOLUTE_TIMEOUT": 1800}}),
    ("W009", {"BEESESSION": {"IDLE_TIMEOUT": 3600, "LIFETIME": 1800}}),
    ("W010", {"SESSION_COOKIE_SECURE": False}),
    ("W011", {"SESSION_COOKIE_HTTPONLY": False}),
    ("W012", {"SESSION_COOKIE_SAMESITE": False}),
    ("W013", caches("redis://localhost")),
    ("W013", caches("redis://:password@127.0.0.1:6379/0?protocol=3")),
    ("W013", caches("unused") | {"CACHES": {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": [f"redis://{SERVER}"]}}}),
    (
        "W013",
        {
            "BEESESSION": {"ALIAS": "default", "PROVIDER_CONFIG": ""},
            "CACHES": {"default": {"BACKEND": DJANGO_REDIS, "LOCATION": "redis://127.0.0.1:6379/5"}},
        },
    ),
    ("W003", shared_cookie(securityKey="aaaaaaaaaaaaaaaa")),
    ("W003", shared_cookie(blockKey="aaaaaaaaaaaaaaaa")),
    ("W040", shared("memory") | {"DEBUG": True}),
    ("W040", shared("ledis")),
    ("W040", shared("couchbase")),
    ("W041", shared("redis") | {"SESSION_SERIALIZER": "django.core.signing.JSONSerializer"}),
    ("W042", shared_cookie(securityKey=STRONG[:15])),
    ("W043", shared_cookie(cookieName="beegosessionID")),
    ("W044", shared("postgresql")),
    ("W045", shared("redis") | {"SESSION_COOKIE_PATH": "/shop/"}),
]

FOR_A_LIVE_SITE = ["W010", "W011", "W012"]

# Where a rule might be too eager: next to what it warns of, and right.
SILENT: list[tuple[str, dict[str, Any]]] = [
    ("E001", {"SESSION_ENGINE": DJANGOS, "MIDDLEWARE": [STOCK]}),
    ("E003", {"SESSION_SERIALIZER": "django.core.signing.JSONSerializer"}),
    ("E004", on("file", PROVIDER_CONFIG="") | {"SESSION_FILE_PATH": "/var/lib/sessions"}),
    ("E004", on("file", PROVIDER_CONFIG="tmp/one/that/is/missing")),
    ("E004", on("cookie", PROVIDER_CONFIG='{"securityKey": "0123456789abcdef"}')),
    ("E006", {"MIDDLEWARE": [OURS, AUTHENTICATION, f"{__name__}.OwnMiddleware"]}),
    ("E007", {"MIDDLEWARE": [OURS, "no.such.Middleware", AUTHENTICATION]}),
    ("E008", {"BEESESSION": {"URL_QUERY": True}, "DEBUG": True}),
    ("E009", {"SESSION_COOKIE_SAMESITE": "None"}),
    ("E009", {"SESSION_COOKIE_SAMESITE": None, "SESSION_COOKIE_SECURE": False}),
    ("E009", {"SESSION_COOKIE_NAME": "__Host-id"}),
    ("E009", {"SESSION_COOKIE_NAME": "__Secure-id", "SESSION_COOKIE_PATH": "/shop/"}),
    ("W001", on("memory") | {"DEBUG": True}),
    ("W002", on("cookie", ENCRYPTION_KEYS=[STRONG], TOUCH_INTERVAL=60)),
    ("W002", {"BEESESSION": {"HASH_KEYS": True, "ID_HASH_FUNC": "sha1", "ID_HASH_KEY": "key"}}),
    ("W002", {"BEESESSION": {"ALIAS": "pages", "PROVIDER_CONFIG": ""}, **caches("redis://127.0.0.1:6379/1")}),
    ("W002", caches("redis://127.0.0.1:6379/1", beesession=cache(f"redis://{SERVER}/0"))),
    ("W002", caches("redis://127.0.0.1:6379/1", beesession=cache("redis://localhost"))),
    ("W002", {"BEESESSION": {"PROVIDER_CONFIG": ""}, **caches("unused", beesession=cache(f"redis://{SERVER}/7"))}),
    ("W003", {"SECRET_KEY": "django-insecure-" + STRONG}),
    ("W003", on("cookie") | {"SECRET_KEY": "django-insecure-" + STRONG, "DEBUG": True}),
    ("W003", on("cookie", ENCRYPTION_KEYS=[STRONG]) | {"SECRET_KEY": STRONG[:30]}),
    ("E010", {"SESSION_COOKIE_NAME": "__Host-session.id"}),
    ("E010", {"SESSION_COOKIE_AGE": 1}),
    ("E011", {"BEESESSION": {"HEADER_NAME": "X-Cookie"}}),
    ("W005", {"BEESESSION": {"ABSOLUTE_TIMEOUT": 3600}, "MIDDLEWARE": [STOCK, AUTHENTICATION]}),
    (
        "W005",
        {
            "BEESESSION": {"IDLE_TIMEOUT": 900},
            "MIDDLEWARE": [STOCK, AUTHENTICATION],
            "SESSION_SAVE_EVERY_REQUEST": True,
        },
    ),
    ("W005", {"BEESESSION": {"HEADER_NAME": "X-Session", "IDLE_TIMEOUT": 900}}),
    ("W007", {"BEESESSION": {"URL_QUERY": True}}),
    ("W008", {"SESSION_COOKIE_AGE": 61, "BEESESSION": {"LIFETIME": None}}),
    ("W008", {"SESSION_COOKIE_AGE": 61, "BEESESSION": {"LIFETIME": 60}, "SESSION_SAVE_EVERY_REQUEST": True}),
    ("W008", {"SESSION_COOKIE_AGE": 61, "BEESESSION": {"LIFETIME": 60}, "SESSION_EXPIRE_AT_BROWSER_CLOSE": True}),
    ("W008", {"SESSION_COOKIE_AGE": 59, "BEESESSION": {"LIFETIME": 60}}),
    ("W009", {"BEESESSION": {"IDLE_TIMEOUT": 900, "ABSOLUTE_TIMEOUT": 900}}),
    ("W010", {"SESSION_COOKIE_SECURE": False, "INSTALLED_APPS": [*APPS, "django.contrib.sessions"]}),
    ("W010", {"SESSION_COOKIE_SECURE": False, "MIDDLEWARE": [STOCK, AUTHENTICATION]}),
    ("W011", {"SESSION_COOKIE_HTTPONLY": False, "INSTALLED_APPS": [*APPS, "django.contrib.sessions"]}),
    ("W012", {"SESSION_COOKIE_SAMESITE": "Strict"}),
    ("W013", caches("redis://127.0.0.1:6379/1")),
    ("W013", caches("redis://127.0.0.1:6380")),
    ("W013", caches("unix:///run/redis.sock")),
    ("W013", caches("no url")),
    ("W013", on("file") | caches("redis://127.0.0.1:6379")),
    ("E040", on("redis", KEY_PREFIX="session:", HASH_KEYS=True)),
    ("E040", shared("memory", KEY_PREFIX="session:")),
    ("W040", on("couchbase", PROVIDER_CONFIG=PROVIDER_CONFIGS["couchbase"])),
    ("W040", shared("redis")),
    ("W041", {"SESSION_SERIALIZER": "django.core.signing.JSONSerializer"}),
    ("W042", on("cookie", PROVIDER_CONFIG=json.dumps({"securityKey": STRONG}))),
    ("W043", shared_cookie(cookieName="")),
    ("W044", shared("postgresql", STORE_TIMEZONE="UTC")),
    ("W044", on("postgresql")),
    ("W045", {"SESSION_COOKIE_PATH": "/shop/"}),
    ("W043", on("cookie", PROVIDER_CONFIG=json.dumps({"securityKey": STRONG, "cookieName": "x"}))),
]


def _named(cases: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(rule, changes, id=f"{rule}-{place}") for place, (rule, changes) in enumerate(cases)]


@pytest.mark.parametrize(("rule", "changes"), _named(FIRING))
def test_each_rule_speaks_up(rule: str, changes: dict[str, Any]) -> None:
    assert ids(deploy=rule in FOR_A_LIVE_SITE, **changes) == [rule]


@pytest.mark.parametrize(("rule", "changes"), _named(SILENT))
def test_each_rule_is_silent_where_all_is_well(rule: str, changes: dict[str, Any]) -> None:
    assert rule not in ids(deploy=True, **changes)


@pytest.mark.parametrize("key", ["HEADER_NAME", "URL_QUERY"])
def test_what_the_stock_middleware_does_not_know_is_told(key: str) -> None:
    value: Any = "X-Session" if key == "HEADER_NAME" else True
    found = messages(BEESESSION={key: value}, MIDDLEWARE=[STOCK, AUTHENTICATION])
    assert [message.msg for message in found if message.id == "beesession.W005"] == [
        f"BEESESSION[{key!r}] does nothing: {STOCK!r} does not know it."
    ]


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in FIRING}))
def test_each_message_says_what_to_change(rule: str) -> None:
    changes = next(changes for name, changes in FIRING if name == rule)
    (message, *_) = messages(deploy=True, **changes)
    assert len(message.msg) > 30
    # The errors of the options and the engine say it themselves: the key, and what is allowed there.
    assert message.hint or rule in ("E002", "E004", "E010")
    assert isinstance(message, Error) is rule.startswith("E")


@pytest.mark.parametrize("rule", FOR_A_LIVE_SITE)
def test_rules_for_a_live_site_wait_for_deploy(rule: str) -> None:
    changes = next(changes for name, changes in FIRING if name == rule)
    assert ids(deploy=False, **changes) == []


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("redis", "SESSION_ENGINE: 'redis' has no SessionStore. Did you mean 'beesession.engines.redis'?"),
        ("mysql", "cannot be imported: No module named 'mysql'. Did you mean 'beesession.engines.mysql'?"),
        (f"{ENGINE}reddis", "No module named 'beesession.engines.reddis'. Did you mean 'beesession.engines.redis'?"),
        (
            "beesession.engines",
            "The engines of this version are beesession.engines.cookie, beesession.engines.couchbase, ",
        ),
        ("", "SESSION_ENGINE must be the module of an engine, such as 'beesession.engines.redis', not ''."),
        (None, "SESSION_ENGINE must be the module of an engine, such as 'beesession.engines.redis', not None."),
        (".redis", "SESSION_ENGINE must be the module of an engine, such as 'beesession.engines.redis', not '.redis'."),
        (DJANGOS, f"SessionMiddleware, which needs one of its engines; SESSION_ENGINE is {DJANGOS!r}."),
    ],
)
def test_a_wrong_engine_is_told_with_the_right_ones(engine: str | None, told: str) -> None:
    (message,) = messages(SESSION_ENGINE=engine)
    assert told in message.msg


def test_what_an_engine_of_the_sites_own_lacks_suggests_no_other_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file_sessions.py").write_text("import no_such_driver")
    monkeypatch.syspath_prepend(tmp_path)
    (message,) = messages(SESSION_ENGINE="file_sessions")
    assert message.msg == "SESSION_ENGINE: 'file_sessions' cannot be imported: No module named 'no_such_driver'."


@pytest.mark.parametrize(
    ("config", "path", "told"),
    [
        (__file__, None, f"BEESESSION['PROVIDER_CONFIG']: {__file__} must be a directory that this process can read"),
        ("", __file__, f"SESSION_FILE_PATH: {__file__} must be a directory that this process can read and write"),
        (f"{__file__}/a", None, f"{__file__} is not a directory."),
        ("/", None, "BEESESSION['PROVIDER_CONFIG']: the root of the file system is no directory for session files."),
    ],
)
def test_a_path_that_is_no_directory_is_told_with_the_setting_it_came_from(
    config: str, path: str | None, told: str
) -> None:
    (message,) = messages(**on("file", PROVIDER_CONFIG=config), SESSION_FILE_PATH=path)
    assert told in message.msg
    assert "SESSION_FILE_PATH" in str(message.hint)


def test_the_risk_of_ids_in_urls_is_accepted_as_any_in_django() -> None:
    (message,) = messages(BEESESSION={"URL_QUERY": True}, SILENCED_SYSTEM_CHECKS=["beesession.E008"])
    with override_settings(SILENCED_SYSTEM_CHECKS=["beesession.E008"]):
        assert message.is_silenced()
    assert not message.is_silenced()


def test_no_message_tells_a_secret() -> None:
    secret = "hunter2-hunter2"
    changes: list[dict[str, Any]] = [
        {"BEESESSION": {"PROVIDER_CONFIG": f"127.0.0.1:port,100,{secret}"}},
        {"BEESESSION": {"ENCRYPTION_KEYS": secret}},
        {"BEESESSION": {"ENCRYPTION_KEYS": [secret[:8]]}},
        {"BEESESSION": {"ID_HASH_KEY": [secret]}},
        on("cookie", PROVIDER_CONFIG=f'{{"securityKey": "{secret[:8]}"}}'),
        shared_cookie(securityKey=secret[:8]),
        shared_cookie(securityKey=secret, blockKey="", securityName=secret),
        on("cookie") | {"SECRET_KEY": f"django-insecure-{secret}"},
        caches(f"redis://:{secret}@127.0.0.1:6379/0"),
    ]
    for each in changes:
        found = messages(**each)
        assert found
        assert "hunter2" not in "".join(f"{message.msg}{message.hint}" for message in found)


def test_the_checks_leave_the_disk_alone(tmp_path: Path) -> None:
    assert messages(**on("file", PROVIDER_CONFIG=str(tmp_path / "sessions"))) == []
    assert not list(tmp_path.iterdir())


# Warnings of beego's configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [f"{ENGINE}redis", DJANGOS])
def test_outdated_beego_keys_are_told_whoever_keeps_the_sessions(engine: str) -> None:
    with pytest.warns(keys.BeegoConfigWarning):
        BeegoManager.from_keys({"sessionon": True, "sessionsavepath": "tmp"})
    (message,) = messages(SESSION_ENGINE=engine, MIDDLEWARE=[STOCK])
    assert message.id == "beesession.W016"
    assert "sessionsavepath" in message.msg


# The server --------------------------------------------------------------------------------------------------


@pytest.fixture
def at_the_server() -> Callable[..., list[str]]:
    """Return what is told of a site whose sessions are on a Redis with these options."""

    def told(*options: str) -> list[str]:
        with redis_server(*options) as server:
            changes = {"BEESESSION": {"PROVIDER_CONFIG": f"127.0.0.1:{server.port}"}}
            found = messages(server=True, **changes)
        assert all(message.hint for message in found)
        return [str(message.id) for message in found]

    return told


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"])
def test_a_server_that_drops_sessions_when_full_is_told(at_the_server: Callable[..., list[str]], policy: str) -> None:
    assert at_the_server("--maxmemory", "64mb", "--maxmemory-policy", policy) == ["beesession.W014"]


@pytest.mark.parametrize(
    "options", [("--maxmemory", "64mb", "--maxmemory-policy", "noeviction"), ("--maxmemory-policy", "allkeys-lru"), ()]
)
def test_a_server_that_keeps_sessions_is_well(
    at_the_server: Callable[..., list[str]], options: tuple[str, ...]
) -> None:
    assert at_the_server(*options) == []


def test_a_server_that_cannot_be_asked_is_told() -> None:
    changes = {"BEESESSION": {"PROVIDER_CONFIG": f"127.0.0.1:{free_port()}"}}
    (message,) = messages(server=True, **changes)
    assert message.id == "beesession.W015"
    assert "(ConnectionError)" in message.msg


def test_nothing_connects_unless_a_database_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    options = {**GOOD["BEESESSION"], "PROVIDER_CONFIG": f"127.0.0.1:{free_port()}"}
    with override_settings(**{**GOOD, "BEESESSION": options}):
        call_command("check", "--deploy")
        assert "beesession." not in capsys.readouterr().err
        call_command("check", "--database", "default")
        assert "beesession." not in capsys.readouterr().err
        call_command("check", "--deploy", "--database", "default")
        assert "beesession.W015" in capsys.readouterr().err


def test_other_engines_have_no_server_to_be_asked() -> None:
    assert messages(server=True, **on("file")) == []


# The application -----------------------------------------------------------------------------------------------


def test_the_checks_run_with_the_application_and_its_tag(capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(**{**GOOD, "MIDDLEWARE": [AUTHENTICATION]}):
        call_command("check", "--tag", "beesession")
    assert "beesession.W004" in capsys.readouterr().err


# Beside beego --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["KEY_PREFIX", "HASH_KEYS"])
def test_what_hides_records_from_beego_is_told_with_its_key(key: str) -> None:
    value: Any = "session:" if key == "KEY_PREFIX" else True
    (message,) = messages(**shared("redis", **{key: value}))
    assert message.msg.startswith(f"BEESESSION[{key!r}] cannot be used with CODEC = 'gob': beego looks for a session")


def test_encryption_at_rest_is_never_combined_with_gob() -> None:
    (message,) = messages(**shared("redis", ENCRYPTION_KEYS=[STRONG]))
    assert isinstance(message, Error)
    assert "ENCRYPTION_KEYS" in message.msg


def test_an_engine_that_cannot_be_shared_is_told_in_the_words_of_the_manager() -> None:
    (message,) = messages(**shared("ledis"))
    assert sharing.refusal("ledis") in message.msg
