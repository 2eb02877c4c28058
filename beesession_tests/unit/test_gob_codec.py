"""beego's format as the codec of our sessions: what travels, what is refused, and how a None does."""

from __future__ import annotations

import datetime
import gc
from typing import Any

import pytest

from beesession.codecs import codec_for, gob
from beesession.codecs.gobcodec import NONE_KEYS, GobCodec
from beesession.conf import Options
from beesession.engines import memory
from beesession.exceptions import DecodeError, EncodeError
from beesession.tracking import SessionData

DATA = {"text": "päivää", "number": 1, "list": [1, {"a": None}], "long": "x" * 2000, "big": gob.Int64(5)}


def test_data_comes_back_as_it_went() -> None:
    raw = GobCodec().dumps(SessionData(DATA), "key")
    assert GobCodec().loads(raw, "key") == DATA
    assert raw == gob.dumps(DATA)


def test_no_bytes_are_an_empty_session() -> None:
    assert GobCodec().loads(b"", "key") == {}
    assert GobCodec().loads(GobCodec().dumps({}, "key"), "key") == {}


def test_normalise_gives_what_would_come_back() -> None:
    data = {"pair": (1, 2), "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "none": None}
    normal = GobCodec().normalise(data)
    assert normal == {"pair": [1, 2], "at": data["at"], "none": None}
    assert type(normal["at"]) is gob.Time


def test_keys_that_hold_none_travel_by_their_names() -> None:
    data = {"a": None, "b": 1, "c": None}
    raw = GobCodec().dumps(data, "key")
    assert gob.loads(raw) == {"b": 1, NONE_KEYS: ["a", "c"]}
    assert gob.loads(raw)[NONE_KEYS].go_type == "[]string"
    assert GobCodec().loads(raw, "key") == data


def test_a_value_that_beego_gives_such_a_key_counts() -> None:
    beegos = {**gob.loads(GobCodec().dumps({"a": None, "b": None}, "key")), "a": 5}
    assert GobCodec().loads(gob.dumps(beegos), "key") == {"a": 5, "b": None}


def test_a_key_of_that_name_with_something_else_is_data() -> None:
    for value in ("text", ["a"], gob.Slice.of("[]int")([1])):
        assert GobCodec().loads(gob.dumps({NONE_KEYS: value}), "key") == {NONE_KEYS: value}


def test_the_names_are_known_however_many_types_have_been_met() -> None:
    raw = GobCodec().dumps({"a": None}, "key")
    for number in range(2000):
        gob.Slice.of(f"[{number}]string")
    gc.collect()
    assert GobCodec().loads(raw, "key") == {"a": None}


def test_none_needs_a_key_that_is_text() -> None:
    with pytest.raises(EncodeError, match="only a key that is text can hold") as caught:
        GobCodec().dumps({1: None}, "key")
    assert caught.value.key == 1


@pytest.mark.parametrize("value", [datetime.date(2026, 11, 25), {1, 2}, object(), 2**64, [{"a": {1}}]])
def test_a_value_that_cannot_be_stored_is_named_by_its_key(value: Any) -> None:
    for encode in (lambda data: GobCodec().dumps(data, "key"), GobCodec().normalise):
        with pytest.raises(EncodeError, match="'guilty'") as caught:
            encode({"innocent": 1, "guilty": value})
        assert caught.value.key == "guilty"


@pytest.mark.parametrize("raw", [b"x", b"\x00", b"{}", gob.dumps({"k": 1})[:-1], b"\x03\x04\x00\x0a"])
def test_what_is_no_session_is_refused_without_telling_it(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        GobCodec().loads(raw, "key")
    assert str(caught.value) == "the record is not a session of beego's"


@pytest.mark.parametrize(
    "data", [{NONE_KEYS: 1, "a": None}, {NONE_KEYS: None}, {NONE_KEYS: gob.Slice.of("[]string")(["a"])}]
)
def test_the_key_that_names_of_none_travel_under_is_not_overwritten(data: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match="'_none'") as caught:
        GobCodec().dumps(data, "key")
    assert caught.value.key == NONE_KEYS


def test_the_limits_are_those_of_the_settings() -> None:
    nested = {"k": [[[1]]]}
    raw = GobCodec().dumps(nested, "key")
    options = Options.from_mapping({"CODEC": "gob", "GOB_LIMITS": {"depth": 3}})
    codec = codec_for(options, memory.SessionStore.provider_class.capabilities)
    with pytest.raises(DecodeError):
        codec.loads(raw, "key")
    with pytest.raises(EncodeError, match="nested too deep"):
        codec.dumps(nested, "key")
    assert codec.loads(codec.dumps({"k": [[1]]}, "key"), "key") == {"k": [[1]]}


def test_go_type_tells_what_an_integer_is_written_as() -> None:
    assert [gob.go_type(number) for number in (2**63 - 1, 2**63, 2**64 - 1, -(2**63))] == [
        "int",
        "uint64",
        "uint64",
        "int",
    ]
    for number in (2**64, -(2**63) - 1):
        with pytest.raises(gob.UnencodableError, match=r"gob\.BigInt"):
            gob.go_type(number)
