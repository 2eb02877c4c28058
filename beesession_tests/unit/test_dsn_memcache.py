"""Reading the memcache engine's provider string where it says more than beego's own."""

from __future__ import annotations

from typing import Any

import pytest

from beesession.beego import dsn
from beesession.beego.dsn import Address

SECRET = "hunter2-Zq9"
HOST = (Address("h", 1),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("h:1", dsn.MemcacheConfig(HOST), id="beego's own"),
        pytest.param('{"save_path": "h:1;/run/m.sock"}', dsn.MemcacheConfig((*HOST, "/run/m.sock")), id="JSON"),
        pytest.param({"SAVE_PATH": "h:1", "password": None}, dsn.MemcacheConfig(HOST), id="mapping"),
        pytest.param(
            {"save_path": "h:1", "username": "bee", "password": "b:ç"},
            dsn.MemcacheConfig(HOST, username="bee", password="b:ç"),
            id="account",
        ),
        pytest.param({"save_path": "h:1", "tls": True}, dsn.MemcacheConfig(HOST, tls=True), id="TLS"),
        pytest.param(
            {"save_path": "h:1", "tls": True, "ca_file": "/ca.pem"},
            dsn.MemcacheConfig(HOST, tls=True, ca_file="/ca.pem"),
            id="TLS with a CA",
        ),
        pytest.param(
            '{"save_path": "h:1", "connect_timeout": "500ms", "timeout": 1.5, "pool_size": 7}',
            dsn.MemcacheConfig(HOST, connect_timeout=0.5, timeout=1.5, pool_size=7),
            id="bounds",
        ),
    ],
)
def test_it_is_read(value: Any, expected: dsn.MemcacheConfig) -> None:
    assert dsn.memcache(value) == expected


def test_the_bounds_are_finite_where_none_are_given() -> None:
    config = dsn.memcache("h:1")
    assert (config.connect_timeout, config.timeout, config.pool_size) == (2, 3, 100)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"save_path": ""}, "the address is missing"),
        ({"passwort": SECRET}, "did you mean 'password'?"),
        ({"username": SECRET}, "username and password belong together"),
        ({"password": SECRET}, "username and password belong together"),
        ({"username": "a b", "password": SECRET}, "neither has spaces"),
        ({"username": "a", "password": f"{SECRET} b"}, "neither has spaces"),
        ({"username": "a", "password": f"{SECRET}\nx"}, "password holds a control character"),
        ({"username": "a", "password": [SECRET]}, "password must be a string"),
        ({"tls": SECRET}, "tls must be true or false"),
        ({"tls": True, "save_path": "h:1;/run/m.sock"}, "tls is for 'host:port' only"),
        ({"ca_file": "/ca.pem"}, "ca_file has no effect without tls"),
        ({"connect_timeout": 0}, "connect_timeout must be more than 0"),
        ({"timeout": "0s"}, "timeout must be more than 0"),
        ({"timeout": SECRET}, "timeout must be a duration"),
        ({"pool_size": 0}, "pool_size must be a whole number of 1 or more"),
    ],
)
def test_a_mistake_names_the_field_and_no_secret(members: dict[str, Any], field: str) -> None:
    with pytest.raises(dsn.DSNError, match="sessionproviderconfig of the memcache engine") as caught:
        dsn.memcache({"save_path": "h:1", **members})
    assert field in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_password_is_in_no_repr() -> None:
    assert SECRET not in repr(dsn.memcache({"save_path": "h:1", "username": "bee", "password": SECRET}))
