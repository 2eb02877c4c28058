"""What a worker process needs. The server that workers are forked from imports it once, for all of them."""

from __future__ import annotations

import os

import django

import beesession_tests.races.acts
import beesession_tests.races.crowd  # noqa: F401  (imported so that no worker has to)

os.environ["DJANGO_SETTINGS_MODULE"] = "beesession_tests.settings"
django.setup()
