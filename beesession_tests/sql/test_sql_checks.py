"""The system checks of the SQL engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings

from beesession_tests.servers import free_port
from beesession_tests.sql.databases import ALIAS, Kind, Server, database_entry

GOOD: dict[str, Any] = {
    "SECRET_KEY": "Zk3-1x_q8Vw2Lr7Tn5Yb9Ce4Hd6Jf0GmPsQaUoIiXvBtEyRuNz",
    "MIDDLEWARE": ["beesession.middleware.SessionMiddleware"],
    "SESSION_COOKIE_SECURE": True,
}


def messages(kind: Kind, *, server: bool = False, **keys: Any) -> list[CheckMessage]:
    """Return what the checks say of a site on this engine.

    :param server: ask those that connect, too
    """
    with override_settings(**GOOD, SESSION_ENGINE=kind.module, BEESESSION=keys):
        databases = ["default"] if server else []
        return run_checks(tags=["beesession"], include_deployment_checks=server, databases=databases)


def ids(found: list[CheckMessage]) -> list[str]:
    return sorted(str(message.id).removeprefix("beesession.") for message in found)


def test_a_good_configuration_is_silent(kind: Kind, server: Server) -> None:
    assert messages(kind, server=True, PROVIDER_CONFIG=server.provider_config) == []


def test_without_a_named_database_nothing_connects(kind: Kind, server: Server) -> None:
    server.disconnect_clients()
    assert messages(kind, PROVIDER_CONFIG=server.provider_config) == []
    assert server.connections() == []


@pytest.mark.parametrize("keys", [{}, {"ALIAS": "nowhere"}, {"ALIAS": "default"}], ids=["none", "nowhere", "sqlite"])
def test_a_database_that_will_not_do_is_e004(kind: Kind, keys: dict[str, Any]) -> None:
    assert ids(messages(kind, **keys)) == ["E004"]


def test_key_prefix_is_e004(kind: Kind, server: Server) -> None:
    found = messages(kind, PROVIDER_CONFIG=server.provider_config, KEY_PREFIX="shop:")
    assert ids(found) == ["E004"]
    assert "BEESESSION['KEY_PREFIX'] must be empty" in found[0].msg


def test_what_only_postgresql_looks_at_is_w002_on_mysql(kind: Kind, server: Server) -> None:
    found = messages(kind, PROVIDER_CONFIG=server.provider_config, STORE_TIMEZONE="Europe/Berlin", ASYNC_POOL=False)
    assert ids(found) == (["W002", "W002"] if kind.is_mysql else [])


@pytest.mark.usefixtures("entry")
def test_a_provider_string_beside_an_alias_is_w002(kind: Kind, server: Server) -> None:
    assert ids(messages(kind, ALIAS=ALIAS, PROVIDER_CONFIG=server.provider_config)) == ["W002"]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda entry: None, True),
        (lambda entry: entry.update(HOST="localhost"), True),
        (lambda entry: entry.update(PORT=""), True),
        (lambda entry: entry.update(PORT=free_port()), False),
        (lambda entry: entry.update(NAME=f"test_{entry['NAME']}"), True),
        (lambda entry: entry.update(NAME="tried", TEST={"NAME": "tried"}), True),
        (lambda entry: entry.update(NAME="another"), False),
    ],
    ids=["same", "localhost", "default-port", "another-port", "test-run", "test-run-by-name", "another-database"],
)
def test_a_provider_string_that_leads_elsewhere_than_the_entry_is_w002(
    kind: Kind, server: Server, entry: dict[str, Any], change: Callable[[dict[str, Any]], None], same: bool
) -> None:
    default_port = "3306" if kind.is_mysql else "5432"
    entry["PORT"] = default_port
    change(entry)
    with database_entry("beesession", entry):
        found = messages(kind, PROVIDER_CONFIG=server.provider_config.replace(str(server.port), default_port))
    assert ids(found) == ([] if same else ["W002"])


@pytest.mark.parametrize("atomic", [True, False])
def test_atomic_requests_are_w024(kind: Kind, entry: dict[str, Any], atomic: bool) -> None:
    entry["ATOMIC_REQUESTS"] = atomic
    assert ids(messages(kind, ALIAS=ALIAS)) == (["W024"] if atomic else [])


def test_a_missing_table_is_e020(kind: Kind, server: Server) -> None:
    server.execute("DROP TABLE session")
    (found,) = messages(kind, server=True, PROVIDER_CONFIG=server.provider_config)
    assert (found.id, found.hint) == ("beesession.E020", "Make it: manage.py session_table.")


@pytest.mark.usefixtures("entry")
def test_a_missing_table_of_an_alias_is_e020_and_migrate_makes_it(kind: Kind, server: Server) -> None:
    server.execute("DROP TABLE session")
    (found,) = messages(kind, server=True, ALIAS=ALIAS)
    assert found.hint == "Make it: manage.py session_table, or manage.py migrate --database sessions."


def test_a_table_that_is_another_is_e020(kind: Kind, server: Server) -> None:
    server.execute("ALTER TABLE session DROP COLUMN session_data")
    found = messages(kind, server=True, PROVIDER_CONFIG=server.provider_config)
    assert ids(found) == ["E020"]
    assert "it has no column session_data" in found[0].msg


def test_beegos_table_is_warned_of_flaw_by_flaw(kind: Kind, server: Server) -> None:
    kind.make_table(server, beegos=True)
    found = messages(kind, server=True, PROVIDER_CONFIG=server.provider_config)
    assert ids(found) == (["W020", "W021", "W022", "W023"] if kind.is_mysql else ["W023"])
    for message in found:
        assert message.hint is not None
        server.execute(message.hint.removeprefix("To mend it: ").removesuffix(";"))
    assert messages(kind, server=True, PROVIDER_CONFIG=server.provider_config) == []


def test_a_database_that_cannot_be_asked_is_w025(kind: Kind, server: Server) -> None:
    nobody = server.provider_config.replace(f":{server.port}", f":{free_port()}")
    found = messages(kind, server=True, PROVIDER_CONFIG=nobody)
    assert ids(found) == ["W025"]
    assert "pw-of" not in f"{found[0].msg}{found[0].hint}"
