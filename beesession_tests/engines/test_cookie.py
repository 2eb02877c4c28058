"""The cookie engine: tokens on their own, beego's tokens, then through Django's own middleware and clients."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse, parse_cookie
from django.test import AsyncClient, Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st

from beesession.beego.cookie import BeegoTokens
from beesession.codecs.seal import Seal
from beesession.conf import Options
from beesession.engines import cookie
from beesession.engines.cookie import (
    MAX_COOKIE_BYTES,
    BeegoCookieProvider,
    CookieProvider,
    SessionStore,
    TokenProvider,
)
from beesession.exceptions import SessionTooLarge
from beesession.provider import Gone, Record
from beesession.sid import Tokens
from beesession.testing import ProviderContract

DATA = b'\x00{"who": "Ada Lovelace"}'
KEY, OTHER_KEY = "a key of the site, long enough", "another key, long enough as well"
URLSAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

HOSTILE = {
    "8192 characters": "A" * 8192,
    "one too long": "A" * 4097,
    "one too short": "A" * 7,
    "empty": "",
    "not ASCII": "é" * 40,
    "digits of another script": "٣" * 40,
    "NUL": "A" * 40 + "\x00",
    "CR LF": "A" * 40 + "\r\nSet-Cookie: a=b",
    "a line feed at the end": "A" * 40 + "\n",
    "padding": "A" * 42 + "==",
    "the other base64 alphabet": "+/" * 20,
    "a path": "../" * 20,
    "a quoted value": '"' + "A" * 40 + '"',
    "half a surrogate pair": "A" * 40 + "\ud800",
}
UNDECODABLE = {"no base64 of any bytes": "A" * 33, "bits to spare that are not zero": "A" * 33 + "B"}


def provider(config: str | dict[str, Any] = "", **options: Any) -> TokenProvider:
    return CookieProvider.from_config(config, Options.from_mapping(options))


def issued(engine: TokenProvider, data: bytes = DATA, lifetime: float = 60) -> Record:
    return engine.create(Tokens().new(), data, lifetime)


class CountingSeal(Seal):
    """Counts how often it is asked to open something."""

    opened = 0

    def open(self, sealed: bytes, context: bytes) -> bytes:
        self.opened += 1
        return super().open(sealed, context)


class Clock:
    """The engine's clock, stopped at a time that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def engine() -> CookieProvider:
    return provider()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(cookie, "clock", stopped)
    return stopped


# The verbs ------------------------------------------------------------------------------------------------------


def test_the_token_is_the_record(engine: CookieProvider) -> None:
    record = issued(engine)
    found = engine.read(record.sid)
    assert found is not None
    assert (found.data, found.sid) == (DATA, record.sid)
    assert found.remaining == pytest.approx(60, abs=5)


def test_empty_data_is_a_record(engine: CookieProvider) -> None:
    found = engine.read(issued(engine, b"").sid)
    assert found is not None
    assert found.data == b""


@pytest.mark.parametrize("verb", ["swap", "regenerate", "touch"])
def test_each_write_gives_a_new_token(engine: CookieProvider, clock: Clock, verb: str) -> None:
    old = issued(engine)
    new = {
        "swap": lambda: engine.swap(old.sid, old, b"new", 600),
        "regenerate": lambda: engine.regenerate(old.sid, Tokens().new(), old, b"new", 600),
        "touch": lambda: engine.touch(old.sid, old, 600),
    }[verb]()
    assert new.sid != old.sid
    found = engine.read(new.sid)
    assert found is not None
    assert (found.data, found.remaining) == (DATA if verb == "touch" else b"new", 600)


def test_destroy_says_that_nothing_was_removed(engine: CookieProvider) -> None:
    record = issued(engine)
    assert engine.destroy(record.sid) is False
    assert engine.read(record.sid) is not None


