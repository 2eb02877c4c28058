"""Sessions as files, in the two-level layout of beego: ``root/<first character>/<second character>/<id>``.

A file holds the data and nothing else; its modification time is the moment of expiry less ``LIFETIME``, so that beego's
own rule (last use + lifetime) comes to the same moment, and ``set_expiry()`` holds. A record is replaced by renaming a
complete file over it: readers take no lock and see the old record or the new one. Writers hold one of 64 locks.

The locks (:mod:`beesession.filelocks`), and the files that are still being written, are in a folder beside the root,
named like it with ``.lock`` at the end, since beego takes each file under the root for a session. A relative root
starts at ``BASE_DIR``, else at the working directory. All processes of a site must see the root at the same path, and
run as the same user.

Nothing is flushed to the disk by force: after a power cut the last seconds may be missing.

Beside a running beego (CODEC ``"gob"``) whatever ends an id leaves its revocation mark in the folder of the locks.
beego takes none of these locks, and writes in place: it empties the file, then fills it. So a reader looks again at
what may be half of a file. Each read by beego moves the modification time to now, so that the session then lives for
one LIFETIME from there, whatever ``set_expiry()`` said. beego has to run as the same user: what it makes is closed to
the writes of others, and what we make to all.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from beesession import store
from beesession.beego import dsn
from beesession.filelocks import DIRECTORY, NOFOLLOW, SUPPORTED, Draft, Locks, make_folder, opened
from beesession.provider import Capabilities, Conflict, Count, Gone, Provider, Record, Sweep, Unavailable
from beesession.sid import Ids

if TYPE_CHECKING:
    from beesession.conf import Options

_FILE = os.O_RDONLY | NOFOLLOW | getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for its writer

LOOK_AGAIN = 0.05
"""Seconds to wait for beego to fill a file that it has emptied."""

_PAUSE = 0.002
_PAGE = 4096  # at a multiple of this, nothing included, ends what has been written of a file that is not complete
_AT_REST = 1.0  # seconds after which nobody is writing it any more

# Why a folder beside the root may be of no use, while one within it may be.
_NOT_BESIDE = frozenset({errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS})


class FileProvider(Provider):
    """A directory of session files.

    :param root: the absolute path of that directory, which must exist
    :param locks: the absolute path of the folder of locks, which must exist, on the same file system
    :param lifetime: returns LIFETIME, the seconds between a file's modification time and its expiry
    :param ids: the names that are session files; any other file is left alone
    :param mark_lifetime: returns the seconds that a revocation mark lives; None: no running beego uses the same files
    """

    name = "file"
    capabilities = Capabilities(
        swap=True,
        atomic_rotation=True,
        touch=True,
        gc=True,
        active=True,
        scan=False,
        native_async=False,
        store_expires=False,
        max_bytes=None,
        max_lifetime=None,
        shareable=True,
        revokes=True,
    )

    def __init__(
        self,
        root: str,
        locks: str,
        lifetime: Callable[[], float],
        ids: Ids,
        *,
        mark_lifetime: Callable[[], float] | None = None,
    ) -> None:
        self.root = root
        self.locks = Locks(locks)
        self._lifetime = lifetime
        self._ids = ids
        self._mark_lifetime = mark_lifetime
        self._gc_lock = threading.Lock()
        self._walks: dict[bool, Iterator[str]] = {}  # by dry_run: where the last gc stopped

    @classmethod
    def from_config(cls, value: str | Mapping[str, Any], options: Options) -> FileProvider:
        """Return a provider, its directory made if it was missing; an empty value stands for SESSION_FILE_PATH."""
        if not SUPPORTED:
            raise ImproperlyConfigured("SESSION_ENGINE: the file engine needs POSIX file locks; choose another engine.")
        key = f"{options.source}['PROVIDER_CONFIG']"
        if options.key_prefix:
            raise ImproperlyConfigured(
                f"{options.source}['KEY_PREFIX'] must be empty for the file engine: its directory is not shared."
            )
        root = session_root(value, key)
        try:
            locks = _make_folders(root)
        except OSError as error:
            raise ImproperlyConfigured(
                f"{key}: {root} must be a directory that this process can read and write: {error.strerror}."
            ) from error
        ids = Ids(hex_only=True) if options.hash_keys else options.ids
        marks = options.mark_lifetime if options.codec == "gob" else None
        return cls(root, locks, options.store_lifetime, ids, mark_lifetime=marks)

    def close(self) -> None:
        with self._gc_lock:
            self._walks.clear()

    def read(self, sid: str) -> Record | None:
        with _outages():
            try:
                with self._shelf(sid) as shelf:
                    record = self._find(shelf, sid)
                    # In this order: a mark is there before its record is removed.
                    if not self._is_revoked(sid):
                        return record
                    with self.locks.hold(sid) as draft:
                        self._bury(draft, shelf, sid)
                    return None
            except Gone:
                # With the locks inside the root, an empty mount point must not pass for an empty store.
                os.stat(self.locks.folder)
                return None

    def create(self, sid: str, data: bytes, lifetime: float) -> Record | None:
        seconds = self.whole_seconds(lifetime)
        with _outages(), self.locks.hold(sid) as draft, self._shelf(sid, make=True) as shelf:
            if self._is_taken(draft, shelf, sid):
                return None
            if seconds > 0:
                draft.write(data, self._times(seconds))
                draft.publish(shelf, sid)
        return Record(data, sid=sid, remaining=seconds)

    def swap(self, sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        with self._changing(sid) as (draft, shelf):
            self._compare(shelf, sid, record)
            if seconds > 0:
                draft.write(data, self._times(seconds))
                draft.publish(shelf, sid)
            else:
                self._revoke(draft, sid)
                self._remove(shelf, sid)
        return Record(data, sid=sid, remaining=seconds)

    def touch(self, sid: str, record: Record, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        with self._changing(sid) as (draft, shelf):
            self._demand(shelf, sid)
            if seconds > 0:
                os.utime(sid, self._times(seconds), dir_fd=shelf, follow_symlinks=False)
            else:
                self._revoke(draft, sid)
                self._remove(shelf, sid)
        # The caller's data, whatever another request has stored meanwhile: its next swap has to notice that.
        return replace(record, sid=sid, remaining=seconds)

    def regenerate(self, sid: str, new_sid: str, record: Record, data: bytes, lifetime: float) -> Record:
        seconds = self.whole_seconds(lifetime)
        with self._changing(sid, new_sid) as (draft, shelf):
            self._compare(shelf, sid, record)
            if seconds > 0:
                with self._shelf(new_sid, make=True) as new_shelf:
                    if self._is_taken(draft, new_shelf, new_sid):
                        raise Conflict
                    # What may fail for want of room comes first. In this order the old id never opens the new data,
                    # not even if the process dies in between.
                    draft.write(data, self._times(seconds))
                    self._revoke(draft, sid)
                    try:
                        os.rename(sid, new_sid, src_dir_fd=shelf, dst_dir_fd=new_shelf)
                    except OSError:
                        self._restore(draft, sid)
                        raise
                    draft.publish(new_shelf, new_sid)
            elif self._is_revoked(new_sid):
                raise Conflict
            else:
                self._revoke(draft, sid)
                self._remove(shelf, sid)
        return Record(data, sid=new_sid, remaining=seconds)

    def destroy(self, sid: str) -> bool:
        with _outages():
            try:
                with self.locks.hold(sid) as draft:
                    self._revoke(draft, sid)
                    with self._shelf(sid) as shelf:
                        self._demand(shelf, sid)
                        self._remove(shelf, sid)
            except Gone:
                return False
            return True

    def gc(self, limit: int, *, dry_run: bool = False) -> Sweep:
        """As the contract says. What a crash left of unfinished writes, and old marks, go, too, and are not counted."""
        with self._gc_lock, _outages():
            walk = self._walks.pop(dry_run, None) or self._expired()
            seen = removed = 0
            for sid in islice(walk, limit):
                seen += 1
                removed += dry_run or self._collect(sid)
            if seen == limit:
                self._walks[dry_run] = walk
            elif not dry_run:
                self.locks.tidy()
            return Sweep(removed, finished=seen < limit)

    def active(self) -> Count:
        with _outages():
            number = sum(remaining > 0 and not self._is_revoked(sid) for sid, remaining in self._files())
        return Count(number, "each session file that has not expired was counted; other files were left out")

    # In what follows a shelf is the open directory that has the file of an id. --------------------------------

    @contextmanager
    def _changing(self, sid: str, *more: str) -> Iterator[tuple[Draft, int]]:
        """Hold the lock of an id, and of more of them; yield the draft, and the shelf of the first.

        :raises Gone: the id is revoked; what beego has stored under it since is removed
        """
        with _outages(), self.locks.hold(sid, *more) as draft, self._shelf(sid) as shelf:
            if self._is_revoked(sid):
                self._bury(draft, shelf, sid)
                raise Gone
            yield draft, shelf

    def _is_revoked(self, sid: str) -> bool:
        return self._mark_lifetime is not None and self.locks.is_marked(sid)

    def _revoke(self, draft: Draft, sid: str) -> None:
        """Leave the mark of an id that ends, where there are marks. It comes before what it is for."""
        self._demand_id(sid)
        if self._mark_lifetime is not None:
            draft.publish_mark(sid, self._mark_lifetime())

    def _restore(self, draft: Draft, sid: str) -> None:
        """Take the mark of an id back that has not ended after all."""
        if self._mark_lifetime is not None:
            draft.take_mark_back(sid)

    def _bury(self, draft: Draft, shelf: int, sid: str) -> None:
        """Remove what beego has stored under a revoked id, if there is any, and let the mark begin anew."""
        with suppress(Gone):
            self._status(shelf, sid)
            self._revoke(draft, sid)
            self._remove(shelf, sid)

    def _demand_id(self, sid: str) -> None:
        if not self._ids.accepts(sid):
            raise ValueError("the file engine was given what is no session id of this site")

    @contextmanager
    def _shelf(self, sid: str, *, make: bool = False) -> Iterator[int]:
        """Open the shelf of an id, through no symbolic link below the root.

        :raises Gone: there is no such directory, and none is to be made
        """
        self._demand_id(sid)
        with ExitStack() as stack:
            at = stack.enter_context(opened(self.root, DIRECTORY))
            for character in sid[:2]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(character, 0o700, dir_fd=at)
                with _missing_is_gone():
                    at = stack.enter_context(opened(character, DIRECTORY, at))
            yield at

    def _find(self, shelf: int, sid: str, more: float = 0) -> Record:
        """Return the live record, or raise Gone; give beego so many seconds more than a reader does."""
        until = time.monotonic() + LOOK_AGAIN + more
        while True:
            with _missing_is_gone(), opened(sid, _FILE, shelf) as found:
                before = os.fstat(found)
                remaining = self._remaining(before)
                if remaining <= 0:
                    raise Gone
                with open(found, "rb", closefd=False) as file:
                    data = file.read()
                # Our own files are complete as soon as they have a name.
                if (
                    self._mark_lifetime is None
                    or _is_complete(data, before, os.fstat(found))
                    or time.monotonic() > until
                ):
                    return Record(data, sid=sid, remaining=remaining)
            time.sleep(_PAUSE)

    def _demand(self, shelf: int, sid: str) -> None:
        """Raise Gone unless there is a live record; its data is not read."""
        if self._remaining(self._status(shelf, sid)) <= 0:
            raise Gone

    @staticmethod
    def _status(shelf: int, sid: str) -> os.stat_result:
        with _missing_is_gone():
            return os.stat(sid, dir_fd=shelf, follow_symlinks=False)

    @staticmethod
    def _remove(shelf: int, sid: str) -> None:
        with _missing_is_gone():
            os.unlink(sid, dir_fd=shelf)

    def _is_taken(self, draft: Draft, shelf: int, sid: str) -> bool:
        if self._is_revoked(sid):
            self._bury(draft, shelf, sid)
            return True
        try:
            self._demand(shelf, sid)
        except Gone:
            return False
        return True

    def _compare(self, shelf: int, sid: str, record: Record) -> None:
        current = self._find(shelf, sid)
        if not current.data and not record.data:
            # Where it was only emptied, what the caller read as an empty session was none.
            current = self._find(shelf, sid, _AT_REST)
        if current.data != record.data:
            raise Conflict(current)

    def _remaining(self, status: os.stat_result) -> float:
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "something that is no regular file lies where a session file belongs")
        return status.st_mtime + self._lifetime() - time.time()

    def _times(self, seconds: int) -> tuple[float, float]:
        """Return the access and modification times of a file that is to expire in so many seconds."""
        now = time.time()
        return now, now + seconds - self._lifetime()

    def _files(self) -> Iterator[tuple[str, float]]:
        """Yield the id of each session file and the seconds that it has left. Memory stays flat."""
        with opened(self.root, DIRECTORY) as root:
            for first, outer in _shelves(root):
                for second, shelf in _shelves(outer):
                    with os.scandir(shelf) as entries:
                        for entry in entries:
                            if not (entry.name.startswith(first + second) and self._ids.accepts(entry.name)):
                                continue
                            with suppress(Gone):  # removed since the directory was read
                                status = self._status(shelf, entry.name)
                                if stat.S_ISREG(status.st_mode):
                                    yield entry.name, self._remaining(status)

    def _expired(self) -> Iterator[str]:
        return (sid for sid, remaining in self._files() if remaining <= 0)

    def _collect(self, sid: str) -> bool:
        """Remove the file of an expired record, unless it has been replaced since it was found expired."""
        try:
            with self.locks.hold(sid), self._shelf(sid) as shelf:
                is_expired = self._remaining(self._status(shelf, sid)) <= 0
                if is_expired:
                    self._remove(shelf, sid)
                return is_expired
        except Gone:
            return False  # another process was faster


class SessionStore(store.SessionStore):
    """``SESSION_ENGINE = "beesession.engines.file"``"""

    provider_class = FileProvider


@contextmanager
def _outages() -> Iterator[None]:
    """Let what the system reports out as Unavailable, without the name of the file, which is a session id."""
    try:
        yield
    except OSError as error:
        del error.filename, error.filename2
        raise Unavailable(f"The session files cannot be used: {error.strerror}.") from error


def _is_complete(data: bytes, before: os.stat_result, after: os.stat_result) -> bool:
    """Return whether a file was read as a whole: it did not change meanwhile, and does not look half written."""
    was_still = before.st_mtime_ns == after.st_mtime_ns and before.st_size == after.st_size == len(data)
    # The time of the last change of any kind, which nobody can set as he likes.
    return was_still and (len(data) % _PAGE != 0 or abs(time.time() - after.st_ctime) > _AT_REST)


@contextmanager
def _missing_is_gone() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Gone from None


def _shelves(directory: int) -> Iterator[tuple[str, int]]:
    """Yield the name of each subdirectory that beego's layout has, and the subdirectory itself, opened."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if len(entry.name) == 1 and entry.is_dir(follow_symlinks=False):
                with opened(entry.name, DIRECTORY, directory) as shelf:
                    yield entry.name, shelf


