"""The examples of beego's session documentation, as they stand there."""

import pytest
from django.http import HttpResponse

from beesession import BeegoManager
from beesession.beego import dsn

PREFIX = "web.BConfig.WebConfig.Session."

# Provider, provider string, and what the string says.
ENGINES = [
    ("file", "./tmp", dsn.FileConfig("./tmp")),
    (
        "mysql",
        "username:password@protocol(address)/dbname?param=value",
        dsn.MySQLConfig("username", "password", "protocol", "address", "dbname", (("param", "value"),)),
    ),
    ("redis", "127.0.0.1:6379", dsn.RedisConfig()),
    ("redis", "127.0.0.1:6379,100,astaxie", dsn.RedisConfig(pool_size=100, password="astaxie")),
    ("memcache", "127.0.0.1:7080", dsn.MemcacheConfig((dsn.Address("127.0.0.1", 7080),))),
    (
        "postgresql",
        "postgres://pqgotest:password@localhost/pqgotest?sslmode=verify-full",
        dsn.PostgreSQLConfig("pqgotest", "password", "localhost", 5432, "pqgotest", (("sslmode", "verify-full"),)),
    ),
    (
        "couchbase",
        "http://bucketname:bucketpass@myserver:8091",
        dsn.CouchbaseConfig(
            "couchbase://myserver", "bucketname", "bucketpass", "bucketname",
            notes=("no bucket is named, so the user's name is taken (beego itself fails on this)",),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "text", "expected"), ENGINES, ids=[text for _, text, _ in ENGINES])
def test_provider_string_means_what_the_documentation_says(provider, text, expected):
    assert dsn.parse(provider, text) == expected


@pytest.mark.filterwarnings("ignore::beesession.beego.keys.BeegoConfigWarning")
@pytest.mark.parametrize(("provider", "text"), [row[:2] for row in ENGINES])
def test_provider_and_string_become_settings(provider, text):
    manager = BeegoManager.from_keys(
        {PREFIX + "SessionOn": True, PREFIX + "SessionProvider": provider, PREFIX + "SessionProviderConfig": text}
    )
    settings = manager.as_settings()
    assert settings["SESSION_ENGINE"] == f"beesession.engines.{provider}"
    assert settings["BEESESSION"]["PROVIDER_CONFIG"] == text


@pytest.mark.filterwarnings("ignore::beesession.beego.keys.BeegoConfigWarning")
def test_mysql_placeholder_is_mapped_and_what_django_lacks_is_warned_of():
    manager = BeegoManager.from_keys(
        {"sessionon": True, "sessionprovider": "mysql", "sessionproviderconfig": ENGINES[1][1]}
    )
    database = manager.as_settings()["DATABASES"]["beesession"]
    assert (database["USER"], database["PASSWORD"]) == ("username", "password")
    assert (database["HOST"], database["NAME"]) == ("address", "dbname")
    assert [text for text in manager.warnings if "'protocol' is no protocol" in text]
    assert [text for text in manager.warnings if "'param' is not carried over" in text]


def test_configuration_file_that_switches_sessions_on(tmp_path):
    (tmp_path / "app.conf").write_text("sessionon = true\n")
    settings = BeegoManager.from_conf(tmp_path / "app.conf").as_settings()
    assert (settings["SESSION_ENGINE"], settings["SESSION_COOKIE_NAME"], settings["BEESESSION"]["LIFETIME"]) == (
        "beesession.engines.memory", "beegosessionID", 3600,
    )  # fmt: skip


MANAGER_CONFIG = {
    "CookieName": "gosessionid",
    "EnableSetCookie": True,
    "Gclifetime": 3600,
    "Maxlifetime": 3600,
    "Secure": False,
    "CookieLifeTime": 3600,
    "ProviderConfig": "./tmp",
}


@pytest.fixture
def global_sessions():
    manager = BeegoManager.new("memory", MANAGER_CONFIG)
    manager.start_gc()
    yield manager
    manager.stop_gc()


def login(global_sessions, request):
    """The documentation's login, in Python."""
    response = HttpResponse()
    session = global_sessions.session_start(request)
    response.write(session.get("username"))
    if request.method == "POST":
        session.set("username", request.POST["username"])
    session.session_release(response)
    return response


def test_login_without_the_web_module(global_sessions, browser):
    first = login(global_sessions, browser.get("/login"))
    assert (first.content, dict(first.cookies)) == (b"None", {})
    posted = login(global_sessions, browser.post("/login", {"username": "astaxie"}))
    cookie = posted.cookies["gosessionid"]
    assert (cookie["max-age"], cookie["httponly"], cookie["secure"]) == (3600, True, "")
    browser.keep(posted)
    assert login(global_sessions, browser.get("/login")).content == b"astaxie"
    assert global_sessions.get_active_session() == 1
    gone = HttpResponse()
    global_sessions.session_destroy(browser.get("/login"), gone)
    browser.keep(gone)
    assert login(global_sessions, browser.get("/login")).content == b"None"
    assert global_sessions.get_active_session() == 0


@pytest.mark.filterwarnings("ignore::beesession.beego.keys.BeegoConfigWarning")
def test_parameters_of_new_manager_are_all_known():
    manager = BeegoManager.new(
        "memory",
        '{"cookieName": "gosessionid", "enableSetCookie,omitempty": true, "gclifetime": 3600, "maxLifetime": 3600, '
        '"secure": false, "sessionIDHashFunc": "sha1", "sessionIDHashKey": "key", "cookieLifeTime": 3600, '
        '"providerConfig": ""}',
    )
    assert manager.as_settings()["BEESESSION"]["ID_HASH_FUNC"] == "sha1"


def test_a_provider_of_ones_own_can_be_registered():
    from beesession import register

    register("documented", "beesession.engines.memory")
    assert (
        BeegoManager.from_keys({"sessionon": True, "sessionprovider": "documented"}).as_settings()["SESSION_ENGINE"]
        == "beesession.engines.memory"
    )
