"""Session ids: how they are made, and the gate that each id from outside has to pass."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beesession.sid import EscapedTokens, Ids, Tokens, fingerprint

SID = "0123456789abcdef0123456789abcdef"


def test_a_new_id_is_32_hex_digits() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", Ids().new())


@pytest.mark.parametrize("length", [16, 17, 32, 64])
def test_an_id_has_two_digits_for_each_random_byte(length: int) -> None:
    ids = Ids(length=length)
    assert len(ids.new()) == 2 * length
    assert ids.accepts(ids.new())


def test_a_hundred_thousand_ids_are_all_different() -> None:
    assert len({Ids().new() for _ in range(100_000)}) == 100_000


def test_each_of_the_128_bits_of_an_id_is_drawn_at_random() -> None:
    sample = 20_000
    ones = [0] * 128
    for _ in range(sample):
        number = int(Ids().new(), 16)
        for bit in range(128):
            ones[bit] += number >> bit & 1
    # Seven standard deviations: with fair bits, one run in some thousand million leaves this range.
    margin = 7 * (sample / 4) ** 0.5
    assert all(abs(count - sample / 2) < margin for count in ones)


def test_ids_do_not_depend_on_a_generator_that_can_be_seeded() -> None:
    made = set()
    for _ in range(2):
        random.seed(1)
        made.add(Ids().new())
    assert len(made) == 2


def test_a_prefix_stands_in_front_of_each_id_and_is_demanded_of_each() -> None:
    ids = Ids(prefix="Shop-1_")
    sid = ids.new()
    assert sid.startswith("Shop-1_")
    assert len(sid) == len("Shop-1_") + 32
    assert ids.accepts(sid)
    assert not ids.accepts(SID)
    assert not ids.accepts("shop-1_" + SID)
    assert not Ids().accepts(sid)


@pytest.mark.parametrize(("name", "digits"), [("sha1", 40), ("sha256", 64), ("md5", 32)])
def test_the_random_bytes_can_pass_through_a_hash(name: str, digits: int) -> None:
    ids = Ids(hash_func=name, hash_key=b"key")
    assert re.fullmatch(rf"[0-9a-f]{{{digits}}}", ids.new())
    assert ids.accepts(ids.new())


def test_a_hash_of_the_applications_own_gets_the_random_bytes_and_the_key() -> None:
    seen: list[tuple[bytes, bytes]] = []

    def own(entropy: bytes, key: bytes) -> str:
        seen.append((entropy, key))
        return entropy.hex() * 2

    sid = Ids(length=20, hash_func=own, hash_key=b"key").new()
    entropy, key = seen[-1]
    assert key == b"key"
    assert len(entropy) == 20
    assert sid == entropy.hex() * 2


def test_the_hash_key_is_not_shown() -> None:
    assert "hush" not in repr(Ids(hash_func="sha256", hash_key=b"hush"))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"length": 15}, "ID_LENGTH"),
        ({"length": 0}, "ID_LENGTH"),
        ({"length": 65}, "ID_LENGTH"),
        ({"prefix": "../"}, "ID_PREFIX"),
        ({"prefix": "a b"}, "ID_PREFIX"),
        ({"prefix": "shop\n"}, "ID_PREFIX"),
        ({"prefix": "\u00e9"}, "ID_PREFIX"),
        ({"prefix": "x" * 33}, "ID_PREFIX"),
        ({"hash_func": "sha99"}, "ID_HASH_FUNC"),
        ({"hash_func": "shake_128"}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: "ab" * 15}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: "ab" * 65}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: "ab" * 16}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: entropy.hex().replace(entropy.hex()[0], "Z")}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: entropy.hex() + "\n"}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: entropy * 2}, "ID_HASH_FUNC"),
        ({"hash_func": lambda entropy, key: None}, "ID_HASH_FUNC"),
    ],
)
def test_a_rule_that_makes_weak_or_unacceptable_ids_is_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Ids(**wrong)


def test_a_hash_that_goes_wrong_later_makes_no_id() -> None:
    answers = iter([secrets.token_hex(16), secrets.token_hex(16), ""])
    ids = Ids(hash_func=lambda entropy, key: next(answers))
    with pytest.raises(ValueError, match="ID_HASH_FUNC"):
        ids.new()


@pytest.mark.parametrize(
    "sid",
    [
        SID,
        "abcdefghijklmnopqrstuvwxyz012345",  # as Django makes them
        "00000000",
        "f" * 128,
    ],
)
def test_an_id_that_this_site_or_django_could_have_made_is_accepted(sid: str) -> None:
    assert Ids().accepts(sid)


@pytest.mark.parametrize(
    "sid",
    [
        "",
        "a",
        "1234567",
        "f" * 129,
        "a" * 8192,
        SID.upper(),
        SID[:-1] + "A",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "ab/" + SID[3:],
        "ab\\" + SID[3:],
        SID + "\n",
        SID + "\r\nSet-Cookie: a=b",
        SID + "\x00",
        "\x00" * 32,
        " " + SID,
        SID + " ",
        SID[:-1] + "\u00e9",
        SID[:-1] + "\u0661",  # a digit to str.isdigit()
        SID[:-1] + "\uff11",
        SID[:-1] + "\u017f",  # becomes an "s" when case is ignored
        SID[:-1] + "\ud800",
        SID[:8] + "-" + SID[9:],
        SID[:8] + ":" + SID[9:],
        "*" * 32,
        "';DROP TABLE session;--aaaaaaaaa",
    ],
)
def test_hostile_text_is_refused(sid: str) -> None:
    assert not Ids().accepts(sid)
    assert not Ids(hex_only=True).accepts(sid)
    assert not Ids(prefix="shop-").accepts("shop-" + sid)


@pytest.mark.parametrize(
    "sid", [None, 0, 12345678, 1.5, True, b"0" * 32, bytearray(32), [SID], (SID,), {SID: 1}, object]
)
def test_what_is_no_text_is_refused(sid: object) -> None:
    assert Ids().accepts(sid) is False


def test_a_site_that_shares_with_beego_accepts_hex_only() -> None:
    ids = Ids(hex_only=True)
    assert ids.accepts(SID)
    assert not ids.accepts("g" + SID[1:])


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.lists(st.text())))
def test_the_gate_takes_anything_and_raises_nothing(sid: object) -> None:
    accepted = Ids().accepts(sid)
    assert accepted is bool(isinstance(sid, str) and re.fullmatch(r"[0-9a-z]{8,128}", sid, re.ASCII))


@given(st.from_regex(r"[0-9a-z]{0,140}", fullmatch=True))
def test_length_alone_decides_between_ids_of_the_right_alphabet(sid: str) -> None:
    assert Ids().accepts(sid) is (8 <= len(sid) <= 128)


@pytest.mark.parametrize("make", [Ids, lambda: Ids(prefix="p_", length=64, hash_func="sha512")])
def test_each_id_that_is_made_is_accepted(make: Callable[[], Ids]) -> None:
    ids = make()
    assert all(ids.accepts(ids.new()) for _ in range(1000))


@pytest.mark.parametrize("rule", [Tokens(), EscapedTokens()], ids=["ours", "beego's"])
@pytest.mark.parametrize("token", ["A" * 32, "a-_Z" * 1024, Tokens().new()], ids=["short", "long", "new"])
def test_text_that_could_be_a_sealed_record_is_accepted_as_a_token(rule: Tokens, token: str) -> None:
    assert rule.accepts(token)


@pytest.mark.parametrize("token", ["A" * 30 + "%3D%3D", "A" * 30 + "==", "A" * 20 + "%0A" + "A" * 20])
def test_only_a_token_of_beegos_has_padding_or_escapes(token: str) -> None:
    assert EscapedTokens().accepts(token)
    assert not Tokens().accepts(token)


@pytest.mark.parametrize("rule", [Tokens(), EscapedTokens()], ids=["ours", "beego's"])
@pytest.mark.parametrize(
    "token",
    [
        "",
        "A" * 7,
        "A" * 4097,
        "A" * 32 + "\n",
        "A" * 32 + "\x00",
        "A" * 31 + "+",
        "A" * 31 + "\u00e9",
        "A" * 31 + "/",
        None,
        7,
    ],
)
def test_what_cannot_be_a_sealed_record_is_no_token(rule: Tokens, token: object) -> None:
    assert not rule.accepts(token)


def test_a_fingerprint_names_an_id_without_giving_it_away() -> None:
    shown = fingerprint(SID)
    assert re.fullmatch(r"[0-9a-f]{12}", shown)
    assert shown == fingerprint(SID)
    assert shown != fingerprint(SID[:-1] + "0")
    assert shown not in SID


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_id_has_no_fingerprint(nothing: str | None) -> None:
    assert fingerprint(nothing) == ""


@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x10FFFF), min_size=1))
def test_any_text_has_a_fingerprint(text: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint(text))


def test_half_a_surrogate_pair_has_a_fingerprint() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", fingerprint("\ud800" * 8))
