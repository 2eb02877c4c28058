"""beego's cookie token: each one that the real beego made or judged, then what tells our judgement from beego's."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beesession.beego.cookie import (
    CLOCK_SKEW,
    BeegoTokens,
    Opened,
    TokenExpired,
    TokenFromTheFuture,
    TokenRefused,
    room,
)

FILE = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "beego-cookie.json").read_text(encoding="utf-8"))
NOW, LIFETIME = FILE["made_at_unix"], 3600
VECTORS = {vector["name"]: vector for vector in FILE["vectors"]}
OURS = BeegoTokens(b"beegocookiehashkey", b"0123456789abcdef", b"beegosec")
GOB = b"\x0d\x7f\x04\x01\x02\xff\x80\x00\x01\x10\x01\x10\x00\x00\x04\xff\x80\x00\x00"

NO_GOB = {"forged/not-gob", "forged/wrong-block-key"}
"""Well signed by whoever has the key; that what is inside makes no session is for the codec to find out."""

EMPTY = {"forged/empty-body"}
"""Opens here as an empty record. beego refuses it, with the same outcome for the visitor: an empty session."""


def config_of(vector: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(vector["provider_config"])
    return config


def tokens_of(vector: dict[str, Any]) -> BeegoTokens:
    config = config_of(vector)
    return BeegoTokens(*(config[name].encode() for name in ("securityKey", "blockKey", "securityName")))


def named(*, accepted: bool, by_us: bool = True) -> list[str]:
    """Return the vectors with a securityKey that beego accepts, or refuses, and that are judged alike here."""
    return [
        name
        for name, vector in VECTORS.items()
        if vector["beego_accepts"] is accepted
        and config_of(vector)["securityKey"]
        and (name in NO_GOB | EMPTY) is not by_us
    ]


def signed(text: bytes, key: bytes = b"beegocookiehashkey", name: bytes = b"beegosec") -> str:
    """Return a token for ``timestamp|body|``, made step by step."""
    return urlsafe_b64encode(text + hmac.new(key, name + b"|" + text, hashlib.sha256).digest()).decode()


# What beego made and judged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", named(accepted=True))
def test_what_beego_accepts_opens(name: str) -> None:
    vector = VECTORS[name]
    opened = tokens_of(vector).decode(quote(vector["token"]), NOW, LIFETIME)
    assert opened == Opened(bytes.fromhex(vector["gob_hex"]), int(vector["timestamp_text"]))


@pytest.mark.parametrize("name", [name for name in named(accepted=True) if "set_cookie" in VECTORS[name]])
def test_the_value_that_beego_wrote_opens_as_it_stands_in_the_header(name: str) -> None:
    vector = VECTORS[name]
    cookie_name, _, rest = vector["set_cookie"].partition("=")
    assert cookie_name == config_of(vector)["cookieName"]
    opened = tokens_of(vector).decode(rest.partition(";")[0], NOW, LIFETIME)
    assert opened.gob.hex() == vector["gob_hex"]


@pytest.mark.parametrize("name", named(accepted=False))
def test_what_beego_refuses_is_refused(name: str) -> None:
    vector = VECTORS[name]
    with pytest.raises(TokenRefused) as caught:
        tokens_of(vector).decode(quote(vector["token"]), NOW, LIFETIME)
    assert vector["token"][:20] not in str(caught.value) or not vector["token"]
    assert isinstance(caught.value, TokenExpired) is name.startswith("forged/expired")
    assert isinstance(caught.value, TokenFromTheFuture) is name.startswith("forged/future")


@pytest.mark.parametrize("name", sorted(NO_GOB | EMPTY))
def test_what_is_inside_a_signed_token_is_left_to_the_codec(name: str) -> None:
    vector = VECTORS[name]
    opened = tokens_of(vector).decode(quote(vector["token"]), NOW, LIFETIME)
    assert opened.gob.hex() == vector.get("gob_hex", "")


def test_an_empty_security_key_is_refused_though_beego_takes_it() -> None:
    vectors = [vector for vector in VECTORS.values() if not config_of(vector)["securityKey"]]
    assert all(vector["beego_accepts"] for vector in vectors)
    assert len(vectors) == 5
    for vector in vectors:
        with pytest.raises(ValueError, match="securityKey is empty"):
            tokens_of(vector)


@pytest.mark.parametrize("name", [name for name, each in VECTORS.items() if not config_of(each)["securityKey"]])
def test_under_another_key_what_beego_signed_with_the_empty_one_opens(name: str) -> None:
    # These have the only AES-256 key, and a name with a bar and an umlaut: too good to be left out.
    vector = VECTORS[name]
    config = config_of(vector)
    raw = urlsafe_b64decode(vector["token"])
    timestamp, body, mac = raw.split(b"|", 2)
    text = timestamp + b"|" + body + b"|"
    sec_name = config["securityName"].encode()
    assert hmac.new(b"", sec_name + b"|" + text, hashlib.sha256).digest() == mac
    again = BeegoTokens(b"k", config["blockKey"].encode(), sec_name)
    opened = again.decode(signed(text, b"k", sec_name), NOW, LIFETIME)
    assert opened.gob.hex() == vector["gob_hex"]


def test_each_vector_has_been_looked_at() -> None:
    looked_at = [*named(accepted=True), *named(accepted=False), *NO_GOB, *EMPTY]
    without_key = [name for name, vector in VECTORS.items() if not config_of(vector)["securityKey"]]
    assert sorted([*looked_at, *without_key]) == sorted(VECTORS)
    assert not named(accepted=True, by_us=False)


# What is written ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=2000), st.integers(0, 2**40), st.sampled_from([16, 24, 32]))
def test_what_is_written_opens_again(gob: bytes, timestamp: int, size: int) -> None:
    tokens = BeegoTokens(b"key", bytes(size), b"name")
    assert tokens.decode(tokens.encode(gob, timestamp), timestamp, LIFETIME) == Opened(gob, timestamp)


def test_a_token_is_what_its_description_says() -> None:
    value = OURS.encode(GOB, NOW)
    text, mac = urlsafe_b64decode(value.replace("%3D", "="))[:-32], urlsafe_b64decode(value.replace("%3D", "="))[-32:]
    assert hmac.new(b"beegocookiehashkey", b"beegosec|" + text, hashlib.sha256).digest() == mac
    timestamp, body, nothing = text.split(b"|")
    assert (timestamp, nothing) == (str(NOW).encode(), b"")
    assert len(urlsafe_b64decode(body)) == 16 + len(GOB)


def test_the_vector_of_one_session_has_the_length_of_ours() -> None:
    vector = VECTORS["keys0/asta"]
    assert len(OURS.encode(bytes.fromhex(vector["gob_hex"]), NOW)) == len(quote(vector["token"]))


def test_no_two_tokens_of_one_session_are_alike() -> None:
    values = {OURS.encode(GOB, NOW) for _ in range(50)}
    assert len(values) == 50
    assert len({urlsafe_b64decode(value.replace("%3D", "="))[11:33] for value in values}) == 50


def test_a_token_reveals_nothing_of_the_session() -> None:
    body = urlsafe_b64decode(OURS.encode(b"who: Ada Lovelace", NOW).replace("%3D", "=")).split(b"|")[1]
    assert b"Ada" not in urlsafe_b64decode(body)


@pytest.mark.parametrize("length", [80, 124, 168, 1000, 4082, 4087])
def test_the_room_in_a_value_is_exact(length: int) -> None:
    largest = room(length)
    fits, too_long = (len(OURS.encode(b"x" * size, NOW)) for size in (largest, largest + 1))
    assert largest == 0 or fits <= length
    assert too_long > length


# Time -----------------------------------------------------------------------------------------------------------


def test_a_token_opens_to_the_end_of_the_second_of_its_expiry() -> None:
    value = OURS.encode(GOB, NOW)
    assert OURS.decode(value, NOW + LIFETIME + 0.999, LIFETIME).gob == GOB
    with pytest.raises(TokenExpired):
        OURS.decode(value, NOW + LIFETIME + 1, LIFETIME)


def test_a_token_of_a_clock_that_is_a_little_ahead_opens() -> None:
    assert OURS.decode(OURS.encode(GOB, NOW + CLOCK_SKEW), NOW, LIFETIME).timestamp == NOW + CLOCK_SKEW
    with pytest.raises(TokenFromTheFuture):
        OURS.decode(OURS.encode(GOB, NOW + CLOCK_SKEW + 1), NOW, LIFETIME)


@pytest.mark.parametrize("timestamp", [0, -LIFETIME, -(2**63)])
def test_a_token_may_be_as_old_as_it_likes_and_is_then_expired(timestamp: int) -> None:
    with pytest.raises(TokenExpired):
        OURS.decode(OURS.encode(GOB, timestamp), NOW, LIFETIME)


@pytest.mark.parametrize(
    "timestamp",
    ["", "+", "-", "+-1795562574", "1_795562574", "0x6b05f00e", "1795562574 ", "1e9", "\u0661", f"{2**63}", "9" * 3000],
)
def test_a_timestamp_that_go_would_not_read_is_refused(timestamp: str) -> None:
    body = urlsafe_b64encode(bytes(16) + GOB)
    with pytest.raises(TokenRefused, match="timestamp"):
        OURS.decode(signed(timestamp.encode() + b"|" + body + b"|"), NOW, LIFETIME)


@pytest.mark.parametrize("timestamp", [f"+{NOW}", f"{NOW:020}", f"{NOW:03000}"])
def test_a_timestamp_that_go_would_read_is_read(timestamp: str) -> None:
    body = urlsafe_b64encode(bytes(16) + GOB)
    assert OURS.decode(signed(timestamp.encode() + b"|" + body + b"|"), NOW, LIFETIME).timestamp == NOW


# Forgery --------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_anywhere_inside_is_refused() -> None:
    raw = urlsafe_b64decode(OURS.encode(GOB, NOW).replace("%3D", "="))
    for place in range(len(raw)):
        for bit in range(8):
            forged = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            with pytest.raises(TokenRefused):
                OURS.decode(urlsafe_b64encode(forged).decode(), NOW, LIFETIME)


def test_each_truncation_is_refused() -> None:
    value = OURS.encode(GOB, NOW)
    for length in range(len(value)):
        with pytest.raises(TokenRefused):
            OURS.decode(value[:length], NOW, LIFETIME)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_body_without_a_whole_iv_is_refused_however_well_signed(length: int) -> None:
    with pytest.raises(TokenRefused, match="too short"):
        OURS.decode(signed(b"%d|%b|" % (NOW, urlsafe_b64encode(bytes(length)))), NOW, LIFETIME)


@given(
    st.text() | st.text("ABC|=%-_\r\n0123", max_size=60) | st.binary().map(lambda raw: urlsafe_b64encode(raw).decode())
)
def test_any_other_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(TokenRefused):
        OURS.decode(text, NOW, LIFETIME)


def test_half_a_surrogate_pair_is_refused_like_any_other_text() -> None:
    with pytest.raises(TokenRefused):
        OURS.decode("\ud800" * 8, NOW, LIFETIME)


@pytest.mark.parametrize("size", [0, 15, 17, 33])
def test_a_block_key_that_is_no_aes_key_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="blockKey must have 16, 24 or 32 bytes"):
        BeegoTokens(b"key", bytes(size), b"name")


def test_the_keys_are_in_no_repr() -> None:
    assert "hashkey" not in repr(OURS)


def test_the_module_needs_no_settings_and_no_django() -> None:
    code = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('c', sys.argv[1]); m = u.module_from_spec(s); "
    )
    code += "sys.modules['c'] = m; s.loader.exec_module(m); assert not any(n.startswith('django') for n in sys.modules)"
    import beesession.beego.cookie as module

    subprocess.run([sys.executable, "-c", code, str(module.__file__)], check=True, timeout=60)
