"""What each page knows."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def beego(request: HttpRequest) -> dict[str, str]:
    """Return where the beego application is that shares the sessions; "" when there is none."""
    return {"beego_url": settings.BEEGO_URL}