def test_the_async_verbs_do_the_same(engine: CookieProvider) -> None:
    async def story() -> tuple[Record | None, Record | None, bool]:
        created = await engine.acreate(Tokens().new(), DATA, 60)
        assert created is not None
        swapped = await engine.aswap(created.sid, created, b"second", 60)
        rotated = await engine.aregenerate(swapped.sid, Tokens().new(), swapped, b"third", 60)
        touched = await engine.atouch(rotated.sid, rotated, 60)
        return await engine.aread(swapped.sid), await engine.aread(touched.sid), await engine.adestroy(touched.sid)

    second, third, destroyed = asyncio.run(story())
    assert second is not None
    assert third is not None
    assert (second.data, third.data, destroyed) == (b"second", b"third", False)


# Expiry ---------------------------------------------------------------------------------------------------------


def test_a_token_opens_until_its_expiry_and_no_longer(engine: CookieProvider, clock: Clock) -> None:
    token = issued(engine, lifetime=60).sid
    clock.now += 59.999
    assert engine.read(token) is not None
    clock.now += 0.001
    assert engine.read(token) is None


def test_a_fraction_of_a_second_is_rounded_up(engine: CookieProvider, clock: Clock) -> None:
    assert issued(engine, lifetime=0.2).remaining == 1


@pytest.mark.parametrize("lifetime", [0, -1, -(10**12)])
def test_a_token_without_a_lifetime_is_expired_from_the_start(engine: CookieProvider, lifetime: float) -> None:
    assert engine.read(issued(engine, lifetime=lifetime).sid) is None


def test_the_longest_lifetime_fits(engine: CookieProvider) -> None:
    assert engine.read(issued(engine, lifetime=10**30).sid) is not None


def test_an_older_token_keeps_its_own_expiry_when_a_newer_one_is_made(engine: CookieProvider, clock: Clock) -> None:
    old = issued(engine, lifetime=60)
    new = engine.touch(old.sid, old, 600)
    clock.now += 61
    assert engine.read(old.sid) is None
    assert engine.read(new.sid) is not None


@pytest.mark.parametrize("token", ["expired", "damaged", "never issued"])
@pytest.mark.parametrize("verb", ["touch", "swap", "regenerate"])
def test_what_does_not_open_cannot_be_prolonged(engine: CookieProvider, clock: Clock, verb: str, token: str) -> None:
    record = issued(engine, lifetime=60)
    sid = {"expired": record.sid, "damaged": record.sid[:-8] + "AAAAAAAA", "never issued": Tokens().new()}[token]
    if token == "expired":
        clock.now += 60
    arguments = {"touch": (600,), "swap": (b"new", 600), "regenerate": (b"new", 600)}[verb]
    before = (sid, Tokens().new()) if verb == "regenerate" else (sid,)
    with pytest.raises(Gone):
        getattr(engine, verb)(*before, record, *arguments)


# Forgery --------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_in_any_character_is_refused(engine: CookieProvider) -> None:
    token = issued(engine).sid
    flipped = [
        token[:place] + chr(ord(token[place]) ^ 1 << bit) + token[place + 1 :]
        for place in range(len(token))
        for bit in range(8)
    ]
    assert len(flipped) == 8 * len(token)
    assert [forged for forged in flipped if engine.read(forged) is not None] == []


@pytest.mark.parametrize("size", range(1, 4))
def test_each_record_has_exactly_one_spelling(engine: CookieProvider, size: int) -> None:
    # The last character of a token carries 6, 4 or 2 bits; no other character may stand for the same ones.
    token = issued(engine, b"x" * size).sid
    assert [last for last in URLSAFE if engine.read(token[:-1] + last) is not None] == [token[-1]]


def test_each_truncation_is_refused(engine: CookieProvider) -> None:
    token = issued(engine).sid
    assert [length for length in range(len(token)) if engine.read(token[:length]) is not None] == []


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_tokens_are_refused_before_any_decryption(hostile: str) -> None:
    seal = CountingSeal([KEY], "test")
    engine = CookieProvider(seal)
    assert not CookieProvider.ids(Options()).accepts(hostile)
    assert engine.read(hostile) is None
    assert seal.opened == 0


