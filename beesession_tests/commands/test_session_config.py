"""``session_config``: what a configuration means, key by key, without its secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from beesession import conf
from beesession.beego import sharing
from beesession.beego.sharing import Kind
from beesession_tests.commands.conftest import run

PASSWORD = "a-password-of-redis"
KEY = "an-encryption-key-of-the-site"
REDIS = "beesession.engines.redis"


def written(folder: Path, *lines: str) -> str:
    file = folder / "app.conf"
    file.write_text("\n".join(("sessionon = true", *lines)))
    return str(file)


def keys(*arguments: str) -> dict[str, Any]:
    """Return the part of the JSON output that goes key by key."""
    found: dict[str, Any] = json.loads(run("session_config", *arguments, "--json").out)["keys"]
    return found


# The settings ------------------------------------------------------------------------------------------------


@override_settings(BEESESSION={"LIFETIME": 60})
def test_each_key_of_beesession_has_its_value_default_and_sentence() -> None:
    told = keys()
    assert list(told) == list(conf.keys())
    lifetime = told["LIFETIME"]
    assert (lifetime["value"], lifetime["default"], lifetime["is_default"]) == (60, None, False)
    assert lifetime["sentence"] == conf.keys()["LIFETIME"]["sentence"]
    assert all(row["is_default"] for key, row in told.items() if key != "LIFETIME")


@override_settings(BEESESSION={"LIFETIME": 60}, SESSION_COOKIE_AGE=120)
def test_people_get_one_aligned_row_for_each_key() -> None:
    out = run("session_config").out
    assert "A session lives 60 seconds in the store, and its cookie 120 seconds." in out
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    rows = [line for line in lines if line[2] != " "]
    assert [row.split()[0] for row in rows] == list(conf.keys())
    assert "60 (default None)" in next(row for row in rows if "LIFETIME" in row)
    sentences = [about["sentence"] for about in conf.keys().values()]
    begin = rows[0].index(sentences[0].split()[0])
    assert " ".join(line[begin:] for line in lines) == " ".join(sentences)


@pytest.mark.parametrize("in_a_file", [False, True], ids=["settings", "file"])
def test_a_table_fits_a_terminal_whatever_is_in_it(tmp_path: Path, in_a_file: bool) -> None:
    value = f"redis://user:{PASSWORD}@redis.of.the.shop.example.com:6379/1?client_name={'shop' * 20}"
    file = written(tmp_path, "sessionprovider = redis", f'sessionproviderconfig = "{value}"')
    with override_settings(SESSION_ENGINE=REDIS, BEESESSION={"PROVIDER_CONFIG": value}):
        out = run("session_config", *([file] if in_a_file else [])).out
    assert max(len(line) for line in out.splitlines()) <= 100


@override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=True)
def test_a_cookie_without_an_age_is_told_as_such() -> None:
    assert "and its cookie until the browser is closed." in run("session_config").out


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["people", "json"])
@pytest.mark.parametrize(
    "provider_config",
    [
        f"127.0.0.1:6379,100,{PASSWORD}",
        f"redis://user:{PASSWORD}@127.0.0.1:6379/1",
        {"redis": f'{{"save_path": "127.0.0.1:6379", "password": "{PASSWORD}"}}'},
        {"redis": {"save_path": "127.0.0.1:6379", "password": PASSWORD}},
    ],
    ids=["comma", "url", "json", "mapping"],
)
def test_secrets_stay_hidden_and_the_rest_is_told(provider_config: Any, arguments: list[str]) -> None:
    options = {"PROVIDER_CONFIG": provider_config, "ENCRYPTION_KEYS": [KEY], "ID_HASH_KEY": KEY}
    with override_settings(SESSION_ENGINE=REDIS, BEESESSION=options):
        out = run("session_config", *arguments).out
    assert PASSWORD not in out
    assert KEY not in out
    assert all(told in out for told in ("(hidden), ", "127.0.0.1,", "6379"))
    assert out.count("(hidden)") == 3


@override_settings(BEESESSION={"MERGE_RULES": {"visits": max}, "ID_HASH_FUNC": lambda entropy, key: entropy.hex()})
def test_functions_are_told_by_name() -> None:
    told = keys()
    assert told["MERGE_RULES"]["value"] == {"visits": "max"}
    assert "lambda" in told["ID_HASH_FUNC"]["value"]


@override_settings(BEESESSION={"LIFETIEM": 60})
def test_a_misspelt_key_is_an_error_that_names_the_right_one() -> None:
    outcome = run("session_config")
    assert outcome.code == 1
    assert "BEESESSION['LIFETIEM'] is not a key of beesession. Did you mean 'LIFETIME'?" in outcome.error


# A beego configuration ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "key", "setting", "becomes"),
    [
        ("sessionprovider = memory", "sessionprovider", "SESSION_ENGINE", "beesession.engines.memory"),
        ("sessionname = asta", "sessionname", "SESSION_COOKIE_NAME", "asta"),
        ("sessiongcmaxlifetime = 60", "sessiongcmaxlifetime", "BEESESSION['LIFETIME']", 60),
        ("sessioncookielifetime = 90", "sessioncookielifetime", "SESSION_COOKIE_AGE", 90),
        ("sessioncookiesamesite = 3", "sessioncookiesamesite", "SESSION_COOKIE_SAMESITE", "Strict"),
        ("sessiondisablehttponly = true", "sessiondisablehttponly", "SESSION_COOKIE_HTTPONLY", False),
        ("sessionidprefix = shop-", "sessionidprefix", "BEESESSION['ID_PREFIX']", "shop-"),
        ("enablehttps = true", "enablehttps", "SESSION_COOKIE_SECURE", True),
    ],
)
def test_each_beego_key_is_told_with_what_becomes_of_it(
    tmp_path: Path, line: str, key: str, setting: str, becomes: object
) -> None:
    row = keys(written(tmp_path, line))[key]
    assert (row["setting"], row["becomes"]) == (setting, becomes)


@pytest.mark.parametrize(
    "setting",
    ["SESSION_COOKIE_SAMESITE", "BEESESSION['HEADER_NAME']", "BEESESSION['URL_QUERY']", "BEESESSION['ID_PREFIX']"],
)
def test_a_setting_that_is_left_alone_is_told_from_one_that_is_none(tmp_path: Path, setting: str) -> None:
    out = run("session_config", written(tmp_path)).out
    assert all(line.endswith("(not set)") for line in out.splitlines() if setting in line)
    assert next(line for line in out.splitlines() if "SESSION_COOKIE_DOMAIN" in line).endswith("None")
    told = keys(written(tmp_path))
    assert (told["sessionidprefix"]["is_set"], told["sessiondomain"]["is_set"]) == (False, True)


def test_settings_that_no_key_stands_for_are_told_too(tmp_path: Path) -> None:
    out = run("session_config", written(tmp_path)).out
    assert "SESSION_SAVE_EVERY_REQUEST       True" in out
    assert out.endswith("No warnings.\n")


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["people", "json"])
def test_the_password_of_a_provider_string_stays_hidden(tmp_path: Path, arguments: list[str]) -> None:
    file = written(tmp_path, "sessionprovider = redis", f'sessionproviderconfig = "127.0.0.1:6379,100,{PASSWORD}"')
    out = run("session_config", file, *arguments).out
    assert PASSWORD not in out
    assert "host 127.0.0.1," in out


@pytest.mark.filterwarnings("error::beesession.beego.keys.BeegoConfigWarning")
def test_renamed_and_dead_keys_are_told_as_warnings_once(tmp_path: Path) -> None:
    file = written(tmp_path, "sessionsavepath = ./tmp", "sessionsecure = true")
    told = json.loads(run("session_config", file, "--json").out)["warnings"]
    assert len(told) == 2
    out = run("session_config", file).out
    assert all(f"  {text}\n" in out for text in told)


def test_a_configuration_without_sessions_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "app.conf"
    file.write_text("appname = shop\n")
    assert "sessions are off (sessionon)" in run("session_config", str(file)).out
    assert json.loads(run("session_config", str(file), "--json").out)["engine"] is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sessionnam = asta", "Did you mean 'sessionname'?"),
        ("sessiongcmaxlifetime = soon", "sessiongcmaxlifetime must"),
        ("sessionprovider = reddis", "Did you mean 'redis'?"),
    ],
)
def test_a_wrong_line_is_an_error_that_says_what_to_write(tmp_path: Path, line: str, told: str) -> None:
    outcome = run("session_config", written(tmp_path, line))
    assert outcome.code == 1
    assert told in outcome.error


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    outcome = run("session_config", str(tmp_path / "none.conf"))
    assert outcome.code == 1
    assert "none.conf" in outcome.error


# Sharing with beego ------------------------------------------------------------------------------------------

COOKIE = json.dumps({"securityKey": KEY, "blockKey": "0123456789abcdef", "securityName": "shop"})
SHAREABLE = {
    "file": "./tmp", "redis": "127.0.0.1:6379", "redis_cluster": "127.0.0.1:7000", "redis_sentinel": "127.0.0.1:26379",
    "mysql": "u:p@tcp(127.0.0.1:3306)/app", "postgresql": "postgres://u:p@127.0.0.1/app", "ssdb": "127.0.0.1:8888",
    "memcache": "127.0.0.1:11211", "couchbase": "http://u:p@127.0.0.1:8091,default,b", "cookie": COOKIE,
}  # fmt: skip


def in_words(out: str) -> str:
    """Return a text in one line, without what lays it out."""
    return " ".join(out.split())


@pytest.mark.parametrize(("engine", "provider_config"), SHAREABLE.items(), ids=SHAREABLE)
def test_a_shared_file_is_told_with_what_sharing_needs_and_what_will_not_work(
    tmp_path: Path, engine: str, provider_config: str
) -> None:
    lines = [f"sessionprovider = {engine}", f"sessionproviderconfig = {provider_config}"]
    file = written(tmp_path, *lines)
    told = json.loads(run("session_config", file, "--shared", "--json").out)["sharing"]
    assert (told["codec"], told["is_possible"]) == ("gob", True)
    assert told["needs"] == list(sharing.texts(engine, Kind.NEED))
    assert told["limits"] == list(sharing.texts(engine, Kind.LIMIT))
    out = run("session_config", file, "--shared").out
    assert all(text in in_words(out).replace(" - ", " ") for text in told["needs"] + told["limits"])
    assert max(len(line) for line in out.partition("Sharing with beego")[2].splitlines()) <= 100
    assert KEY not in out


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["people", "json"])
def test_without_sharing_nothing_is_told_of_it(tmp_path: Path, arguments: list[str]) -> None:
    for file in ([], [written(tmp_path)]):
        out = run("session_config", *file, *arguments).out
        assert "Sharing with beego" not in out
        assert '"sharing"' not in out


@pytest.mark.parametrize("engine", ["memory", "ledis"])
def test_a_shared_file_with_an_engine_that_cannot_be_is_an_error_that_says_why(tmp_path: Path, engine: str) -> None:
    config = "127.0.0.1:6380" if engine == "ledis" else ""
    file = written(tmp_path, f"sessionprovider = {engine}", f"sessionproviderconfig = {config}")
    outcome = run("session_config", file, "--shared")
    assert outcome.code == 1
    assert (
        outcome.error == f"{file}:2: sessionprovider: {sharing.refusal(engine)} Choose another engine, on both sides."
    )


@override_settings(SESSION_ENGINE=REDIS, BEESESSION={"CODEC": "gob"})
def test_a_site_that_writes_gob_is_told_without_being_asked() -> None:
    assert "Sharing with beego; CODEC is 'gob'" in run("session_config").out
    assert json.loads(run("session_config", "--json").out)["sharing"]["is_possible"] is True


@override_settings(SESSION_ENGINE="beesession.engines.memory", BEESESSION={"CODEC": "gob"})
def test_a_site_on_an_engine_that_cannot_be_shared_is_told_so_first() -> None:
    told = json.loads(run("session_config", "--json").out)["sharing"]
    assert told == {"codec": "gob", "is_possible": False, "needs": [], "limits": [sharing.refusal("memory")]}
    assert sharing.refusal("memory") in in_words(run("session_config").out)


@override_settings(SESSION_ENGINE=REDIS)
def test_a_site_that_does_not_share_yet_is_told_when_asked() -> None:
    told = json.loads(run("session_config", "--shared", "--json").out)["sharing"]
    assert told["codec"] == "json"
    assert "One form: BEESESSION['CODEC'] is 'gob'." in told["needs"]
    assert "Sharing with beego; CODEC is 'json'" in run("session_config", "--shared").out


def test_a_shared_file_without_sessions_has_nothing_to_share(tmp_path: Path) -> None:
    file = tmp_path / "app.conf"
    file.write_text("appname = shop\n")
    assert run("session_config", str(file), "--shared").code == 0
    assert json.loads(run("session_config", str(file), "--shared", "--json").out)["sharing"] is None


def test_warnings_of_sharing_stand_with_the_others(tmp_path: Path) -> None:
    file = written(tmp_path, "sessionprovider = couchbase", f"sessionproviderconfig = {SHAREABLE['couchbase']}")
    (told,) = json.loads(run("session_config", file, "--shared", "--json").out)["warnings"]
    assert "cannot start sessions" in told
