"""The seal: what it lets through, and that it lets nothing else through."""

from __future__ import annotations

import hmac
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from beesession.codecs import codec_for
from beesession.codecs.json import PlainJSONCodec
from beesession.codecs.seal import OVERHEAD, Seal, SealedCodec, SealError, at_rest
from beesession.conf import Options
from beesession.engines.memory import MemoryProvider
from beesession.exceptions import DecodeError, EncodeError

KEY, OTHER_KEY = b"a key of the site, long enough", b"another key, long enough as well"
CONTEXT = b"the key of the store"
PLAIN = b"what only the site may read"


@pytest.fixture
def seal() -> Seal:
    return Seal([KEY], "test")


@pytest.fixture
def codec(seal: Seal) -> SealedCodec:
    return SealedCodec(PlainJSONCodec(), seal)


@given(plain=st.binary(max_size=300), context=st.binary(max_size=80))
def test_what_was_sealed_opens_with_the_same_context(plain: bytes, context: bytes) -> None:
    seal = Seal([KEY], "test")
    sealed = seal.seal(plain, context)
    assert seal.open(sealed, context) == plain
    assert len(sealed) == len(plain) + OVERHEAD


def test_two_seals_of_the_same_bytes_share_nothing_but_their_header(seal: Seal) -> None:
    many = {seal.seal(PLAIN, CONTEXT)[5:] for _ in range(100)}
    assert len(many) == 100
    assert len({sealed[:12] for sealed in many}) == 100


def test_the_format_is_as_documented(seal: Seal) -> None:
    # HKDF by hand (RFC 5869): what seal.py does must be what it says, not only its own inverse.
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    first = hmac.digest(extracted, b"test\x01", "sha256")
    derived = first + hmac.digest(extracted, first + b"test\x02", "sha256")
    key_id, aes_key = derived[:4], derived[4:36]

    sealed = seal.seal(PLAIN, CONTEXT)

    assert sealed[:1] == b"\x01"
    assert sealed[1:5] == key_id
    assert AESGCM(aes_key).decrypt(sealed[5:17], sealed[17:], sealed[:5] + CONTEXT) == PLAIN


def test_each_flipped_bit_is_refused(seal: Seal) -> None:
    sealed = seal.seal(PLAIN, CONTEXT)
    refused = 0
    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealError):
            seal.open(bytes(damaged), CONTEXT)
        refused += 1
    assert refused == 8 * (len(PLAIN) + OVERHEAD)


def test_each_truncation_is_refused(seal: Seal) -> None:
    sealed = seal.seal(PLAIN, CONTEXT)
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            seal.open(sealed[:length], CONTEXT)


@pytest.mark.parametrize("extra", [b"\x00", b"\n", b"more"])
def test_bytes_after_the_end_are_refused(seal: Seal, extra: bytes) -> None:
    with pytest.raises(SealError):
        seal.open(seal.seal(PLAIN, CONTEXT) + extra, CONTEXT)


@pytest.mark.parametrize(
    ("stranger", "context"),
    [
        (Seal([OTHER_KEY], "test"), CONTEXT),
        (Seal([KEY], "another purpose"), CONTEXT),
        (Seal([KEY], "test"), b"another context"),
        (Seal([KEY], "test"), b""),
    ],
    ids=["key", "purpose", "context", "no context"],
)
def test_what_is_foreign_is_refused_with_one_and_the_same_error(seal: Seal, stranger: Seal, context: bytes) -> None:
    with pytest.raises(SealError, match=r"\Athe record does not open with the keys of this site\Z") as caught:
        stranger.open(seal.seal(PLAIN, CONTEXT), context)
    assert isinstance(caught.value, DecodeError)
    assert caught.value.__context__ is None


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_seal_error(garbage: bytes) -> None:
    seal = Seal([KEY], "test")
    header = seal.seal(b"", b"")[:5]
    for sealed in (garbage, header + garbage):
        with pytest.raises(SealError):
            seal.open(sealed, CONTEXT)


# Keys ---------------------------------------------------------------------------------------------------------


def test_the_first_key_seals_and_each_key_opens() -> None:
    before, after = Seal([KEY], "test"), Seal([OTHER_KEY, KEY], "test")
    assert after.open(before.seal(PLAIN, CONTEXT), CONTEXT) == PLAIN
    assert Seal([OTHER_KEY], "test").open(after.seal(PLAIN, CONTEXT), CONTEXT) == PLAIN
    with pytest.raises(SealError):
        before.open(after.seal(PLAIN, CONTEXT), CONTEXT)


