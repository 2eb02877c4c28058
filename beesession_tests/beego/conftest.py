"""A browser for sessions without the web module: it keeps cookies between requests, and nothing else."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import RequestFactory


class Browser(RequestFactory):
    """Makes requests with the cookies that earlier responses have set."""

    def keep(self, response: HttpResponse) -> None:
        """Take over the cookies of a response, as a browser does."""
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value


@pytest.fixture
def browser():
    return Browser()
