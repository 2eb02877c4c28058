"""A Couchbase stand-in for tests: a mock of Couchbase's own, wrapped by the Go program in ``couchbase_standin``."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from beesession_tests.servers.base import Server, running
from beesession_tests.servers.golang import build

SOURCES = Path(__file__).parent / "couchbase_standin"


@dataclass(frozen=True)
class Document:
    """What the server holds under a key.

    :ivar left: seconds until it expires, or None when it does not
    """

    value: bytes
    flags: int
    datatype: int
    left: float | None


class CouchbaseServer(Server):
    """One node of a cluster that keeps its data in memory: a restart empties it.

    It has the bucket ``sessions``, in which the user ``bee`` may read and write with the password ``honey``. A fault
    lasts until :meth:`heal`, unless it says otherwise.

    :param options: further arguments of the program; the later of two wins
    """

    bucket = "sessions"
    user, password = "bee", "honey"

    def __init__(self, directory: Path, options: tuple[str, ...] = ()) -> None:
        super().__init__(directory)
        self._program = str(build(SOURCES, ".", "couchbase-standin"))
        self._options = options
        self._log_begins = 0

    @property
    def provider_config(self) -> str:
        """The engine's PROVIDER_CONFIG for this server."""
        return f"couchbase://{self.user}:{self.password}@{self.host}:{self.port},default,{self.bucket}"

    @property
    def tls_port(self) -> int:
        """The port of the key-value service with TLS. After a restart it is another one."""
        return int(self._told()["tls"])

    # What it holds and has seen -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Remove all documents, of all buckets."""
        self._control("flush")

    def document(self, key: str, *, scope: str = "_default", collection: str = "_default") -> Document | None:
        """Return what is stored under a key of the bucket, or None."""
        found = self._control("document", bucket=self.bucket, key=key, scope=scope, collection=collection)
        if found is None:
            return None
        return Document(base64.b64decode(found["value"]), found["flags"], found["datatype"], found["left"])

    def commands(self) -> list[str]:
        """Return the names of the commands on documents that came in since the last call, in their order.

        As the protocol names them: GET, ADD, REPLACE, GAT (get and touch), DELETE, GETMETA; SCAN for each of a scan.
        """
        return list(self._control("commands"))

    def connections(self) -> int:
        """Return how many connections to the key-value service are open."""
        return int(self._control("connections"))

    def travel(self, seconds: float) -> None:
        """Let time pass at the server, for good: no test that shares the server would be told right expiries."""
        self._control("travel", seconds=seconds)

    # Faults -------------------------------------------------------------------------------------------------

    def disconnect_clients(self) -> int:
        """Once: break all connections; return how many there were. New ones are welcome."""
        return int(self._control("cut"))

    def lose_reply(self, *, after: int = 0) -> None:
        """Once: run the next command on a document, drop its reply, and break the connection.

        :param after: so many commands are answered before
        """
        self._control("lose", after=after)

    def fail(self, status: int, *, times: int = 2**31) -> None:
        """Answer commands on documents with this status, instead of running them."""
        self._control("fail", status=status, times=times)

    def delay(self, seconds: float) -> None:
        """Hold back each command on a document for so long."""
        self._control("delay", seconds=seconds)

    def refuse(self) -> None:
        """Break all connections and refuse new ones, as when no server runs."""
        self._control("refuse")

    def silence(self) -> None:
        """Keep all connections, accept new ones, and pass nothing on."""
        self._control("silence")

    def heal(self) -> None:
        """End each fault. After a silence connections are broken, since what was sent on them is lost."""
        self._control("heal")

    # The process --------------------------------------------------------------------------------------------

    def command_line(self) -> list[str]:
        users = f"{self.user}:{self.password}:rw"
        return [self._program, "-port", str(self.port), "-buckets", self.bucket, "-users", users, *self._options]

    def start(self) -> None:
        # What an earlier process has told of its ports holds no longer.
        self._log_begins = self._log.stat().st_size if self._log.exists() else 0
        super().start()

    def answers(self) -> bool:
        return "control" in self._told()

    def _told(self) -> dict[str, Any]:
        """Return what the process has said of its ports; nothing while it starts."""
        with self._log.open("rb") as log:
            log.seek(self._log_begins)
            line = log.readline()
        if not line.endswith(b"\n") or not line.startswith(b"{"):
            return {}
        told: dict[str, Any] = json.loads(line)
        return told

    def _control(self, act: str, **values: Any) -> Any:
        url = f"http://{self.host}:{self._told()['control']}/{act}?{urlencode(values)}"
        with urlopen(url, timeout=10) as reply:
            return json.load(reply)


def couchbase_server(*options: str) -> AbstractContextManager[CouchbaseServer]:
    """Run a Couchbase stand-in; skip the test when there is no Go to build it with (with ``CI=true``: fail).

    :param options: further arguments of the program, such as ``"-collections", "shop.visits"``
    """
    return running(lambda directory: CouchbaseServer(directory, options))
