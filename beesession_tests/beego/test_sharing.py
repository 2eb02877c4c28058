"""``BeegoManager`` for a store that a running beego application uses, too; and what is known about such stores."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse

from beesession import BeegoManager
from beesession.beego import dsn, keys, sharing
from beesession.beego.cookie import BeegoTokens
from beesession.beego.sharing import FACTS, Kind

KEYS = {"securityKey": "a key that both sides know", "blockKey": "0123456789abcdef", "securityName": "shop"}
TOKENS = BeegoTokens(b"a key that both sides know", b"0123456789abcdef", b"shop")
PROVIDERS = {
    "memory": "", "ledis": "127.0.0.1:6380", "file": "./tmp", "redis": "127.0.0.1:6379",
    "redis_cluster": "127.0.0.1:7000", "redis_sentinel": "127.0.0.1:26379", "mysql": "u:p@tcp(127.0.0.1:3306)/app",
    "postgresql": "postgres://u:p@127.0.0.1/app", "ssdb": "127.0.0.1:8888", "memcache": "127.0.0.1:11211",
    "couchbase": "http://u:p@127.0.0.1:8091,default,b", "cookie": json.dumps(KEYS),
}  # fmt: skip
NEVER = ("memory", "ledis")


def made(way: str, provider: str, folder: Path, config: str | None = None, **how: Any) -> BeegoManager:
    """Make a manager in one of the three ways."""
    config = PROVIDERS[provider] if config is None else config
    if way == "new":
        return BeegoManager.new(provider, {"providerConfig": config}, **how)
    given = {"sessionon": "true", "sessionprovider": provider, "sessionproviderconfig": config}
    if way == "from_keys":
        return BeegoManager.from_keys(given, **how)
    file = folder / "app.conf"
    file.write_text("\n".join(f"{name} = {value}" for name, value in given.items()))
    return BeegoManager.from_conf(file, **how)


@pytest.fixture(params=["from_conf", "from_keys", "new"])
def way(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


# Three ways, two words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"codec": "gob"}, {"shared": True}], ids=["codec", "shared"])
@pytest.mark.parametrize("provider", sorted(PROVIDERS.keys() - {*NEVER, "couchbase"}))
@pytest.mark.filterwarnings("error::beesession.beego.keys.BeegoConfigWarning")
def test_either_word_makes_a_site_that_writes_what_beego_reads(
    tmp_path: Path, way: str, provider: str, how: dict[str, Any]
) -> None:
    settings = made(way, provider, tmp_path, **how).as_settings()
    options = settings.pop("BEESESSION")
    assert options.pop("CODEC") == "gob"
    usual = made(way, provider, tmp_path).as_settings()
    assert "CODEC" not in usual["BEESESSION"]
    assert options == usual.pop("BEESESSION")
    assert settings == usual


def test_the_lifetime_is_the_one_that_beego_counts_with() -> None:
    given = {"sessionon": True, "sessionprovider": "file", "sessionproviderconfig": "t", "sessiongcmaxlifetime": 90}
    assert BeegoManager.from_keys(given, shared=True).as_settings()["BEESESSION"]["LIFETIME"] == 90


def test_the_codec_is_json_or_gob(way: str, tmp_path: Path) -> None:
    assert "CODEC" not in made(way, "redis", tmp_path, codec="json").as_settings()["BEESESSION"]
    with pytest.raises(ImproperlyConfigured, match=r"BeegoManager\['CODEC'\] must be 'json' or 'gob', not 'yaml'"):
        made(way, "redis", tmp_path, codec="yaml")


@pytest.mark.parametrize("provider", NEVER)
def test_an_engine_that_cannot_be_shared_is_refused_with_its_place_and_the_reason(
    tmp_path: Path, way: str, provider: str
) -> None:
    place = {
        "from_conf": f"{tmp_path}/app.conf:2: sessionprovider",
        "from_keys": "BeegoManager.from_keys: sessionprovider",
        "new": "BeegoManager.new: provider",
    }
    with pytest.raises(ImproperlyConfigured) as caught:
        made(way, provider, tmp_path, shared=True)
    assert str(caught.value) == f"{place[way]}: {sharing.refusal(provider)} Choose another engine, on both sides."
    assert made(way, provider, tmp_path, codec="gob").as_settings()["BEESESSION"]["CODEC"] == "gob"


def test_the_engine_that_beego_takes_without_being_told_is_refused_as_well() -> None:
    with pytest.raises(ImproperlyConfigured, match="sessionprovider: The memory engine cannot be shared"):
        BeegoManager.from_keys({"sessionon": True}, shared=True)


def test_sessions_that_are_off_are_not_shared() -> None:
    manager = BeegoManager.from_keys({"sessionon": False}, shared=True)
    assert (manager.as_settings(), manager.warnings) == ({}, ())


def test_couchbase_is_shared_with_a_warning_that_the_checks_repeat(tmp_path: Path, way: str) -> None:
    with pytest.warns(keys.BeegoConfigWarning, match="cannot start sessions") as caught:
        manager = made(way, "couchbase", tmp_path, shared=True)
    assert {entry.filename for entry in caught} == {__file__}
    assert manager.warnings[0] in keys.reported()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made(way, "couchbase", tmp_path, codec="gob").warnings == ()


@pytest.mark.parametrize("how", [{"codec": "gob"}, {"shared": True}], ids=["codec", "shared"])
@pytest.mark.parametrize("missing", [("securityKey",), ("blockKey", "securityName")])
def test_the_cookie_engine_without_a_key_is_refused_with_its_place_and_the_key(
    tmp_path: Path, way: str, missing: tuple[str, ...], how: dict[str, Any]
) -> None:
    place = {"from_conf": "app.conf:3: sessionproviderconfig", "new": "BeegoManager.new: providerConfig"}
    config = json.dumps({name: value for name, value in KEYS.items() if name not in missing})
    with pytest.raises(ImproperlyConfigured) as caught:
        made(way, "cookie", tmp_path, config, **how)
    where = place.get(way, "BeegoManager.from_keys: sessionproviderconfig")
    assert f"{where}: {', '.join(missing)} must be set" in str(caught.value)
    assert not any(value in str(caught.value) for value in KEYS.values() if value != "shop")
    assert made(way, "cookie", tmp_path, json.dumps({"securityKey": KEYS["securityKey"]})).config.on


def test_apply_makes_the_site_share() -> None:
    namespace: dict[str, Any] = {}
    BeegoManager.new("redis", {"providerConfig": "127.0.0.1:6379"}, shared=True).apply(namespace)
    assert namespace["BEESESSION"]["CODEC"] == "gob"


# Without the middleware -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error::beesession.beego.keys.BeegoConfigWarning")
def test_a_session_of_the_manager_travels_in_beegos_own_cookie(browser: Any) -> None:
    config = {"cookieName": "gosessionid", "gclifetime": 600, "providerConfig": {**KEYS, "cookieName": "gosessionid"}}
    manager = BeegoManager.new("cookie", config, shared=True)
    response = HttpResponse()
    session = manager.session_start(browser.get("/"))
    session.set("username", "astaxie")
    session.session_release(response)
    token = response.cookies["gosessionid"].value
    assert TOKENS.decode(token, time.time(), 600).gob
    browser.keep(response)
    assert manager.session_start(browser.get("/")).get("username") == "astaxie"


def test_a_settings_module_with_another_codec_is_refused() -> None:
    settings = {"BEESESSION": {"CODEC": "json"}}
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['CODEC'\] must be 'gob', or be left out"):
        BeegoManager.from_keys({"sessionon": True, "sessionprovider": "redis"}, shared=True).apply(settings)
    assert settings == {"BEESESSION": {"CODEC": "json"}}


# What is known ------------------------------------------------------------------------------------------------


def test_each_engine_of_beego_has_something_to_be_told() -> None:
    assert set(PROVIDERS) == set(dsn.PARSERS)
    for engine in dsn.PARSERS:
        assert bool(sharing.texts(engine, Kind.NEED)) is not bool(sharing.refusal(engine)), engine
    assert {engine for engine in dsn.PARSERS if sharing.refusal(engine)} == set(NEVER)
    assert {engine for engine in dsn.PARSERS if [*sharing.doubts(engine)]} == {"couchbase"}


def test_nothing_is_told_of_engines_that_beego_does_not_have() -> None:
    assert all(fact.engines <= set(dsn.PARSERS) for fact in FACTS)
    assert sharing.facts("own") == ()


def test_each_sentence_stands_once() -> None:
    texts = [fact.text for fact in FACTS]
    assert len(set(texts)) == len(texts)
    assert all(text.endswith(".") for text in texts)
