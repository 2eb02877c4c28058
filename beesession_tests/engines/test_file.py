"""The file engine: its layout, its locks and its disk. What every engine must do is tested in ``contract``."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from beesession import filelocks
from beesession.conf import Options
from beesession.engines import file
from beesession.engines.file import FileProvider, SessionStore
from beesession.provider import Conflict, Gone, Record, Sweep, Unavailable
from beesession.sid import Ids
from beesession.store import SessionStore as AnyStore

T = TypeVar("T")

HOUR = 3600
LIFETIME = 1000
FORK = multiprocessing.get_context("fork")
NOBODY = 65534
SID = "ab" + "0" * 30
NEW_SID = "cd" + "1" * 30

# The test process may have threads of earlier tests; the children do not use them.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def made(root: Path, **options: Any) -> FileProvider:
    return FileProvider.from_config(str(root), Options.from_mapping({"LIFETIME": LIFETIME, **options}))


def place(root: Path, sid: str) -> Path:
    return root / sid[0] / sid[1] / sid


def stored(provider: FileProvider, sid: str = SID, data: bytes = b"data", lifetime: float = HOUR) -> Record:
    record = provider.create(sid, data, lifetime)
    assert record is not None
    return record


def expire(root: Path, sid: str) -> None:
    """Make the record look as if it had expired a minute ago."""
    moment = time.time() - LIFETIME - 60
    os.utime(place(root, sid), (moment, moment))


def data_of(provider: FileProvider, sid: str) -> bytes | None:
    record = provider.read(sid)
    return None if record is None else record.data


def everything_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def opened(root: Path) -> list[str]:
    """Return the paths at and below a directory that this process holds open."""
    held = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that the listing itself has used
            held.append(os.readlink(f"/proc/self/fd/{number}"))
    return [path for path in held if Path(path).is_relative_to(root.resolve())]


def drafts(root: Path) -> list[str]:
    return [path.name for path in Path(f"{root}.lock").iterdir() if path.suffix]


def at_once(work: Callable[[int], T], processes: int) -> list[T]:
    """Call ``work`` with 0, 1, 2, ... in as many processes, all let go together; return what they returned."""
    start, results = FORK.Barrier(processes), FORK.Queue()

    def child(number: int) -> None:
        try:
            start.wait(30)
            results.put((work(number), None))
        except BaseException:
            results.put((None, traceback.format_exc()))

    children = [FORK.Process(target=child, args=(number,)) for number in range(processes)]
    for process in children:
        process.start()
    answers = [results.get(timeout=60) for _ in children]
    for process in children:
        process.join(30)
    errors = [error for _, error in answers if error is not None]
    assert not errors, errors[0]
    return [answer for answer, _ in answers]


def as_nobody(work: Callable[[], T]) -> T:
    """Call ``work`` in a process that file modes do bind, unlike one of the superuser."""

    def child(number: int) -> T:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return work()

    return at_once(child, 1)[0]


def killed_after(milliseconds: int, step: Callable[[FileProvider], object], root: Path) -> None:
    """Let a process repeat ``step`` without end, and kill it in the middle of that."""
    started = FORK.Event()

    def child() -> None:
        provider = made(root)
        step(provider)
        started.set()
        while True:
            step(provider)

    process = FORK.Process(target=child)
    process.start()
    assert started.wait(30)
    time.sleep(milliseconds / 1000)
    assert process.is_alive()
    process.kill()
    process.join(10)


VERBS: dict[str, Callable[[FileProvider], object]] = {
    "read": lambda provider: provider.read(SID),
    "create": lambda provider: provider.create(SID, b"data", HOUR),
    "swap": lambda provider: provider.swap(SID, Record(b"data"), b"mine", HOUR),
    "touch": lambda provider: provider.touch(SID, Record(b"data"), HOUR),
    "regenerate": lambda provider: provider.regenerate(SID, NEW_SID, Record(b"data"), b"mine", HOUR),
    "destroy": lambda provider: provider.destroy(SID),
}
SWEEPS: dict[str, Callable[[FileProvider], object]] = {
    "gc": lambda provider: provider.gc(10),
    "active": lambda provider: provider.active(),
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
each_call = pytest.mark.parametrize("call", {**VERBS, **SWEEPS}.values(), ids={**VERBS, **SWEEPS}.keys())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def provider(root: Path) -> Iterator[FileProvider]:
    provider = made(root)
    yield provider
    provider.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the system's clock by so many seconds, as far as this process can see."""
    real = time.time

    def move(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return move


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that an unprivileged process can reach, and that belongs to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder


class TestLayout:
    def test_a_record_lies_where_beego_looks_for_it_and_holds_its_data_alone(
        self, provider: FileProvider, root: Path
    ) -> None:
        stored(provider, "f7" + "0" * 30, b"\x00the data\n")
        assert everything_under(root) == ["f", "f/7", "f/7/f7" + "0" * 30]
        assert (root / "f" / "7" / ("f7" + "0" * 30)).read_bytes() == b"\x00the data\n"

    def test_a_file_that_beego_has_written_is_read(self, provider: FileProvider, root: Path) -> None:
        place(root, SID).parent.mkdir(parents=True)
        place(root, SID).write_bytes(b"from Go")
        record = provider.read(SID)
        assert record is not None
        assert record.data == b"from Go"
        assert record.remaining == pytest.approx(LIFETIME, abs=5)

    @pytest.mark.parametrize("lifetime", [60, LIFETIME, 30 * 24 * HOUR])
    @pytest.mark.parametrize("verb", ["create", "swap", "touch", "regenerate"])
    def test_the_modification_time_is_the_expiry_less_the_lifetime(
        self, provider: FileProvider, root: Path, verb: str, lifetime: int
    ) -> None:
        if verb == "create":
            stored(provider, lifetime=lifetime)
        else:
            record = stored(provider, lifetime=7)
            {
                "swap": lambda: provider.swap(SID, record, b"new", lifetime),
                "touch": lambda: provider.touch(SID, record, lifetime),
                "regenerate": lambda: provider.regenerate(SID, NEW_SID, record, b"new", lifetime),
            }[verb]()
        written = place(root, NEW_SID if verb == "regenerate" else SID)
        assert written.stat().st_mtime + LIFETIME == pytest.approx(time.time() + lifetime, abs=5)

    def test_directories_and_files_are_private_whatever_the_umask_is(self, root: Path) -> None:
        before = os.umask(0)
        try:
            provider = made(root)
            record = stored(provider)
            provider.regenerate(SID, NEW_SID, record, b"new", HOUR)
        finally:
            os.umask(before)
        paths = [root, *root.rglob("*"), Path(f"{root}.lock"), *Path(f"{root}.lock").rglob("*")]
        assert place(root, NEW_SID) in paths
        assert {(path.is_dir(), path.stat().st_mode & 0o777) for path in paths} == {(True, 0o700), (False, 0o600)}

    def test_a_file_that_others_could_read_is_private_after_the_next_write(
        self, provider: FileProvider, root: Path
    ) -> None:
        record = stored(provider)
        place(root, SID).chmod(0o755)
        provider.swap(SID, record, b"new", HOUR)
        assert place(root, SID).stat().st_mode & 0o777 == 0o600

    def test_touch_moves_the_time_and_writes_no_data(self, provider: FileProvider, root: Path) -> None:
        record = stored(provider)
        before = place(root, SID).stat()
        provider.touch(SID, record, 2 * HOUR)
        after = place(root, SID).stat()
        assert after.st_ino == before.st_ino
        assert after.st_mtime - before.st_mtime == pytest.approx(HOUR, abs=5)

    def test_swap_notices_a_write_that_happened_before_a_touch(self, provider: FileProvider) -> None:
        record = stored(provider)
        provider.swap(SID, record, b"theirs", HOUR)
        touched = provider.touch(SID, record, HOUR)
        with pytest.raises(Conflict) as caught:
            provider.swap(SID, touched, b"mine", HOUR)
        assert caught.value.record is not None
        assert caught.value.record.data == b"theirs"

    def test_reading_what_is_not_there_leaves_nothing_behind(self, provider: FileProvider, root: Path) -> None:
        assert provider.read(SID) is None
        for verb in ("swap", "touch", "regenerate"):
            with pytest.raises(Gone):
                VERBS[verb](provider)
        assert provider.destroy(SID) is False
        assert everything_under(root) == []


class TestExpiry:
    def test_a_record_lives_until_its_expiry_and_no_longer(
        self, provider: FileProvider, clock: Callable[[float], None]
    ) -> None:
        stored(provider, lifetime=60)
        clock(58)
        assert data_of(provider, SID) == b"data"
        clock(61)
        assert provider.read(SID) is None

    @pytest.mark.parametrize("lifetime", [60, 5 * LIFETIME])
    def test_the_remaining_seconds_follow_the_clock(
        self, provider: FileProvider, clock: Callable[[float], None], lifetime: int
    ) -> None:
        stored(provider, lifetime=lifetime)
        clock(30)
        record = provider.read(SID)
        assert record is not None
        assert record.remaining == pytest.approx(lifetime - 30, abs=3)

    def test_an_expired_record_is_gone_for_each_verb_and_its_id_is_free(
        self, provider: FileProvider, root: Path
    ) -> None:
        record = stored(provider)
        expire(root, SID)
        for verb in ("swap", "touch", "regenerate"):
            with pytest.raises(Gone):
                VERBS[verb](provider)
        assert provider.destroy(SID) is False
        assert provider.create(SID, b"next", HOUR) is not None
        assert data_of(provider, SID) == b"next" != record.data

    def test_an_expired_leftover_does_not_hinder_a_rotation_to_its_id(self, provider: FileProvider, root: Path) -> None:
        stored(provider, NEW_SID, b"leftover")
        expire(root, NEW_SID)
        provider.regenerate(SID, NEW_SID, stored(provider), b"moved", HOUR)
        assert data_of(provider, NEW_SID) == b"moved"
        assert provider.read(SID) is None

    def test_a_changed_lifetime_moves_the_expiry_of_what_is_stored_as_it_does_for_beego(self, root: Path) -> None:
        stored(made(root), lifetime=LIFETIME)
        for lifetime in (100, 5000):
            record = made(root, LIFETIME=lifetime).read(SID)
            assert record is not None
            assert record.remaining == pytest.approx(lifetime, abs=5)

    def test_the_lifetime_follows_the_settings_when_none_is_given(self, root: Path) -> None:
        provider = FileProvider.from_config(str(root), Options())
        for age in (70, 7000):
            with override_settings(SESSION_COOKIE_AGE=age):
                record = stored(provider, lifetime=60)
                assert place(root, SID).stat().st_mtime == pytest.approx(time.time() + 60 - age, abs=5)
                assert record.remaining == 60
                provider.destroy(SID)


class TestConfiguration:
    def test_a_relative_directory_starts_at_base_dir(self, tmp_path: Path) -> None:
        with override_settings(BASE_DIR=tmp_path):
            assert FileProvider.from_config("data/sessions", Options()).root == str(tmp_path / "data" / "sessions")

    def test_without_base_dir_it_starts_at_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert FileProvider.from_config("./tmp", Options()).root == str(tmp_path / "tmp")

    @pytest.mark.parametrize("form", ["text", "JSON", "mapping"])
    def test_the_directory_is_named_by_a_string_json_or_a_mapping(self, root: Path, form: str) -> None:
        mapping = {"save_path": str(root)}
        value: Any = {"text": str(root), "JSON": json.dumps(mapping), "mapping": mapping}[form]
        assert FileProvider.from_config(value, Options()).root == str(root)

    @pytest.mark.parametrize("kind", [str, Path])
    def test_nothing_at_all_falls_back_to_session_file_path(self, root: Path, kind: Callable[[Path], object]) -> None:
        with override_settings(SESSION_FILE_PATH=kind(root)):
            assert FileProvider.from_config("", Options()).root == str(root)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            ("", "SESSION_FILE_PATH"),
            ("/", "root of the file system"),
            ("/tmp/..", "root of the file system"),
            ("a\0b", "control character"),
            ({"save_path": 7}, "directory"),
            ({"path": "x"}, "save_path"),
        ],
        ids=["nothing", "slash", "slash in disguise", "NUL", "no text", "unknown key"],
    )
    def test_what_names_no_usable_directory_is_refused_with_the_key(self, value: Any, reason: str) -> None:
        with pytest.raises(ImproperlyConfigured, match=reason) as caught:
            FileProvider.from_config(value, Options(source="SITE"))
        assert str(caught.value).startswith("SITE['PROVIDER_CONFIG']")

    def test_a_key_prefix_is_refused(self, root: Path) -> None:
        with pytest.raises(ImproperlyConfigured, match="KEY_PREFIX"):
            made(root, KEY_PREFIX="shop:")

    def test_a_platform_without_file_locks_is_refused(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file, "SUPPORTED", False)
        with pytest.raises(ImproperlyConfigured, match="SESSION_ENGINE"):
            made(root)
        assert not root.exists()

    @pytest.mark.parametrize("obstacle", ["root", "root.lock"])
    def test_a_file_in_the_place_of_a_directory_is_refused_and_kept(self, tmp_path: Path, obstacle: str) -> None:
        (tmp_path / obstacle).write_text("mine")
        with pytest.raises(ImproperlyConfigured, match=r"PROVIDER_CONFIG.*director"):
            made(tmp_path / "root")
        assert (tmp_path / obstacle).read_text() == "mine"

    def test_a_folder_of_locks_that_is_a_symbolic_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "root.lock").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ImproperlyConfigured, match="same owner"):
            made(tmp_path / "root")
        assert everything_under(tmp_path / "elsewhere") == []

    def test_a_folder_of_locks_that_belongs_to_somebody_else_is_refused(self, open_to_all: Path) -> None:
        def attempt() -> str:
            with pytest.raises(FileExistsError) as caught:
                filelocks.make_folder("/usr", str(open_to_all))
            return str(caught.value)

        assert "same owner" in as_nobody(attempt)

    @pytest.mark.parametrize("mode", [0o500, 0o300, 0o600], ids=["unwritable", "unreadable", "unsearchable"])
    def test_a_directory_of_the_wrong_mode_is_refused_with_the_reason(self, open_to_all: Path, mode: int) -> None:
        root = open_to_all / "sessions"

        def attempt() -> str:
            root.mkdir()
            root.chmod(mode)
            with pytest.raises(ImproperlyConfigured) as caught:
                made(root)
            return str(caught.value)

        message = as_nobody(attempt)
        assert "PROVIDER_CONFIG" in message
        assert "Permission denied" in message

    def test_the_locks_lie_within_the_root_when_nothing_may_be_made_beside_it(self, open_to_all: Path) -> None:
        root = open_to_all / "sessions"

        def attempt() -> tuple[str, str, bytes | None]:
            root.mkdir()
            open_to_all.chmod(0o500)
            provider = made(root)
            stored(provider)
            open_to_all.chmod(0o700)  # a process that starts later, and could do otherwise, must use the same locks
            return provider.locks.folder, made(root).locks.folder, data_of(provider, SID)

        assert as_nobody(attempt) == (f"{root}/.lock", f"{root}/.lock", b"data")

    def test_a_collection_run_by_the_superuser_leaves_no_lock_that_the_site_cannot_use(self, open_to_all: Path) -> None:
        root = open_to_all / "sessions"

        def site() -> set[int]:
            made(root)
            return {path.stat().st_uid for path in Path(f"{root}.lock").iterdir()}

        owners = as_nobody(site)
        made(root).gc(10)
        assert {path.stat().st_uid for path in Path(f"{root}.lock").iterdir()} == owners
        assert len(list(Path(f"{root}.lock").iterdir())) == filelocks.STRIPES


