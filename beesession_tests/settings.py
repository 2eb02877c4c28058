"""Settings of the test run. Engines that a test needs are set with override_settings."""

from __future__ import annotations

import sys

from beesession_tests import upstream

SECRET_KEY = "beesession-tests-only-0123456789-abcdefghijklmnopqrstuvwxyz"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "beesession"]
SESSION_ENGINE = "beesession.engines.memory"
ALLOWED_HOSTS = ["*"]

# Django's own session tests bring models, so their package has to be an app, and importable, before Django is set up.
if (_upstream := upstream.folder()) is not None:
    sys.path.append(str(_upstream))
    INSTALLED_APPS.append(upstream.PACKAGE)
