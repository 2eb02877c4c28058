"""Whatever is no stream of gob ends in a GobError that says where, and in nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from beesession.codecs import gob
from beesession.codecs.gob import decoder
from beesession.codecs.gob.wire import get_uint, sint, uint
from beesession_tests.gob.registrations import taken_back
from beesession_tests.gob.trees import read, streams, vectors

SHORT = [each for each in vectors("gob.json") if len(each["hex"]) < 4096]
SECRET = "the-visitors-secret"

SESSION = bytes.fromhex("0d7f040102ff8000011001100000")
HEAD = sint(64) + b"\x00\x01" + b"\x06string\x0c\x03\x00\x01k"


def message(body: bytes) -> bytes:
    return uint(len(body)) + body


def test_a_stream_that_is_cut_off_anywhere_is_refused_or_is_a_shorter_one() -> None:
    for vector in SHORT:
        stream = streams(vector)[0]
        for size in range(len(stream)):
            try:
                read(stream[:size], vector["mode"])
            except gob.GobError as error:
                assert 0 <= error.offset <= size  # noqa: PT017  # most are refused, but not all
            else:
                assert vector["mode"] == "stream", "a session is one value, which needs all of its bytes"


def _errors() -> Iterator[tuple[str, bytes, int, str]]:
    """Yield names, streams, where they are wrong, and what is said of that."""
    yield "empty", b"", 0, "has no value"
    yield "no value", SESSION, 14, "has no value"
    yield "garbage", b"\x80" * 30, 0, "more than 64 bits"
    yield "empty message", SESSION + b"\x00", 14, "a message is empty"
    yield "message too long", SESSION + b"\x30" + sint(64), 14, "longer than what is left"
    yield "unknown id", message(sint(70)), 2, "type id 70 is not defined"
    yield "reserved id", message(sint(-20) + b"\x02\x00\x00") + message(sint(64)), 2, "reserved, or defined twice"
    yield "no definition", message(sint(-70) + b"\x09\x00") + message(sint(70)), 3, "no type definition"
    yield "two types", message(sint(-70) + b"\x02\x00\x01") + message(sint(70)), 6, "defines two types"
    yield "strange field", message(sint(-70) + b"\x02\x05") + message(sint(70)), 5, "field that Go does not know"
    yield "behind a definition", message(sint(-70) + b"\x02\x00\x00\x00") + message(sint(70)), 6, "follows a type"
    yield "not alone", SESSION + message(sint(64) + b"\x01"), 17, "begins with a zero"
    yield "value too long", SESSION + message(HEAD + b"\x03int\x04\x02\x00")[:-1] + b"\x00\x02", 38, "longer than its"
    yield "long name", SESSION + message(HEAD + uint(1025) + b"x" * 1025), 31, "name is longer than Go allows"
    same = b"\x01\x01\x58\x01\x04\x00"
    yield (
        "field twice",
        message(sint(-70) + b"\x03\x02\x02" + same * 2 + b"\x00\x00") + message(sint(70)),
        18,
        "one name",
    )
    yield "interface", SESSION + message(HEAD + b"\x06main.X\x10\x02\x00\x00"), 38, "holds an interface"
    yield "interface by its name", SESSION + message(HEAD + b"\x0cinterface {}\x10\x02\x00\x00"), 44, "an interface"


@pytest.mark.parametrize(("name", "stream", "offset", "what"), [*_errors()])
def test_an_error_says_what_is_wrong_and_where(name: str, stream: bytes, offset: int, what: str) -> None:
    with pytest.raises(gob.GobError, match=what) as caught:
        gob.loads(stream)
    assert abs(caught.value.offset - offset) <= 2
    assert str(caught.value).endswith(f"(at byte {caught.value.offset})")


def test_an_error_tells_nothing_of_the_session() -> None:
    stream = gob.dumps({"secret-key": ["secret-value"]})
    for size in range(len(stream)):
        with pytest.raises(gob.GobError) as caught:
            gob.loads(stream[:size])
        assert "secret" not in str(caught.value)


def _alone(name: bytes, content: bytes, count: bytes | None = None) -> bytes:
    """Return a session with one value under "k": an interface that holds bytes of a type of this name."""
    body = b"\x00" + uint(len(content)) + content
    size = uint(len(body)) if count is None else count
    value = uint(len(name)) + name + sint(5) + size + body
    return SESSION + message(sint(64) + b"\x00\x01" + b"\x06string\x0c\x03\x00\x01k" + value)


def test_a_long_name_is_read_whatever_follows_it() -> None:
    for length in (127, 128, 129, 200, 255, 256, 257, 1024):
        for size in range(260):
            value = gob.loads(_alone(b"n" * length, b"x" * size))["k"]
            assert (value.name, value.value) == ("n" * length, b"x" * size)


def test_a_byte_count_of_more_than_64_bits_is_refused_whatever_it_belongs_to() -> None:
    for name in (b"[]uint8", b"main.Token"):
        for _ in range(2):  # the second time the name is known
            assert gob.loads(_alone(name, b"x", b"\xff\x03"))["k"] in (b"x", gob.loads(_alone(name, b"x"))["k"])
            with pytest.raises(gob.GobError):
                gob.loads(_alone(name, b"x", b"\x80" + b"\x00" * 128))


def test_what_a_class_of_somebodys_own_says_of_a_value_is_not_told() -> None:
    def refuse(value: object) -> object:
        raise ValueError(SECRET)

    class Refusing(str):
        pass

    with taken_back():
        gob.register_encoded(Refusing, "main.Refusing", gob.BlobType(5), Refusing, refuse)
        with pytest.raises(gob.UnencodableError) as caught:
            gob.dumps({"k": Refusing("x")})
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_name_of_a_type_is_shown_as_what_it_is() -> None:
    name = b"\x1b]0;title\x07\n" + b"n" * 900
    with pytest.raises(gob.GobError) as caught:
        gob.loads(_alone(b"[]string", b"x"))
    assert "[]string" in str(caught.value)
    assert "\x1b" not in repr(gob.loads(_alone(name, b"x"))["k"])


def test_a_nil_may_be_written_at_length() -> None:
    assert gob.loads(SESSION + message(HEAD + b"\xff\x00")) == {"k": None}


def test_a_number_of_nine_bytes_is_refused() -> None:
    with pytest.raises(gob.GobError, match="more than 64 bits"):
        get_uint(b"\xf7" + bytes(9), 0)
    assert get_uint(b"\xf8" + b"\xff" * 8, 0) == (2**64 - 1, 9)
    assert get_uint(b"\xfe\x00\x05", 0) == (5, 3)


# What streams have in common ----------------------------------------------------------------------------------------


def test_what_failed_half_way_is_not_kept() -> None:
    stream = gob.dumps({"k": gob.Slice.of("[][][][][][][][]string")([])})

    def from_depth(frames: int) -> Any:
        return from_depth(frames - 1) if frames else gob.loads(stream)

    for frames in range(900, 1000, 1):
        decoder._starts.clear()
        try:
            from_depth(frames)
        except (gob.GobError, RecursionError):
            # With what the failure has left.
            assert gob.loads(stream) == {"k": []}


def test_threads_that_meet_a_type_at_once_all_read_it() -> None:
    stream = next(bytes.fromhex(each["hex"]) for each in SHORT if each["name"] == "stream/struct/recursive-tree")
    found: list[Any] = []
    gate = threading.Barrier(8)

    def reading() -> None:
        for _ in range(50):
            gate.wait()
            try:
                found.append(len([*gob.load_all(stream)]))
            except gob.GobError as error:
                found.append(error)
            if gate.wait() == 0:
                decoder._starts.clear()

    threads = [threading.Thread(target=reading) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [1] * 400


def test_names_that_streams_make_up_are_not_kept_for_ever() -> None:
    definitions = gob.dumps({"k": gob.Slice.of("[]string")([])})
    head = definitions[: definitions.rindex(sint(64) + b"\x00\x01") - 1]
    for number in range(2000):
        name = b"[]string" if number % 2 else b"main.T%d" % number
        gob.loads(head + message(HEAD + message(name) + sint(65) + b"\x02\x00\x00"))
    known = decoder._starts[head]
    assert len(known.heads) < 700
    assert len(known.readers) < 700


def test_a_definition_within_a_key_is_read_each_time() -> None:
    definition = sint(-65) + b"\x02" + b"\x02" + sint(6) + b"\x00\x00"
    key = b"\x06string" + definition + b"\x05" + b"\x0c\x03\x00\x01k"
    content = b"\x00\x01\x01a"
    value = b"\x08[]string" + sint(65) + uint(len(content)) + content
    stream = SESSION + message(sint(64) + b"\x00\x01" + key + value)
    for _ in range(3):
        assert gob.loads(stream) == {"k": ["a"]}
