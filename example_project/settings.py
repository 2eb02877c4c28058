"""Settings of the demo site. What concerns sessions stands in conf/app.conf, as it would for a beego application.

Beside a beego application it stands in that one's beego_app/conf/app.conf, which both read.
"""

from __future__ import annotations

import os
from pathlib import Path

from beesession import BeegoManager
from example_project.secret import secret_key

HERE = Path(__file__).resolve().parent

# Everything that the site writes, but for the sessions, which are where conf/app.conf says.
VAR = Path(os.environ.get("BEESESSION_DEMO_VAR") or HERE / "var")
VAR.mkdir(parents=True, exist_ok=True)

# Where the beego application is that shares the sessions; ./dev demo --with-beego says it.
BEEGO_URL = os.environ.get("BEESESSION_DEMO_BEEGO", "")

SECRET_KEY = secret_key(VAR / "secret_key")
DEBUG = True  # runserver serves the style sheet only so; the site answers on this machine alone
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "example_project",
]
MIDDLEWARE = [
    "example_project.problems.friendly_pages",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_project.context.beego",
            ]
        },
    }
]
# Kept in a cookie of their own, so that "the session is destroyed" can still be said when it is.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
STATIC_URL = "static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "demo.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

if BEEGO_URL:
    BeegoManager.from_conf(HERE / "beego_app" / "conf" / "app.conf", shared=True).apply(globals())
else:
    BeegoManager.from_conf(HERE / "conf" / "app.conf").apply(globals())
