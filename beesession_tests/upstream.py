"""Django's own session tests, fetched in the version that is installed. None of them is kept in this repository."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import django

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "django-tests"

PACKAGE = "sessions_tests"
"""The one package that is unpacked: others beside it in Django's tests have names that would shadow ours."""


def folder() -> Path | None:
    """Return the folder to put on ``sys.path``, filled at the first call; None when Django cannot be downloaded."""
    version = django.get_version()
    wanted = CACHE / version
    if not wanted.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as directory:
            archive = _download(version, Path(directory))
            if archive is None:
                return None
            unpacked = Path(directory) / "unpacked"
            _unpack(archive, unpacked)
            _publish(unpacked, wanted)
    return wanted


def _download(version: str, directory: Path) -> Path | None:
    # The wheel comes without tests. pip is quiet here: who needs the reason runs this line.
    words = ["download", "--quiet", "--no-deps", "--no-binary=django", "--dest", str(directory), f"django=={version}"]
    ended = subprocess.run([sys.executable, "-m", "pip", *words], stdin=subprocess.DEVNULL, capture_output=True)
    return next(directory.glob("*.tar.gz"), None) if ended.returncode == 0 else None


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as files:
        for member in files:
            # django-VERSION/tests/sessions_tests/...
            parts = PurePosixPath(member.name).parts[2:]
            content = files.extractfile(member) if parts[:1] == (PACKAGE,) and ".." not in parts else None
            if content is not None:
                path = target.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def _publish(unpacked: Path, wanted: Path) -> None:
    try:
        unpacked.rename(wanted)
    except OSError:
        if not wanted.is_dir():  # else another process was faster
            raise
