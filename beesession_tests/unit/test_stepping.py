"""One coroutine, run two ways."""

from __future__ import annotations

import asyncio

import pytest

from beesession.stepping import Call, awaited, directly, run


def double(number: int) -> int:
    return 2 * number


async def adouble(number: int) -> int:
    await asyncio.sleep(0)
    return 20 * number


async def step(call: Call, number: int) -> int:
    return await call(double, adouble, await call(double, adouble, number))


def test_a_step_runs_without_a_loop() -> None:
    assert run(step(directly, 3)) == 12


def test_the_same_step_awaits_the_twins() -> None:
    assert asyncio.run(step(awaited, 3)) == 1200


def test_a_step_that_suspends_is_an_error_not_a_hang() -> None:
    with pytest.raises(RuntimeError, match="suspend"):
        run(step(awaited, 3))


def test_an_error_inside_a_step_reaches_the_caller() -> None:
    async def failing(call: Call) -> None:
        await call(int, adouble, "x")  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="invalid literal"):
        run(failing(directly))
