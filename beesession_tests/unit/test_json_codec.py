"""Django's signed format, and the plain one for use inside a seal."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore as DjangoDatabaseStore
from django.core import signing
from django.test import override_settings

from beesession.codecs.base import Codec
from beesession.codecs.json import JSONCodec, PlainJSONCodec
from beesession.exceptions import DecodeError, EncodeError
from beesession.tracking import SessionData

DATA = {"text": "päivää", "number": 1, "list": [1, {"a": None}], "long": "x" * 2000}

each_codec = pytest.mark.parametrize("codec", [JSONCodec, PlainJSONCodec])


@each_codec
def test_data_comes_back_as_it_went(codec: type[Codec]) -> None:
    raw = codec().dumps(SessionData(DATA), "key")
    assert codec().loads(raw, "key") == DATA
    assert len(raw) < 2000


def test_djangos_own_engines_and_this_codec_read_each_other() -> None:
    assert JSONCodec().loads(DjangoDatabaseStore().encode(DATA).encode(), "key") == DATA
    assert DjangoDatabaseStore().decode(JSONCodec().dumps(DATA, "key").decode()) == DATA


@each_codec
@pytest.mark.parametrize("value", [datetime.date(2026, 11, 25), {1, 2}, b"bytes", object()])
def test_a_value_that_cannot_be_stored_is_named_by_its_key(codec: type[Codec], value: Any) -> None:
    for encode in (lambda data: codec().dumps(data, "key"), codec().normalise):
        with pytest.raises(EncodeError, match="'guilty'") as error:
            encode({"innocent": 1, "guilty": value})
        assert error.value.key == "guilty"
        assert isinstance(error.value, TypeError)  # what Django's engines raise here


@each_codec
def test_a_message_never_shows_the_value(codec: type[Codec]) -> None:
    with pytest.raises(EncodeError) as error:
        codec().dumps({"guilty": {"card": b"4111"}}, "key")
    assert "4111" not in str(error.value)


@each_codec
@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00", b"\x00[]", b"\x01x", b"\xff", b"not signed", "ü".encode(), signing.dumps({"a": 1}).encode()],
    ids=["nothing", "no JSON", "a list", "no zlib", "no ASCII", "unsigned", "no ASCII text", "another salt"],
)
def test_foreign_bytes_are_a_decode_error(codec: type[Codec], raw: bytes) -> None:
    with pytest.raises(DecodeError):
        codec().loads(raw, "key")


def test_a_fallback_secret_still_reads() -> None:
    with override_settings(SECRET_KEY="the old secret, long enough for a test"):
        raw = JSONCodec().dumps(DATA, "key")
    with override_settings(SECRET_KEY="a new one", SECRET_KEY_FALLBACKS=["the old secret, long enough for a test"]):
        assert JSONCodec().loads(raw, "key") == DATA
    with override_settings(SECRET_KEY="a new one"), pytest.raises(DecodeError):
        JSONCodec().loads(raw, "key")


@each_codec
def test_normalised_is_what_would_come_back(codec: type[Codec]) -> None:
    assert codec().normalise({"pair": (1, 2), "nested": {1: "one"}}) == {"pair": [1, 2], "nested": {"1": "one"}}


@each_codec
def test_of_a_nested_value_the_innermost_is_named(codec: type[Codec]) -> None:
    with pytest.raises(EncodeError, match="'guilty' holds a complex inside a dict"):
        codec().dumps({"guilty": {"deep": [1, (2, 1j)]}}, "key")
