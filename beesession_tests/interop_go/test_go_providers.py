"""The tests of the Go module, run by Go against the servers of this session."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from beesession_tests.servers import Servers, golang

MODULE = Path(__file__).resolve().parents[2] / "interop" / "go"

WITHIN = 900
"""Seconds that Go may take. The first time it downloads modules and compiles beego."""

pytestmark = pytest.mark.slow


def run_go(*arguments: str, **variables: str) -> str:
    """Run Go in the module and return what it printed; fail the test with that if Go fails.

    :param variables: further environment variables
    """
    done = subprocess.run(
        [golang.go(), *arguments],
        cwd=MODULE,
        env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=WITHIN,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"go {' '.join(arguments)}:\n{done.stdout}", pytrace=False)
    return done.stdout


def test_go_vet_finds_nothing() -> None:
    run_go("vet", "./...")


def test_the_go_providers_keep_their_promises(servers: Servers) -> None:
    printed = run_go(
        "test",
        "-count=1",  # a result that Go remembers was one of other servers
        "./...",
        CI="true",
        BEESESSION_REDIS=servers.redis.provider_config,
        BEESESSION_MYSQL=servers.mariadb.provider_config,
        BEESESSION_POSTGRESQL=servers.postgresql.provider_config,
        BEESESSION_MEMCACHE=servers.memcached.provider_config,
    )
    for package in ("redis", "mysql", "postgresql", "memcache", "internal/shared", "internal/dropin"):
        assert f"ok  \tbeesession/interop/go/{package}\t" in printed


def test_without_a_server_the_go_tests_are_skipped_and_in_ci_they_fail() -> None:
    unset = {f"BEESESSION_{name}": "" for name in ("REDIS", "MYSQL", "POSTGRESQL", "MEMCACHE")}
    assert "--- SKIP: TestContract" in run_go("test", "-v", "-run=^TestContract$", "./redis", CI="", **unset)
    with pytest.raises(pytest.fail.Exception, match="BEESESSION_REDIS is not set"):
        run_go("test", "-run=^TestContract$", "./redis", CI="true", **unset)
