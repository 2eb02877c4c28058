"""How long a session takes in gob, beside Django's signed JSON, pickle, and beego's own gob."""

from __future__ import annotations

import pickle
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from beesession.codecs import gob
from beesession.codecs.json import JSONCodec
from beesession_tests.interop.lines import BeegoLines

ROUNDS = 25
SECONDS = 0.01
"""Of one measurement, about: it decides how often a step is repeated in it."""

SESSIONS: dict[str, dict[str, Any]] = {
    "1 key": {"visits": 3},
    "10 keys": {
        "_auth_user_id": "42",
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "_session_expiry": 1209600,
        "_csrftoken": "Rk3vTq8zYw1xLb6NcJd0PgUe5MaHsF2Z",
        "messages": ["Your order has been placed.", "We have sent the receipt to you."],
        "cart": [1042, 3, 88, 217],
        "prefs": {"language": "en", "theme": "dark", "page_size": 50, "newsletter": False},
        "discount": 0.15,
        "is_member": True,
    },
    "1,000 entries": {
        "seen": list(range(400)),
        "names": [f"product {number}" for number in range(200)],
        "prices": {f"product {number}": number * 0.25 for number in range(400)},
    },
}

Step = Callable[[], object]


def _python(data: dict[str, Any]) -> dict[str, tuple[Step, Step]]:
    """Return by format what encodes a session, and what decodes it."""
    json = JSONCodec()
    signed, pickled, stream = json.dumps(data, ""), pickle.dumps(data), gob.dumps(data)
    return {
        "gob": (lambda: gob.dumps(data), lambda: gob.loads(stream)),
        "signed JSON": (lambda: json.dumps(data, ""), lambda: json.loads(signed, "")),
        "pickle": (lambda: pickle.dumps(data), lambda: pickle.loads(pickled)),
    }


def _seconds(step: Step, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - began) / times


def _ratios(data: dict[str, Any], beego: BeegoLines) -> tuple[dict[str, float], dict[str, float]]:
    """Return by format gob's time over that of the format, to encode and to decode: medians of interleaved rounds."""
    stream, formats = gob.dumps(data).hex(), _python(data)
    times = max(1, int(SECONDS / _seconds(formats["gob"][0], 20)))
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in (*formats, "beego")}
    for _ in range(ROUNDS):
        for name, steps in formats.items():
            for each, step in zip(taken[name], steps, strict=True):
                each.append(_seconds(step, times))
        told = beego.request("bench", hex=stream, n=times)
        for each, step_name in zip(taken["beego"], ("encode", "decode"), strict=True):
            each.append(told[step_name] / 1e9)
    encode, decode = (
        {name: statistics.median(taken["gob"][way]) / statistics.median(both[way]) for name, both in taken.items()}
        for way in (0, 1)
    )
    return encode, decode


def measure() -> Iterator[tuple[str, ...]]:
    """Yield the table's rows: the time of gob over that of each other format; below 1 gob is the faster."""
    others = ("signed JSON", "pickle", "beego")
    yield ("session", "step", *others)
    with BeegoLines() as beego:
        for name, data in SESSIONS.items():
            for step, ratios in zip(("encode", "decode"), _ratios(data, beego), strict=True):
                yield (name, step, *(f"{ratios[other]:.2f}" for other in others))
