"""settings.BEESESSION: each key, its default, and what a wrong one is answered with."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from beesession import conf
from beesession.conf import Options
from beesession.delta import add

DOCUMENTED: dict[str, Any] = {
    "PROVIDER_CONFIG": "",
    "ALIAS": None,
    "LIFETIME": None,
    "CODEC": "json",
    "GOB_LIMITS": {},
    "KEY_PREFIX": "",
    "ON_CONFLICT": "merge",
    "MERGE_RULES": {},
    "DETECT_NESTED_CHANGES": True,
    "TOUCH_INTERVAL": 0,
    "IDLE_TIMEOUT": None,
    "ABSOLUTE_TIMEOUT": None,
    "SAVE_TIMEOUT": 5,
    "ID_LENGTH": 16,
    "ID_PREFIX": "",
    "ID_HASH_FUNC": None,
    "ID_HASH_KEY": None,
    "HASH_KEYS": False,
    "ENCRYPTION_KEYS": [],
    "HEADER_NAME": None,
    "SET_COOKIE": True,
    "URL_QUERY": False,
    "STORE_TIMEZONE": "UTC",
    "ASYNC_POOL": True,
}


def test_the_keys_and_their_defaults_are_the_documented_ones() -> None:
    assert {key: about["default"] for key, about in conf.keys().items()} == DOCUMENTED


@pytest.mark.parametrize("key", DOCUMENTED)
def test_each_key_has_a_sentence_and_says_what_is_allowed(key: str) -> None:
    about = conf.keys()[key]
    assert about["sentence"].endswith(".")
    assert about["allowed"]
    assert about["check"](about["default"])


def test_an_empty_mapping_gives_the_defaults() -> None:
    made = Options.from_mapping({})
    assert {key: getattr(made, key.lower()) for key in DOCUMENTED} == DOCUMENTED


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PROVIDER_CONFIG", "127.0.0.1:6379,100"),
        ("PROVIDER_CONFIG", {"redis": "127.0.0.1:6379"}),
        ("ALIAS", "sessions"),
        ("LIFETIME", 60),
        ("CODEC", "gob"),
        ("GOB_LIMITS", {"depth": 200, "values": 1000}),
        ("KEY_PREFIX", "session:"),
        ("ON_CONFLICT", "raise"),
        ("MERGE_RULES", {"visits": add, "cart": "raise"}),
        ("DETECT_NESTED_CHANGES", False),
        ("TOUCH_INTERVAL", 0.5),
        ("IDLE_TIMEOUT", 900),
        ("ABSOLUTE_TIMEOUT", 86400),
        ("SAVE_TIMEOUT", 0),
        ("ID_LENGTH", 32),
        ("ID_PREFIX", "shop-"),
        ("ID_HASH_FUNC", "sha1"),
        ("ID_HASH_FUNC", lambda entropy, key: entropy.hex()),
        ("ID_HASH_KEY", b"key"),
        ("HASH_KEYS", True),
        ("ENCRYPTION_KEYS", ["a key", b"another"]),
        ("HEADER_NAME", "X-Session-Id"),
        ("URL_QUERY", True),
        ("STORE_TIMEZONE", "Europe/Berlin"),
        ("ASYNC_POOL", False),
    ],
)
def test_a_right_value_is_taken_as_it_is(key: str, value: object) -> None:
    assert getattr(Options.from_mapping({key: value}), key.lower()) == value


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("PROVIDER_CONFIG", None),
        ("PROVIDER_CONFIG", 6379),
        ("ALIAS", 1),
        ("LIFETIME", 0),
        ("LIFETIME", -1),
        ("LIFETIME", 1.5),
        ("LIFETIME", "3600"),
        ("LIFETIME", True),
        ("CODEC", "pickle"),
        ("GOB_LIMITS", {"dpeth": 200}),
        ("GOB_LIMITS", {"depth": 0}),
        ("CODEC", ["json"]),
        ("KEY_PREFIX", None),
        ("ON_CONFLICT", "overwrite"),
        ("MERGE_RULES", {"visits": "add"}),
        ("MERGE_RULES", {1: add}),
        ("MERGE_RULES", ["visits"]),
        ("DETECT_NESTED_CHANGES", 1),
        ("TOUCH_INTERVAL", -1),
        ("TOUCH_INTERVAL", "1"),
        ("TOUCH_INTERVAL", True),
        ("TOUCH_INTERVAL", float("nan")),
        ("IDLE_TIMEOUT", 0),
        ("ABSOLUTE_TIMEOUT", "1h"),
        ("SAVE_TIMEOUT", None),
        ("ID_LENGTH", "16"),
        ("ID_LENGTH", 8),
        ("ID_LENGTH", 65),
        ("ID_PREFIX", "../"),
        ("ID_HASH_FUNC", 1),
        ("ID_HASH_FUNC", "sha99"),
        ("ID_HASH_KEY", 1),
        ("HASH_KEYS", "yes"),
        ("ENCRYPTION_KEYS", "one key"),
        ("ENCRYPTION_KEYS", [1]),
        ("HEADER_NAME", ""),
        ("HEADER_NAME", "X Session"),
        ("HEADER_NAME", "X-Session\r\n"),
        ("HEADER_NAME", "X-S\u00e9ssion"),
        ("SET_COOKIE", 0),
        ("URL_QUERY", None),
        ("STORE_TIMEZONE", 0),
        ("ASYNC_POOL", 0),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_setting_and_the_key(key: str, wrong: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^BEESESSION.*{key}"):
        Options.from_mapping({key: wrong})


def test_the_error_says_what_is_allowed_and_what_was_given() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        Options.from_mapping({"ON_CONFLICT": "overwrite"})
    assert str(caught.value) == "BEESESSION['ON_CONFLICT'] must be 'merge' or 'raise', not 'overwrite'."


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("PROVIDER_CONFIG", ["127.0.0.1:6379,100,hush"]),
        ("ID_HASH_KEY", ["hush"]),
        ("ENCRYPTION_KEYS", {"hush": "hush"}),
    ],
)
def test_the_error_does_not_show_a_secret(key: str, wrong: object) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        Options.from_mapping({key: wrong})
    assert "hush" not in str(caught.value)


def test_no_secret_is_in_the_repr() -> None:
    made = Options.from_mapping(
        {"PROVIDER_CONFIG": "host:1,100,hush", "ID_HASH_KEY": "hush", "ENCRYPTION_KEYS": ["hush"]}
    )
    assert "hush" not in repr(made)


@pytest.mark.parametrize(
    ("misspelled", "meant"),
    [("LIFETME", "LIFETIME"), ("lifetime", "LIFETIME"), ("PROVIDER_CONF", "PROVIDER_CONFIG"), ("CODEX", "CODEC")],
)
def test_a_misspelled_key_is_answered_with_the_right_one(misspelled: str, meant: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"\['{misspelled}'\].*Did you mean '{meant}'\?"):
        Options.from_mapping({misspelled: 1})


@pytest.mark.parametrize("unknown", ["QQQQ", 7, None])
def test_a_key_like_no_other_is_answered_with_the_list(unknown: object) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Known keys: PROVIDER_CONFIG, ALIAS"):
        Options.from_mapping({unknown: 1})


@pytest.mark.parametrize("wrong", [None, "redis", [("LIFETIME", 60)], 1])
def test_what_is_no_dict_is_an_error(wrong: object) -> None:
    with pytest.raises(ImproperlyConfigured, match="BEESESSION must be a dict"):
        Options.from_mapping(wrong)


@pytest.mark.parametrize("mapping", [{"LIFETIME": 0}, {"LIFETME": 1}, {"ID_LENGTH": 1}])
def test_errors_call_the_options_by_where_they_came_from(mapping: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match="^BeegoManager"):
        Options.from_mapping(mapping, source="BeegoManager")


def test_a_site_without_the_cookie_needs_a_header_to_send_ids_in() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['SET_COOKIE'\].*HEADER_NAME"):
        Options.from_mapping({"SET_COOKIE": False})
    assert Options.from_mapping({"SET_COOKIE": False, "HEADER_NAME": "X-Session-Id"}).set_cookie is False


def test_options_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Options().lifetime = 1  # type: ignore[misc]


def test_two_options_do_not_share_their_defaults() -> None:
    assert Options().merge_rules is not Options().merge_rules


def test_one_provider_config_serves_each_engine() -> None:
    made = Options.from_mapping({"PROVIDER_CONFIG": "somewhere"})
    assert [made.provider_config_for(engine) for engine in ("redis", "file")] == ["somewhere"] * 2


def test_a_dict_of_provider_configs_serves_each_engine_its_own() -> None:
    made = Options.from_mapping({"PROVIDER_CONFIG": {"redis": "there", "file": {"save_path": "here"}}})
    assert made.provider_config_for("redis") == "there"
    assert made.provider_config_for("file") == {"save_path": "here"}
    assert made.provider_config_for("memcache") == ""


@pytest.mark.parametrize(
    ("mapping", "seconds"),
    [
        ({}, 1000),
        ({"LIFETIME": 60}, 60),
        ({"LIFETIME": 5000}, 5000),
        ({"IDLE_TIMEOUT": 30}, 30),
        ({"LIFETIME": 60, "IDLE_TIMEOUT": 90}, 60),
        ({"LIFETIME": 60, "IDLE_TIMEOUT": 30}, 30),
    ],
)
@override_settings(SESSION_COOKIE_AGE=1000)
def test_the_store_lifetime_is_the_shortest_that_is_set(mapping: dict[str, Any], seconds: int) -> None:
    assert Options.from_mapping(mapping).store_lifetime() == seconds


def test_the_id_rule_is_what_the_id_keys_describe() -> None:
    made = Options.from_mapping({"ID_LENGTH": 20, "ID_PREFIX": "shop-", "ID_HASH_FUNC": "sha1", "ID_HASH_KEY": "key"})
    assert (made.ids.length, made.ids.prefix, made.ids.hash_func, made.ids.hash_key) == (20, "shop-", "sha1", b"key")
    assert made.ids is made.ids


def test_ids_that_beego_shares_are_hex() -> None:
    assert Options.from_mapping({"CODEC": "gob"}).ids.hex_only
    assert not Options().ids.hex_only
    with pytest.raises(ImproperlyConfigured, match="ID_HASH_FUNC: it must give 32 to 128 hex digits"):
        Options.from_mapping({"CODEC": "gob", "ID_HASH_FUNC": lambda entropy, key: "z" + entropy.hex()})


def test_the_settings_are_read_when_first_asked_for_and_again_after_a_change() -> None:
    with override_settings(BEESESSION={"LIFETIME": 60}):
        assert conf.options().lifetime == 60
        assert conf.options() is conf.options()
        with override_settings(BEESESSION={"LIFETIME": 90}):
            assert conf.options().lifetime == 90
        assert conf.options().lifetime == 60


def test_a_site_without_the_setting_has_the_defaults() -> None:
    with override_settings():
        from django.conf import settings

        if hasattr(settings, "BEESESSION"):
            del settings.BEESESSION
        assert conf.options().lifetime is None


def test_a_wrong_setting_is_an_error_at_first_use_and_right_again_after_its_repair() -> None:
    with override_settings(BEESESSION={"LIFETIME": "an hour"}), pytest.raises(ImproperlyConfigured, match="LIFETIME"):
        conf.options()
    with override_settings(BEESESSION={"LIFETIME": 3600}):
        assert conf.options().lifetime == 3600


@pytest.mark.parametrize(
    ("given", "hint"),
    [({"Redis": "127.0.0.1"}, "Did you mean 'redis'"), ({"save_path": "127.0.0.1"}, "no engine's name")],
)
def test_a_provider_config_for_what_is_no_engine_is_refused_and_not_shown(given: dict[str, str], hint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=hint) as error:
        Options.from_mapping({"PROVIDER_CONFIG": given})
    assert "127.0.0.1" not in str(error.value)


def test_a_save_timeout_without_end_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="SAVE_TIMEOUT"):
        Options.from_mapping({"SAVE_TIMEOUT": float("inf")})


def test_a_hash_function_that_fails_is_named_at_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="ID_HASH_FUNC: it must be callable with .* it raised TypeError"):
        Options.from_mapping({"ID_HASH_FUNC": lambda entropy: "0" * 32})