def session_root(value: str | Mapping[str, Any], key: str) -> str:
    """Return the absolute path of the directory that the configuration names."""
    try:
        path = dsn.file(value).path if value else settings.SESSION_FILE_PATH
        if not path:
            raise ValueError("it must name the directory for the session files (or set SESSION_FILE_PATH).")
        root = os.path.realpath(os.path.join(getattr(settings, "BASE_DIR", ""), path))
    except ValueError as error:  # a DSNError, too, and a NUL in a path
        raise ImproperlyConfigured(f"{key}: {error}") from error
    if root == os.path.dirname(root):
        raise ImproperlyConfigured(f"{key}: the root of the file system is no directory for session files.")
    return root


def _make_folders(root: str) -> str:
    """Make the root and the folder of its locks where they are missing; return the path of the latter.

    The locks lie within the root where beside it is another file system, or a directory that this process may not
    write to. Once they lie there they stay, so that all processes use the same.

    :raises OSError: one of them cannot be made, read or written to
    """
    if os.path.lexists(root) and not os.path.isdir(root):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")
    os.makedirs(root, 0o700, exist_ok=True)
    with os.scandir(root):
        pass  # it can be read
    within = os.path.join(root, ".lock")
    if not os.path.lexists(within) and not os.path.ismount(root):
        beside = root + ".lock"
        try:
            make_folder(beside, root)
        except OSError as error:
            if error.errno not in _NOT_BESIDE:
                raise
        else:
            return beside
    make_folder(within, root)
    return within
