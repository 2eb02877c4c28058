"""Sessions in memcached, one item per session under its id, as beego keeps them. Needs the extra ``memcache``.

A record's token is the item's CAS value, which each write changes and a touch does not. memcached tells it when it is
read, and not when it is written: whoever writes again what it has just written looks first. How the nodes are connected
to: :mod:`beesession.memcached`.

Beside a running beego (CODEC ``"gob"``) whatever ends an id leaves the item ``id:r``, its revocation mark, on the node
where every client looks for a key of that name, so that one of Go finds it as well. That may be another node than the
record's; :class:`SharedMemcacheProvider` tells what this costs. A node that is short of memory may drop a mark before
its time, as any item.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from operator import methodcaller
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

from beesession import store
from beesession.exceptions import SessionTooLarge
from beesession.memcached import ERRORS, Busy, Item, Node, Nodes, Refused, Request, is_too_large, without_contents
from beesession.memcached_endpoints import endpoints
from beesession.provider import Capabilities, Conflict, Count, Gone, Provider, Record, Unavailable
from beesession.sid import Ids

if TYPE_CHECKING:
    from beesession.conf import Options

PATIENCE = 2.0
"""Seconds to go on asking a server that is listing its items for somebody else."""

ITEM_HEADER = 1024
"""Bytes that an item takes beside its data, at most: its key (up to 250 bytes) and what memcached keeps with it."""

_PAUSE = 0.05
_MONTH = 30 * 24 * 3600  # memcached takes a larger number for a date,
_LAST_DATE = 2**31 - 1  # which it reads as 32 bits with a sign
_BEGUN_SECOND = 1  # it counts from its last full second, which may be almost over
_NO_CAS = b"0"

# An id has up to 160 characters, a key of memcached up to 250 bytes.
_PREFIX = re.compile(r"[!-~]{0,90}\Z")

_ITEM = re.compile(rb"key=(\S+) exp=(-?[0-9]+) ")
_NEVER = -1


class MemcacheProvider(Provider):
    """Keeps sessions in the items of memcached, on one node or several.

    :param nodes: the connections to them
    :param options: of these KEY_PREFIX, TOUCH_INTERVAL and the id rule
    """

    name = "memcache"
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=False,
        touch=True,
        gc=False,
        active=True,
        scan=False,
        native_async=False,
        store_expires=True,
        max_bytes=1024 * 1024 - ITEM_HEADER,
        max_lifetime=5 * 365 * 24 * 3600,
        shareable=True,
        revokes=True,
    )

    def __init__(self, nodes: Nodes, options: Options) -> None:
        if not _PREFIX.match(options.key_prefix):
            raise ImproperlyConfigured(
                f"{options.source}['KEY_PREFIX'] can have up to 90 visible ASCII characters and no spaces with the "
                "memcache engine."
            )
        self._nodes = nodes
        self._prefix = options.key_prefix
        self._tells_ttl = options.touch_interval > 0
        # What stands behind the prefix: the id, or its SHA-256.
        self._names = Ids(length=32, hex_only=True) if options.hash_keys else self.ids(options)

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> MemcacheProvider:
        kind = SharedMemcacheProvider if options.codec == "gob" else cls
        return kind(Nodes(endpoints(value, options)), options)

    def close(self) -> None:
        self._nodes.close()

    # The verbs ------------------------------------------------------------------------------------------

    def read(self, sid: str) -> Record | None:
        data, token, *ttl = self._send("gets_with_ttl" if self._tells_ttl else "gets", sid, repeatable=True)
        return None if token is None else self._record(sid, Item(data, token, *ttl))

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        with self._limit_told(sid, data):
            free = self._add(sid, data, seconds) if seconds > 0 else self._is_free(sid)
        return Record(data, sid=sid, remaining=seconds) if free else None

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        self._demand_that_it_fits(data)
        seconds = self.whole_seconds(lifetime)
        self._compare_and_set(sid, self._token(sid, record), data, seconds)
        return Record(data, sid=sid, remaining=seconds)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        # What removes is sent once: a repetition would not find what the first one has removed.
        if not self._send("touch", sid, expire=_expiry(seconds), repeatable=seconds > 0):
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        """Store the new record, then remove the old one if it is still the same; else take the new one back.

        Nobody knows the new id until this returns.
        """
        self._demand_that_it_fits(data)
        token = self._token(sid, record)
        moved = None
        try:
            moved = self.create(new_sid, data, lifetime)
            if moved is not None:
                self._compare_and_set(sid, token, b"", 0)
        except (Conflict, Gone, Unavailable):
            # Be the old record there or not: the visitor goes on with its id.
            with suppress(Unavailable):
                if moved is not None or self._holds(new_sid, data):
                    self._delete(new_sid)
            raise
        if moved is None:
            raise Conflict
        return moved

    def destroy(self, sid: str) -> bool:
        return self._delete(sid)

    def active(self) -> Count:
        """Count by a walk through the hash table of each node, one node after the other."""
        try:
            with _errors_as_unavailable():
                number = sum(self._count(node) for node in self._nodes)
        except Refused as refusal:
            return Count(None, f"cannot be counted: a memcached server refuses to list its items ({refusal})")
        where = "KEY_PREFIX and a session id" if self._prefix else "a session id"
        blind = "" if self._prefix else "; without KEY_PREFIX, other data under such a key is counted as well"
        how = f"counted by lru_crawler metadump: the items whose key has the form of {where}{blind}{self._also_counted}"
        return Count(number, how)

    # ----------------------------------------------------------------------------------------------------

    _also_counted = ""

    def _record(self, sid: str, item: Item) -> Record:
        if item.token == _NO_CAS:
            raise Unavailable("A memcached server runs without CAS (option -C): sessions need it.")
        remaining = None
        # beego stores without an expiry where its lifetime is 0.
        if self._tells_ttl and item.ttl != _NEVER:
            remaining = self.whole_seconds(max(item.ttl - _BEGUN_SECOND, 0))
        return Record(item.data, item.token, sid, remaining)

    def _add(self, sid: str, data: bytes, seconds: int) -> bool:
        return bool(self._send("add", sid, data, expire=_expiry(seconds)))

    def _is_free(self, sid: str) -> bool:
        return self.read(sid) is None

    def _delete(self, sid: str) -> bool:
        return bool(self._send("delete", sid, repeatable=True))

    def _holds(self, sid: str, data: bytes) -> bool:
        found = self.read(sid)
        return found is not None and found.data == data

    def _token(self, sid: str, record: Record) -> bytes:
        """Return the CAS value of a record; that of one just written is to be looked up.

        :raises Conflict: what is stored is another record
        """
        if record.token is not None:
            return cast(bytes, record.token)
        current = self.read(sid)
        if current is None:
            raise Gone
        if current.data != record.data:
            raise Conflict(current)
        return cast(bytes, current.token)

    def _compare_and_set(self, sid: str, token: bytes, data: bytes, seconds: int) -> None:
        """Replace an item that has not changed, or remove it: memcached drops at once what it is to keep for -1 s."""
        kept = data if seconds > 0 else b""
        with self._limit_told(sid, kept):
            reply = self._send("cas", sid, kept, token, expire=_expiry(seconds))
        if reply is None:
            raise Gone
        if not reply:
            raise Conflict

    def _demand_that_it_fits(self, data: bytes) -> None:
        limit = cast(int, self.capabilities.max_bytes)
        if len(data) > limit:
            raise _too_large(len(data), limit)

    @contextmanager
    def _limit_told(self, sid: str, data: bytes) -> Iterator[None]:
        """Have the block raise SessionTooLarge where the node refuses what is to be stored for its size."""
        try:
            yield
        except Unavailable as error:
            if not is_too_large(error.__cause__):
                raise
            raise _too_large(len(data), self._item_size_max(sid) - ITEM_HEADER) from error

    def _item_size_max(self, sid: str) -> int:
        with _errors_as_unavailable():
            return int(self._node(sid).run(methodcaller("stats", "settings"), repeatable=True)[b"item_size_max"])

    def _send(self, command: str, sid: str, *arguments: object, repeatable: bool = False, **options: object) -> Any:
        """Send a command of pymemcache's and return the reply.

        :raises Unavailable: the node cannot be reached, answered with an error, or its reply was lost
        """
        with _errors_as_unavailable():
            call = methodcaller(command, self._key(sid), *arguments, **options)
            return self._node(sid).run(call, repeatable=repeatable)

    def _node(self, sid: str) -> Node:
        return self._nodes.of(self._key(sid))

    def _key(self, sid: str) -> str:
        return self._prefix + sid

    def _count(self, node: Node) -> int:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with node.connection() as connection:
                    # An item that has just expired may still be listed; the clock of the server tells.
                    now = int(connection.stats()[b"time"])
                    return sum(self._is_live_session(item, now) for item in connection.items())
            except Busy:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def _is_live_session(self, item: bytes, now: int) -> bool:
        found = _ITEM.match(item)
        if found is None:
            return False
        key, expiry = unquote(found[1].decode("ascii", "replace")), int(found[2])
        is_session = key.startswith(self._prefix) and self._names.accepts(key[len(self._prefix) :])
        return is_session and (expiry == _NEVER or expiry > now)


class SharedMemcacheProvider(MemcacheProvider):
    """The same beside a running beego: it leaves revocation marks, and goes by them.

    Most verbs send a second command, together with the first where both keys lie on one node, which then is one round
    trip; else two. A destroy leaves the mark before it removes, so that there is no moment at which beego could bring
    the session back unnoticed. What ends a session only if it has not changed (a rotation, a swap without a lifetime)
    leaves it afterwards, in one round trip more: a mark that comes first would end the session of who wins. Where the
    mark lies on another node, that node is asked before, in one more: if it is down, nothing has been removed yet.

    A swap sends nothing more. Its token was read before the mark was looked for, and there was none; so it is of a
    time before the end, and what beego has stored since has another.
    """

    _also_counted = "; what beego has stored after the end of a session is counted until somebody asks for it"

    def __init__(self, nodes: Nodes, options: Options) -> None:
        super().__init__(nodes, options)
        self._mark_lifetime = options.mark_lifetime

    def read(self, sid: str) -> Record | None:
        record, is_marked = self._look(sid)
        if is_marked and record is not None:
            self._end(sid)
        return None if is_marked else record

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        touch, look = Request("touch", self._key(sid), _expiry(seconds)), Request("get", self._mark(sid))
        if seconds > 0:
            # A token may be of before the end, but this command compares none.
            is_there, mark = self._exchange(touch, look, repeatable=True)
            if is_there and mark is not None:
                self._end(sid)
        else:
            mark, _, is_there = self._exchange(look, self._revocation(sid), touch)
        if not is_there or mark is not None:
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    def destroy(self, sid: str) -> bool:
        return self._end(sid)

    # ----------------------------------------------------------------------------------------------------

    def _add(self, sid: str, data: bytes, seconds: int) -> bool:
        request = Request("add", self._key(sid), _expiry(seconds), data)
        mark, is_added = self._exchange(Request("get", self._mark(sid)), request)
        if mark is not None:
            self._end(sid)
        return bool(is_added and mark is None)

    def _is_free(self, sid: str) -> bool:
        record, is_marked = self._look(sid)
        return record is None and not is_marked

    def _compare_and_set(self, sid: str, token: bytes, data: bytes, seconds: int) -> None:
        if seconds <= 0:
            self._demand_a_place_for_the_mark(sid)
        try:
            super()._compare_and_set(sid, token, data, seconds)
            if seconds <= 0:
                self._exchange(self._revocation(sid), repeatable=True)
        except Conflict:
            # Whoever lost would have to read next anyway, and may find that what is there is only what beego revived.
            current = self.read(sid)
            raise (Gone if current is None else Conflict(current)) from None
        except Unavailable:
            if seconds <= 0:
                with suppress(Unavailable):
                    self._revoke_if_gone(sid)
            raise

    def _demand_a_place_for_the_mark(self, sid: str) -> None:
        """Find out whether another node, which is to have the mark, is there while nothing has ended yet.

        :raises Unavailable: it is not
        :raises Gone: it has the mark already
        """
        if self._node(sid) is self._nodes.of(self._mark(sid)):
            return
        (mark,) = self._exchange(Request("get", self._mark(sid)), repeatable=True)
        if mark is not None:
            self._end(sid)
            raise Gone

    def _revoke_if_gone(self, sid: str) -> None:
        """Leave the mark of an id whose end came half way, if its record did go: beego could bring it back."""
        (item,) = self._exchange(Request("gets", self._key(sid)), repeatable=True)
        if item is None:
            self._exchange(self._revocation(sid), repeatable=True)

    def _look(self, sid: str) -> tuple[Record | None, bool]:
        """Return what is stored under an id, and whether there is a mark for it. In this order, as the class says."""
        ask = Request("mg" if self._tells_ttl else "gets", self._key(sid))
        item, mark = self._exchange(ask, Request("get", self._mark(sid)), repeatable=True)
        return None if item is None else self._record(sid, item), mark is not None

    def _end(self, sid: str) -> bool:
        """Leave or renew the mark, then remove the item; return whether there was one."""
        _, is_removed = self._exchange(self._revocation(sid), Request("delete", self._key(sid)), repeatable=True)
        return bool(is_removed)

    def _revocation(self, sid: str) -> Request:
        return Request("set", self._mark(sid), _expiry(self.whole_seconds(self._mark_lifetime())), b"1")

    def _mark(self, sid: str) -> str:
        return self._key(sid) + ":r"

    def _exchange(self, *requests: Request, repeatable: bool = False) -> list[Any]:
        """Send requests in their order, those that one node gets in a row together; return the answer to each.

        :raises Unavailable: as :meth:`_send`; those before the one that failed were run
        """
        answers: list[Any] = []
        with _errors_as_unavailable():
            for node, together in groupby(requests, lambda request: self._nodes.of(request.key)):
                answers += node.run(methodcaller("exchange", [*together]), repeatable=repeatable)
        return answers


@contextmanager
def _errors_as_unavailable() -> Iterator[None]:
    try:
        yield
    except ERRORS as failure:
        raise Unavailable(
            f"The memcache store cannot be reached, or answered with an error ({type(failure).__name__})."
        ) from without_contents(failure)


def _expiry(seconds: int) -> int:
    """Return a lifetime as memcached takes it: seconds, above a month a date, and -1 for at once."""
    if seconds <= 0:
        return -1
    counted = seconds + _BEGUN_SECOND
    return counted if counted <= _MONTH else min(int(time.time()) + counted, _LAST_DATE)


def _too_large(size: int, limit: int) -> SessionTooLarge:
    return SessionTooLarge(f"The session has {size} bytes; memcached stores up to {limit}.", size=size, limit=limit)


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.memcache"``"""

    provider_class = MemcacheProvider
