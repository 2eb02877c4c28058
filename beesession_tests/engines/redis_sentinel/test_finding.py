"""How the master is found, and what a mistake in that, or a silence, is called."""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from beesession.engines.redis import RedisProvider
from beesession.provider import Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.records import HOUR, SID, Form, Make, cache, stored
from beesession_tests.monitor import commands
from beesession_tests.servers import RedisSentinelServers, Servers, free_port, redis_sentinel, redis_server, running
from beesession_tests.servers.base import eventually
from beesession_tests.servers.certificates import certificate
from beesession_tests.servers.redis_sentinel import NAME, SentinelServer

NEVER = 3600


@pytest.fixture
def group(servers: Servers) -> RedisSentinelServers:
    servers.redis_sentinel.flush()
    return servers.redis_sentinel


def watched(port: int) -> AbstractContextManager[SentinelServer]:
    """Run a sentinel that names the server at this port, whatever becomes of it."""
    return running(lambda directory: SentinelServer(directory, port, down_after=NEVER))


def made_of(make: Make, sentinel: SentinelServer, location: str, **options: Any) -> RedisProvider:
    """Return a provider of an entry of CACHES, whose master this sentinel knows."""
    factory = {"CONNECTION_FACTORY": "beesession.redis_pools.SentinelConnectionFactory"}
    entry = cache(location, **factory, SENTINELS=[(sentinel.host, sentinel.port)], **options)
    with override_settings(CACHES={"mine": entry}):
        return make(alias="mine")


def test_a_master_whose_name_has_capitals_is_found(make: Make, form: Form, group: RedisSentinelServers) -> None:
    assert NAME.lower() != NAME
    stored(form(make(group.provider_config)))
    assert group.master().admin.get(SID) == b"data"


def test_the_number_of_the_database_holds(make: Make, form: Form, group: RedisSentinelServers) -> None:
    addresses, _, _ = group.provider_config.partition(",")
    stored(form(make(f"{addresses},,,3,{NAME}")))
    assert group.master().client(db=3).get(SID) == b"data"


def test_replicas_are_not_read(make: Make, form: Form, group: RedisSentinelServers) -> None:
    verbs = form(make(group.provider_config))
    stored(verbs)
    replicas = [node for node in group.nodes if node is not group.master()]
    with ExitStack() as stack:
        seen = [stack.enter_context(commands(node.admin)) for node in replicas]
        for _ in range(20):
            assert verbs.data(SID) == b"data"
    assert [name for each in seen for name in each if name == "GET"] == []


def test_an_entry_of_caches_leads_there_too(make: Make, form: Form, group: RedisSentinelServers) -> None:
    entry = cache(
        f"redis://{NAME}/1",
        CONNECTION_FACTORY="beesession.redis_pools.SentinelConnectionFactory",
        SENTINELS=[(each.host, each.port) for each in group.sentinels],
    )
    with override_settings(CACHES={"mine": entry}):
        stored(form(make(alias="mine")))
    assert group.master().client(db=1).get(SID) == b"data"


def test_a_password_is_the_masters_and_the_sentinels_get_none(make: Make, form: Form) -> None:
    with redis_server("--requirepass", "honey") as server, watched(server.port) as sentinel:
        address = f"{sentinel.host}:{sentinel.port}"
        stored(form(make(f"{address},,honey,,{NAME}")))
        assert server.client(password="honey").get(SID) == b"data"
        with pytest.raises(Unavailable) as caught:
            form(make(f"{address},,wax,,{NAME}")).read(SID)
        assert isinstance(caught.value.__cause__, redis.AuthenticationError)
        assert "wax" not in "".join(traceback.format_exception(caught.value)).replace('"wax"', "").replace(",wax,", "")


@pytest.mark.parametrize(
    ("location", "options"),
    [
        (f"redis://:honey@{NAME}/1", {}),
        (f"redis://default:honey@{NAME}:6379/1", {}),
        (f"redis://{NAME}:6379/1", {"PASSWORD": "honey"}),
    ],
    ids=["password", "user and port", "port"],
)
def test_what_stands_beside_the_name_in_a_location_is_no_part_of_it(
    make: Make, form: Form, location: str, options: dict[str, str]
) -> None:
    with redis_server("--requirepass", "honey") as server, watched(server.port) as sentinel:
        stored(form(made_of(make, sentinel, location, **options)))
        assert server.client(password="honey", db=1).get(SID) == b"data"


