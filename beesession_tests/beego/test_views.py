"""BeegoSessionMixin, behind the real middleware."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import JsonResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from django.views import View

from beesession.beego.views import BeegoSessionMixin


class Controller(BeegoSessionMixin, View):
    """Does what the URL says, and answers with the value of "asta" and the id."""

    def get(self, request, call, argument=None):
        if call == "set":
            self.set_session("asta", argument)
        elif call == "del":
            self.del_session("asta")
        elif call == "regenerate":
            self.session_regenerate_id()
        elif call == "destroy":
            self.destroy_session()
        elif call == "start":
            session = self.start_session()
            session.set("asta", argument)
            session.session_release()
        return JsonResponse({"asta": self.get_session("asta"), "sid": request.session.session_key})


urlpatterns = [path("<call>", Controller.as_view()), path("<call>/<argument>", Controller.as_view())]


@pytest.fixture
def client():
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=["beesession.middleware.SessionMiddleware"]):
        yield Client()


def asta(client, call="get"):
    return client.get(f"/{call}").json()["asta"]


def test_a_value_is_there_in_the_next_request(client):
    asta(client, "set/1")
    assert asta(client) == "1"


def test_a_missing_value_is_none_and_may_be_deleted(client):
    assert asta(client) is None
    assert asta(client, "del") is None


def test_a_deleted_value_is_gone_in_the_next_request(client):
    asta(client, "set/1")
    asta(client, "del")
    assert asta(client) is None


def test_the_whole_session_can_be_held_and_released(client):
    asta(client, "start/2")
    assert asta(client) == "2"


def test_regeneration_keeps_the_data_under_a_new_id(client):
    asta(client, "set/1")
    before = client.cookies["sessionid"].value
    asta(client, "regenerate")
    assert client.cookies["sessionid"].value != before
    assert asta(client) == "1"
    client.cookies["sessionid"] = before
    assert asta(client) is None


def test_a_destroyed_session_stays_destroyed(client):
    asta(client, "set/1")
    before = client.cookies["sessionid"].value
    assert asta(client, "destroy") is None
    assert client.cookies["sessionid"].value == ""
    client.cookies["sessionid"] = before
    assert asta(client) is None


def test_a_view_without_session_middleware_is_told_what_to_do():
    with pytest.raises(ImproperlyConfigured, match="set sessionon = true"):
        Controller.as_view()(RequestFactory().get("/"), call="get")
