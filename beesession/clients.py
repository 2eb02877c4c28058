"""One client per process and event loop, for drivers whose connections belong to the loop that opened them."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

Client = TypeVar("Client")


class _Key(NamedTuple):
    process: int
    loop: asyncio.AbstractEventLoop


class PerLoop(Generic[Client]):
    """The clients of one configuration: for each event loop of this process the one that is used on it.

    A client is made when a loop first asks for it, hence after a fork. It is closed when its loop shuts down its
    async generators, as ``asyncio.run`` does (and with it every ASGI server, and ``async_to_sync``). A loop that was
    closed without that leaves its connections open: the next look-up, from whichever loop, drops its client and has
    the sockets collected, of which Python warns (ResourceWarning) where it is asked to.

    :param make: makes a client; it must not wait, and so not connect
    :param close: closes a client, on the client's own loop
    """

    def __init__(self, make: Callable[[], Client], close: Callable[[Client], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._clients: dict[_Key, Client] = {}
        self._lives: dict[_Key, AsyncGenerator[Client, None]] = {}

    async def get(self) -> Client:
        """Return the client of the running loop."""
        self._drop_clients_of_closed_loops()
        key = _Key(os.getpid(), asyncio.get_running_loop())
        client = self._clients.get(key)
        if client is None:
            # The loop notes each async generator that was begun on it, and ends it before it closes.
            life = self._lives[key] = self._life(key)
            client = self._clients[key] = await anext(life)
        return client

    def close(self) -> None:
        """Close the clients of this process, each one on its own loop. One that is running does it when it can."""
        for key in self._of_this_process():
            life = self._forget(key)
            if life is None or key.loop.is_closed():
                continue
            if key.loop.is_running() or _in_a_loop():
                key.loop.call_soon_threadsafe(_end_soon, key.loop, life)
            else:
                key.loop.run_until_complete(_end(life))

    async def _life(self, key: _Key) -> AsyncGenerator[Client, None]:
        client = self._make()
        try:
            yield client
        finally:
            # After `close`, the loop may have another client by now.
            if self._clients.get(key) is client:
                self._forget(key)
            await self._close(client)

    def _drop_clients_of_closed_loops(self) -> None:
        closed = [key for key in self._of_this_process() if key.loop.is_closed()]
        for key in closed:
            self._forget(key)
        if closed:
            # Transports and streams refer to each other, so that dropping them closes nothing yet.
            gc.collect()

    def _of_this_process(self) -> list[_Key]:
        # After a fork the parent's clients stay where they are: to let go of them would close nothing but copies,
        # and unregister them from a selector that the parent still uses.
        return [key for key in list(self._clients) if key.process == os.getpid()]

    def _forget(self, key: _Key) -> AsyncGenerator[Client, None] | None:
        self._clients.pop(key, None)
        return self._lives.pop(key, None)


async def _end(life: AsyncGenerator[Client, None]) -> None:
    await life.aclose()


# A loop keeps only weak references to its tasks.
_ending: set[asyncio.Task[None]] = set()


def _end_soon(loop: asyncio.AbstractEventLoop, life: AsyncGenerator[Client, None]) -> None:
    task = loop.create_task(_end(life))
    _ending.add(task)
    task.add_done_callback(_ending.discard)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
