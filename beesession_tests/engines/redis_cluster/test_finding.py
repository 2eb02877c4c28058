"""How the nodes of a cluster are found, and what a mistake in that, or a silence, is called."""

from __future__ import annotations

import socket
import time
import traceback
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from beesession.provider import Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.records import HOUR, PREFIX, SID, Form, Make, cache, stored
from beesession_tests.monitor import commands
from beesession_tests.servers import Servers, free_port, redis_cluster, running
from beesession_tests.servers.certificates import certificate
from beesession_tests.servers.redis_cluster import ClusterNode, free_node_port


def test_sessions_are_spread_over_all_masters_and_counted_on_each(make: Make, form: Form, servers: Servers) -> None:
    servers.redis_cluster.flush()
    verbs = form(make(servers.redis_cluster.provider_config, key_prefix=PREFIX))
    for number in range(200):
        stored(verbs, sid=f"{number:032x}")
    sizes = [int(str(node.admin.dbsize())) for node in servers.redis_cluster.masters()]
    assert sum(sizes) == 200
    assert min(sizes) > 30
    assert verbs.active().number == 200


def test_any_one_node_is_enough_to_find_all_of_them(make: Make, form: Form, servers: Servers) -> None:
    servers.redis_cluster.flush()
    replica = servers.redis_cluster.nodes[-1]
    verbs = form(make(f"127.0.0.1:{free_port()};{replica.host}:{replica.port}"))
    for number in range(20):
        stored(verbs, sid=f"{number:032x}")
    assert len(servers.redis_cluster.keys()) == 20


def test_a_listed_node_that_is_not_in_the_cluster_any_more_is_passed_over(
    make: Make, form: Form, servers: Servers
) -> None:
    servers.redis_cluster.flush()
    with running(lambda directory: ClusterNode(directory, ())) as lone:
        for _ in range(6):
            verbs = form(make(f"{lone.host}:{lone.port};{servers.redis_cluster.provider_config}"))
            sid = verbs.store().sid
            assert verbs.data(sid) == b"data"
            # Each count asks for the map again, whichever node.
            assert {verbs.active().number for _ in range(3)} == {1}
            verbs.destroy(sid)


def test_replicas_are_not_read(make: Make, form: Form, servers: Servers) -> None:
    verbs = form(make(servers.redis_cluster.provider_config))
    sids = [verbs.store().sid for _ in range(20)]
    masters = servers.redis_cluster.masters()
    with ExitStack() as stack:
        seen = [
            stack.enter_context(commands(node.admin)) for node in servers.redis_cluster.nodes if node not in masters
        ]
        for sid in sids:
            assert verbs.data(sid) == b"data"
    assert [name for each in seen for name in each if name == "GET"] == []


