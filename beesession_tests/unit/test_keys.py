"""The table of beego's keys, and how keys are judged."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from beesession.beego import keys
from beesession.beego.keys import Fate, SessionConfig, World

SECRET = "hunter2-Zq9"

WEB = {
    "sessionon": ("on", False),
    "sessionprovider": ("provider", "memory"),
    "sessionname": ("cookie_name", "beegosessionID"),
    "sessiongcmaxlifetime": ("gc_lifetime", 3600),
    "sessionproviderconfig": ("provider_config", ""),
    "sessioncookielifetime": ("cookie_lifetime", 0),
    "sessionautosetcookie": ("set_cookie", True),
    "sessiondomain": ("domain", ""),
    "sessiondisablehttponly": ("disable_http_only", False),
    "sessionenablesidinhttpheader": ("header", False),
    "sessionnameinhttpheader": ("header_name", "Beegosessionid"),
    "sessionenablesidinurlquery": ("url_query", False),
    "sessionidprefix": ("id_prefix", ""),
    "enablehttps": ("secure", False),
}


def read_web(**given):
    return keys.read_web(given, lambda name: "app.conf:7")


def read_library(given):
    return keys.read_library(given, "BeegoManager.new")


@pytest.mark.parametrize(("name", "field", "default"), [(name, *rest) for name, rest in WEB.items()])
def test_web_key_has_beegos_default(name, field, default):
    (row,) = [row for row in keys.TABLE if row.name == name]
    assert (row.field, row.default, row.fate) == (field, default, Fate.MAPPED)
    assert getattr(read_web().config, field) == default


@pytest.mark.parametrize("row", keys.TABLE, ids=lambda row: row.name)
def test_each_row_is_complete(row):
    assert row.sentence.endswith(".")
    assert bool(row.note) == (row.fate is not Fate.MAPPED)
    assert bool(row.setting) == (row.fate is not Fate.DEAD)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("SessionOn", "on", "on", True),
        ("SESSIONPROVIDER", "redis", "provider", "redis"),
        ("web.BConfig.WebConfig.Session.SessionName", "n", "cookie_name", "n"),
        ("sessiongcmaxlifetime", "60", "gc_lifetime", 60),
        ("sessioncookielifetime", -1, "cookie_lifetime", -1),
        ("sessionname", "", "cookie_name", "beegosessionID"),
        ("sessioncookiesamesite", "1", "same_site", False),
        ("sessioncookiesamesite", 2, "same_site", "Lax"),
        ("sessioncookiesamesite", "3", "same_site", "Strict"),
        ("sessioncookiesamesite", "none", "same_site", "None"),
        ("sessionproviderconfig", {"save_path": "h:1"}, "provider_config", {"save_path": "h:1"}),
    ],
)
def test_web_key_is_read_without_case_and_in_its_type(name, value, field, expected):
    reading = read_web(**{name: value})
    assert getattr(reading.config, field) == expected
    assert reading.warnings == ()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("sessionon", "maybe", "app.conf:7: sessionon must be true or false .*, not 'maybe'"),
        ("sessionon", "", "must be true or false"),
        ("sessiongcmaxlifetime", "1h", "app.conf:7: sessiongcmaxlifetime must be a whole number .*, not '1h'"),
        ("sessioncookielifetime", 1.5, "must be a whole number"),
        ("sessioncookiesamesite", "loose", r"must be 1 .*, 2 \(Lax\)"),
        ("sessioncookiesamesite", True, "must be 1"),
        ("sessionname", 5, "sessionname must be text, not int"),
        ("sessionhashfunc", 5, "must be the name of a hash"),
    ],
)
def test_wrong_value_is_an_error_and_never_a_default(name, value, problem):
    with pytest.raises(ImproperlyConfigured, match=problem):
        read_web(**{name: value})


@pytest.mark.parametrize(
    ("misspelled", "right"),
    [
        ("sesionon", "sessionon"),
        ("sessionproviderconf", "sessionproviderconfig"),
        ("sessiongcmaxlifetme", "sessiongcmaxlifetime"),
        ("SessionCookieSamesit", "sessioncookiesamesite"),
    ],
)
@pytest.mark.parametrize("judge_all", [True, False])
def test_misspelled_key_is_an_error_with_the_right_one(misspelled, right, judge_all):
    with pytest.raises(
        ImproperlyConfigured, match=f"'{misspelled}' is no session key of beego. Did you mean '{right}'"
    ):
        keys.read_web({misspelled: "x"}, lambda name: "here", judge_all=judge_all)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sessionidlength", "It is only in ManagerConfig: sessionIDLength."),
        ("maxlifetime", "It is only in ManagerConfig: maxLifetime."),
        ("cookieName", "Did you mean 'sessionname'?"),
        ("savepath", "Known are sessionon,"),
    ],
)
def test_hint_names_a_key_that_is_alive(name, hint):
    with pytest.raises(ImproperlyConfigured) as caught:
        read_web(**{name: "x"})
    assert hint in str(caught.value)


@pytest.mark.parametrize("world", World)
def test_no_hint_names_an_outdated_key(world):
    outdated = {row.name for row in keys.TABLE if row.world is world and row.fate is not Fate.MAPPED}
    read = {World.WEB: lambda name: read_web(**{name: "x"}), World.LIBRARY: lambda name: read_library({name: "x"})}
    for name in outdated:
        with pytest.raises(ImproperlyConfigured) as caught:
            read[world](f"{name}x")
        assert not [other for other in outdated if f"'{other}'" in str(caught.value)]


def test_each_field_knows_where_it_was_written_and_how():
    reading = keys.read_web(
        {"web.BConfig.WebConfig.Session.SessionName": "n", "sessionSavePath": "./tmp"}, lambda name: f"at {name}"
    )
    assert {field: str(place) for field, place in reading.places.items()} == {
        "cookie_name": "at web.BConfig.WebConfig.Session.SessionName: SessionName",
        "provider_config": "at sessionSavePath: sessionSavePath",
    }


@pytest.mark.parametrize("name", ["httpport", "appname", "runmode", "enablehttp", "autorender", "maxmemory"])
def test_other_keys_of_a_file_are_left_alone(name):
    reading = keys.read_web({name: "x", "sessionon": "true"}, lambda name: "here", judge_all=False)
    assert reading.config == SessionConfig(on=True)


def test_keys_given_by_hand_are_all_judged():
    with pytest.raises(ImproperlyConfigured, match="'httpport' is no session key"):
        read_web(httpport=8080)


def test_key_given_twice_is_an_error():
    with pytest.raises(ImproperlyConfigured, match="sessionon is given twice"):
        read_web(sessionon=True, SessionOn=False)


@pytest.mark.parametrize(
    ("old", "value", "field", "expected"),
    [
        ("sessionsavepath", "./tmp", "provider_config", "./tmp"),
        ("SessionHashFunc", "sha1", "id_hash_func", "sha1"),
        ("sessionhashkey", "k", "id_hash_key", "k"),
        ("sessionenablesetcookie", "false", "set_cookie", False),
        ("enablesetcookie", "false", "set_cookie", False),
        ("enablesidinhttpheader", "true", "header", True),
        ("enablesidinurlquery", "true", "url_query", True),
    ],
)
def test_renamed_web_key_is_mapped_with_a_warning(old, value, field, expected):
    reading = read_web(**{old: value})
    assert getattr(reading.config, field) == expected
    assert [text.partition(":")[0] for text in reading.warnings] == [old.lower()]


def test_the_present_name_of_a_key_wins_over_its_old_one():
    assert read_web(sessionproviderconfig="new", sessionsavepath="old").config.provider_config == "new"


def test_dead_key_warns_and_does_nothing():
    reading = read_web(sessionsecure="true")
    assert reading.config == SessionConfig()
    assert reading.warnings == ("sessionsecure: ignored, the Secure flag follows enablehttps",)


LIBRARY = {
    "cookieName": "c", "enableSetCookie": False, "gclifetime": 60, "maxLifetime": 30, "disableHTTPOnly": True,
    "secure": True, "cookieLifeTime": 5, "providerConfig": "./tmp", "domain": "d", "sessionIDLength": 32,
    "EnableSidInHTTPHeader": True, "SessionNameInHTTPHeader": "H", "EnableSidInURLQuery": True,
    "sessionIDPrefix": "p", "cookieSameSite": 3, "sessionIDHashFunc": "sha256", "sessionIDHashKey": "k",
}  # fmt: skip
EXPECTED = SessionConfig(
    on=True, cookie_name="c", set_cookie=False, gc_lifetime=60, max_lifetime=30, disable_http_only=True, secure=True,
    cookie_lifetime=5, provider_config="./tmp", domain="d", id_length=32, header=True, header_name="H", url_query=True,
    id_prefix="p", same_site="Strict", id_hash_func="sha256", id_hash_key="k",
)  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [LIBRARY, json.dumps(LIBRARY), {name.upper(): value for name, value in LIBRARY.items()}],
    ids=["mapping", "JSON", "upper case"],
)
def test_each_key_of_a_manager_config_is_read(given):
    assert read_library(given).config == EXPECTED


def test_the_spelling_of_beegos_documentation_is_taken_with_a_warning():
    reading = read_library({"enableSetCookie,omitempty": False})
    assert reading.config.set_cookie is False
    assert reading.warnings == ("enableSetCookie,omitempty: it is called enableSetCookie",)


def test_a_manager_config_without_keys_has_usable_defaults():
    assert read_library({"domain": None}).config == SessionConfig(on=True)


@pytest.mark.parametrize("given", [f'{{"cookieName": "{SECRET}"', "[]", "", 5, None])
def test_what_is_no_manager_config_is_an_error_that_quotes_nothing(given):
    with pytest.raises(ImproperlyConfigured, match="expected a JSON object") as caught:
        read_library(given)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "right"),
    [("cookiename2", "cookieName"), ("maxLifeTimes", "maxLifetime"), ("provider_config", "providerC")],
)
def test_misspelled_key_of_a_manager_config_is_an_error_with_the_right_one(name, right):
    with pytest.raises(ImproperlyConfigured, match=f"Did you mean '{right}"):
        read_library({name: "x"})


@pytest.mark.parametrize("value", [json.dumps({"cookieName": "c"}), {"cookieName": "c"}])
def test_sessionconfig_replaces_every_key_but_two(value):
    reading = read_web(sessionon=True, sessionprovider="file", sessionname="lost", sessionconfig=value)
    assert reading.config == SessionConfig(on=True, provider="file", cookie_name="c")
    assert reading.warnings == ("sessionname: ignored, since sessionconfig replaces all keys but two",)


def test_an_empty_sessionconfig_replaces_nothing():
    assert read_web(sessionname="kept", sessionconfig="").config.cookie_name == "kept"


@pytest.mark.parametrize("name", ["sessionproviderconfig", "sessionhashkey", "sessionconfig"])
def test_a_value_that_may_be_secret_is_not_shown(name):
    with pytest.raises(ImproperlyConfigured) as caught:
        read_web(**{name: [SECRET]})
    assert SECRET not in str(caught.value)


def test_repr_of_a_configuration_shows_no_secret():
    assert SECRET not in repr(read_web(sessionproviderconfig=SECRET, sessionhashkey=SECRET).config)


def test_reported_warnings_are_python_warnings_and_kept_once_for_the_checks():
    with pytest.warns(keys.BeegoConfigWarning, match="a test of reporting") as caught:
        keys.report(["a test of reporting", "a test of reporting"], 1)
    assert {entry.filename for entry in caught} == {__file__}
    assert keys.reported().count("a test of reporting") == 1


def test_the_two_worlds_name_the_same_things():
    fields = {world: {row.field for row in keys.TABLE if row.world is world} for world in World}
    assert fields[World.WEB] - fields[World.LIBRARY] == {"on", "provider", ""}
    assert fields[World.LIBRARY] - fields[World.WEB] == {"max_lifetime", "id_length"}
