"""One Redis server, as the engines talk to it: sync and, on each event loop, async. Connects at first use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from beesession import redis_pools
from beesession.causes import causes
from beesession.clients import PerLoop
from beesession.redis_pools import errors
from beesession.stepping import Call

if TYPE_CHECKING:
    from redis import ConnectionPool

    from beesession.redis_commands import Command

# The server, or our own pool, turned the command down: it was not run, and so may be sent again.
REFUSALS = (errors.ReadOnlyError, errors.BusyLoadingError, errors.MasterDownError, errors.MaxConnectionsError)


class Store(Protocol):
    """What a provider sends its commands to: a server, or the servers of a cluster."""

    async def execute(self, call: Call, command: Command) -> Any:
        """Send a command once and return the reply.

        :raises redis.exceptions.RedisError: whatever the driver says
        """

    def refused(self, error: Exception) -> bool:
        """Return whether the error says that the command was not run, and that this may soon be different."""

    async def recover(self, call: Call, refusal: Exception) -> None:
        """Do what can be done about a refusal before the command is sent again. Does not wait."""

    async def primaries(self, call: Call) -> Sequence[Store]:
        """Return the servers that together hold all records."""

    def close(self) -> None:
        """Close all connections of this process."""


class Server:
    """One server, or the master that sentinels name.

    :param pool: the connections to it; see :func:`beesession.redis_pools.connection_pool`
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self._client = redis_pools.client(pool)
        self._clients = PerLoop(lambda: redis_pools.async_client(pool), redis_pools.close_async)
        self._fails_over = redis_pools.asks_sentinels(pool)

    async def execute(self, call: Call, command: Command, *, asking: bool = False) -> Any:
        """Send a command once and return the reply.

        :param asking: have a node of a cluster run it although the key's slot is only on its way there
        """
        return await call(self._execute, self._aexecute, command, asking)

    def refused(self, error: Exception) -> bool:
        return isinstance(error, REFUSALS) or demoted(error) or (self._fails_over and unreached(error))

    async def recover(self, call: Call, refusal: Exception) -> None:
        if demoted(refusal):
            # The same name may lead to another server by now.
            await call(self._renew_idle, self._arenew_idle)

    async def primaries(self, call: Call) -> Sequence[Store]:
        return (self,)

    def close(self) -> None:
        self._clients.close()
        redis_pools.close(self.pool)

    def _execute(self, command: Command, asking: bool) -> Any:
        if asking:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")  # type: ignore[no-untyped-call]
            pipeline.execute_command(*command.words)  # type: ignore[no-untyped-call]
            return _last(pipeline.execute(raise_on_error=False))
        return self._client.execute_command(*command.words)  # type: ignore[no-untyped-call]

    async def _aexecute(self, command: Command, asking: bool) -> Any:
        client = await self._clients.get()
        if not command.repeatable:
            # A loop learns that the server has closed an idle connection when it next polls, and acts on it in the
            # turn after. The pool replaces such a connection, but what was already sent on it must not be repeated.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if asking:
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*command.words)
            return _last(await pipeline.execute(raise_on_error=False))
        return await client.execute_command(*command.words)  # type: ignore[no-untyped-call]

    def _renew_idle(self) -> None:
        _renew_after_use(self.pool._get_free_connections())  # type: ignore[no-untyped-call]

    async def _arenew_idle(self) -> None:
        client = await self._clients.get()
        _renew_after_use(client.connection_pool._get_free_connections())


def unreached(error: BaseException) -> bool:
    """Return whether nothing was sent: nobody listens at the address, or no sentinel knows one."""
    return any(
        isinstance(each, (ConnectionRefusedError, *redis_pools.NO_MASTER))
        # What asyncio makes of it where the name of the host has several addresses.
        or (isinstance(each, OSError) and str(each).startswith("Multiple exceptions: "))
        for each in causes(error)
    )


def demoted(error: Exception) -> bool:
    """Return whether the server takes no writes since it is no master any more, or its replicas follow another one."""
    # The connections of a Sentinel pool turn the server's READONLY into a ConnectionError of their own.
    read_only = any(isinstance(each, errors.ReadOnlyError) for each in causes(error))
    return read_only or (isinstance(error, errors.ResponseError) and str(error).startswith("NOREPLICAS"))


def waited_in_vain(error: Exception) -> bool:
    """Return whether no connection of the pool came free in time. Nothing was sent."""
    return isinstance(error, errors.ConnectionError) and str(error) == "No connection available."


def _renew_after_use(connections: Iterable[Any]) -> None:
    # To close them would cut the command of whoever takes one at this moment.
    for connection in connections:
        connection.mark_for_reconnect()


def _last(replies: list[Any]) -> Any:
    # Told to raise, a pipeline would repeat in the error what was sent: ids and data.
    for reply in replies:
        if isinstance(reply, errors.RedisError):
            raise reply
    return replies[-1]