@pytest.mark.slow
def test_a_node_that_keeps_silent_costs_a_moment_once(make: Make, form: Form, servers: Servers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        verbs = form(make(f"127.0.0.1:{silent.getsockname()[1]};{servers.redis_cluster.provider_config}"))
        began = time.monotonic()
        record = verbs.store()
        found = time.monotonic()
        assert found - began < 8
        for _ in range(20):
            assert verbs.data(record.sid) == b"data"
        assert time.monotonic() - found < 2


@pytest.mark.slow
def test_a_cluster_that_keeps_silent_is_unavailable_within_seconds(make: Make) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        provider = make(";".join(f"127.0.0.1:{each.getsockname()[1]}" for each in silent))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            provider.read(SID)
        assert time.monotonic() - began < 8


def test_a_server_that_is_no_cluster_is_told(make: Make, form: Form, servers: Servers) -> None:
    verbs = form(make(servers.redis.provider_config))
    with pytest.raises(Unavailable) as caught:
        verbs.read(SID)
    assert "cluster support disabled" in str(caught.value.__cause__)


@pytest.mark.slow
def test_tls_and_an_acl_user_reach_each_node(make: Make, form: Form, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = certificate(tmp_path_factory.mktemp("tls"))
    port = free_node_port()
    files = ("--tls-cert-file", str(made.cert), "--tls-key-file", str(made.key), "--tls-ca-cert-file", str(made.cert))
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cluster", "yes", *files)
    with redis_cluster(1, *tls, replicated=False) as cluster:
        (node,) = cluster.nodes
        node.admin.acl_setuser("bee", enabled=True, passwords=["+honey"], keys=["shop:*"], categories=["+@all"])
        location = f"rediss://127.0.0.1:{port}"
        user = {"USERNAME": "bee", "PASSWORD": "honey"}
        trusted = {"CONNECTION_POOL_KWARGS": {"ssl_ca_certs": str(made.cert)}}
        with override_settings(
            CACHES={
                "good": cache(location, **user, **trusted),
                "untrusted": cache(location, **user),
                "locked-out": cache(location, USERNAME="bee", PASSWORD="wax", **trusted),
            }
        ):
            verbs = form(make(alias="good", key_prefix=PREFIX))
            verbs.swap(SID, stored(verbs), b"new", HOUR)
            assert node.admin.get(PREFIX + SID) == b"new"
            for alias in ("untrusted", "locked-out"):
                with pytest.raises(Unavailable):
                    form(make(alias=alias, key_prefix=PREFIX)).read(SID)


@pytest.mark.parametrize(
    "location",
    [
        "unix:///run/redis.sock",
        "redis://:honey@127.0.0.1:7000/3",
        "redis://:honey@127.0.0.1:7000?db=3",
        "http://:honey@127.0.0.1:7000",
        "redis://:honey@127.0.0.1:port",
        ["redis://127.0.0.1:7000", "redis://:honey@"],
        "",
    ],
    ids=["unix socket", "database 3", "?db=3", "other scheme", "no number", "second has no host", "empty"],
)
def test_a_location_that_names_no_nodes_is_told_before_anything_is_stored(make: Make, location: Any) -> None:
    with override_settings(CACHES={"mine": cache(location)}), pytest.raises(ImproperlyConfigured) as caught:
        make(alias="mine")
    assert "CACHES['mine']: LOCATION must list nodes" in str(caught.value)
    assert "honey" not in "".join(traceback.format_exception(caught.value, chain=True))


def test_an_option_that_does_not_exist_is_told_before_anything_is_stored(make: Make) -> None:
    entry = cache("redis://127.0.0.1:7000", CONNECTION_POOL_KWARGS={"pasword": "honey"})
    with override_settings(CACHES={"mine": entry}), pytest.raises(ImproperlyConfigured, match="OPTIONS must be those"):
        make(alias="mine")


def test_nothing_is_connected_before_the_first_use(make: Make, servers: Servers) -> None:
    counts = [len(node.admin.client_list()) for node in servers.redis_cluster.nodes]
    make(servers.redis_cluster.provider_config)
    assert [len(node.admin.client_list()) for node in servers.redis_cluster.nodes] == counts


RIGHTS = "+get +set +exists +del +pexpire +pttl +scan +eval +evalsha +info +cluster|slots +asking"


def test_a_user_with_the_rights_that_the_documentation_names_can_work_on_each_node(
    make: Make, form: Form, servers: Servers
) -> None:
    nodes = servers.redis_cluster.nodes
    for node in nodes:
        node.admin.acl_setuser("bee", enabled=True, passwords=["+honey"], keys=["*"], commands=RIGHTS.split())
    servers.redis_cluster.flush()
    members = {"save_path": servers.redis_cluster.provider_config, "username": "bee", "password": "honey"}
    verbs = form(make(members))
    try:
        for number in range(20):
            record = stored(verbs, sid=f"{number:032x}")
            verbs.regenerate(record.sid, verbs.new_sid(), record, b"new", HOUR)
        assert verbs.active().number == 20
        names = {each["user"] for node in servers.redis_cluster.masters() for each in node.admin.client_list()}
        assert "bee" in names
        with pytest.raises(Unavailable) as caught:
            form(make({**members, "password": "wax"})).read(SID)
        assert isinstance(caught.value.__cause__, redis.AuthenticationError)
    finally:
        for node in nodes:
            node.admin.acl_deluser("bee")


def test_no_repr_shows_the_password(make: Make, servers: Servers) -> None:
    provider = make({"save_path": servers.redis_cluster.provider_config, "password": "honey"})
    assert "honey" not in repr(provider) + repr(vars(provider))
    assert isinstance(Verbs(provider, None).provider, type(provider))
