from __future__ import annotations

import asyncio

from beesession.clients import PerLoop


class Client:
    def __init__(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


def test_a_client_that_is_made_while_the_one_before_it_closes_stays_open_until_its_loop_ends() -> None:
    clients = PerLoop(Client, Client.close)

    async def use_close_and_use_again() -> Client:
        first = await clients.get()
        clients.close()
        second = await clients.get()
        assert second is not first
        await asyncio.sleep(0.01)
        assert not first.is_open
        assert await clients.get() is second
        assert second.is_open
        return second

    assert not asyncio.run(use_close_and_use_again()).is_open
