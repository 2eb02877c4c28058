"""Sessions in a Couchbase bucket, one document per session under its id, as beego keeps them. Extra: ``couchbase``.

A document is the bytes of the codec, and its CAS is the token of the record: each write, a touch included, gives it a
new one. Each verb is one command of the key-value service, but for a rotation, which is two. How the cluster is
connected to: :mod:`beesession.couchbase_clients`.

Beside a running beego (CODEC ``"gob"``) a document is what beego's driver makes of bytes: a JSON string that holds
their base64. Whatever ends an id leaves the document ``id:r``, its revocation mark;
:class:`SharedCouchbaseProvider` tells what this costs.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured

from beesession import store
from beesession.beego import dsn
from beesession.clients import PerLoop
from beesession.couchbase_clients import AsyncConnection, Opened, SyncConnection, errors, plain
from beesession.couchbase_requests import Look, Operation, count_existing, query, scan
from beesession.exceptions import SessionTooLarge
from beesession.provider import Capabilities, Conflict, Count, Gone, Record, Unavailable
from beesession.sid import Ids
from beesession.stepped import SteppedProvider
from beesession.stepping import Call, directly, run

if TYPE_CHECKING:
    from beesession.conf import Options

T = TypeVar("T")

_LONGEST_KEY = 246
"""Bytes: 250 less those that name a collection."""

_LONGEST_ID = 128

_NO_VERSION = 1
"""A CAS that no document has, to compare with where a record carries none. 0 would mean: whichever."""


class Refusal(Enum):
    """Answers of the server that are part of a verb's result."""

    GONE = "there is no such document"
    CHANGED = "the document has another CAS"
    TAKEN = "there is such a document already"


_REFUSALS = {
    errors.DocumentNotFoundException: Refusal.GONE,
    errors.CasMismatchException: Refusal.CHANGED,
    errors.DocumentExistsException: Refusal.TAKEN,
}


_NO_COLLECTION = "key_value_collection_outdated"
"""Why the SDK repeats a command until it times out."""

_CANNOT_QUERY = (
    errors.FeatureUnavailableException,
    errors.ServiceUnavailableException,
    errors.QueryIndexNotFoundException,
)