@pytest.mark.slow
def test_a_master_that_speaks_tls_is_reached(make: Make, form: Form, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = certificate(tmp_path_factory.mktemp("tls"))
    port = free_port()
    files = ("--tls-cert-file", str(made.cert), "--tls-key-file", str(made.key), "--tls-ca-cert-file", str(made.cert))
    tls = ("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    with redis_server(*tls) as server, watched(port) as sentinel:
        trusted = {"CONNECTION_POOL_KWARGS": {"ssl_ca_certs": str(made.cert)}}
        stored(form(made_of(make, sentinel, f"rediss://{NAME}/1", **trusted)))
        assert server.client(db=1).get(SID) == b"data"
        with pytest.raises(Unavailable):
            form(made_of(make, sentinel, f"rediss://{NAME}/1")).read(SID)


def test_a_sentinel_that_is_down_is_passed_over(make: Make, form: Form, group: RedisSentinelServers) -> None:
    verbs = form(make(f"127.0.0.1:{free_port()};{group.provider_config}"))
    stored(verbs)
    assert verbs.data(SID) == b"data"


@pytest.mark.slow
def test_a_sentinel_that_keeps_silent_costs_a_part_of_the_time_and_threads_once(
    make: Make, group: RedisSentinelServers
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider = make(f"127.0.0.1:{silent.getsockname()[1]};{group.provider_config}")
        began = time.monotonic()
        stored(Verbs(provider, None))
        found = time.monotonic()
        assert 0.5 < found - began < 3
        provider._redis.pool.disconnect()
        assert provider.read(SID) is not None
        assert time.monotonic() - found < 0.5


@pytest.mark.slow
def test_no_sentinel_is_forgotten_while_many_ask_at_once(make: Make, group: RedisSentinelServers) -> None:
    def known_to(manager: Any) -> list[int]:
        return sorted(each.connection_pool.connection_kwargs["port"] for each in manager.sentinels)

    async def read_at_once(provider: Any) -> list[int]:
        await asyncio.gather(*(provider.aread(SID) for _ in range(20)))
        return known_to((await provider._redis._clients.get()).connection_pool.sentinel_manager)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        first = silent.getsockname()[1]
        listed = sorted([first, *(each.port for each in group.sentinels)])
        threaded, awaited = (make(f"127.0.0.1:{first};{group.provider_config}") for _ in range(2))
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(lambda _: threaded.read(SID), range(20)))
        assert known_to(threaded._redis.pool.sentinel_manager) == listed
        assert asyncio.run(read_at_once(awaited)) == listed


@pytest.mark.slow
def test_sentinels_that_keep_silent_are_an_outage_within_seconds(make: Make, form: Form) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(7)]
        verbs = form(make(";".join(f"127.0.0.1:{each.getsockname()[1]}" for each in silent)))
        began = time.monotonic()
        with pytest.raises(Unavailable):
            verbs.read(SID)
        assert time.monotonic() - began < 8


def test_a_master_that_no_sentinel_knows_is_an_outage(
    make: Make, form: Form, group: RedisSentinelServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beesession.engines.redis.PATIENCE", 0.2)
    with pytest.raises(Unavailable, match="MasterNotFoundError"):
        form(make(group.provider_config.replace(NAME, "Other"))).read(SID)


def test_a_connection_that_was_in_use_when_the_master_was_replaced_is_not_used_again(make: Make) -> None:
    with redis_server() as old, redis_server() as new, watched(old.port) as sentinel:
        provider: Any = make(f"{sentinel.host}:{sentinel.port},,,,{NAME}")

        def replace_the_master() -> None:
            with sentinel.client() as client:
                client.execute_command("SENTINEL", "REMOVE", NAME)  # type: ignore[no-untyped-call]
                client.execute_command("SENTINEL", "MONITOR", NAME, new.host, new.port, 1)  # type: ignore[no-untyped-call]

        async def write_afterwards() -> None:
            pool = (await provider._redis._clients.get()).connection_pool
            in_use = await pool.get_connection()
            replace_the_master()
            await pool.release(await pool.get_connection())
            await pool.release(in_use)
            await provider.acreate(SID, b"data", HOUR)

        asyncio.run(write_afterwards())
        assert (old.admin.exists(SID), new.admin.exists(SID)) == (0, 1)


def test_callers_still_wait_in_turn_once_the_entry_has_served_a_cache(make: Make, group: RedisSentinelServers) -> None:
    entry = cache(
        f"redis://{NAME}/1",
        CONNECTION_FACTORY="beesession.redis_pools.SentinelConnectionFactory",
        SENTINELS=[(each.host, each.port) for each in group.sentinels],
    )
    with override_settings(CACHES={"mine": entry}):
        caches["mine"].get("page")
        provider: Any = make(alias="mine")
    assert isinstance(provider._redis.pool, redis.BlockingConnectionPool)


def test_neither_event_loops_nor_a_closed_provider_leave_a_connection_to_the_sentinels(
    make: Make, group: RedisSentinelServers
) -> None:
    def connected() -> int:
        time.sleep(0.05)
        with ExitStack() as stack:
            clients = [stack.enter_context(each.client()) for each in group.sentinels]
            return sum("sentinel-" not in each["name"] for client in clients for each in client.client_list())

    before = connected()
    provider = make(group.provider_config)
    stored(Verbs(provider, None))
    for _ in range(20):
        asyncio.run(provider.aread(SID))
    assert connected() == before + 1
    provider.close()
    assert connected() == before


@pytest.mark.parametrize("name", ["my master", "me/0", "a:1", "ümlaut"])
def test_a_name_that_sentinels_cannot_know_is_told(make: Make, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="the master name has other characters"):
        make(f"127.0.0.1:26379,,,,{name}")


def test_an_option_that_does_not_exist_is_told_before_anything_is_stored(make: Make) -> None:
    options = {"SENTINELS": [("127.0.0.1", 1)], "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory"}
    for more in ({"SENTINEL_KWARGS": {"pasword": "honey"}}, {"CONNECTION_POOL_KWARGS": {"pasword": "honey"}}):
        entry = cache("redis://bee/0", **options, **more)
        with override_settings(CACHES={"mine": entry}), pytest.raises(ImproperlyConfigured, match="OPTIONS must be"):
            make(alias="mine")


@pytest.mark.slow
def test_a_master_that_is_replaced_at_its_best_is_followed_without_a_restart(make: Make, form: Form) -> None:
    with redis_sentinel() as group:
        verbs = form(make(group.provider_config))
        record = stored(verbs)
        before = group.master()
        with group.sentinels[0].client() as client:
            client.execute_command("SENTINEL", "FAILOVER", NAME)  # type: ignore[no-untyped-call]
        eventually(lambda: group.master() is not before, 20)
        # What the sentinels do as well, some seconds later.
        before.admin.slaveof(group.master().host, str(group.master().port))
        for number in range(20):
            record = verbs.swap(SID, record, b"%d" % number, HOUR)
        assert group.master().admin.get(SID) == b"19"
