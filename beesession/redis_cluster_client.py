"""The servers of a Redis cluster, and which of them has which key.

Each node is a :class:`~beesession.redis_server.Server` with a pool of its own. The map of the cluster is asked of any
node that answers, at first use and whenever it may have become wrong; where it is wrong, the node that a key has left
names the one that has it now. Why redis-py's own cluster clients do not do: docs/decisions/0012.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from beesession.beego.dsn.form import Address
from beesession.redis_commands import Command
from beesession.redis_pools import errors
from beesession.redis_server import REFUSALS, Server, Store, demoted, unreached
from beesession.stepping import Call

REDIRECTS = 5
"""How often one command is passed on from node to node without a pause."""

SEARCH = 3.5
"""Seconds after which no further node is asked for the map: one that keeps silent need not be all."""

_MAP = Command(("CLUSTER", "SLOTS"), repeatable=True)
_REFUSALS = (*REFUSALS, errors.AskError, errors.TryAgainError, errors.ClusterDownError)


@dataclass(frozen=True)
class Map:
    """Who has which slot, as one node saw it.

    :ivar primaries: of each slot the node that has it; empty as long as nobody was asked
    :ivar nodes: all nodes, replicas too
    """

    primaries: Sequence[Address | None]
    nodes: frozenset[Address]

    @classmethod
    def of(cls, reply: Iterable[Sequence[Any]], asked: Address) -> Map:
        """Read the reply to CLUSTER SLOTS.

        :param asked: who sent it; a node that does not know its own name leaves it out
        :raises redis.exceptions.ClusterDownError: it knows of no node that has a slot: it has left the cluster, say
        """
        primaries: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes = set()
        for first, last, *owners in reply:
            addresses = [Address((host or b"").decode() or asked.host, port) for host, port, *_ in owners]
            primaries[first : last + 1] = [addresses[0]] * (last + 1 - first)
            nodes.update(addresses)
        if not nodes:
            raise errors.ClusterDownError("the node that was asked knows of no slots")
        return cls(primaries, frozenset(nodes))

    def primary_of(self, key: bytes) -> Address:
        """Return the node that has a key.

        :raises redis.exceptions.ClusterDownError: no node has its slot
        """
        address = self.primaries[key_slot(key)]
        if address is None:
            raise errors.ClusterDownError("no node of the cluster has the slot of this key")
        return address


class Cluster:
    """The nodes of a cluster.

    :param seeds: addresses of some of them
    :param connect: makes a server of an address; must not connect yet
    """

    def __init__(self, seeds: Sequence[Address], connect: Callable[[Address], Server]) -> None:
        self._seeds = frozenset(seeds)
        self._connect = connect
        self._servers: dict[Address, Server] = {}
        self._map = Map((), self._seeds)
        self._map_is_doubtful = True
        self._failed: set[Address] = set()
        # What commands failed with before they were sent.
        self._unsent: WeakSet[BaseException] = WeakSet()
        # An option that does not exist must not wait for the first visitor.
        self._server(seeds[0])

    async def execute(self, call: Call, command: Command) -> Any:
        try:
            address = (await self._current_map(call)).primary_of(command.key)
        except errors.RedisError as error:
            self._unsent.add(error)
            raise
        asking = False
        for _ in range(REDIRECTS):
            try:
                return await self._server(address).execute(call, command, asking=asking)
            except errors.AskError as error:
                redirect = error
            except (errors.ConnectionError, errors.TimeoutError, errors.ClusterDownError):
                self._map_is_doubtful = True
                self._failed.add(address)
                raise
            # MOVED is for good, ASK for this one command: the key is there already, its slot not yet.
            asking = not isinstance(redirect, errors.MovedError)
            self._map_is_doubtful |= not asking
            address = Address(redirect.host or address.host, redirect.port)
        raise redirect

    def unsent(self, error: BaseException | None) -> bool:
        """Return whether this is what :meth:`execute` raised since no node told who has the key."""
        return error in self._unsent

    def refused(self, error: Exception) -> bool:
        return isinstance(error, _REFUSALS) or demoted(error) or unreached(error)

    async def recover(self, call: Call, refusal: Exception) -> None:
        self._map_is_doubtful = True

    async def primaries(self, call: Call) -> Sequence[Store]:
        # What is sent to them as servers goes past execute, so that nothing would tell that they are the wrong ones.
        self._map_is_doubtful = True
        found = (await self._current_map(call)).primaries
        return [self._server(address) for address in dict.fromkeys(found) if address is not None]

    def close(self) -> None:
        for server in list(self._servers.values()):
            server.close()

    async def _current_map(self, call: Call) -> Map:
        if self._map.primaries and not self._map_is_doubtful:
            return self._map
        # From here on the others go by the old map: one question is enough. A doubt that comes up meanwhile stays.
        self._map_is_doubtful = False
        try:
            self._follow(await self._search(call))
        except BaseException:
            self._map_is_doubtful = True
            raise
        return self._map

    async def _search(self, call: Call) -> Map:
        began = time.monotonic()
        failure: Exception | None = None
        for address in self._to_ask():
            if failure is not None and time.monotonic() - began >= SEARCH:
                break
            try:
                found = Map.of(await self._server(address).execute(call, _MAP), address)
            except errors.RedisError as error:
                failure = error
                self._failed.add(address)
            else:
                self._failed.discard(address)
                return found
        assert failure is not None, "there is always a node to ask"
        raise failure

    def _to_ask(self) -> list[Address]:
        # By chance, so that many processes do not all ask the same one; those that just failed come last.
        return sorted(self._map.nodes | self._seeds, key=lambda address: (address in self._failed, random.random()))

    def _follow(self, found: Map) -> None:
        known = found.nodes | self._seeds
        self._map = found
        self._failed &= known
        for address in set(self._servers) - known:
            # Whoever is still waiting for a reply from it holds it, and its connections close after that.
            self._servers.pop(address, None)

    def _server(self, address: Address) -> Server:
        server = self._servers.get(address)
        if server is None:
            server = self._servers.setdefault(address, self._connect(address))
        return server
