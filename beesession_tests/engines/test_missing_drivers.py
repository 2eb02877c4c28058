"""An engine needs its own driver and no other; without it, it names the extra to install. The base is Django alone."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest

from beesession_tests.engines import ENGINES, Engine

# One worker of xdist, since the environment of the base install takes a while to make.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("drivers")]

ROOT = Path(__file__).resolve().parents[2]

EXTRAS = {
    "crypto": {"cryptography": "cryptography"},
    "redis": {"redis": "redis", "django_redis": "django-redis"},
    "mysql": {"MySQLdb": "mysqlclient"},
    "postgresql": {"psycopg": "psycopg"},
    "memcache": {"pymemcache": "pymemcache"},
    "couchbase": {"couchbase": "couchbase"},
}
"""By extra: the packages without which its engines do not work, and what installs each."""

EXTRA_OF = {
    "cookie": "crypto",
    "redis": "redis",
    "redis_cluster": "redis",
    "redis_sentinel": "redis",
    "ledis": "redis",
    "mysql": "mysql",
    "postgresql": "postgresql",
    "memcache": "memcache",
    "couchbase": "couchbase",
}
"""By engine: the extra that brings its driver. The others need none."""

PROVIDER_CONFIG = {
    "memcache": "127.0.0.1:1",
    "redis_cluster": "127.0.0.1:1",
    "redis_sentinel": "127.0.0.1:1,,,,mymaster",
    "ledis": "127.0.0.1:1",
    "ssdb": "127.0.0.1:1",
    "mysql": "app:password@tcp(127.0.0.1:1)/app",
    "postgresql": "host=127.0.0.1 port=1 dbname=app",
    "couchbase": "couchbase://app:password@127.0.0.1:1,default,sessions",
}
"""By engine: what to configure it with, where an empty string would not do. Nothing is connected to."""

WITH_DRIVER = [each for each in ENGINES if each.name in EXTRA_OF]
WITHOUT_DRIVER = [each for each in ENGINES if each.name not in EXTRA_OF]

SITE = """
import json, os, sys
from importlib import import_module
import django
import django.contrib.sessions.backends.base, django.core.cache, django.core.mail, django.db.models, django.urls
from django.conf import settings
from django.core.checks import run_checks

# Each site is a child of this process, which has imported Django for all of them, and nothing else.
for site in json.loads(sys.argv[1]):
    print("=== site", flush=True)
    if (child := os.fork()) == 0:
        engine, provider_config, hidden = site
        break
    os.waitpid(child, 0)
else:
    sys.exit()

class Hider:
    "Finds that these packages are not installed."
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hider())
settings.configure(
    SECRET_KEY="0123456789-abcdefghijklmnopqrstuvwxyz-0123456789",
    SESSION_ENGINE=engine,
    BEESESSION={"PROVIDER_CONFIG": provider_config},
    INSTALLED_APPS=["beesession"],
    MIDDLEWARE=["beesession.middleware.SessionMiddleware"],
    DEBUG=True,
)
django.setup()
"""
"""Sites, each of which is an engine, what to configure it with, and the packages that are not installed."""

USE = """
for message in run_checks():
    print(message.id, message.msg)
import_module(engine).SessionStore.provider
"""

PACKAGES = """
import json
from importlib.metadata import distributions, requires
print(json.dumps([[each.name.lower() for each in distributions()], requires("beesession")]))
"""

KEEP = """
import asyncio
SessionStore = import_module(engine).SessionStore
session = SessionStore()
session["name"] = "astaxie"
session.save()
print(SessionStore(session.session_key)["name"])

async def visit():
    session = SessionStore()
    await session.aset("name", "slene")
    await session.asave()
    print(await SessionStore(session.session_key).aget("name"))

