"""Locks that processes share through a folder, and the drafts that their holders may write. Pure; imports no Django.

The locks are files in that folder, 64 in all, so that their number does not grow with the sessions; the name of what
is to be locked selects one of them. What a holder prepares is a draft in the same folder, one for each lock, until it
is complete and gets a place and a name of its own in one step.

The folder also keeps the revocation marks of names that are not to be used again for a while: a file ``revoked-NAME``
each, of one byte, whose modification time is the moment at which the mark is over.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

SUPPORTED = fcntl is not None
"""Whether this platform has file locks."""

STRIPES = 64
TIMEOUT = 5.0
"""Seconds to wait for a lock."""

NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
DIRECTORY = os.O_RDONLY | NOFOLLOW | getattr(os, "O_DIRECTORY", 0)
"""Flags to open a directory with, and nothing that leads to one."""

_LOCK = os.O_RDWR | os.O_CREAT | NOFOLLOW
_MARK = "revoked-"


@contextmanager
def opened(path: str, flags: int, dir_fd: int | None = None) -> Iterator[int]:
    """Open a file or directory, and close it afterwards. What this creates is private to its owner."""
    descriptor = os.open(path, flags, 0o600, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_folder(folder: str, root: str) -> None:
    """Make a folder of locks where it is missing, and make sure that its drafts can become files below ``root``.

    :raises OSError: it cannot be made or used, is on another file system, or belongs to somebody else
    """
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in {os.geteuid(), os.stat(root).st_uid}:
        raise FileExistsError(errno.EEXIST, f"{folder} must be a directory of the same owner")
    # A directory, since beego counts files; of one name, so that a process that dies here leaves nothing that stays.
    probe, place = tempfile.mkdtemp(dir=folder), os.path.join(root, ".probe")
    try:
        os.rename(probe, place)
    except OSError:
        os.rmdir(probe)
        raise
    with suppress(FileNotFoundError):  # another process that starts now has removed it
        os.rmdir(place)
    # All at once: a command that another user runs later must not be the one that owns some of them.
    with opened(folder, DIRECTORY) as directory:
        for number in range(STRIPES):
            with opened(_lock_name(number), _LOCK, directory):
                pass


class Draft:
    """A file that is complete and in its place, or does not exist. One may follow another."""

    def __init__(self, folder: int, number: int) -> None:
        self._folder = folder
        self._name, self._mark_name = _draft_names(number)

    def write(self, data: bytes, times: tuple[float, float]) -> None:
        """Write all of it, with these access and modification times in Unix seconds."""
        self._write(self._name, data, times)

    def _write(self, name: str, data: bytes, times: tuple[float, float]) -> None:
        with suppress(FileNotFoundError):  # a writer that died may have left one
            os.unlink(name, dir_fd=self._folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW
        with opened(name, flags, self._folder) as descriptor:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.utime(descriptor, times)

    def publish(self, directory: int, name: str) -> None:
        """Give it a place and a name, in one step; a file of that name is replaced, and none is followed."""
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=directory)

    def publish_mark(self, name: str, seconds: float) -> None:
        """Leave the revocation mark of a name for so many seconds from now, or let the one that is there begin anew.

        What has been written stays the draft that it is.
        """
        over = time.time() + seconds
        self._write(self._mark_name, b"1", (over, over))
        os.rename(self._mark_name, _MARK + name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def take_mark_back(self, name: str) -> None:
        """Remove the revocation mark of a name."""
        os.unlink(_MARK + name, dir_fd=self._folder)

    def discard(self) -> None:
        """Remove it, and what there is of a mark, if there is any."""
        for name in (self._name, self._mark_name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)


class Locks:
    """The locks in one folder.

    :param folder: the absolute path of a folder that :func:`make_folder` has made
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @contextmanager
    def hold(self, *names: str) -> Iterator[Draft]:
        """Hold the locks of these names, and yield the draft that may be written meanwhile.

        :raises TimeoutError: others held one of them for :data:`TIMEOUT` seconds
        :raises OSError: the folder is gone or cannot be used
        """
        with self._hold({zlib.crc32(name.encode()) % STRIPES for name in names}) as draft:
            yield draft

    def is_marked(self, name: str) -> bool:
        """Return whether a name has a revocation mark that is not over. Takes no lock.

        :raises OSError: the folder is gone, and all marks with it
        """
        try:
            return os.lstat(os.path.join(self.folder, _MARK + name)).st_mtime > time.time()
        except FileNotFoundError:
            os.stat(self.folder)
            return False

    def tidy(self) -> None:
        """Remove the drafts of writers that died, and the marks that are over.

        Whoever holds the lock of a draft knows that nobody is writing it, and who holds that of a name, that nobody
        makes its mark begin anew.
        """
        found = set(os.listdir(self.folder))
        for number in range(STRIPES):
            if not found.isdisjoint(_draft_names(number)):
                with self._hold({number}) as draft:
                    draft.discard()
        for name in (each.removeprefix(_MARK) for each in found if each.startswith(_MARK)):
            if not self.is_marked(name):
                with self.hold(name):
                    if not self.is_marked(name):
                        with suppress(FileNotFoundError):
                            os.unlink(os.path.join(self.folder, _MARK + name))

    @contextmanager
    def _hold(self, numbers: set[int]) -> Iterator[Draft]:
        deadline = time.monotonic() + TIMEOUT
        with ExitStack() as stack:
            folder = stack.enter_context(opened(self.folder, DIRECTORY))
            for number in sorted(numbers):  # in one order, or two holders of two locks could wait for each other
                stack.enter_context(_locked(folder, _lock_name(number), deadline))
            draft = Draft(folder, min(numbers))
            try:
                yield draft
            except BaseException:
                draft.discard()
                raise


def _lock_name(number: int) -> str:
    return f"{number:02x}"


def _draft_names(number: int) -> tuple[str, str]:
    """Return the names of a draft and of a mark that is being written."""
    return f"{number:02x}.draft", f"{number:02x}.mark"


@contextmanager
def _locked(folder: int, name: str, deadline: float) -> Iterator[None]:
    while True:
        # Opened anew each time: a lock belongs to the open file, which threads and forks would share.
        with opened(name, _LOCK, folder) as lock:
            _acquire(lock, deadline)
            try:
                # beego's collector, which may see this folder, removes what looks old. A lock that is held must look
                # new, and one that has been removed before it was acquired holds off nobody.
                os.utime(lock)
                if os.fstat(lock).st_nlink:
                    yield
                    return
            finally:
                # By hand: a fork in another thread may have copied the descriptor, so that closing ours is not enough.
                fcntl.flock(lock, fcntl.LOCK_UN)


def _acquire(lock: int, deadline: float) -> None:
    pause = 0.0002
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, "a lock was not free in time") from None
        time.sleep(pause)
        pause = min(2 * pause, 0.01)
