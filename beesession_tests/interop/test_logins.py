"""Log in on one side, and be logged in on the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.test import override_settings

from beesession_tests.engines import RunningEngine
from beesession_tests.interop.beego import BeegoApp
from beesession_tests.interop.django_site import AUTHENTICATION, CSRF, MESSAGES, Walker, sharing
from beesession_tests.interop.sides import on, stock, with_ours
from beesession_tests.interop.stored import STORES
from beesession_tests.interop.values import NIL, go, tagged

BACKEND = "django.contrib.auth.backends.ModelBackend"
PASSWORD = "honey and wax"

pytestmark = [
    pytest.mark.slow,
    on(*stock(*STORES), *with_ours(*STORES)),
]


@pytest.fixture
def site(engine: RunningEngine, transactional_db: None) -> Iterator[RunningEngine]:
    """The Django site, with all that a login takes."""
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher"  # a slow one would be no better a test
    with override_settings(PASSWORD_HASHERS=[hasher]), sharing(engine, CSRF, AUTHENTICATION, MESSAGES) as shared:
        yield shared


@pytest.fixture
def ann(site: RunningEngine) -> User:
    created: User = User.objects.create_user("ann", password=PASSWORD)
    return created


@pytest.fixture
def walker(beside: BeegoApp) -> Walker:
    return Walker(beside)


def token_of(walker: Walker) -> str:
    """Return the token of a form that the visitor sees at the Django site."""
    return str(walker.django("GET", "/form").content.decode())


def log_in_at_django(walker: Walker) -> None:
    form = {"username": "ann", "password": PASSWORD, "csrfmiddlewaretoken": token_of(walker)}
    response = walker.django("POST", "/login", form)
    assert (response.status_code, response.headers["Location"]) == (302, "/whoami")


def log_in_at_beego(walker: Walker, user: User) -> None:
    """Have the beego application log a user in, with what Django keeps of a login.

    The hash is what Django tells of a user whom it has authenticated: it depends on the password, and on SECRET_KEY.
    """
    walker.beego.login(str(user.pk), BACKEND, user.get_session_auth_hash())


def user_at_django(walker: Walker) -> str:
    """Return the name of who is logged in at the Django site; "" for nobody."""
    return str(walker.django("GET", "/whoami").content.decode())


def test_who_logs_in_at_django_is_logged_in_at_beego(walker: Walker, ann: User) -> None:
    assert walker.beego.user() is None
    log_in_at_django(walker)
    assert walker.beego.user() == str(ann.pk)
    assert walker.beego.get(SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY) == [
        tagged(str(ann.pk)),
        tagged(BACKEND),
        tagged(ann.get_session_auth_hash()),
    ]
    assert user_at_django(walker) == "ann"


def test_who_logs_in_at_beego_is_logged_in_at_django(walker: Walker, ann: User) -> None:
    assert user_at_django(walker) == ""
    walker.beego.count()
    log_in_at_beego(walker, ann)
    assert user_at_django(walker) == "ann"
    assert walker.beego.user() == str(ann.pk)
    # In a cluster, a rotation by beego loses what the session held.
    assert walker.get_in_django("visits") == [None if walker.app.provider == "redis_cluster" else 1]


def test_a_login_at_django_keeps_the_session_and_its_types_and_ends_the_old_id(walker: Walker, ann: User) -> None:
    walker.beego.set({"cart": tagged(["tea"]), "visits": go("int64", 1)})
    old = walker.sid
    log_in_at_django(walker)
    assert walker.sid != old
    assert walker.beego.get("cart", "visits") == [tagged(["tea"]), go("int64", 1)]


def test_a_login_at_beego_with_a_wrong_hash_is_none_at_django(walker: Walker, ann: User) -> None:
    walker.beego.login(str(ann.pk), BACKEND, "0" * 64)
    assert user_at_django(walker) == ""


def test_a_new_password_ends_a_login_that_beego_has_made(walker: Walker, ann: User) -> None:
    log_in_at_beego(walker, ann)
    ann.set_password("another one")
    ann.save()
    assert user_at_django(walker) == ""
    assert walker.beego.user() is None


@pytest.mark.parametrize("begun_in", ["django", "beego"])
def test_who_logs_out_at_django_is_logged_out_at_beego(walker: Walker, ann: User, begun_in: str) -> None:
    if begun_in == "django":
        log_in_at_django(walker)
    else:
        log_in_at_beego(walker, ann)
    walker.set_in_django(secret="of ann")
    assert walker.django("GET", "/logout").content == b"out"
    assert walker.beego.user() is None
    assert walker.beego.get("secret") == [NIL]
    assert user_at_django(walker) == ""


def test_who_logs_out_at_beego_is_logged_out_at_django(walker: Walker, ann: User) -> None:
    log_in_at_django(walker)
    walker.beego.destroy()
    assert user_at_django(walker) == ""
    assert walker.get_in_django(SESSION_KEY) == [None]


def test_messages_wait_in_the_session_while_the_visitor_is_at_beego(walker: Walker) -> None:
    for text in ("saved", "to <b>you</b>"):
        walker.django("POST", "/message", {"text": text, "csrfmiddlewaretoken": token_of(walker)})
    assert walker.beego.count() == 1
    assert walker.django("GET", "/messages").json() == ["saved", "to <b>you</b>"]
    assert walker.django("GET", "/messages").json() == []


def test_a_form_that_was_seen_before_a_visit_to_beego_can_be_sent_after_it(walker: Walker) -> None:
    form = {"text": "hi", "csrfmiddlewaretoken": token_of(walker)}
    walker.beego.count()
    assert walker.django("POST", "/message", form).content == b"left"
    assert walker.django("POST", "/message", {"text": "hi"}).status_code == 403
    assert walker.beego.get("visits") == [tagged(1)]
