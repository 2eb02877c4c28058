"""One piece of logic, run two ways.

A step is a coroutine that reaches the outside only through a *call*: it hands over the sync function and its async
twin, and the call decides which of the two runs. Driven by :func:`run` with :func:`directly`, a step never suspends;
awaited with :func:`awaited`, it is native async.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Call(Protocol):
    """Runs one of two functions that do the same."""

    async def __call__(
        self, function: Callable[P, T], twin: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...


async def directly(
    function: Callable[P, T], twin: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    return function(*args, **kwargs)


async def awaited(function: Callable[P, T], twin: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    return await twin(*args, **kwargs)


def run(step: Coroutine[Any, Any, T]) -> T:
    """Run a step that was made with :func:`directly` to its end, without an event loop."""
    try:
        step.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    step.close()
    raise RuntimeError("a step that runs directly must not suspend")


async def wait(call: Call, seconds: float) -> None:
    """Have a step wait: the thread that it runs in, or its task alone."""
    await call(time.sleep, _sleep, seconds)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)  # asyncio.sleep itself is overloaded, which a Call cannot be typed for
