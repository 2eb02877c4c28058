"""One LedisDB server, as its engine talks to it: by the protocol of Redis (RESP2), and round its two traps.

* What a script returns stays on the server's Lua stack for ever, and after 5,111 replies all scripts fail. So a script
  returns nothing. It leaves an answer under a key of its own, which is fetched and removed in the same round trip.
* The server's receive buffer is smaller than a segment on the loopback interface, where TCP then waits 0.2 s for every
  8 KiB. So its connections ask for small segments.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis.asyncio import Connection
from redis.connection import Connection as SyncConnection

from beesession import redis_pools
from beesession.clients import PerLoop
from beesession.redis_commands import Command, Script, Word
from beesession.redis_pools import errors
from beesession.redis_server import Server
from beesession.stepping import Call

if TYPE_CHECKING:
    from redis import ConnectionPool
    from redis.asyncio import Redis as AsyncRedis

ANSWER_SECONDS = 60
"""How long an answer is kept that nobody has fetched."""

_SMALL_SEGMENTS = {socket.TCP_MAXSEG: 2048} if hasattr(socket, "TCP_MAXSEG") else {}


@dataclass(frozen=True)
class Batch(Command):
    """Commands that travel together. The reply is a list of theirs, or the answer that a script has left.

    :ivar rest: the commands after the first one
    """

    rest: tuple[tuple[Word, ...], ...] = field(default=(), repr=False)


class AnsweringScript:
    """A Lua script that returns nothing, and calls ``answer(text)`` at most once.

    In it, an error that is not caught leaves its frames on the server's stack. So what a server may refuse, which is
    any write, has to be called with ``pcall``; a script that was refused leaves no answer.
    """

    _ANSWER = f"""
local function answer(text)
  redis.pcall('SETEX', KEYS[#KEYS], {ANSWER_SECONDS}, text)
end
"""

    def __init__(self, source: str) -> None:
        self._script = Script(self._ANSWER + source)

    def on(self, *keys: bytes, prefix: bytes, args: tuple[Word, ...] = (), repeatable: bool = False) -> Batch:
        """Return the command that runs this script on these keys, whose reply is the answer (bytes).

        :param prefix: what the key of the answer begins with
        """
        answer = prefix + b"beesession:answer:" + secrets.token_hex(16).encode()  # no session id has a colon in it
        script = self._script.on(*keys, answer, args=args)
        return Batch(script.words, repeatable, script.in_full, rest=(("GET", answer), ("DEL", answer)))


class LedisServer(Server):
    """One LedisDB server.

    :param pool: the connections to it; what LedisDB does not know of Redis is turned off in there
    """

    def __init__(self, pool: ConnectionPool) -> None:
        # It knows neither HELLO nor CLIENT SETINFO.
        pool.connection_kwargs.update(protocol=2, driver_info=None)
        if issubclass(pool.connection_class, SyncConnection):
            # redis-py sets these before it connects, as is needed; on an event loop it sets them too late.
            options = pool.connection_class(**pool.connection_kwargs).socket_keepalive_options
            pool.connection_kwargs.update(
                socket_keepalive=True, socket_keepalive_options={**options, **_SMALL_SEGMENTS}
            )
        super().__init__(pool)
        self._clients = PerLoop(self._async_client, redis_pools.close_async)

    def _async_client(self) -> AsyncRedis:
        client = redis_pools.async_client(self.pool)
        if client.connection_pool.connection_class is Connection:
            client.connection_pool.connection_class = _SmallSegmentsConnection
        return client

    async def execute(self, call: Call, command: Command, *, asking: bool = False) -> Any:
        if not isinstance(command, Batch):
            return await super().execute(call, command, asking=asking)
        replies = await call(self._execute_all, self._aexecute_all, command)
        failures = [each for each in replies if isinstance(each, errors.RedisError)]
        if command.words[0] in ("EVAL", "EVALSHA"):
            # The reply of the script itself is what lies on the stack: whatever another program's script has left.
            _, answer, _ = replies
            if isinstance(answer, bytes):
                return answer
            failures.append(errors.ResponseError("the script left no answer"))
        if failures:
            raise failures[0]
        return replies

    def _execute_all(self, batch: Batch) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for words in (batch.words, *batch.rest):
            pipeline.execute_command(*words)  # type: ignore[no-untyped-call]
        return pipeline.execute(raise_on_error=False)

    async def _aexecute_all(self, batch: Batch) -> list[Any]:
        client = await self._clients.get()
        if not batch.repeatable:
            # As for a single command: the loop must have noticed if the server has closed an idle connection.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        pipeline = client.pipeline(transaction=False)
        for words in (batch.words, *batch.rest):
            pipeline.execute_command(*words)
        return await pipeline.execute(raise_on_error=False)


class _SmallSegmentsConnection(Connection):
    """A connection whose socket is told the size of its segments before it connects."""

    async def _connect(self) -> None:
        self._dialled = await asyncio.wait_for(_dial(self.host, self.port), self.socket_connect_timeout)
        await super()._connect()  # type: ignore[no-untyped-call]

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {"sock": self._dialled}


async def _dial(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the name of the host has no address")
    for family, kind, protocol, _, address in addresses:
        dialled = socket.socket(family, kind, protocol)
        try:
            dialled.setblocking(False)
            for option, value in _SMALL_SEGMENTS.items():
                dialled.setsockopt(socket.IPPROTO_TCP, option, value)
            await loop.sock_connect(dialled, address)
        except BaseException as error:
            dialled.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return dialled
    raise failure
