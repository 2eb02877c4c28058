"""How the servers are found and connected to, and what a mistake in that is called."""

from __future__ import annotations

import socket
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from pymemcache.client.base import KeepaliveOpts  # type: ignore[import-untyped, unused-ignore]
from pymemcache.client.rendezvous import RendezvousHash  # type: ignore[import-untyped, unused-ignore]
from pymemcache.exceptions import MemcacheClientError  # type: ignore[import-untyped, unused-ignore]
from pymemcache.serde import pickle_serde  # type: ignore[import-untyped, unused-ignore]

from beesession.conf import Options
from beesession.memcached_endpoints import endpoints, of_provider_config
from beesession.provider import Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.memcache_engine.records import HOUR, SID, Form, Make, cache, stored
from beesession_tests.servers import MemcachedServer, MemcachedServers, memcached_server
from beesession_tests.servers.base import eventually
from beesession_tests.servers.certificates import Certificate, certificate
from beesession_tests.servers.memcached import PASSWORD, USER


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_server(certified: Certificate) -> Iterator[MemcachedServer]:
    with memcached_server(certificate=certified) as server:
        yield server


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[MemcachedServer]:
    with memcached_server(authenticates=True) as server:
        yield server


# Ways to connect ---------------------------------------------------------------------------------------------


def test_tls_works_and_the_count_too(
    make: Make, form: Form, tls_server: MemcachedServer, certified: Certificate
) -> None:
    verbs = form(make({"save_path": tls_server.address, "tls": True, "ca_file": str(certified.cert)}))
    record = verbs.swap(SID, stored(verbs, b"\x00" * 200_000), b"new", HOUR)
    assert verbs.data(record.sid) == b"new"
    assert tls_server.admin.get(SID) == b"new"
    assert verbs.active().number == 1
    assert verbs.destroy(SID) is True


@pytest.mark.parametrize("options", [{}, {"tls": True}], ids=["plain", "untrusted"])
def test_a_server_that_cannot_be_trusted_gets_nothing(
    make: Make, form: Form, tls_server: MemcachedServer, options: dict[str, Any]
) -> None:
    with pytest.raises(Unavailable):
        form(make({"save_path": tls_server.address, **options})).create(SID, b"data", HOUR)
    assert tls_server.admin.get(SID) is None


def test_tls_through_an_alias_is_the_context_of_the_options(
    make: Make, form: Form, tls_server: MemcachedServer, certified: Certificate
) -> None:
    context = ssl.create_default_context(cafile=certified.cert)
    with override_settings(CACHES={"mine": cache(tls_server.address, tls_context=context)}):
        verbs = form(make("", alias="mine"))
    stored(verbs)
    assert verbs.destroy(SID) is True


def test_a_server_that_asks_for_a_password_gets_it_on_each_connection(
    make: Make, form: Form, guarded_server: MemcachedServer
) -> None:
    verbs = form(make({"save_path": guarded_server.address, "username": USER, "password": PASSWORD}))
    record = stored(verbs)
    assert verbs.active().number == 1
    verbs.provider.close()
    assert verbs.data(verbs.swap(SID, record, b"new", HOUR).sid) == b"new"
    assert verbs.destroy(SID) is True


@pytest.mark.parametrize("account", [{}, {"username": USER, "password": "wrong"}], ids=["without", "wrong"])
def test_who_is_not_let_in_is_told_so_and_the_password_is_not(
    make: Make, form: Form, guarded_server: MemcachedServer, account: dict[str, str]
) -> None:
    verbs = form(make({"save_path": guarded_server.address, **account}))
    for verb in (lambda: verbs.read(SID), lambda: verbs.create(SID, b"data", HOUR), verbs.active):
        with pytest.raises(Unavailable) as caught:
            verb()
        assert isinstance(caught.value.__cause__ or caught.value.__context__, MemcacheClientError)
        shown = "".join(traceback.format_exception(caught.value))
        assert "authenticat" in shown
        assert "wrong" not in shown


def test_a_password_is_not_left_in_a_server_that_asks_for_none(make: Make, server: MemcachedServer) -> None:
    stored(Verbs(make({"save_path": server.address, "username": USER, "password": PASSWORD}), None))
    assert server.admin.get("auth") is None