class CouchbaseProvider(SteppedProvider):
    """Keeps sessions in one collection of a Couchbase bucket.

    :param config: the cluster, who one is there, and the collection
    :param options: of these KEY_PREFIX, TOUCH_INTERVAL and the id rule
    """

    name = "couchbase"
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=False,
        touch=True,
        gc=False,
        active=True,
        scan=False,
        native_async=True,
        store_expires=True,
        max_bytes=20 * 1024 * 1024,
        max_lifetime=50 * 365 * 24 * 3600,  # an expiry is an unsigned 32-bit Unix time, good until 2106
        shareable=True,
        revokes=True,
    )

    def __init__(self, config: dsn.CouchbaseConfig, options: Options) -> None:
        self._connection = SyncConnection(config)
        self._connections = PerLoop(lambda: AsyncConnection(config), AsyncConnection.close)
        self._config = config
        self._prefix = options.key_prefix
        # What stands behind the prefix: the id, or its SHA-256.
        self._names = Ids(length=32, hex_only=True) if options.hash_keys else self.ids(options)
        self._tells_expiry = options.touch_interval > 0
        self._of_get = {"with_expiry": True} if self._tells_expiry else {}

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> CouchbaseProvider:
        origin = f"{options.source}['PROVIDER_CONFIG']"
        try:
            config = dsn.couchbase(value)
        except dsn.DSNError as error:
            raise ImproperlyConfigured(f"{origin}: {error}") from error
        if not (config.username and config.password):
            raise ImproperlyConfigured(
                f"{origin}: Couchbase lets nobody in without a user and a password; write them into the address, as in "
                "couchbase://user:password@host."
            )
        if config.ca_file is not None and not Path(config.ca_file).is_file():
            raise ImproperlyConfigured(f"{origin}: there is no file {config.ca_file!r} (its key ca_file).")
        left = _LONGEST_KEY - _LONGEST_ID - len(options.id_prefix)
        if len(options.key_prefix.encode()) > left:
            raise ImproperlyConfigured(
                f"{options.source}['KEY_PREFIX'] leaves too little of Couchbase's {_LONGEST_KEY} bytes for a session "
                f"id: {left} bytes are allowed."
            )
        kind = SharedCouchbaseProvider if options.codec == "gob" else cls
        return kind(config, options)

    def close(self) -> None:
        self._connections.close()
        self._connection.close()

    def active(self) -> Count:
        """Count the documents whose keys a range scan lists, or, before Couchbase 7.6, a query, if they still exist."""
        # A listing may take long, but not to find out that nobody is there.
        run(self._send(directly, Operation("exists", (self._key("0" * _LONGEST_ID),), repeatable=True)))
        try:
            keys = self._ask(partial(scan, prefix=self._prefix))
            by = "a range scan, which misses what is not on disk yet"
        except Unavailable as error:
            if not isinstance(error.__cause__, errors.FeatureUnavailableException):
                raise
            try:
                keys = self._ask(partial(query, prefix=self._prefix, config=self._config))
                by = "a query, whose index may lag behind"
            except Unavailable as error:
                if not isinstance(error.__cause__, _CANNOT_QUERY):
                    raise
                return Count(None, "not counted: it takes Couchbase 7.6, or a primary index and the query service")
        where = "KEY_PREFIX and a session id" if self._prefix else "a session id"
        blind = "" if self._prefix else "; without KEY_PREFIX, other data under such a key is counted as well"
        number = self._ask(partial(count_existing, keys=self._sessions_of(keys)))
        return Count(number, f"counted by {by}: the documents whose key has the form of {where}{blind}")

    # The steps ------------------------------------------------------------------------------------------

    async def _read(self, call: Call, sid: str) -> Record | None:
        found = await self._send(call, Operation("get", (self._key(sid),), self._of_get))
        return None if found is Refusal.GONE else self._record(sid, found)

    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None:
        document = self._document(data)
        seconds = self.whole_seconds(lifetime)
        if seconds <= 0:
            found = await self._send(call, Operation("exists", (self._key(sid),), repeatable=True))
            return None if found.exists else Record(data, sid=sid, remaining=seconds)
        stored = await self._send(call, Operation("insert", (self._key(sid), document), _expiring(seconds)))
        return None if stored is Refusal.TAKEN else Record(data, stored.cas, sid, seconds)

    async def _swap(self, call: Call, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        document = self._document(data)
        seconds = self.whole_seconds(lifetime)
        if seconds <= 0:
            await self._end(call, sid, record)
            return Record(data, sid=sid, remaining=seconds)
        stored = await self._replace(call, sid, record, document, seconds)
        return Record(data, stored.cas, sid, seconds)

    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        if seconds <= 0:
            # Sent once: a repetition would not find what the first one has removed.
            _demand_done(await self._send(call, Operation("remove", (self._key(sid),))))
            return replace(record, sid=sid, remaining=seconds)
        # The data has to come back, too: the new CAS is that of what is there now, which another may have written.
        operation = Operation("get_and_touch", (self._key(sid), timedelta(seconds=seconds)), repeatable=True)
        found = _demand_done(await self._send(call, operation))
        return Record(self._data(found.value), found.cas, sid, seconds)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        """Store under the new id first, then remove the old document if it is still the one that was read.

        Whoever removes it has rotated it. The others take back what they stored, and so does who cannot know: as long
        as the new id has been told to nobody, that leaves one id at most.
        """
        moved = None
        try:
            moved = await self._create(call, new_sid, data, lifetime)
            if moved is not None:
                await self._end(call, sid, record)
        except (Conflict, Gone, Unavailable, asyncio.CancelledError):
            await self._take_back(call, moved or Record(data, sid=new_sid))
            raise
        if moved is None:
            raise Conflict
        return moved

    async def _destroy(self, call: Call, sid: str) -> bool:
        removed = await self._send(call, Operation("remove", (self._key(sid),), repeatable=True))
        return removed is not Refusal.GONE

    # ----------------------------------------------------------------------------------------------------

    async def _replace(self, call: Call, sid: str, record: Record, document: bytes, seconds: int) -> Any:
        options = {"cas": record.token or _NO_VERSION, **_expiring(seconds)}
        return _demand_done(await self._send(call, Operation("replace", (self._key(sid), document), options)))

    async def _end(self, call: Call, sid: str, record: Record) -> None:
        """Remove the document if it is still this record: the session is over, or has another id."""
        await self._remove(call, sid, record)

    async def _remove(self, call: Call, sid: str, record: Record) -> None:
        """Remove the document if it is still this record."""
        options = {"cas": record.token or _NO_VERSION}
        _demand_done(await self._send(call, Operation("remove", (self._key(sid),), options)))

    async def _take_back(self, call: Call, record: Record) -> None:
        # Should that fail as well, the document expires by itself, under an id that nobody was told.
        with suppress(Unavailable, Conflict, Gone):
            if record.token is None:
                found = await self._read(call, record.sid)
                if found is None or found.data != record.data:
                    return
                record = found
            await self._remove(call, record.sid, record)

    def _key(self, sid: str) -> str:
        return self._prefix + sid

    def _names_a_session(self, key: str) -> bool:
        return self._names.accepts(key[len(self._prefix) :])

    def _sessions_of(self, keys: list[str]) -> list[str]:
        return [key for key in keys if self._names_a_session(key)]

    def _record(self, sid: str, found: Any) -> Record:
        expiry = found.expiry_time if self._tells_expiry else None
        # A document that beego stored with a lifetime of 0 has no expiry.
        remaining = None if expiry is None else expiry.timestamp() - time.time()
        return Record(self._data(found.value), found.cas, sid, remaining)

    def _document(self, data: bytes) -> bytes:
        """Return the document of a session.

        :raises SessionTooLarge: Couchbase would not store it
        """
        document, limit = self._form(data), cast(int, self.capabilities.max_bytes)
        if len(document) > limit:
            raise SessionTooLarge(
                f"The session has {len(document)} bytes; Couchbase stores up to {limit}.",
                size=len(document),
                limit=limit,
            )
        return document

    def _form(self, data: bytes) -> bytes:
        return data

    def _data(self, document: bytes) -> bytes:
        return document

    async def _send(self, call: Call, operation: Operation | Look) -> Any:
        """Run an operation and return the result, or a Refusal; a second time only where that does no harm.

        The SDK itself repeats what the server refused for the moment, or what only reads, within its timeout.

        :raises Unavailable: the cluster cannot be reached, answered with an error, or its reply was lost
        """
        opened = await self._open(call)
        tries = 2 if operation.repeatable else 1
        while True:
            tries -= 1
            try:
                return await call(operation.run, operation.arun, opened)
            except errors.CouchbaseException as error:
                failure = plain(error)
            if type(failure) in _REFUSALS:
                return _REFUSALS[type(failure)]
            # The connection broke, and it is unknown whether the command has run.
            if not (isinstance(failure, errors.RequestCanceledException) and tries):
                raise self._unavailable(failure) from failure

    def _ask(self, question: Callable[[Opened], T]) -> T:
        opened = run(self._open(directly))
        try:
            return question(opened)
        except errors.CouchbaseException as error:
            failure = plain(error)
        raise self._unavailable(failure) from failure

    async def _open(self, call: Call) -> Opened:
        try:
            return await call(self._connection.get, self._aconnection)
        except errors.CouchbaseException as error:
            failure = plain(error)
        locked_out = isinstance(failure, errors.AuthenticationException)
        check = "the user and the password" if locked_out else "the address, the bucket, and with TLS ca_file"
        kind = type(failure).__name__
        raise Unavailable(f"{self.name} is out of reach ({kind}): check {check} in PROVIDER_CONFIG") from failure

    def _unavailable(self, failure: Exception) -> Unavailable:
        hint = ""
        if isinstance(failure, errors.AuthenticationException):
            hint = " Check the user's rights on the bucket."
        elif _NO_COLLECTION in str(failure):
            hint = " Check the scope and the collection in PROVIDER_CONFIG."
        kind = type(failure).__name__
        return Unavailable(f"The {self.name} store cannot be reached, or answered with an error ({kind}).{hint}")

    async def _aconnection(self) -> Opened:
        return await (await self._connections.get()).get()


class SharedCouchbaseProvider(CouchbaseProvider):
    """The same beside a running beego: its documents have beego's form, and it goes by revocation marks.

    A read asks for the document and its mark at once. The SDK's sync half cannot do so where TOUCH_INTERVAL needs the
    expiry; there, and in a touch and a creation, one round trip follows the other. So it is in a destroy, which leaves
    the mark before it removes. What ends a session only if it has not changed (a rotation, a swap without a lifetime)
    leaves it afterwards: a mark that comes first would end the session of who wins.

    A swap sends nothing more. Its token was read while there was no mark, so it is of a time before the end, and what
    beego has stored since has another. Only if all of an end and of beego's save came between the two halves of one
    read, a swap can still change what was revived; it stays revoked. A rotation, which would not, looks first.
    """

    def __init__(self, config: dsn.CouchbaseConfig, options: Options) -> None:
        super().__init__(config, options)
        self._mark_lifetime = options.mark_lifetime

    async def _read(self, call: Call, sid: str) -> Record | None:
        found, mark = await self._send(call, Look((self._key(sid), self._mark(sid)), self._of_get))
        if found is None:
            return None
        if mark is not None:
            await self._destroy(call, sid)
            return None
        return self._record(sid, found)

    async def _create(self, call: Call, sid: str, data: bytes, lifetime: float) -> Record | None:
        if await self._is_revoked(call, sid):
            return None
        return await super()._create(call, sid, data, lifetime)

    async def _touch(self, call: Call, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        if seconds > 0:
            touched = await super()._touch(call, sid, record, lifetime)
            if await self._is_revoked(call, sid):
                raise Gone
            return touched
        if await self._is_revoked(call, sid) or not await self._destroy(call, sid):
            raise Gone
        return replace(record, sid=sid, remaining=seconds)

    async def _regenerate(
        self, call: Call, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float
    ) -> Record:
        # A swap of what was revived stays revoked. Under a new id it would not.
        if await self._is_revoked(call, sid):
            raise Gone
        return await super()._regenerate(call, sid, new_sid, record, data, lifetime)

    async def _destroy(self, call: Call, sid: str) -> bool:
        await self._revoke(call, sid)
        return await super()._destroy(call, sid)

    # ----------------------------------------------------------------------------------------------------

    async def _replace(self, call: Call, sid: str, record: Record, document: bytes, seconds: int) -> Any:
        try:
            return await super()._replace(call, sid, record, document, seconds)
        except Conflict:
            raise await self._loss(call, sid) from None

    async def _end(self, call: Call, sid: str, record: Record) -> None:
        try:
            await super()._end(call, sid, record)
            await self._revoke(call, sid)
        except Conflict:
            raise await self._loss(call, sid) from None
        except (Unavailable, asyncio.CancelledError):
            with suppress(Unavailable):
                await self._revoke_if_gone(call, sid)
            raise

    async def _revoke_if_gone(self, call: Call, sid: str) -> None:
        """Leave the mark of an id whose end came half way, if its document did go: beego could bring it back."""
        found = await self._send(call, Operation("exists", (self._key(sid),), repeatable=True))
        if not found.exists:
            await self._revoke(call, sid)

    async def _loss(self, call: Call, sid: str) -> Conflict | Gone:
        """Return what to tell whoever's record is no longer there: it may have been revived, and not changed."""
        current = await self._read(call, sid)
        return Gone() if current is None else Conflict(current)

    async def _revoke(self, call: Call, sid: str) -> None:
        seconds = self.whole_seconds(self._mark_lifetime())
        await self._send(call, Operation("upsert", (self._mark(sid), b"1"), _expiring(seconds), repeatable=True))

    async def _is_revoked(self, call: Call, sid: str) -> bool:
        """Return whether an id has a mark; then what beego has stored since is removed, and the mark renewed."""
        mark = await self._send(call, Operation("exists", (self._mark(sid),), repeatable=True))
        if mark.exists:
            await self._destroy(call, sid)
        return bool(mark.exists)

    def _mark(self, sid: str) -> str:
        return self._key(sid) + ":r"

    def _sessions_of(self, keys: list[str]) -> list[str]:
        listed = set(keys)
        return [key for key in super()._sessions_of(keys) if key + ":r" not in listed]

    def _form(self, data: bytes) -> bytes:
        return b'"' + base64.b64encode(data) + b'"'

    def _data(self, document: bytes) -> bytes:
        """Return the bytes of a session; of a document that holds none, bytes that no codec takes for one."""
        if document == b"null":
            return b""  # so beego reads it
        if document[:1] == b'"':
            with suppress(ValueError):
                return base64.b64decode(json.loads(document.decode("ascii")), validate=True)
        return document or b"?"  # nothing at all would be an empty session


def _expiring(seconds: int) -> dict[str, Any]:
    # What a write does not say about the expiry, it removes.
    return {"expiry": timedelta(seconds=seconds)}


def _demand_done(answer: Any) -> Any:
    if answer is Refusal.GONE:
        raise Gone
    if answer is Refusal.CHANGED:
        raise Conflict
    return answer


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.couchbase"``"""

    provider_class = CouchbaseProvider
