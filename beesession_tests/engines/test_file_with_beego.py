"""The file engine beside a running beego: where its marks lie, and what it makes of files that are written in place."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from beesession.conf import Options
from beesession.engines import file
from beesession.engines.file import FileProvider
from beesession.provider import Conflict, Gone, Record, Sweep, Unavailable
from beesession_tests.beego.rows import Row, rows_of

HOUR = 3600
LIFETIME = 1000
SID = "ab" + "0" * 30
NEW_SID = "cd" + "1" * 30


def made(root: Path, **options: Any) -> FileProvider:
    return FileProvider.from_config(str(root), Options.from_mapping({"LIFETIME": LIFETIME, "CODEC": "gob", **options}))


def place(root: Path, sid: str = SID) -> Path:
    return root / sid[0] / sid[1] / sid


def mark(root: Path, sid: str = SID) -> Path:
    return root.with_name(f"{root.name}.lock") / f"revoked-{sid}"


def saved(root: Path, data: bytes, sid: str = SID, mode: int = 0o600) -> Path:
    """Write a session as beego does: in place, in directories that all may look into."""
    path = place(root, sid)
    path.parent.parent.mkdir(0o755, parents=True, exist_ok=True)
    path.parent.mkdir(0o755, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    return path


def data_of(provider: FileProvider, sid: str = SID) -> bytes | None:
    record = provider.read(sid)
    return None if record is None else record.data


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Let something else happen while the block runs, and wait for its end."""
    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join()


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