def test_a_unix_socket_works(make: Make, form: Form) -> None:
    with memcached_server(on_socket=True) as server:
        assert server.address.startswith("/")
        verbs = form(make(server.provider_config))
        record = verbs.swap(SID, stored(verbs), b"new", HOUR)
        assert verbs.data(record.sid) == b"new"
        assert server.admin.get(SID) == b"new"
        assert verbs.active().number == 1
        with override_settings(CACHES={"mine": cache(f"unix:{server.address}")}):
            assert form(make("", alias="mine")).data(SID) == b"new"


def test_each_address_of_a_name_is_tried(
    make: Make, form: Form, server: MemcachedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of localhost, ::1 and 127.0.0.1, where memcached listens on one of them."""

    def resolve(host: str, port: int, *_: object) -> list[tuple[Any, ...]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, (address, port)) for address in ("127.0.0.2", server.host)]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    verbs = form(make(f"memcached.example:{server.port}"))
    assert verbs.data(stored(verbs).sid) == b"data"


def test_nothing_is_connected_before_the_first_use(make: Make, server: MemcachedServer) -> None:
    before = server.connections()
    provider = make(server.provider_config)
    eventually(lambda: server.connections() <= before)
    provider.read(SID)
    assert server.connections() == before + 1


# Which configuration counts ----------------------------------------------------------------------------------


def test_the_cache_named_beesession_comes_before_the_provider_string_and_an_alias_before_both(
    make: Make, nodes: MemcachedServers, server: MemcachedServer
) -> None:
    first, second = nodes.addresses
    with override_settings(CACHES={"beesession": cache(first), "mine": cache([second])}):
        by_name, by_alias = make(server.address), make(server.address, alias="mine")
    with override_settings(CACHES={"mine": cache(first)}):
        by_string = make(server.address)
    for provider, data in ((by_name, b"1"), (by_alias, b"2"), (by_string, b"3")):
        stored(Verbs(provider, None), data)
    assert [each.admin.get(SID) for each in (*nodes.nodes, server)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "location",
    ["{0};{1}", "{0}, {1}", ["{0}", "{1}"], ("{0}", "{1}")],
    ids=["semicolon", "comma", "list", "tuple"],
)
def test_the_nodes_of_an_alias_are_those_of_the_provider_string(
    make: Make, nodes: MemcachedServers, location: Any
) -> None:
    addresses = [text.format(*nodes.addresses) for text in ([location] if isinstance(location, str) else location)]
    with override_settings(CACHES={"mine": cache(addresses[0] if isinstance(location, str) else addresses)}):
        by_alias = Verbs(make("", alias="mine"), None)
    sids = [f"{number:032x}" for number in range(50)]
    for sid in sids:
        stored(by_alias, sid=sid)
    by_string = make()
    assert all(by_string.read(sid) is not None for sid in sids)


def test_the_hasher_of_an_alias_chooses_the_node_if_it_names_one(make: Make, nodes: MemcachedServers) -> None:
    with override_settings(CACHES={"mine": cache(nodes.addresses, hasher=RendezvousHash)}):
        verbs = Verbs(make("", alias="mine"), None)
    theirs = RendezvousHash(nodes.addresses)
    for sid in (f"{number:032x}" for number in range(50)):
        stored(verbs, sid=sid)
        assert nodes.node_of(sid).address == theirs.get_node(sid)


def test_what_a_cache_makes_of_values_and_failures_does_not_reach_the_sessions(
    make: Make, form: Form, server: MemcachedServer
) -> None:
    options = {
        "serde": pickle_serde,
        "ignore_exc": True,
        "default_noreply": True,
        "use_pooling": True,
        "retry_attempts": 7,
        "allow_unicode_keys": True,
        "no_delay": True,
        "socket_keepalive": KeepaliveOpts(),
        "max_pool_size": 2,
    }
    with override_settings(CACHES={"mine": cache(server.address, **options), "dead": cache("127.0.0.1:1", **options)}):
        verbs, dead = form(make("", alias="mine")), form(make("", alias="dead"))
    assert verbs.data(stored(verbs, b"\x80 no pickle").sid) == b"\x80 no pickle"
    assert verbs.create(SID, b"taken", HOUR) is None
    with pytest.raises(Unavailable):
        dead.read(SID)


def test_timeouts_are_finite_where_the_configuration_is_silent_about_them(server: MemcachedServer) -> None:
    with override_settings(CACHES={"mine": cache(server.address), "none": cache(server.address, timeout=None)}):
        found = [endpoints("", Options.from_mapping({"ALIAS": alias})) for alias in ("mine", "none")]
    for each in (*found, of_provider_config(server.address)):
        assert (each.options["connect_timeout"], each.options["timeout"], each.pool_size) == (2, 3, 100)


def test_the_timeouts_of_an_alias_count(server: MemcachedServer) -> None:
    with override_settings(CACHES={"mine": cache(server.address, timeout=0.5, connect_timeout=1, max_pool_size=7)}):
        found = endpoints("", Options.from_mapping({"ALIAS": "mine"}))
    assert (found.options["connect_timeout"], found.options["timeout"], found.pool_size) == (1, 0.5, 7)


# Mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caches", "value", "keys", "named"),
    [
        ({}, "h:1", {"alias": "typo"}, "BEESESSION['ALIAS']: CACHES has no entry 'typo'"),
        (
            {"mine": {"BACKEND": "django.core.cache.backends.memcached.PyLibMCCache", "LOCATION": "h:1"}},
            "",
            {"alias": "mine"},
            "CACHES['mine']['BACKEND'] must be 'django.core.cache.backends.memcached.PyMemcacheCache'",
        ),
        ({"beesession": {"BACKEND": "no.such.Cache"}}, "h:1", {}, "CACHES['beesession']['BACKEND']"),
        ({"mine": cache("")}, "", {"alias": "mine"}, "LOCATION must be 'host:port'"),
        ({"mine": cache("honey:honey")}, "", {"alias": "mine"}, "LOCATION must be 'host:port'"),
        ({"mine": cache([None])}, "", {"alias": "mine"}, "LOCATION must be 'host:port'"),
        ({"mine": cache("h:1", no_such="honey")}, "", {"alias": "mine"}, "CACHES['mine']['OPTIONS']['no_such']"),
        ({"mine": cache("h:1", key_prefix=b"honey")}, "", {"alias": "mine"}, "use BEESESSION['KEY_PREFIX']"),
        ({"mine": cache("h:1", socket_keepalive="honey")}, "", {"alias": "mine"}, "OPTIONS must be those"),
        ({"mine": cache("h:1", hasher="honey")}, "", {"alias": "mine"}, "OPTIONS must be those"),
        ({"mine": cache("h:1", max_pool_size=2.5)}, "", {"alias": "mine"}, "OPTIONS must be those"),
        *(
            ({"mine": cache("h:1", **{name: wrong})}, "", {"alias": "mine"}, f"['{name}'] must be a number above 0")
            for name in ("connect_timeout", "timeout", "max_pool_size")
            for wrong in (0, -1, "honey", True, float("inf"))
        ),
        ({}, "", {}, "BEESESSION['PROVIDER_CONFIG']: sessionproviderconfig of the memcache engine: the address"),
        ({}, {"save_path": "h:1", "passwort": "honey"}, {}, "did you mean 'password'?"),
        ({}, {"save_path": "h:1", "tls": True, "ca_file": "/no/such/file"}, {}, "ca_file must name a file"),
        *(
            ({}, "h:1", {"key_prefix": wrong}, "BEESESSION['KEY_PREFIX'] can have up to 90 visible ASCII characters")
            for wrong in ("a b", "a\n", "é", "\x7f", "x" * 91)
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_named_before_anything_is_stored(
    make: Make, caches: dict[str, Any], value: str | dict[str, Any], keys: dict[str, Any], named: str
) -> None:
    with override_settings(CACHES=caches), pytest.raises(ImproperlyConfigured) as caught:
        make(value, **keys)
    assert named in str(caught.value)
    assert "honey" not in str(caught.value)
    assert "honey" not in repr(caught.value.__cause__)


def test_a_file_that_is_no_certificate_is_refused(make: Make, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(ImproperlyConfigured, match="ca_file must name a file of certificates"):
        make({"save_path": "h:1", "tls": True, "ca_file": str(file)})


def test_no_repr_shows_the_password() -> None:
    found = of_provider_config({"save_path": "h:1", "username": "bee", "password": "honey"})
    assert "honey" not in repr(found)
