"""The ways in which a session id travels: cookie, header, URL query."""

from __future__ import annotations

import sys

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter

from beesession.middleware import SessionMiddleware
from beesession_tests.middleware.conftest import Visitor

HEADER = "Beegosessionid"

pytestmark = pytest.mark.usefixtures("site")

with_header = override_settings(BEESESSION={"HEADER_NAME": HEADER})
with_query = override_settings(BEESESSION={"URL_QUERY": True})


def start(visitor: Visitor) -> str:
    """Begin a session and return its id; the browser forgets the cookie."""
    visitor.get("change?to=kept")
    return str(visitor.cookies.pop(settings.SESSION_COOKIE_NAME).value)


def test_the_id_travels_in_a_cookie_by_default(visitor: Visitor) -> None:
    response = visitor.get("change?to=kept")
    assert settings.SESSION_COOKIE_NAME in response.cookies
    assert HEADER not in response.headers
    assert visitor.get("read").json() == {"value": "kept"}


def test_header_and_query_are_ignored_unless_switched_on(visitor: Visitor) -> None:
    sid = start(visitor)
    assert visitor.get("read", **{HEADER: sid}).json() == {"value": None}
    assert visitor.get(f"read?sessionid={sid}").json() == {"value": None}


@with_header
def test_a_header_opens_the_session_and_no_cookie_is_set(visitor: Visitor) -> None:
    sid = start(visitor)
    response = visitor.get("change?key=more&to=1", **{HEADER: sid})
    assert response.headers[HEADER] == sid
    assert not response.cookies
    assert HEADER in response.headers["Vary"]
    assert visitor.get("read", **{HEADER: sid}).json() == {"value": "kept"}


@with_header
def test_an_empty_header_asks_for_the_id_in_a_header_alone(visitor: Visitor) -> None:
    response = visitor.get("change?to=kept", **{HEADER: ""})
    assert not response.cookies
    assert visitor.get("read", **{HEADER: response.headers[HEADER]}).json() == {"value": "kept"}


@with_header
def test_a_new_visitor_gets_both_since_either_may_be_understood(visitor: Visitor) -> None:
    response = visitor.get("change?to=kept")
    assert response.headers[HEADER] == response.cookies[settings.SESSION_COOKIE_NAME].value


@with_header
def test_the_cookie_wins_over_the_header_and_the_header_stays_silent(visitor: Visitor) -> None:
    other = start(visitor)
    visitor.get("change?to=mine")
    response = visitor.get("change?key=more&to=1", **{HEADER: other})
    assert HEADER not in response.headers
    assert visitor.get("read", **{HEADER: other}).json() == {"value": "mine"}


@with_header
def test_login_by_header_rotates_the_id_and_the_old_one_is_dead(visitor: Visitor) -> None:
    old = start(visitor)
    new = visitor.get("login", **{HEADER: old}).headers[HEADER]
    assert new != old
    assert visitor.get("whoami", **{HEADER: new}).content == b"ann"
    assert visitor.get("whoami", **{HEADER: old}).content == b""


@with_header
def test_logout_by_header_ends_the_session_on_the_server(visitor: Visitor) -> None:
    sid = visitor.get("login", **{HEADER: ""}).headers[HEADER]
    response = visitor.get("logout", **{HEADER: sid})
    assert response.headers[HEADER] == ""
    assert not response.cookies
    assert visitor.get("whoami", **{HEADER: sid}).content == b""


@override_settings(BEESESSION={"HEADER_NAME": HEADER, "SET_COOKIE": False})
def test_without_cookies_the_header_is_the_only_way(visitor: Visitor) -> None:
    response = visitor.get("change?to=kept")
    sid = response.headers[HEADER]
    assert not response.cookies
    visitor.cookies[settings.SESSION_COOKIE_NAME] = "f" * 32  # as a client might that kept one from before
    response = visitor.get("login", **{HEADER: sid})
    assert not response.cookies
    assert response.headers[HEADER] != sid
    assert visitor.get("whoami", **{HEADER: response.headers[HEADER]}).content == b"ann"
    assert visitor.get("read", **{HEADER: response.headers[HEADER]}).json() == {"value": "kept"}


@with_header
def test_a_page_that_depends_on_the_header_says_so_to_caches(visitor: Visitor) -> None:
    response = visitor.get("untouched", **{HEADER: "!!"})
    assert response.headers[HEADER] == ""
    assert HEADER in response.headers["Vary"]


@with_header
def test_a_cookie_that_the_view_has_set_itself_is_left_alone(visitor: Visitor) -> None:
    response = visitor.get("own-cookie", **{HEADER: start(visitor)})
    assert response.cookies["sessionid"].value == "own"
    assert HEADER not in response.headers


@with_header
def test_no_error_report_shows_an_id_that_came_in_a_header(visitor: Visitor) -> None:
    sid = start(visitor)
    request = RequestFactory().get("/", headers={HEADER: sid})
    SessionMiddleware(lambda request: HttpResponse()).process_request(request)
    assert request.session.session_key == sid
    try:
        raise ValueError
    except ValueError:
        report = ExceptionReporter(request, *sys.exc_info(), is_email=True).get_traceback_text()
    assert f"HTTP_{HEADER.upper()}" in report
    assert report.count(sid) == 0


@with_query
@override_settings(SESSION_ENGINE="beesession.engines.cookie", SESSION_SAVE_EVERY_REQUEST=True)
def test_a_link_plants_no_cookie_on_an_engine_whose_ids_change_with_each_write(visitor: Visitor) -> None:
    sid = start(visitor)
    assert not visitor.get(f"read?sessionid={sid}").cookies


@with_query
def test_an_id_in_the_address_does_not_go_to_other_sites(visitor: Visitor) -> None:
    sid = start(visitor)
    assert visitor.get(f"read?sessionid={sid}").headers["Referrer-Policy"] == "same-origin"


@with_header
@pytest.mark.parametrize("hostile", ["../../etc/passwd", "A" * 32, "0" * 8192, "x"])
def test_a_hostile_id_in_the_header_is_an_anonymous_visitor(visitor: Visitor, hostile: str) -> None:
    response = visitor.get("read", **{HEADER: hostile})
    assert response.json() == {"value": None}
    assert response.headers[HEADER] == ""


@with_query
def test_a_query_opens_an_anonymous_session_and_leaves_no_cookie(visitor: Visitor) -> None:
    sid = start(visitor)
    response = visitor.get(f"change?key=more&to=1&sessionid={sid}")
    assert not response.cookies
    assert visitor.get(f"read?sessionid={sid}&key=more").json() == {"value": "1"}


@with_query
def test_a_query_never_opens_a_session_that_carries_a_login(visitor: Visitor) -> None:
    visitor.get("login")
    sid = visitor.cookies.pop(settings.SESSION_COOKIE_NAME).value
    assert visitor.get(f"whoami?sessionid={sid}").content == b""


@with_query
def test_a_login_that_began_with_a_query_goes_on_by_cookie_under_a_new_id(visitor: Visitor) -> None:
    planted = start(visitor)
    response = visitor.get(f"login?sessionid={planted}")
    assert response.cookies[settings.SESSION_COOKIE_NAME].value != planted
    assert visitor.get("whoami").content == b"ann"