asyncio.run(visit())
"""


def run(
    program: str, *sites: tuple[Engine, Iterable[str]], python: Path = Path(sys.executable), config: str = ""
) -> list[str]:
    """Run sites of these engines, in turn, where these packages are missing; return all that each of them prints."""
    given = [(site.module, config or PROVIDER_CONFIG.get(site.name, ""), [*hidden]) for site, hidden in sites]
    done = subprocess.run(
        # Isolated, since what lies in the working directory is not to be found; unbuffered, since errors come last.
        [str(python), "-Iu", "-c", SITE + program, json.dumps(given)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=True,
    )
    none, *printed = done.stdout.split("=== site\n")
    assert none == ""
    assert len(printed) == len(sites)
    return printed


@pytest.fixture(scope="module")
def base_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which this checkout is installed as a wheel, and Django, and nothing else."""
    folder = tmp_path_factory.mktemp("base")
    source = folder / "source"
    source.mkdir()
    shutil.copytree(ROOT / "beesession", source / "beesession", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(packages), str(wheel)], check=True)
    # Django and what it needs itself, as they are installed here.
    for name in ("Django", "asgiref", "sqlparse", *(["typing_extensions"] if sys.version_info < (3, 11) else [])):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files or () if file.parts[0] != ".."} - {"__pycache__"}:
            (packages / top).symlink_to(str(installed.locate_file(top)))
    return folder / "venv" / "bin" / "python"


def advised(printed: str) -> list[str]:
    """Return the extras that a site says to install: in its system checks, and in the error that it ends with."""
    checks = re.findall(r"^beesession\.E\d+ .*pip install beesession\[(\w+)\]", printed, re.MULTILINE)
    error = re.findall(r"ImproperlyConfigured: .*pip install beesession\[(\w+)\]", printed.splitlines()[-1])
    return checks + error


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_brings_its_drivers_and_so_does_all(extra: str) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = setup["options.extras_require"]
    assert {re.split(r"[^\w-]", line)[0] for line in extras[extra].split()} >= set(EXTRAS[extra].values())
    assert extra in re.split(r"[\[\],]", extras["all"])


def test_a_missing_driver_is_told_with_the_extra_that_brings_it() -> None:
    sites = [(each, [package]) for each in WITH_DRIVER for package in EXTRAS[EXTRA_OF[each.name]]]
    told = [(engine.name, advised(printed)) for (engine, _), printed in zip(sites, run(USE, *sites), strict=True)]
    assert told == [(engine.name, [EXTRA_OF[engine.name]] * 2) for engine, _ in sites]


def test_an_engine_needs_no_driver_but_its_own() -> None:
    drivers = {package for packages in EXTRAS.values() for package in packages}
    sites = [(each, drivers - {*EXTRAS[EXTRA_OF[each.name]]}) for each in WITH_DRIVER]
    assert run(USE, *sites) == [""] * len(sites)


def test_the_base_install_needs_django_and_nothing_else(base_install: Path) -> None:
    found = subprocess.run([str(base_install), "-Ic", PACKAGES], capture_output=True, text=True, check=True)
    installed, required = json.loads(found.stdout)
    assert set(installed) - {"asgiref", "sqlparse", "typing_extensions"} == {"beesession", "django"}
    assert [re.split(r"\W", each)[0] for each in required if "extra ==" not in each] == ["Django"]


@pytest.mark.parametrize("engine", [each for each in ENGINES if each.name in {"memory", "file"}])
def test_sessions_work_on_the_base_install(engine: Engine, base_install: Path, tmp_path: Path) -> None:
    config = str(tmp_path / "sessions") if engine.name == "file" else ""
    (printed,) = run(KEEP, (engine, []), python=base_install, config=config)
    assert printed.split() == ["astaxie", "slene"]


@pytest.mark.parametrize("engine", WITHOUT_DRIVER)
def test_an_engine_without_a_driver_can_be_used_on_the_base_install(
    engine: Engine, base_install: Path, tmp_path: Path
) -> None:
    config = str(tmp_path / "sessions") if engine.name == "file" else ""
    assert run(USE, (engine, []), python=base_install, config=config) == [""]


def test_any_other_engine_names_its_extra_on_the_base_install(base_install: Path) -> None:
    found = [advised(printed) for printed in run(USE, *((each, []) for each in WITH_DRIVER), python=base_install)]
    assert found == [[EXTRA_OF[each.name]] * 2 for each in WITH_DRIVER]