class TestMarks:
    def test_a_mark_is_a_private_file_of_one_byte_beside_the_root(self, provider: FileProvider, root: Path) -> None:
        provider.destroy(SID)
        assert mark(root).read_bytes() == b"1"
        assert mark(root).stat().st_mode & 0o777 == 0o600
        assert list(root.iterdir()) == []

    def test_its_time_is_the_moment_at_which_it_is_over(
        self, provider: FileProvider, root: Path, clock: Callable[[float], None]
    ) -> None:
        provider.destroy(SID)
        assert mark(root).stat().st_mtime == pytest.approx(time.time() + 2 * LIFETIME, abs=5)
        clock(2 * LIFETIME - 5)
        assert provider.create(SID, b"anew", HOUR) is None
        clock(2 * LIFETIME + 5)
        assert provider.create(SID, b"anew", HOUR) is not None
        assert data_of(provider) == b"anew"

    @pytest.mark.parametrize("codec", ["gob", "json"])
    def test_collecting_removes_the_marks_that_are_over_and_no_others(self, root: Path, codec: str) -> None:
        provider = made(root)
        for sid in (SID, NEW_SID):
            provider.destroy(sid)
        os.utime(mark(root), (0, time.time() - 1))
        assert made(root, CODEC=codec).gc(10, dry_run=True) == Sweep(removed=0, finished=True)
        assert mark(root).exists()
        assert made(root, CODEC=codec).gc(10) == Sweep(removed=0, finished=True)
        assert not mark(root).exists()
        assert mark(root, NEW_SID).exists()

    def test_what_beego_has_revived_does_not_count(self, provider: FileProvider, root: Path) -> None:
        provider.destroy(SID)
        saved(root, b"late")
        saved(root, b"live", NEW_SID)
        assert provider.active().number == 1

    def test_marks_within_the_root_are_no_sessions(self, root: Path) -> None:
        (root / ".lock").mkdir(parents=True)
        provider = made(root)
        provider.destroy(SID)
        assert (root / ".lock" / f"revoked-{SID}").exists()
        assert provider.active().number == 0
        assert provider.gc(10) == Sweep(removed=0, finished=True)
        saved(root, b"late")
        assert provider.read(SID) is None

    def test_what_is_no_id_leaves_no_mark_anywhere(self, provider: FileProvider, tmp_path: Path) -> None:
        before = sorted(tmp_path.rglob("*"))
        for name in ("../../../outside", "ab/cd", "", SID.upper()):
            with pytest.raises(ValueError, match="no session id"):
                provider.destroy(name)
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_rotation_that_is_refused_leaves_no_mark(self, provider: FileProvider, root: Path) -> None:
        saved(root, b"beego's")
        with pytest.raises(Conflict):
            provider.regenerate(SID, NEW_SID, Record(b"as it was"), b"mine", HOUR)
        saved(root, b"taken", NEW_SID)
        with pytest.raises(Conflict):
            provider.regenerate(SID, NEW_SID, Record(b"beego's"), b"mine", HOUR)
        assert not mark(root).exists()

    def test_a_reader_that_sees_no_record_does_not_look_for_a_mark(
        self, provider: FileProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(provider.locks, "is_marked", lambda name: pytest.fail("a mark was looked for"))
        assert provider.read(SID) is None

    def test_without_beego_nobody_looks_for_a_mark(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = made(root, CODEC="json")
        monkeypatch.setattr(provider.locks, "is_marked", lambda name: pytest.fail("a mark was looked for"))
        record = provider.create(SID, b"data", HOUR)
        assert record is not None
        assert provider.read(SID) is not None
        provider.regenerate(SID, NEW_SID, provider.touch(SID, record, HOUR), b"moved", HOUR)
        provider.destroy(NEW_SID)
        assert provider.active().number == 0
        assert not mark(root).exists()


class TestFilesWrittenInPlace:
    @pytest.mark.parametrize("begun", [b"", b"x" * 4096, b"x" * 8192], ids=["emptied", "one-page", "two-pages"])
    def test_a_file_that_is_being_filled_is_looked_at_again(
        self, provider: FileProvider, root: Path, begun: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file, "LOOK_AGAIN", 10)  # the machine may be busy
        path, complete = saved(root, begun), begun + b"and the rest"

        def fill() -> None:
            time.sleep(0.02)
            with path.open("ab") as found:
                found.write(b"and the rest")

        with meanwhile(fill):
            assert data_of(provider) == complete

    def test_an_empty_file_that_stays_empty_is_believed_to_be_a_new_session(
        self, provider: FileProvider, root: Path
    ) -> None:
        saved(root, b"")
        began = time.monotonic()
        assert data_of(provider) == b""
        assert file.LOOK_AGAIN <= time.monotonic() - began < 20 * file.LOOK_AGAIN

    @pytest.mark.parametrize("name", ["swap", "regenerate"])
    def test_a_write_on_a_file_that_was_only_emptied_waits_for_what_comes(
        self, provider: FileProvider, root: Path, name: str
    ) -> None:
        path = saved(root, b"")
        record = provider.read(SID)
        assert record is not None
        assert record.data == b""

        def fill() -> None:
            time.sleep(3 * file.LOOK_AGAIN)
            path.write_bytes(b"of beego")

        sids = [SID] if name == "swap" else [SID, NEW_SID]
        with meanwhile(fill), pytest.raises(Conflict) as caught:
            getattr(provider, name)(*sids, record, b"mine", HOUR)
        assert caught.value.record is not None
        assert caught.value.record.data == b"of beego"
        assert data_of(provider) == b"of beego"

    def test_a_session_that_stays_empty_can_be_written(self, provider: FileProvider, root: Path) -> None:
        saved(root, b"")
        record = provider.read(SID)
        assert record is not None
        provider.swap(SID, record, b"mine", HOUR)
        assert data_of(provider) == b"mine"

    def test_what_has_lain_there_for_long_is_believed_at_once(
        self, provider: FileProvider, root: Path, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saved(root, b"")
        clock(10)
        monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it was looked at again"))
        assert data_of(provider) == b""

    def test_without_beego_an_empty_file_is_believed_at_once(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        saved(root, b"")
        monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it was looked at again"))
        assert data_of(made(root, CODEC="json")) == b""

    def test_a_file_that_goes_away_meanwhile_is_gone(
        self, provider: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file, "LOOK_AGAIN", 10)
        path = saved(root, b"")

        def remove() -> None:
            time.sleep(0.02)
            path.unlink()

        with meanwhile(remove):
            assert provider.read(SID) is None

    @pytest.mark.crowd
    def test_no_read_beside_a_writer_in_place_is_torn(
        self, provider: FileProvider, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The writer may have to wait for its turn on a busy machine; how long that is believed is not the point here.
        monkeypatch.setattr(file, "LOOK_AGAIN", 10)
        versions = [bytes([number]) * (3000 + 7001 * number) for number in range(5)]
        path, done = saved(root, versions[0]), threading.Event()

        def rewrite() -> None:
            for version in versions * 100:
                descriptor = os.open(path, os.O_RDWR)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, version)
                os.close(descriptor)
                time.sleep(0.002)
            done.set()

        torn = []
        with meanwhile(rewrite):
            while not done.is_set():
                found = data_of(provider)
                torn += [] if found in versions else [found]
        assert torn == []


class TestWhatBeegoHasMade:
    @pytest.mark.parametrize("mode", [0o600, 0o755], ids=["fresh", "rotated"])
    def test_its_files_are_read_replaced_moved_and_removed(self, provider: FileProvider, root: Path, mode: int) -> None:
        path = saved(root, b"of beego", mode=mode)
        record = provider.read(SID)
        assert record is not None
        assert (record.data, record.remaining) == (b"of beego", pytest.approx(LIFETIME, abs=5))
        record = provider.touch(SID, provider.swap(SID, record, b"of ours", HOUR), HOUR)
        assert path.read_bytes() == b"of ours"
        provider.regenerate(SID, NEW_SID, record, b"moved", HOUR)
        assert not path.exists()
        assert provider.destroy(NEW_SID) is True
        assert not place(root, NEW_SID).exists()

    @pytest.mark.parametrize("row", rows_of("file"), ids=lambda row: row.sid)
    def test_each_of_its_sessions_is_read_byte_for_byte(self, provider: FileProvider, root: Path, row: Row) -> None:
        path = root / row.place
        path.parent.mkdir(parents=True)
        path.write_bytes(row.stored)
        assert data_of(provider, row.sid) == row.stored

    def test_an_id_with_a_prefix_lies_under_the_first_bytes_of_that(self, root: Path) -> None:
        provider, sid = made(root, ID_PREFIX="bee-"), f"bee-{SID}"
        saved(root, b"of beego", sid)
        record = provider.read(sid)
        assert record is not None
        provider.swap(sid, record, b"of ours", HOUR)
        assert (root / "b" / "e" / sid).read_bytes() == b"of ours"
        assert provider.destroy(sid) is True
        assert mark(root, sid).exists()

    def test_its_read_moves_the_expiry_and_our_next_write_moves_it_back(
        self, provider: FileProvider, root: Path
    ) -> None:
        record = provider.create(SID, b"data", 60)
        assert record is not None
        os.utime(place(root))  # so beego does when it reads
        found = provider.read(SID)
        assert found is not None
        assert found.remaining == pytest.approx(LIFETIME, abs=5)
        provider.touch(SID, found, 60)
        found = provider.read(SID)
        assert found is not None
        assert found.remaining == pytest.approx(60, abs=5)

    def test_what_it_saves_between_our_look_and_our_write_is_noticed_by_the_next_swap(
        self, provider: FileProvider, root: Path
    ) -> None:
        record = provider.create(SID, b"read by both", HOUR)
        assert record is not None
        saved(root, b"of beego")
        with pytest.raises(Conflict) as caught:
            provider.swap(SID, record, b"of ours", HOUR)
        assert caught.value.record is not None
        assert caught.value.record.data == b"of beego"

    def test_a_swap_of_what_it_has_revived_unchanged_is_gone(self, provider: FileProvider, root: Path) -> None:
        record = provider.create(SID, b"read by both", HOUR)
        assert record is not None
        provider.destroy(SID)
        saved(root, b"read by both")
        with pytest.raises(Gone):
            provider.swap(SID, record, b"of ours", HOUR)
        assert not place(root).exists()


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Have no file of this process grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_rotation_for_which_there_is_no_room_ends_no_session(root: Path, provider: FileProvider) -> None:
    record = provider.create(SID, b"data", 100)
    assert record is not None
    with room_for(100), pytest.raises(Unavailable):
        provider.regenerate(SID, "f" * 32, record, b"x" * 1000, 100)
    assert not mark(root).exists()
    assert data_of(provider) == b"data"
    assert provider.swap(SID, record, b"changed", 100).data == b"changed"


def test_a_rotation_that_cannot_move_the_file_ends_no_session(
    root: Path, provider: FileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = provider.create(SID, b"data", 100)
    assert record is not None
    rename = os.rename

    def refuse(source: str, *args: Any, **more: Any) -> None:
        if source == SID:
            raise OSError(errno.EIO, "the disk is failing")
        rename(source, *args, **more)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(Unavailable):
        provider.regenerate(SID, "f" * 32, record, b"new", 100)
    monkeypatch.undo()
    assert data_of(provider) == b"data"


def test_without_the_folder_of_the_marks_nothing_is_read(root: Path, provider: FileProvider) -> None:
    provider.create(SID, b"data", 100)
    provider.destroy(SID)
    shutil.rmtree(provider.locks.folder)
    saved(root, b"late")
    with pytest.raises(Unavailable):
        provider.read(SID)
