"""Registrations are those of the process; here is how a test takes its own back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from beesession.codecs.gob.registry import REGISTRY


@contextmanager
def taken_back() -> Iterator[None]:
    """Run a block of code, and forget what it has registered."""
    dicts = [REGISTRY.by_class, REGISTRY._by_name, REGISTRY._in_spellings]
    before = [dict(each) for each in dicts]
    try:
        yield
    finally:
        for each, content in zip(dicts, before, strict=True):
            each.clear()
            each.update(content)
        REGISTRY._parsed.clear()
        REGISTRY.version += 1
