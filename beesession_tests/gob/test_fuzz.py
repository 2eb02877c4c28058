"""Some thousand streams that nobody would write; ``python -m beesession_tests.gob.fuzz`` reads millions."""

from __future__ import annotations

import pytest

from beesession_tests.gob import fuzz

BEHIND_THE_END = (
    "0eff81040102ff82000110011000001fff8303010105506f696e7401ff84000102010158010400010159010400000020ff82000106737472696e"
    "670c0300016b0a6d61696e2e506f696e74ff84ae0106"
)
"""Led to an error at a byte behind the end of the stream."""


@pytest.mark.slow
def test_twenty_thousand_streams_end_in_a_value_or_a_gob_error() -> None:
    for seed in (0, 1):
        told = fuzz.run(10_000, seed)
        assert told.findings == []
        assert told.streams == 10_000
        assert told.read > 1000


@pytest.mark.parametrize("stream", [BEHIND_THE_END])
def test_what_was_found_is_found_no_more(stream: str) -> None:
    fuzz.check(bytes.fromhex(stream), fuzz.Told(), measured=True)


def test_a_few_streams_are_changed_and_read() -> None:
    told = fuzz.run(500, seed=7)
    assert (told.streams, told.findings) == (500, [])
