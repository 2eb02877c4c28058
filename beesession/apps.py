"""The Django application: it brings the management commands and the system checks, and has no models."""

from __future__ import annotations

from django.apps import AppConfig


class BeeSessionConfig(AppConfig):
    """``INSTALLED_APPS = [..., "beesession"]``"""

    name = "beesession"
    verbose_name = "beesession"

    def ready(self) -> None:
        from beesession import checks  # reads settings, which a settings module that uses BeegoManager has not made yet

        checks.register()
