"""The Django application: it brings the management commands, the system checks and the table of the SQL engines.

It has no models: the table is beego's, and only where an engine uses it.
"""

from __future__ import annotations

import sys
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate

from beesession.masked import masked


class BeeSessionConfig(AppConfig):
    """``INSTALLED_APPS = [..., "beesession"]``"""

    name = "beesession"
    verbose_name = "beesession"

    def ready(self) -> None:
        from beesession import checks  # reads settings, which a settings module that uses BeegoManager has not made yet

        checks.register()
        mask_provider_strings()
        post_migrate.connect(make_session_table, sender=self)


def make_session_table(using: str, verbosity: int, **kwargs: Any) -> None:
    """Make the table of the mysql or postgresql engine in the database that was migrated, if that is the engine's.

    A database that only PROVIDER_CONFIG names is none of those that ``migrate`` is for, nor that tests make a copy of.
    """
    from beesession import selected
    from beesession.sql.provider import SQLProvider
    from beesession.sql.table import create

    store = selected.store_class()
    if store is None or not issubclass(store.provider_class, SQLProvider):
        return
    engine, options = store.provider_class, store.bound_options()
    alias = engine.database(options.provider_config_for(engine.name), options).alias
    if alias is None or not (alias == using or _is_test_database_of(alias, using)):
        return
    if create(connections[using], engine.dialect) and verbosity > 0:
        print("  Made the table of the sessions.", file=kwargs.get("stdout", sys.stdout))


def _is_test_database_of(alias: str, using: str) -> bool:
    """Return whether ``using`` is by now connected to what will be the test database of ``alias``.

    Of the entries that lead to one database Django makes and migrates the test database by the first only. The others
    name the live one until that is done.
    """
    here = connections[using].settings_dict
    place = here["HOST"], here["PORT"], here["ENGINE"], here["NAME"]
    return connections[alias].creation.test_db_signature() == place


def mask_provider_strings() -> None:
    """Keep the passwords of ``BEESESSION["PROVIDER_CONFIG"]`` out of Django's error pages and mails."""
    given = getattr(settings, "BEESESSION", None)
    if isinstance(given, dict) and "PROVIDER_CONFIG" in given:
        given["PROVIDER_CONFIG"] = masked(given["PROVIDER_CONFIG"])
