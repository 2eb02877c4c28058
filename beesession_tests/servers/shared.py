"""The servers that a test session shares."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from types import TracebackType

from beesession_tests.servers.redis import RedisServer, redis_server


class Servers:
    """The servers that a test session shares. Each is started when a test first asks for it."""

    def __init__(self) -> None:
        self._running = ExitStack()

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @cached_property
    def redis(self) -> RedisServer:
        """A Redis server without a password."""
        return self._running.enter_context(redis_server())