@pytest.mark.parametrize("token", UNDECODABLE.values(), ids=UNDECODABLE)
def test_what_no_bytes_are_written_as_is_refused_before_any_decryption(token: str) -> None:
    seal = CountingSeal([KEY], "test")
    assert CookieProvider(seal).read(token) is None
    assert seal.opened == 0


def test_what_looks_like_a_token_is_decrypted() -> None:
    seal = CountingSeal([KEY], "test")
    assert CookieProvider(seal).read("A" * 64) is None
    assert seal.opened == 1


@given(st.text(max_size=200) | st.text(URLSAFE, min_size=32, max_size=200))
def test_arbitrary_text_reads_as_no_session(text: str) -> None:
    assert provider().read(text) is None


def test_tokens_of_another_cookie_are_refused(engine: CookieProvider, settings: Any) -> None:
    token = issued(engine).sid
    settings.SESSION_COOKIE_NAME = "admin_sessionid"
    assert engine.read(token) is None
    settings.SESSION_COOKIE_NAME = "sessionid"
    assert engine.read(token) is not None


def test_a_placeholder_of_the_id_rule_is_accepted_and_opens_nothing(engine: CookieProvider) -> None:
    rule = CookieProvider.ids(Options())
    placeholder = rule.new()
    assert rule.accepts(placeholder)
    assert rule.new() != placeholder
    assert engine.read(placeholder) is None


@pytest.mark.parametrize("value", [None, 7, b"A" * 40, ["A" * 40]])
def test_only_text_is_an_id(value: object) -> None:
    assert not Tokens().accepts(value)


def test_a_refused_token_is_logged_without_being_named(
    engine: CookieProvider, caplog: pytest.LogCaptureFixture
) -> None:
    token = issued(engine).sid
    forged = ("B" if token[0] == "A" else "A") + token[1:]
    with caplog.at_level(logging.WARNING, "django.security.SuspiciousSession"):
        assert engine.read(forged) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "SealError" in caplog.text
    assert token[1:20] not in caplog.text


