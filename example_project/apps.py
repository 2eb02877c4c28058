"""The demo app, and the one user that it brings."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

USERNAME = "demo"
PASSWORD = "honeycomb"
"""Shown on the page: whoever reaches the demo site may log in."""


class ExampleConfig(AppConfig):
    name = "example_project"
    label = "demo"

    def ready(self) -> None:
        # Sessions may hold what beego has put there, and only what is registered can be read as what it is.
        from example_project import visits  # noqa: F401

        # The table of users is auth's, so it is there once auth has been migrated.
        post_migrate.connect(create_demo_user, sender=apps.get_app_config("auth"))


def create_demo_user(*, using: str, **kwargs: object) -> None:
    """Create the demo user, if it is missing. It has no rights whatever."""
    from django.contrib.auth.models import User  # models cannot be imported before the apps are ready

    users = User.objects.db_manager(using)
    if not users.filter(username=USERNAME).exists():
        users.create_user(USERNAME, password=PASSWORD)