def test_keys_whose_ids_coincide_both_open() -> None:
    # Found by search: under this purpose both derive the id 6fb5ebf1.
    keys = [b"colliding key 00072038", b"colliding key 00095051"]
    alone = [Seal([key], "test") for key in keys]
    first, second = (one.seal(PLAIN, CONTEXT) for one in alone)
    assert first[1:5] == second[1:5] == bytes.fromhex("6fb5ebf1")

    both = Seal(keys, "test")
    assert both.open(first, CONTEXT) == both.open(second, CONTEXT) == PLAIN
    with pytest.raises(SealError):
        alone[0].open(second, CONTEXT)


@pytest.mark.parametrize("key", ["ключ, который знает только сайт", "half a pair \ud800, sixteen bytes"])
def test_a_key_may_be_any_text(key: str) -> None:
    sealed = Seal([key], "test").seal(PLAIN, CONTEXT)
    assert Seal([key.encode("utf-8", "surrogatepass")], "test").open(sealed, CONTEXT) == PLAIN


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "at least one key"),
        (["fifteen bytes.."], "number 1 is too short; at least 16 bytes"),
        ([KEY, b""], "number 2 is too short"),
    ],
)
def test_missing_and_short_keys_are_refused_by_the_name_of_their_setting(keys: list[bytes], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"\AMY_KEYS: .*{message}") as caught:
        Seal(keys, "test", source="MY_KEYS")
    assert "fifteen" not in str(caught.value)


def test_without_cryptography_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    monkeypatch.delitem(sys.modules, "beesession.codecs.seal")
    with pytest.raises(ImproperlyConfigured, match=r"pip install beesession\[crypto\]"):
        codec_for(Options.from_mapping({"ENCRYPTION_KEYS": [KEY]}), MemoryProvider.capabilities)


# Encryption at rest ---------------------------------------------------------------------------------------------

DATA = {"cart": ["tea", "milk"], "_auth_user_id": "7"}


def test_a_session_comes_back_as_it_was(codec: SealedCodec) -> None:
    assert codec.loads(codec.dumps(DATA, "a" * 32), "a" * 32) == DATA


def test_a_record_does_not_open_under_the_key_of_another(codec: SealedCodec) -> None:
    with pytest.raises(SealError):
        codec.loads(codec.dumps(DATA, "a" * 32), "b" * 32)


def test_nothing_of_a_session_is_readable_in_its_record(codec: SealedCodec) -> None:
    raw = codec.dumps({"name": "Ada Lovelace"}, "a" * 32)
    assert b"Ada" not in raw
    assert b"name" not in raw


def test_a_sealed_record_that_is_no_session_is_a_decode_error(codec: SealedCodec, seal: Seal) -> None:
    with pytest.raises(DecodeError):
        codec.loads(seal.seal(b"\x00[1, 2]", b"a" * 32), "a" * 32)


def test_normalise_gives_what_would_come_back(codec: SealedCodec) -> None:
    assert codec.normalise({"pair": (1, 2)}) == {"pair": [1, 2]}


def test_a_value_that_cannot_be_encoded_is_named_by_its_key(codec: SealedCodec) -> None:
    with pytest.raises(EncodeError) as caught:
        codec.dumps({"fine": 1, "bad": object()}, "a" * 32)
    assert caught.value.key == "bad"


def test_encryption_keys_seal_what_the_engine_stores_and_rotate() -> None:
    old = codec_for(Options.from_mapping({"ENCRYPTION_KEYS": [KEY]}), MemoryProvider.capabilities)
    new = codec_for(Options.from_mapping({"ENCRYPTION_KEYS": [OTHER_KEY, KEY]}), MemoryProvider.capabilities)
    raw = old.dumps(DATA, "a" * 32)
    assert new.loads(raw, "a" * 32) == DATA
    with pytest.raises(SealError):
        old.loads(new.dumps(DATA, "a" * 32), "a" * 32)


def test_a_short_encryption_key_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="ENCRYPTION_KEYS"):
        at_rest(PlainJSONCodec(), ("short",))