def test_an_expired_token_is_nothing_to_log(
    engine: CookieProvider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    token = issued(engine).sid
    clock.now += 61
    assert engine.read(token) is None
    assert caplog.records == []


# Secrecy and form -----------------------------------------------------------------------------------------------


def test_two_tokens_of_the_same_session_differ(engine: CookieProvider, clock: Clock) -> None:
    tokens = {issued(engine).sid for _ in range(50)}
    assert len(tokens) == 50
    assert len({token[8:] for token in tokens}) == 50


def test_a_token_reveals_nothing_of_the_session(engine: CookieProvider) -> None:
    sealed = urlsafe_b64decode(issued(engine).sid + "===")
    assert b"Ada" not in sealed
    assert b"who" not in sealed


def test_nothing_secret_is_in_a_repr() -> None:
    engine = provider({"securityKey": KEY})
    record = issued(engine)
    shown = repr(engine) + repr(record)
    assert KEY not in shown
    assert record.sid not in shown
    assert "Ada" not in shown


@pytest.mark.parametrize("size", range(6))
def test_a_token_goes_through_a_cookie_header_unquoted(engine: CookieProvider, size: int) -> None:
    token = issued(engine, b"x" * size).sid
    header: SimpleCookie = SimpleCookie({"sessionid": token})
    assert header.output(header="") == f" sessionid={token}"
    assert parse_cookie(f"sessionid={token}") == {"sessionid": token}
    assert set(token) <= set(URLSAFE)


# Size -----------------------------------------------------------------------------------------------------------


def test_the_largest_record_fits_to_the_byte(engine: CookieProvider) -> None:
    limit = CookieProvider.capabilities.max_bytes
    assert limit is not None
    token = issued(engine, b"x" * limit).sid
    assert len("sessionid") + len(token) == MAX_COOKIE_BYTES
    assert engine.read(token) is not None


@pytest.mark.parametrize("verb", ["create", "swap", "regenerate"])
def test_one_byte_more_is_refused_by_size_and_limit(engine: CookieProvider, verb: str) -> None:
    too_much = b"x" * (3024 + 1)
    record = issued(engine)
    writes: dict[str, Callable[[], Record]] = {
        "create": lambda: issued(engine, too_much),
        "swap": lambda: engine.swap(record.sid, record, too_much, 60),
        "regenerate": lambda: engine.regenerate(record.sid, Tokens().new(), record, too_much, 60),
    }
    with pytest.raises(SessionTooLarge, match=r"4097 bytes.*4096.*SESSION_ENGINE") as caught:
        writes[verb]()
    assert (caught.value.size, caught.value.limit) == (4097, 4096)


def test_a_longer_cookie_name_leaves_less_room(engine: CookieProvider, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    with pytest.raises(SessionTooLarge) as caught:
        issued(engine, b"x" * 3024)
    assert caught.value.size == 4096 + len("__Host-")


# Keys -----------------------------------------------------------------------------------------------------------


def test_secret_key_writes_and_its_fallbacks_read(settings: Any) -> None:
    settings.SECRET_KEY = OTHER_KEY
    before = provider()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = KEY, [OTHER_KEY]
    during = provider()
    settings.SECRET_KEY_FALLBACKS = []
    after = provider()

    old, new = issued(before).sid, issued(during).sid
    assert during.read(old) is not None
    assert after.read(new) is not None
    assert before.read(new) is None
    assert after.read(old) is None


def test_encryption_keys_take_the_place_of_all_other_keys() -> None:
    first, both = provider(ENCRYPTION_KEYS=[KEY]), provider(ENCRYPTION_KEYS=[OTHER_KEY, KEY])
    assert both.read(issued(first).sid) is not None
    assert first.read(issued(both).sid) is None
    assert first.read(issued(provider()).sid) is None


def test_beegos_documented_configuration_works() -> None:
    config = '{"cookieName":"gosessionid","securityKey":"beegocookiehashkey"}'
    assert provider(config).read(issued(provider(json.loads(config))).sid) is not None


@pytest.mark.parametrize(
    "other",
    [
        "",
        {"securityKey": OTHER_KEY},
        {"securityKey": KEY, "blockKey": "0123456789abcdef"},
        {"securityKey": KEY, "securityName": "shop"},
        {"securityKey": KEY, "cookieName": "shop"},
    ],
    ids=["SECRET_KEY", "securityKey", "blockKey", "securityName", "cookieName"],
)
def test_sites_that_differ_in_one_key_refuse_each_others_tokens(other: str | dict[str, Any]) -> None:
    mine, theirs = provider({"securityKey": KEY}), provider(other)
    assert theirs.read(issued(mine).sid) is None
    assert mine.read(issued(theirs).sid) is None


@pytest.mark.parametrize(
    "config",
    [{"securityKey": "fifteen bytes.."}, {"blockKey": "0123456789abcdef"}],
    ids=["a short securityKey", "a blockKey alone"],
)
def test_a_key_that_could_be_guessed_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['PROVIDER_CONFIG'\], securityKey.*16 bytes") as caught:
        provider(config)
    assert not any(secret in str(caught.value) for secret in config.values())


def test_a_short_secret_key_is_refused(settings: Any) -> None:
    settings.SECRET_KEY = "short"
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY.*16 bytes"):
        provider()


@pytest.mark.parametrize("config", ["127.0.0.1:6379", '{"securityKey": 7}', '{"securitykeyy": "x"}'])
def test_a_wrong_configuration_is_named(config: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['PROVIDER_CONFIG'\].*sessionproviderconfig"):
        provider(config)


# beego's tokens -------------------------------------------------------------------------------------------------

SHARED = {
    "securityKey": "a key that both sides know",
    "blockKey": "0123456789abcdef",
    "securityName": "shop",
    "cookieName": "sessionid",
}
BEEGO = BeegoTokens(b"a key that both sides know", b"0123456789abcdef", b"shop")
GOB = bytes.fromhex("0d7f040102ff80000110011000001cff80000106737472696e670c0300016b06737472696e670c03000176")
LIFETIME = 3600


def shared(config: dict[str, Any] = SHARED, **options: Any) -> TokenProvider:
    """Return the engine as it is beside a beego application with these keys."""
    return provider(config, **{"CODEC": "gob", "LIFETIME": LIFETIME, **options})


def options(**keys: Any) -> Options:
    return Options.from_mapping({"CODEC": "gob", "LIFETIME": LIFETIME, **keys})


class TestBesideBeego(ProviderContract):
    @pytest.fixture
    def provider(self, settings: Any) -> TokenProvider:
        settings.BEESESSION = {"CODEC": "gob", "LIFETIME": LIFETIME, "PROVIDER_CONFIG": json.dumps(SHARED)}
        return shared()


def test_gob_makes_the_provider_of_beegos_tokens() -> None:
    assert isinstance(shared(), BeegoCookieProvider)
    assert isinstance(BeegoCookieProvider.from_config(json.dumps(SHARED), options()), BeegoCookieProvider)
    assert not isinstance(provider(SHARED), BeegoCookieProvider)


def test_what_is_written_here_opens_in_beego(clock: Clock) -> None:
    token = issued(shared(), GOB, LIFETIME).sid
    assert BEEGO.decode(token, clock.now, LIFETIME) == (GOB, int(clock.now))


def test_what_beego_writes_opens_here(clock: Clock) -> None:
    written = BEEGO.encode(GOB, int(clock.now) - 600)
    found = shared().read(written)
    assert found is not None
    assert (found.data, found.sid) == (GOB, written)
    assert found.remaining == pytest.approx(LIFETIME - 600, abs=1)


@pytest.mark.parametrize("lifetime", [1, 60, LIFETIME - 1, LIFETIME])
@pytest.mark.parametrize("fraction", [0, 0.25, 0.999])
def test_both_sides_end_a_session_in_the_second_of_its_expiry(clock: Clock, lifetime: int, fraction: float) -> None:
    engine = shared()
    clock.now = int(clock.now) + fraction
    record = issued(engine, GOB, lifetime)
    timestamp = BEEGO.decode(record.sid, clock.now, LIFETIME).timestamp
    assert timestamp <= int(clock.now)
    assert timestamp + LIFETIME == int(clock.now) + lifetime
    assert record.remaining is not None
    assert lifetime - 1 < record.remaining <= lifetime
    clock.now += lifetime
    assert engine.read(record.sid) is not None
    clock.now += 1
    assert engine.read(record.sid) is None


@pytest.mark.parametrize("verb", ["swap", "regenerate", "touch"])
def test_each_write_gives_a_new_token_of_beegos_with_a_new_time(clock: Clock, verb: str) -> None:
    engine = shared()
    old = issued(engine, GOB, 60)
    new = {
        "swap": lambda: engine.swap(old.sid, old, b"new", 600),
        "regenerate": lambda: engine.regenerate(old.sid, Tokens().new(), old, b"new", 600),
        "touch": lambda: engine.touch(old.sid, old, 600),
    }[verb]()
    opened = BEEGO.decode(new.sid, clock.now, LIFETIME)
    assert opened == (GOB if verb == "touch" else b"new", int(clock.now) + 600 - LIFETIME)
    clock.now += 62
    assert engine.read(old.sid) is None
    assert engine.read(new.sid) is not None


def test_an_expiry_beyond_the_lifetime_is_moved_to_it(clock: Clock) -> None:
    record = issued(shared(), GOB, 14 * 24 * 3600)
    assert BEEGO.decode(record.sid, clock.now, LIFETIME).timestamp == int(clock.now)
    assert record.remaining == pytest.approx(LIFETIME, abs=1)


def test_without_a_lifetime_of_its_own_the_site_has_that_of_the_cookie(clock: Clock, settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 77
    token = issued(shared(LIFETIME=None), GOB, 10**6).sid
    assert BEEGO.decode(token, clock.now, 77).timestamp == int(clock.now)


def test_an_idle_timeout_shortens_the_expiry_and_not_the_lifetime_that_beego_counts_with(clock: Clock) -> None:
    token = issued(shared(IDLE_TIMEOUT=60), GOB, 60).sid
    assert BEEGO.decode(token, clock.now, LIFETIME).timestamp == int(clock.now) + 60 - LIFETIME


def test_a_session_that_is_over_from_the_start_is_over_on_any_clock(clock: Clock) -> None:
    token = issued(shared(), GOB, 0).sid
    clock.now -= 365 * 24 * 3600
    assert shared().read(token) is None


def test_a_token_of_beegos_in_the_near_future_opens_and_a_later_one_does_not(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert shared().read(BEEGO.encode(GOB, int(clock.now) + 2)) is not None
    assert caplog.records == []
    assert shared().read(BEEGO.encode(GOB, int(clock.now) + 60)) is None
    assert "TokenFromTheFuture" in caplog.text


@pytest.mark.parametrize("size", range(6))
def test_beegos_token_goes_through_a_cookie_header_as_it_is(size: int) -> None:
    token = issued(shared(), b"x" * size).sid
    header: SimpleCookie = SimpleCookie({"sessionid": token})
    assert header.output(header="") == f" sessionid={token}"
    assert parse_cookie(f"sessionid={token}") == {"sessionid": token}
    assert CookieProvider.ids(options()).accepts(token)


def test_beegos_tokens_have_their_padding_escaped_now_and_then() -> None:
    assert {issued(shared(), b"x" * size).sid.count("%3D") for size in range(12)} == {0, 1, 2}


@pytest.mark.parametrize("hostile", [each for name, each in HOSTILE.items() if name != "padding"])
def test_hostile_text_is_no_token_of_beegos(hostile: str) -> None:
    assert not CookieProvider.ids(options()).accepts(hostile)
    assert shared().read(hostile) is None


@given(st.text(max_size=200) | st.text(URLSAFE + "%=", min_size=32, max_size=200))
def test_arbitrary_text_opens_nothing_beside_beego(text: str) -> None:
    assert shared().read(text) is None


def test_a_flipped_bit_is_refused_and_logged_without_being_named(caplog: pytest.LogCaptureFixture) -> None:
    token = issued(shared()).sid
    forged = token[:60] + chr(ord(token[60]) ^ 1) + token[61:]
    assert shared().read(forged) is None
    assert "TokenRefused" in caplog.text
    assert token[1:20] not in caplog.text


@pytest.mark.parametrize("bare", ["0123456789abcdef0123456789abcdef", "shop-0123456789abcdef0123456789abcdef"])
def test_the_bare_id_that_beego_gives_a_new_visitor_opens_nothing_and_is_nothing_to_log(
    caplog: pytest.LogCaptureFixture, bare: str
) -> None:
    prefix = "shop-" if bare.startswith("shop-") else ""
    engine = shared(ID_PREFIX=prefix)
    assert engine.read(bare) is None
    assert caplog.records == []
    with pytest.raises(Gone):
        engine.touch(bare, Record(b"", sid=bare), 60)


def test_the_largest_gob_fits_to_the_byte() -> None:
    engine = shared()
    limit = engine.capabilities.max_bytes
    assert limit is not None
    assert len("sessionid") + len(issued(engine, b"x" * limit).sid) <= MAX_COOKIE_BYTES
    with pytest.raises(
        SessionTooLarge, match=r"of 41\d\d bytes.*4096.*2247 bytes, and 2246 fit.*SESSION_ENGINE"
    ) as caught:
        issued(engine, b"x" * (limit + 1))
    assert (caught.value.size > 4096, caught.value.limit) == (True, 4096)


@pytest.mark.parametrize("missing", ["securityKey", "blockKey", "securityName"])
def test_a_key_that_beego_would_make_up_must_be_given(missing: str) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=rf"BEESESSION\['PROVIDER_CONFIG'\]: {missing} must be set.*beego"
    ) as caught:
        shared({name: value for name, value in SHARED.items() if name != missing})
    assert not any(str(SHARED[name]) in str(caught.value) for name in ("securityKey", "blockKey"))


def test_all_keys_that_are_missing_are_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="securityKey, blockKey, securityName must be set"):
        provider("", CODEC="gob")


def test_a_short_security_key_is_taken_since_beego_takes_it() -> None:
    token = issued(shared({**SHARED, "securityKey": "k"}), GOB).sid
    assert shared().read(token) is None
    assert shared({**SHARED, "securityKey": "k"}).read(token) is not None


def test_encryption_keys_are_refused_since_beego_has_none() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"BEESESSION\['ENCRYPTION_KEYS'\] must be empty.*blockKey"):
        shared(ENCRYPTION_KEYS=[KEY])


def test_a_key_that_is_no_text_in_go_is_read_as_go_reads_it(clock: Clock) -> None:
    token = issued(shared({**SHARED, "securityName": "half \ud800"}), GOB).sid
    go = BeegoTokens(b"a key that both sides know", b"0123456789abcdef", "half \ufffd".encode())
    assert go.decode(token, clock.now, LIFETIME).gob == GOB


# Through Django's own middleware --------------------------------------------------------------------------------


def put(request: HttpRequest, key: str, value: str) -> HttpResponse:
    request.session[key] = value
    return HttpResponse()


def fill(request: HttpRequest, size: int) -> HttpResponse:
    # Hex digits without a pattern: zlib makes some 57 bytes of 100.
    request.session["large"] = hashlib.shake_256(b"large").hexdigest(size // 2)
    return HttpResponse()


def show(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"session": dict(request.session.items()), "user": request.user.get_username()})


def log_in(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(username="ada"))
    return HttpResponse()


def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse()


async def aput(request: HttpRequest, key: str, value: str) -> JsonResponse:
    before = await request.session.aget(key)
    await request.session.aset(key, value)
    return JsonResponse({"before": before})


urlpatterns = [
    path("put/<key>/<value>", put),
    path("aput/<key>/<value>", aput),
    path("fill/<int:size>", fill),
    path("show", show),
    path("login", log_in),
    path("logout", log_out),
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


@pytest.fixture
def site(settings: Any) -> Any:
    settings.SESSION_ENGINE = "beesession.engines.cookie"
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = MIDDLEWARE
    return settings


@pytest.fixture
def client(site: Any) -> Client:
    return Client()


@pytest.fixture
def ada(db: None) -> User:
    user: User = User.objects.create_user("ada", password="the analytical engine")
    return user


def token_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def shown(client: Client) -> dict[str, Any]:
    session: dict[str, Any] = client.get("/show").json()["session"]
    return session


def test_what_one_request_sets_the_next_one_reads(client: Client) -> None:
    assert client.get("/put/fruit/pear").cookies["sessionid"]["httponly"]
    client.get("/put/tea/green")
    assert shown(client) == {"fruit": "pear", "tea": "green"}


def test_a_request_that_only_reads_sends_no_cookie(client: Client) -> None:
    client.get("/put/fruit/pear")
    assert not client.get("/show").cookies


def test_a_request_that_changes_nothing_prolongs_the_session_when_asked_to(client: Client, site: Any) -> None:
    site.SESSION_SAVE_EVERY_REQUEST = True
    client.get("/put/fruit/pear")
    old = token_of(client)
    assert client.get("/show").cookies["sessionid"].value != old
    assert shown(client) == {"fruit": "pear"}


def test_login_changes_the_token_and_keeps_the_session(client: Client, ada: User) -> None:
    client.get("/put/fruit/pear")
    anonymous = token_of(client)
    client.get("/login")
    assert token_of(client) != anonymous
    answer = client.get("/show").json()
    assert (answer["user"], answer["session"]["fruit"]) == ("ada", "pear")


def test_logout_removes_the_cookie_and_the_data(client: Client, ada: User) -> None:
    client.get("/login")
    client.get("/put/fruit/pear")
    answer = client.get("/logout")
    assert (answer.cookies["sessionid"].value, answer.cookies["sessionid"]["max-age"]) == ("", 0)
    del client.cookies["sessionid"]
    assert client.get("/show").json() == {"session": {}, "user": ""}


def test_the_test_client_can_log_in_and_write_a_session(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/show").json()["user"] == "ada"
    client.logout()
    assert client.get("/show").json()["user"] == ""


def test_a_session_that_is_too_large_is_refused_before_the_response_is_sent(client: Client) -> None:
    client.get("/put/fruit/pear")
    with pytest.raises(SessionTooLarge):
        client.get("/fill/9000")
    client.raise_request_exception = False
    answer = client.get("/fill/9000")
    assert (answer.status_code, len(answer.cookies)) == (500, 0)
    assert shown(client) == {"fruit": "pear"}


def test_a_session_near_the_limit_arrives_whole(client: Client) -> None:
    client.get("/fill/5000")
    assert 3800 < len("sessionid" + token_of(client)) <= MAX_COOKIE_BYTES
    assert len(shown(client)["large"]) == 5000


@pytest.mark.parametrize("hostile", ["A" * 8192, "A" * 64, "é" * 40, "../" * 20])
def test_a_forged_cookie_opens_nothing_and_is_removed(client: Client, hostile: str) -> None:
    client.cookies["sessionid"] = hostile
    answer = client.get("/show")
    assert answer.json()["session"] == {}
    assert answer.cookies["sessionid"]["max-age"] == 0


def test_a_session_whose_own_expiry_has_passed_is_over(site: Any) -> None:
    session = SessionStore()
    session["fruit"] = "pear"
    session.set_expiry(-1)
    session.save()
    assert session.session_key is not None
    assert SessionStore(session.session_key).load() == {}


def test_sessions_survive_a_change_of_the_secret_key(client: Client, site: Any) -> None:
    client.get("/put/fruit/pear")
    site.SECRET_KEY_FALLBACKS, site.SECRET_KEY = [site.SECRET_KEY], OTHER_KEY
    client.get("/put/tea/green")
    site.SECRET_KEY_FALLBACKS = []
    assert shown(client) == {"fruit": "pear", "tea": "green"}


def test_an_async_view_uses_the_same_session(site: Any) -> None:
    async def story() -> tuple[Any, Any]:
        client = AsyncClient()
        first = await client.get("/aput/fruit/pear")
        second = await client.get("/aput/fruit/plum")
        return first.json()["before"], second.json()["before"]

    assert asyncio.run(story()) == (None, "pear")


def test_beside_beego_what_one_request_sets_the_next_one_reads(site: Any) -> None:
    site.BEESESSION = {"CODEC": "gob", "LIFETIME": LIFETIME, "PROVIDER_CONFIG": json.dumps(SHARED)}
    client = Client()
    padded = 0
    for number in range(1, 7):
        response = client.get(f"/put/fruit{number}/{'x' * number}")
        (header,) = [line for line in response.cookies.output(header="").splitlines() if "sessionid=" in line]
        value = header.strip().removeprefix("sessionid=").partition(";")[0]
        padded += "%3D" in value
        assert not set(value) & set('"=\\')
        BEEGO.decode(value, time.time(), LIFETIME)
    assert padded
    assert shown(client) == {f"fruit{number}": "x" * number for number in range(1, 7)}
    client.cookies["sessionid"] = "0123456789abcdef0123456789abcdef"
    assert shown(client) == {}


def test_sync_and_async_open_each_others_tokens(site: Any) -> None:
    async def written() -> str | None:
        session = SessionStore()
        await session.aset("fruit", "pear")
        await session.asave()
        return session.session_key

    assert SessionStore(asyncio.run(written()))["fruit"] == "pear"
