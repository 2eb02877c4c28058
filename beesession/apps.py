"""The Django application: it brings the management commands and the system checks, and has no models."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from beesession.masked import masked


class BeeSessionConfig(AppConfig):
    """``INSTALLED_APPS = [..., "beesession"]``"""

    name = "beesession"
    verbose_name = "beesession"

    def ready(self) -> None:
        from beesession import checks  # reads settings, which a settings module that uses BeegoManager has not made yet

        checks.register()
        mask_provider_strings()


def mask_provider_strings() -> None:
    """Keep the passwords of ``BEESESSION["PROVIDER_CONFIG"]`` out of Django's error pages and mails."""
    given = getattr(settings, "BEESESSION", None)
    if isinstance(given, dict) and "PROVIDER_CONFIG" in given:
        given["PROVIDER_CONFIG"] = masked(given["PROVIDER_CONFIG"])
