"""beego's gob and its engines, asked by tests one request at a time; ``peer/lines.go`` says what there is to ask."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from types import TracebackType
from typing import IO, Any

from beesession_tests.interop.program import ANSWERED_WITHIN, environment, program
from beesession_tests.interop.values import Node, Pairs, pairs
from beesession_tests.servers.base import STOPPED_WITHIN


class PeerError(RuntimeError):
    """The peer refused a request.

    :ivar panic: it was a panic in Go, and not an error that was returned
    """

    def __init__(self, message: str, *, panic: bool = False) -> None:
        super().__init__(message)
        self.panic = panic


class PeerDiedError(RuntimeError):
    """The peer's process has ended, or does not answer any more. Ends with what it wrote to stderr."""


class BeegoLines:
    """beego's gob and its engines, one request at a time. A context manager: the process runs until it ends.

    :param time_zone: its local time, which the postgresql engine stores, and that of its connections there
    """

    def __init__(self, time_zone: str = "UTC") -> None:
        self._program = program()
        self._time_zone = time_zone
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def __enter__(self) -> BeegoLines:
        # A file rather than a pipe: a pipe that nobody reads would fill up.
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [self._program, "lines"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(self._time_zone),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process, self._unread = self._process, None, b""
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # the end of its input ends it
        try:
            process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        self._errors.close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "it runs inside of a with block"
        return self._process

    def encode(self, values: Pairs) -> bytes:
        """Return the stream that beego stores for a session with these values.

        :raises PeerError: beego cannot encode it
        """
        return bytes.fromhex(self.request("encode", values=pairs(values))["hex"])

    def decode(self, stream: bytes) -> Node:
        """Return the map that beego reads from a stream.

        :raises PeerError: beego cannot decode it
        """
        value: Node = self.request("decode", hex=stream.hex())["value"]
        return value

    def through(self, stream: bytes) -> tuple[Node, bytes]:
        """Return what beego reads from a stream, and the stream that it makes of that again.

        :raises PeerError: beego cannot do either
        """
        answer = self.request("through", hex=stream.hex())
        return answer["value"], bytes.fromhex(answer["hex"])

    def register(self, *types: str) -> None:
        """Have gob know types without a name, such as ``map[string]int64``, by which it could not decode them before.

        What is to be encoded need not be registered.

        :raises PeerError: it is not the spelling of a type, or gob refuses it
        """
        self.request("register", types=types)

    def request(self, op: str, **values: Any) -> dict[str, Any]:
        """Return the answer to any request that the peer knows.

        :raises PeerError: it refuses, or fails
        :raises PeerDiedError: it has ended, or does not answer in time
        """
        line = json.dumps({"op": op, **values}).encode() + b"\n"
        deadline = time.monotonic() + ANSWERED_WITHIN
        try:
            assert self.process.stdin is not None
            while line:  # without a buffer, a write may be partial
                line = line[self.process.stdin.write(line) :]
        except BrokenPipeError:
            raise self._died("has ended") from None
        answer: dict[str, Any] = json.loads(self._line(deadline))
        if answer["ok"]:
            return answer
        raise PeerError(answer["error"], panic=answer.get("panic", False))

    def _line(self, deadline: float) -> bytes:
        assert self.process.stdout is not None
        chunks = [self._unread]
        while b"\n" not in chunks[-1]:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise self._died(f"did not answer within {ANSWERED_WITHIN} s")
            chunks.append(os.read(self.process.stdout.fileno(), 1 << 16))
            if not chunks[-1]:
                raise self._died("has ended")
        line, _, self._unread = b"".join(chunks).partition(b"\n")
        return line

    def _died(self, what: str) -> PeerDiedError:
        self.process.kill()  # it answers no more: a late answer would be taken for that to the next request
        self.process.wait()
        self._errors.seek(0)
        last = self._errors.read()[-4000:].decode(errors="replace")
        return PeerDiedError(f"the peer {what}:\n{last}")