class TestHostileSurroundings:
    @each_verb
    @pytest.mark.parametrize("level", ["a", "a/b", f"a/b/{SID}"])
    def test_no_symbolic_link_under_the_root_is_followed(
        self, provider: FileProvider, root: Path, tmp_path: Path, verb: Callable[[FileProvider], object], level: str
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        target = elsewhere / "b" / SID if level == "a" else elsewhere / SID
        target.parent.mkdir(parents=True)
        target.write_bytes(b"data")
        before = target.stat()
        link = root / level
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target if level.endswith(SID) else elsewhere)

        with pytest.raises(Unavailable):
            verb(provider)
        assert target.read_bytes() == b"data"
        assert target.stat().st_mtime == before.st_mtime
        assert [path.name for path in target.parent.iterdir()] == [SID]
        assert link.is_symlink()

    @each_verb
    @pytest.mark.parametrize("kind", ["pipe", "directory"])
    def test_what_is_no_regular_file_is_neither_read_nor_replaced(
        self, provider: FileProvider, root: Path, verb: Callable[[FileProvider], object], kind: str
    ) -> None:
        place(root, SID).parent.mkdir(parents=True)
        {"pipe": os.mkfifo, "directory": os.mkdir}[kind](place(root, SID))
        with pytest.raises(Unavailable, match="regular file"):
            verb(provider)
        assert everything_under(root) == ["a", "a/b", f"a/b/{SID}"]

    @pytest.mark.parametrize("kind", ["lock", "draft"])
    def test_no_symbolic_link_among_the_locks_is_followed(
        self, provider: FileProvider, root: Path, tmp_path: Path, kind: str
    ) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"precious")
        for number in range(filelocks.STRIPES):
            name = f"{number:02x}" if kind == "lock" else f"{number:02x}.draft"
            link = Path(f"{root}.lock") / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        with suppress(Unavailable):
            stored(provider)
        assert target.read_bytes() == b"precious"
        assert data_of(provider, SID) == (None if kind == "lock" else b"data")

    @pytest.mark.parametrize(
        "sid", ["", "a", "../../../victim", "..", "/etc/passwd", "ab/../../cdef", "ab\0cdefgh", "AB" * 16]
    )
    def test_no_path_is_built_from_what_is_no_session_id(self, provider: FileProvider, root: Path, sid: str) -> None:
        for call in (provider.read, provider.destroy, lambda sid: provider.create(sid, b"data", HOUR)):
            with pytest.raises(ValueError, match="no session id") as caught:
                call(sid)
            assert not sid or sid == "a" or sid not in str(caught.value)
        assert everything_under(root) == []

    @each_call
    def test_a_root_that_is_gone_is_an_outage_and_no_empty_store(
        self, provider: FileProvider, root: Path, call: Callable[[FileProvider], object]
    ) -> None:
        stored(provider)
        root.rename(f"{root}.away")
        with pytest.raises(Unavailable):
            call(provider)
        assert not root.exists()
        Path(f"{root}.away").rename(root)
        assert data_of(provider, SID) == b"data"

    @each_verb
    def test_an_empty_mount_point_is_an_outage_when_the_locks_are_within(
        self, root: Path, verb: Callable[[FileProvider], object]
    ) -> None:
        (root / ".lock").mkdir(parents=True)
        provider = made(root)
        stored(provider)
        root.rename(f"{root}.away")
        root.mkdir()
        with pytest.raises(Unavailable):
            verb(provider)
        assert everything_under(root) == []

    @each_verb
    def test_no_error_tells_the_session_id(
        self, provider: FileProvider, root: Path, verb: Callable[[FileProvider], object]
    ) -> None:
        place(root, SID).parent.mkdir(parents=True)
        place(root, SID).symlink_to(root)
        with pytest.raises(Unavailable) as caught:
            verb(provider)
        told = ""
        error: BaseException | None = caught.value
        while error is not None:
            told += f"{error} {error!r} {vars(error)}"
            error = error.__context__
        assert "OSError" in told
        assert SID not in told

    def test_a_read_does_not_wait_for_a_lock_and_a_write_does_not_wait_for_ever(
        self, provider: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = stored(provider)
        monkeypatch.setattr(filelocks, "TIMEOUT", 0.05)
        with provider.locks.hold(SID):
            assert data_of(provider, SID) == b"data"
            with pytest.raises(Unavailable, match="lock"):
                provider.swap(SID, record, b"mine", HOUR)
        provider.swap(SID, record, b"mine", HOUR)
        assert data_of(provider, SID) == b"mine"


class TestLocks:
    @staticmethod
    def is_free(root: Path, sid: str) -> bool:
        """Return whether another process could take the lock of this id at once."""
        try:
            with filelocks.Locks(f"{root}.lock").hold(sid):
                return True
        except TimeoutError:
            return False

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(filelocks, "TIMEOUT", 0.05)

    def test_a_lock_is_free_after_use_even_if_a_fork_has_copied_its_descriptor(
        self, provider: FileProvider, root: Path
    ) -> None:
        let_go = FORK.Event()
        with provider.locks.hold(SID):
            child = FORK.Process(target=let_go.wait, args=(30,))
            child.start()
            assert not self.is_free(root, SID)
        try:
            assert child.is_alive()
            assert self.is_free(root, SID)
        finally:
            let_go.set()
            child.join(10)

    def test_a_lock_that_was_removed_while_somebody_waited_for_it_holds_off_nobody(
        self, provider: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filelocks, "TIMEOUT", 5)
        waiting, has_it, done = threading.Event(), threading.Event(), threading.Event()
        flock = fcntl.flock

        def announcing(descriptor: int, operation: int) -> None:
            try:
                flock(descriptor, operation)
            except BlockingIOError:
                waiting.set()
                raise

        def wait_for_the_lock() -> None:
            with filelocks.Locks(f"{root}.lock").hold(SID):
                has_it.set()
                done.wait(10)

        monkeypatch.setattr(fcntl, "flock", announcing)
        waiter = threading.Thread(target=wait_for_the_lock)
        with provider.locks.hold(SID):
            waiter.start()
            assert waiting.wait(5)
            for lock in Path(f"{root}.lock").iterdir():
                lock.unlink()
        assert has_it.wait(5)
        monkeypatch.setattr(filelocks, "TIMEOUT", 0.05)
        try:
            assert not self.is_free(root, SID)
        finally:
            done.set()
            waiter.join(10)

    def test_two_rotations_in_opposite_directions_do_not_wait_for_each_other(
        self, provider: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(filelocks, "TIMEOUT", 10)

        def rotate(number: int) -> int:
            mine = made(root)
            there, back = (SID, NEW_SID) if number else (NEW_SID, SID)
            moves = 0
            for _ in range(200):
                record = mine.read(there)
                with suppress(Conflict, Gone):
                    if record is not None:
                        mine.regenerate(there, back, record, record.data, HOUR)
                        moves += 1
            return moves

        stored(provider)
        assert sum(at_once(rotate, 2)) > 0
        assert sorted([data_of(provider, SID) or b"", data_of(provider, NEW_SID) or b""]) == [b"", b"data"]


class TestCollection:
    SIDS = tuple(f"{number:x}{number:x}" + "2" * 30 for number in range(10))

    def test_it_goes_on_where_it_stopped_until_it_says_finished(self, provider: FileProvider, root: Path) -> None:
        for sid in self.SIDS:
            stored(provider, sid)
            expire(root, sid)
        assert provider.gc(4) == Sweep(4, finished=False)
        assert provider.gc(4) == Sweep(4, finished=False)
        assert provider.gc(4) == Sweep(2, finished=True)
        assert not any(place(root, sid).exists() for sid in self.SIDS)

    def test_a_dry_run_goes_on_too_removes_nothing_and_does_not_disturb_a_real_one(
        self, provider: FileProvider, root: Path
    ) -> None:
        for sid in self.SIDS:
            stored(provider, sid)
            expire(root, sid)
        assert provider.gc(7) == Sweep(7, finished=False)
        assert provider.gc(2, dry_run=True) == Sweep(2, finished=False)
        assert provider.gc(2, dry_run=True) == Sweep(1, finished=True)
        assert provider.gc(7) == Sweep(3, finished=True)

    def test_it_starts_anew_after_an_outage(self, provider: FileProvider, root: Path) -> None:
        for sid in self.SIDS:
            stored(provider, sid)
            expire(root, sid)
        provider.gc(3)
        root.rename(f"{root}.away")
        with pytest.raises(Unavailable):
            provider.gc(3)
        Path(f"{root}.away").rename(root)
        assert provider.gc(100) == Sweep(7, finished=True)

    def test_foreign_files_are_neither_counted_nor_removed(self, provider: FileProvider, root: Path) -> None:
        stored(provider)
        shelf = place(root, SID).parent
        outside = root.parent / "outside"
        outside.write_text("outside")
        foreign = [
            root / "notes.txt",
            root / SID,
            root / "a" / "x",
            shelf / "README",
            shelf / NEW_SID,
            shelf / f"{SID}.bak",
        ]
        for path in foreign:
            path.write_text("foreign")
            os.utime(path, (0, 0))
        directory, link = shelf / ("ab" + "3" * 30), shelf / ("ab" + "4" * 30)
        directory.mkdir()
        link.symlink_to(outside)
        (root / "b").symlink_to(root / "a")
        os.utime(outside, (0, 0))
        os.utime(directory, (0, 0))

        misplaced = shelf / ("ac" + "6" * 30)
        misplaced.write_text("live")

        assert provider.active().number == 1
        assert provider.gc(100) == Sweep(0, finished=True)
        assert misplaced.exists()
        assert all(path.exists() for path in [*foreign, directory, link, outside, place(root, SID)])

    def test_only_ids_of_this_site_are_collected(self, root: Path) -> None:
        ours, theirs = "shop-" + "5" * 32, "s" + "6" * 31
        stored(made(root), theirs)
        shop = made(root, ID_PREFIX="shop-")
        stored(shop, ours)
        for sid in (ours, theirs):
            expire(root, sid)
        assert shop.gc(100) == Sweep(1, finished=True)
        assert (place(root, ours).exists(), place(root, theirs).exists()) == (False, True)

    def test_active_leaves_expired_sessions_out(self, provider: FileProvider, root: Path) -> None:
        for sid in self.SIDS:
            stored(provider, sid)
        for sid in self.SIDS[:3]:
            expire(root, sid)
        assert provider.active().number == 7

    def test_what_a_dead_writer_has_left_is_removed_and_other_files_beside_the_locks_are_not(
        self, provider: FileProvider, root: Path
    ) -> None:
        locks = Path(f"{root}.lock")
        (locks / "3f.draft").write_text("half a rec")
        (locks / "40.draft").write_text("no name of ours")
        assert provider.gc(100, dry_run=True) == Sweep(0, finished=True)
        assert (locks / "3f.draft").exists()
        assert provider.gc(100) == Sweep(0, finished=True)
        assert drafts(root) == ["40.draft"]

    def test_a_walk_that_stopped_holds_nothing_open_after_close(self, provider: FileProvider, root: Path) -> None:
        for sid in self.SIDS:
            stored(provider, sid)
            expire(root, sid)
        provider.gc(3)
        assert opened(root)
        provider.close()
        assert not opened(root)


class TestRaces:
    def test_no_update_is_lost_by_eight_processes(self, provider: FileProvider, root: Path) -> None:
        stored(provider, data=b"0")

        def count(number: int) -> int:
            mine = made(root)
            conflicts = 0
            for _ in range(25):
                record = mine.read(SID)
                while True:
                    assert record is not None
                    try:
                        mine.swap(SID, record, b"%d" % (int(record.data) + 1), HOUR)
                        break
                    except Conflict as conflict:
                        conflicts += 1
                        record = conflict.record
            return conflicts

        at_once(count, 8)
        assert data_of(provider, SID) == b"200"

    def test_of_the_rotations_of_one_record_exactly_one_happens(self, provider: FileProvider, root: Path) -> None:
        sids = [Ids().new() for _ in range(40)]
        targets = [[Ids().new() for _ in range(4)] for _ in sids]
        records = [stored(provider, sid) for sid in sids]

        def rotate(number: int) -> list[str]:
            mine = made(root)
            won = []
            for record, choices in zip(records, targets, strict=True):
                with suppress(Gone):
                    won.append(mine.regenerate(record.sid, choices[number], record, b"rotated", HOUR).sid)
            return won

        won = [sid for winners in at_once(rotate, 4) for sid in winners]
        assert len(won) == len(sids)
        assert sorted(path.name for path in root.rglob("*") if path.is_file()) == sorted(won)
        for choices in targets:
            assert len(set(won) & set(choices)) == 1

    def test_an_id_goes_to_one_of_those_who_create_it_and_who_rotate_to_it(
        self, provider: FileProvider, root: Path
    ) -> None:
        records = [stored(provider, Ids().new()) for _ in range(200)]
        targets = [Ids().new() for _ in records]

        def act(number: int) -> list[bytes | None]:
            mine = made(root)
            won: list[bytes | None] = []
            for record, target in zip(records, targets, strict=True):
                taken = None
                with suppress(Conflict):
                    taken = (
                        mine.create(target, b"created", HOUR)
                        if number
                        else mine.regenerate(record.sid, target, record, b"rotated", HOUR)
                    )
                won.append(None if taken is None else taken.data)
            return won

        winners = [tuple(data for data in pair if data is not None) for pair in zip(*at_once(act, 2), strict=True)]
        assert winners == [(data_of(provider, target),) for target in targets]

    @pytest.mark.parametrize("verb", ["swap", "touch", "regenerate"])
    def test_no_late_write_brings_back_what_was_destroyed(self, provider: FileProvider, root: Path, verb: str) -> None:
        records = [stored(provider, Ids().new()) for _ in range(400)]
        targets = [Ids().new() for _ in records]

        def act(number: int) -> int:
            mine = made(root)
            if number:
                return sum(mine.destroy(record.sid) for record in records)
            for record, target in zip(records, targets, strict=True):
                with suppress(Gone):
                    if verb == "swap":
                        mine.swap(record.sid, mine.swap(record.sid, record, b"late", HOUR), b"later", HOUR)
                    elif verb == "touch":
                        mine.touch(record.sid, mine.touch(record.sid, record, HOUR), HOUR)
                    else:
                        mine.regenerate(record.sid, target, record, b"late", HOUR)
            return 0

        destroyed = sum(at_once(act, 2))
        moved = [target for target in targets if provider.read(target) is not None]
        assert [record for record in records if provider.read(record.sid) is not None] == []
        assert destroyed + len(moved) == 400
        assert verb == "regenerate" or not moved

    def test_a_collector_takes_nothing_from_a_writer_that_uses_the_id_again(
        self, provider: FileProvider, root: Path
    ) -> None:
        sids = [Ids().new() for _ in range(300)]
        for sid in sids:
            stored(provider, sid)
            expire(root, sid)

        def act(number: int) -> int:
            mine = made(root)
            if number:
                return sum(mine.gc(50).removed for _ in range(30))
            return sum(mine.create(sid, b"again", HOUR) is not None for sid in sids)

        at_once(act, 2)
        assert [data_of(provider, sid) for sid in sids] == [b"again"] * len(sids)

    def test_a_reader_sees_the_old_record_or_the_new_one_and_nothing_between(
        self, provider: FileProvider, root: Path
    ) -> None:
        stored(provider, data=b"a" * 100_000)

        def act(number: int) -> set[tuple[int, bytes]]:
            mine = made(root)
            seen = set()
            for turn in range(100):
                record = mine.read(SID)
                assert record is not None
                if number:
                    mine.swap(SID, record, (b"a" if turn % 2 else b"b") * (100_000 + turn % 2), HOUR)
                seen.add((len(record.data), bytes(sorted(set(record.data)))))
            return seen

        assert set().union(*at_once(act, 2)) <= {(100_000, b"a"), (100_001, b"a"), (100_000, b"b")}


class TestDisk:
    def test_a_file_that_cannot_be_written_whole_leaves_the_old_record_and_nothing_else(
        self, provider: FileProvider, root: Path
    ) -> None:
        record = stored(provider, data=b"old")

        def write(number: int) -> str:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            with pytest.raises(Unavailable) as caught:
                made(root).swap(SID, record, b"n" * 100_000, HOUR)
            with pytest.raises(Unavailable):
                made(root).regenerate(SID, NEW_SID, record, b"n" * 100_000, HOUR)
            with pytest.raises(Unavailable):
                made(root).create(NEW_SID, b"n" * 100_000, HOUR)
            return str(caught.value)

        assert "File too large" in at_once(write, 1)[0]
        assert drafts(root) == []
        assert data_of(provider, SID) == b"old"
        assert provider.read(NEW_SID) is None

    def test_a_rotation_that_breaks_off_leaves_no_new_data_under_the_old_id(
        self, provider: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = stored(provider, data=b"anonymous")
        renames: list[str] = []
        rename = os.rename

        def failing_the_second_time(*args: Any, **kwargs: Any) -> None:
            renames.append("rename")
            if len(renames) == 2:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            rename(*args, **kwargs)

        monkeypatch.setattr(os, "rename", failing_the_second_time)
        with pytest.raises(Unavailable, match="Input/output error"):
            provider.regenerate(SID, NEW_SID, record, b"logged in", HOUR)
        assert provider.read(SID) is None
        assert data_of(provider, NEW_SID) == b"anonymous"
        assert drafts(root) == []

    def test_a_writer_that_is_killed_leaves_a_whole_record_and_the_next_one_tidies_up(
        self, provider: FileProvider, root: Path
    ) -> None:
        contents = [bytes([letter]) * 300_000 for letter in b"ab"]
        stored(provider, data=contents[0])

        def write(mine: FileProvider) -> None:
            record = mine.read(SID)
            assert record is not None
            mine.swap(SID, record, contents[record.data == contents[0]], HOUR)

        for milliseconds in range(12):
            killed_after(milliseconds, write, root)
            record = provider.read(SID)
            assert record is not None
            assert record.data in contents
            provider.swap(SID, record, record.data, HOUR)
            assert drafts(root) == []

    def test_a_rotation_that_is_killed_never_leaves_two_ids(self, provider: FileProvider, root: Path) -> None:
        stored(provider, Ids().new())

        def the_only_record() -> str:
            [sid] = [path.name for path in root.rglob("*") if path.is_file()]
            return sid

        def rotate(mine: FileProvider) -> None:
            record = mine.read(the_only_record())
            assert record is not None
            mine.regenerate(record.sid, Ids().new(), record, record.data, HOUR)

        for milliseconds in range(12):
            killed_after(milliseconds, rotate, root)
            assert data_of(provider, the_only_record()) == b"data"

    def test_a_process_that_starts_leaves_no_file_in_the_root(self, root: Path) -> None:
        (root / ".probe").mkdir(parents=True)  # of one that was killed
        at_once(lambda number: made(root).root, 4)
        assert everything_under(root) == []

    def test_on_a_disk_of_its_own_the_locks_are_within_a_full_disk_is_an_outage_and_so_is_no_disk(
        self, root: Path
    ) -> None:
        root.mkdir()
        superuser = [] if os.geteuid() == 0 else ["sudo", "-n"]
        size_and_owner = f"size=256k,mode=700,uid={os.geteuid()}"
        mounting = [*superuser, "mount", "-t", "tmpfs", "-o", size_and_owner, "tmpfs", str(root)]
        if shutil.which(mounting[0]) is None or subprocess.run(mounting, capture_output=True).returncode:
            pytest.skip("this user may not mount a file system")
        try:
            provider = made(root)
            record = stored(provider, data=b"old")
            assert everything_under(root.parent) == [
                "sessions", "sessions/.lock",
                *(f"sessions/.lock/{number:02x}" for number in range(filelocks.STRIPES)),
                "sessions/a", "sessions/a/b", f"sessions/a/b/{SID}",
            ]  # fmt: skip
            with pytest.raises(Unavailable, match="No space left"):
                provider.swap(SID, record, b"n" * 500_000, HOUR)
            assert data_of(provider, SID) == b"old"
            assert not list((root / ".lock").glob("*.draft"))
            assert provider.active().number == 1
        finally:
            subprocess.run([*superuser, "umount", str(root)], check=True)
        with pytest.raises(Unavailable):
            provider.read(SID)
        assert everything_under(root) == []


class TestStore:
    @pytest.fixture(params=[False, True], ids=["plain ids", "HASH_KEYS"])
    def store(self, request: pytest.FixtureRequest, root: Path) -> type[AnyStore]:
        options = Options.from_mapping({"PROVIDER_CONFIG": {"file": str(root)}, "HASH_KEYS": request.param})
        return type("BoundStore", (SessionStore,), {"options": options})

    def test_a_session_is_saved_loaded_counted_and_collected(self, store: type[AnyStore], root: Path) -> None:
        session = store()
        session["asta"] = 1
        session.save()
        assert store(session.session_key).load() == {"asta": 1}
        assert store.provider.active().number == 1

        files = [path for path in root.rglob("*") if path.is_file()]
        hashed = store.bound_options().hash_keys
        assert (files[0].name == session.session_key) is not hashed
        os.utime(files[0], (0, 0))
        assert store(session.session_key).load() == {}
        store.clear_expired()
        assert [path for path in root.rglob("*") if path.is_file()] == []

    def test_a_session_that_does_not_decode_is_no_session_and_stays_on_the_disk(
        self, store: type[AnyStore], root: Path
    ) -> None:
        session = store()
        session.save()
        [path] = [path for path in root.rglob("*") if path.is_file()]
        path.write_bytes(b"torn")
        assert store(session.session_key).load() == {}
        assert path.read_bytes() == b"torn"
