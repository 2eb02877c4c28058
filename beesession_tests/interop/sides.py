"""Which engines the tests of a shared store run on, and with whose Go providers."""

from __future__ import annotations

from typing import Any

import pytest

from beesession_tests.engines import ENGINES
from beesession_tests.interop.crowds import ENGINES_OF_OURS


def stock(*names: str) -> list[Any]:
    """The engines of these names, with beego's own providers."""
    return [pytest.param(each, False, id=str(each)) for each in ENGINES if each.name in names]


def with_ours(*names: str) -> list[Any]:
    """The engines of these names, with our Go providers, as far as there are some."""
    both = {*names} & {*ENGINES_OF_OURS}
    return [pytest.param(each, True, id=f"{each}-ours") for each in ENGINES if each.name in both]


def on(*pairs: Any) -> pytest.MarkDecorator:
    """Run a test on these; the fixtures ``engine`` and ``ours`` are what they say."""
    return pytest.mark.parametrize(("engine", "ours"), pairs, indirect=True)
