"""memcached servers for tests: nodes that share the keys among them, or a single one."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from signal import SIGKILL, SIGUSR1, Signals
from typing import Any, ClassVar

from pymemcache.client.base import Client  # type: ignore[import-untyped, unused-ignore]
from pymemcache.exceptions import (  # type: ignore[import-untyped, unused-ignore]
    MemcacheClientError,
    MemcacheUnexpectedCloseError,
)

from beesession_tests.servers.base import Server, running
from beesession_tests.servers.certificates import Certificate
from beesession_tests.skips import require_program

USER, PASSWORD = "bee", "pw-of-memcached"


class MemcachedServer(Server):
    """A memcached server. A restart empties it, unless it is ``warm``.

    :param options: further arguments of memcached; they win over ours, except for the address
    :param certificate: it takes TLS connections, and no others, with this certificate
    :param authenticates: it demands USER and PASSWORD of a client, in the text protocol
    :param on_socket: it listens on a unix socket in its directory, and not on its port
    :param warm: it has its items over a restart (``--memory-file``, which is meant for a RAM disk)
    """

    # There is nothing that it would save; asked gently, it takes up to a second.
    stopped_by: ClassVar[Signals] = SIGKILL

    def __init__(
        self,
        directory: Path,
        options: tuple[str, ...] = (),
        *,
        certificate: Certificate | None = None,
        authenticates: bool = False,
        on_socket: bool = False,
        warm: bool = False,
    ) -> None:
        super().__init__(directory)
        self._program = require_program("memcached", "memcached")
        self._options = options
        self._certificate = certificate
        self._authenticates = authenticates
        self._on_socket = on_socket
        self._warm = warm
        self._clients = ExitStack()

    @property
    def address(self) -> str:
        """Where it listens, as beego writes it."""
        return str(self._socket) if self._on_socket else f"{self.host}:{self.port}"

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server, where that needs neither TLS nor a password."""
        return self.address

    @property
    def log(self) -> Path:
        """The file with what it prints."""
        return self._log

    def client(self, **options: Any) -> Client:
        """Return a new client of this server, which is closed with it, and waits for replies.

        :param options: further arguments of pymemcache's Client
        """
        tls = self._certificate and ssl.create_default_context(cafile=self._certificate.cert)
        server = str(self._socket) if self._on_socket else (self.host, self.port)
        waits = {"connect_timeout": 2, "timeout": 5, "default_noreply": False}
        client = Client(server, **{"tls_context": tls, **waits, **options})
        self._clients.callback(client.close)
        return client

    @cached_property
    def admin(self) -> Client:
        """A client for the tests' own questions."""
        return self.client()

    def flush(self) -> None:
        """Remove all data."""
        self.admin.flush_all()

    def connections(self) -> int:
        """Return how many clients are connected; ``admin`` does not count, nor does the server's own listener."""
        time.sleep(0.05)  # what was closed a moment ago may still be counted
        return int(self.admin.stats()[b"curr_connections"]) - 2

    def disconnect_clients(self) -> None:
        """End all connections from the server's side: by a restart, since memcached has no command for it."""
        self.restart()

    def restart(self) -> None:
        """Stop the server and start it on the same port; if it is warm, with its items."""
        if self._warm and self.process is not None:
            self.process.send_signal(SIGUSR1)
            self.process.wait()
            # It takes its items up again only if, in whole seconds, time has passed.
            time.sleep(1.1)
        super().restart()

    def stop(self) -> None:
        """Stop the server; the connection of ``admin`` with it."""
        super().stop()
        self.admin.close()

    def close(self) -> None:
        """Close the clients and stop the server for good."""
        self._clients.close()
        self.stop()

    def prepare(self) -> None:
        self._accounts.write_text(f"{USER}:{PASSWORD}\n")

    def command_line(self) -> list[str]:
        # The user counts only where it is started by root, who owns the files then.
        line = [self._program, "-u", "root", "-m", "64", "-U", "0"]
        line += ["-s", str(self._socket), "-a", "0700"] if self._on_socket else ["-l", self.host, "-p", str(self.port)]
        if self._authenticates:
            line += ["-Y", str(self._accounts)]
        if self._certificate is not None:
            files = f"ssl_chain_cert={self._certificate.cert},ssl_key={self._certificate.key}"
            line += ["-Z", "-o", files]
        if self._warm:
            line += ["-e", str(self.directory / "items")]
        return [*line, *self._options]

    def answers(self) -> bool:
        try:
            return bool(self.admin.version())
        except MemcacheClientError:
            return True  # it is there, and wants a password
        except (OSError, MemcacheUnexpectedCloseError):
            return False

    @property
    def _socket(self) -> Path:
        return self.directory / "m.sock"

    @property
    def _accounts(self) -> Path:
        return self.directory / "accounts"


class MemcachedServers:
    """Some nodes that know nothing of each other. A client chooses by the key which of them it asks.

    :ivar nodes: the nodes, in the order that the choice goes by
    """

    def __init__(self, nodes: list[MemcachedServer]) -> None:
        self.nodes = nodes

    @property
    def addresses(self) -> list[str]:
        """Where the nodes listen."""
        return [node.address for node in self.nodes]

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for these nodes, as beego lists them."""
        return ";".join(self.addresses)

    def node_of(self, key: str) -> MemcachedServer:
        """Return the one node that has an item under this key.

        :raises ValueError: none has, or several have
        """
        (node,) = [node for node in self.nodes if node.admin.get(key) is not None]
        return node

    def connections(self) -> int:
        """Return how many clients are connected to the nodes, but for ours."""
        return sum(node.connections() for node in self.nodes)

    def disconnect_clients(self) -> None:
        """End all connections from the servers' side: by a restart of each node."""
        for node in self.nodes:
            node.disconnect_clients()

    def flush(self) -> None:
        """Remove all data, of all nodes."""
        for node in self.nodes:
            node.flush()


def memcached_server(*options: str, **arguments: Any) -> AbstractContextManager[MemcachedServer]:
    """Run a memcached server; skip the test when none is installed (with ``CI=true``: fail).

    The arguments are those of :class:`MemcachedServer`.
    """
    return running(lambda directory: MemcachedServer(directory, options, **arguments))


@contextmanager
def memcached_servers(*options: str, nodes: int = 2) -> Iterator[MemcachedServers]:
    """Run several memcached servers; skip the test when none is installed (with ``CI=true``: fail).

    :param options: further arguments of memcached, for each node
    """
    with ExitStack() as stack:
        yield MemcachedServers([stack.enter_context(memcached_server(*options)) for _ in range(nodes)])
