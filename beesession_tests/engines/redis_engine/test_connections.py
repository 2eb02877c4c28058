"""How a server is found and connected to, and what a mistake in that is called."""

from __future__ import annotations

import asyncio
import subprocess
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django_redis import get_redis_connection

from beesession.provider import Conflict, Record, Unavailable
from beesession.testing import Verbs
from beesession_tests.engines.redis_engine.records import HOUR, PREFIX, SID, Form, Make, cache, only_redis, stored
from beesession_tests.faults import Proxy
from beesession_tests.servers import RedisServer, free_port, redis_server
from beesession_tests.servers.certificates import certificate

pytestmark = only_redis


@dataclass(frozen=True)
class Guarded:
    """A server that speaks TLS and has the user "bee", whose password is "honey" and whose keys begin with PREFIX.

    :ivar address: where it speaks TLS
    :ivar trust: the file that clients have to trust
    """

    server: RedisServer
    address: str
    trust: Path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = certificate(tmp_path_factory.mktemp("tls"))
    port = free_port()
    files = ("--tls-cert-file", str(made.cert), "--tls-key-file", str(made.key), "--tls-ca-cert-file", str(made.cert))
    with redis_server("--tls-port", str(port), "--tls-auth-clients", "no", *files) as server:
        keys = [f"{PREFIX}*"]
        server.admin.acl_setuser("bee", enabled=True, passwords=["+honey"], keys=keys, categories=["+@all"])
        yield Guarded(server, f"127.0.0.1:{port}", made.cert)
        server.admin.acl_deluser("bee")


def test_tls_and_an_acl_user_of_an_alias_work(make: Make, form: Form, guarded: Guarded) -> None:
    guarded.server.flush()
    location = f"rediss://{guarded.address}/3"
    user = {"USERNAME": "bee", "PASSWORD": "honey"}
    trusted = {"CONNECTION_POOL_KWARGS": {"ssl_ca_certs": str(guarded.trust)}}
    with override_settings(
        CACHES={
            "good": cache(location, **user, **trusted),
            "untrusted": cache(location, **user),
            "locked-out": cache(location, USERNAME="bee", PASSWORD="wax", **trusted),
        }
    ):
        verbs = form(make("", alias="good", key_prefix=PREFIX))
        stored(verbs)
        assert verbs.data(SID) == b"data"
        assert guarded.server.client(db=3).get(PREFIX + SID) == b"data"
        with pytest.raises(Unavailable):
            form(make("", alias="good")).read(SID)  # another prefix is not the user's
        for alias in ("untrusted", "locked-out"):
            with pytest.raises(Unavailable):
                form(make("", alias=alias, key_prefix=PREFIX)).read(SID)


def test_tls_and_an_acl_user_of_a_provider_string_work(make: Make, form: Form, guarded: Guarded) -> None:
    guarded.server.flush()
    trust = f"ssl_ca_certs={quote(str(guarded.trust), safe='')}"
    verbs = form(make(f"rediss://bee:honey@{guarded.address}/2?{trust}", key_prefix=PREFIX))
    record = verbs.swap(SID, stored(verbs), b"new", HOUR)
    assert verbs.data(record.sid) == b"new"
    assert guarded.server.client(db=2).get(PREFIX + SID) == b"new"
    for refused in (
        f"rediss://bee:honey@{guarded.address}/2",
        f"rediss://bee:wax@{guarded.address}/2?{trust}",
        f"redis://bee:honey@{guarded.address}/2",
    ):
        with pytest.raises(Unavailable) as caught:
            form(make(refused, key_prefix=PREFIX)).read(SID)
        assert isinstance(caught.value.__cause__, (redis.ConnectionError, redis.TimeoutError))


def test_a_user_of_a_plain_provider_string_works(make: Make, form: Form, guarded: Guarded) -> None:
    guarded.server.flush()
    address = f"{guarded.server.host}:{guarded.server.port}"
    for value in (f"redis://bee:honey@{address}", {"save_path": address, "username": "bee", "password": "honey"}):
        verbs = form(make(value, key_prefix=PREFIX))
        stored(verbs)
        assert verbs.destroy(SID) is True


def test_a_unix_socket_works(make: Make, form: Form) -> None:
    with redis_server("--unixsocket", "r.sock") as server:
        verbs = form(make(f"unix://{server.directory}/r.sock?db=2"))
        record = verbs.swap(SID, stored(verbs), b"new", HOUR)
        assert verbs.data(record.sid) == b"new"
        assert redis.Redis(port=server.port, db=2).get(SID) == b"new"


RIGHTS = "+get +set +exists +del +pexpire +pttl +scan +eval +evalsha +info +select"


def test_the_rights_that_the_documentation_names_are_enough(make: Make, form: Form, guarded: Guarded) -> None:
    guarded.server.flush()
    keys = [f"{PREFIX}*"]
    guarded.server.admin.acl_setuser("clerk", enabled=True, passwords=["+honey"], keys=keys, commands=RIGHTS.split())
    provider = make(f"redis://clerk:honey@127.0.0.1:{guarded.server.port}/1", key_prefix=PREFIX, touch_interval=60)
    verbs = form(provider)
    record = verbs.swap(SID, stored(verbs), b"new", HOUR)
    record = verbs.touch(SID, record, HOUR)
    record = verbs.regenerate(SID, "a" * 32, record, b"newer", HOUR)
    assert verbs.data(record.sid) == b"newer"
    assert verbs.active().number == 1
    assert provider.info("memory")[0]["used_memory"] > 0
    assert verbs.destroy(record.sid) is True
    verbs.create(SID, b"", 0)


@pytest.mark.parametrize("as_list", [True, False])
def test_reads_and_writes_go_to_the_first_location(make: Make, form: Form, server: RedisServer, as_list: bool) -> None:
    locations = [f"redis://127.0.0.1:{server.port}/4", f"redis://127.0.0.1:{free_port()}/4"]
    with override_settings(CACHES={"mine": cache(locations if as_list else ",".join(locations))}):
        verbs = form(make("", alias="mine"))
    stored(verbs)
    for _ in range(20):
        assert verbs.data(SID) == b"data"


def test_decode_responses_of_an_alias_does_not_reach_the_sessions(make: Make, form: Form, server: RedisServer) -> None:
    options = {"CONNECTION_POOL_KWARGS": {"decode_responses": True}}
    with override_settings(CACHES={"mine": cache(f"redis://127.0.0.1:{server.port}/0", **options)}):
        verbs = form(make("", alias="mine"))
    record = stored(verbs, b"\xff\x00")
    assert verbs.data(SID) == b"\xff\x00"
    verbs.swap(SID, record, b"\xfe", HOUR)
    with pytest.raises(Conflict) as caught:
        verbs.swap(SID, record, b"", HOUR)
    assert caught.value.record == Record(b"\xfe", sid=SID)


@pytest.mark.parametrize("options", [None, {"CONNECTION_POOL_KWARGS": None}])
def test_options_that_are_none_are_no_options(
    make: Make, form: Form, server: RedisServer, options: dict[str, Any] | None
) -> None:
    entry = {**cache(f"redis://127.0.0.1:{server.port}/0"), "OPTIONS": options}
    with override_settings(CACHES={"mine": entry}):
        stored(form(make("", alias="mine")))


def test_the_pool_is_not_shared_with_a_cache_at_the_same_place(make: Make, server: RedisServer) -> None:
    with override_settings(CACHES={"mine": cache(f"redis://127.0.0.1:{server.port}/0")}):
        provider = make("", alias="mine")
        assert provider._redis.pool is not get_redis_connection("mine").connection_pool


def test_sentinel_works_through_an_alias(make: Make, form: Form, server: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor bee 127.0.0.1 {server.port} 1\n")
    sentinel = subprocess.Popen(["redis-sentinel", str(config)], stdout=subprocess.DEVNULL)
    try:
        with override_settings(
            CACHES={
                "mine": cache(
                    "redis://bee/1",
                    CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
                    SENTINELS=[("127.0.0.1", port)],
                )
            }
        ):
            provider = make("", alias="mine")
        verbs = form(provider)
        deadline = time.monotonic() + 10
        while True:
            try:
                verbs.read(SID)
                break
            except Unavailable:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        stored(verbs)
        assert redis.Redis(port=server.port, db=1).get(SID) == b"data"
        watch = redis.Redis(port=port)
        before = len(watch.client_list())
        for _ in range(10):
            asyncio.run(provider.aread(SID))
        time.sleep(0.1)
        assert len(watch.client_list()) <= before
    finally:
        sentinel.terminate()
        sentinel.wait(timeout=10)


def test_the_cache_named_beesession_comes_before_the_provider_string_and_an_alias_before_both(
    make: Make, server: RedisServer, admin: redis.Redis
) -> None:
    address = f"redis://127.0.0.1:{server.port}"
    with override_settings(CACHES={"beesession": cache(address + "/1"), "mine": cache(address + "/2")}):
        by_name, by_alias = make(address + "/3"), make(address + "/3", alias="mine")
    with override_settings(CACHES={"mine": cache(address + "/2")}):
        by_string = make(address + "/3")
    for provider, data in ((by_name, b"1"), (by_alias, b"2"), (by_string, b"3")):
        stored(Verbs(provider, None), data)
    assert [redis.Redis(port=server.port, db=db).get(SID) for db in (1, 2, 3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("caches", "value", "keys", "named"),
    [
        ({}, "", {"alias": "typo"}, "BEESESSION['ALIAS']: CACHES has no entry 'typo'"),
        (
            {"mine": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
            "",
            {"alias": "mine"},
            "CACHES['mine']['BACKEND'] must be 'django_redis.cache.RedisCache'",
        ),
        ({"mine": {"BACKEND": "no.such.Cache"}}, "", {"alias": "mine"}, "CACHES['mine']['BACKEND']"),
        ({"mine": cache("")}, "", {"alias": "mine"}, "CACHES['mine']"),
        ({"mine": cache("http://:honey@127.0.0.1")}, "", {"alias": "mine"}, "LOCATION must be a redis://"),
        ({"mine": cache("redis://:honey/x@127.0.0.1:6379/0")}, "", {"alias": "mine"}, "LOCATION must be a redis://"),
        (
            {"mine": cache("redis://h/0", CONNECTION_POOL_KWARGS={"pasword": "honey"})},
            "",
            {"alias": "mine"},
            "OPTIONS must be those of django-redis",
        ),
        ({}, "127.0.0.1:6379,100,honey,one", {}, "BEESESSION['PROVIDER_CONFIG']: sessionproviderconfig"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_before_anything_is_stored(
    make: Make, caches: dict[str, Any], value: str, keys: dict[str, Any], named: str
) -> None:
    with override_settings(CACHES=caches), pytest.raises(ImproperlyConfigured) as caught:
        make(value, **keys)
    assert named in str(caught.value)
    assert "honey" not in "".join(traceback.format_exception(caught.value, chain=True)).replace(repr("honey"), "")


def test_ocsp_is_not_silently_left_out_of_async_connections(make: Make) -> None:
    options = {"CONNECTION_POOL_KWARGS": {"ssl_validate_ocsp": True}}
    with override_settings(CACHES={"mine": cache("rediss://127.0.0.1:1/0", **options)}):
        provider = make("", alias="mine")
    with pytest.raises(ImproperlyConfigured, match="OCSP|ocsp"):
        asyncio.run(provider.aread(SID))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"CONNECTION_POOL_KWARGS": {"retry_on_timeout": True}},
        {"CONNECTION_POOL_KWARGS": {"retry_on_error": [redis.ConnectionError], "max_connections": 7}},
        {"CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool"},
    ],
)
@pytest.mark.parametrize("query", ["", "?retry_on_timeout=true&decode_responses=true"])
def test_timeouts_are_finite_and_retries_off_whatever_the_alias_says(
    make: Make, form: Form, server: RedisServer, proxy: Proxy, options: dict[str, Any], query: str
) -> None:
    with override_settings(CACHES={"mine": cache(f"redis://127.0.0.1:{proxy.port}/0{query}", **options)}):
        provider = make("", alias="mine")
    kwargs = provider._redis.pool.connection_kwargs
    assert (kwargs["socket_timeout"], kwargs["socket_connect_timeout"]) == (3, 3)
    verbs = form(provider)
    record = verbs.swap(SID, stored(verbs), b"1", HOUR)
    proxy.lose_reply()
    with pytest.raises(Unavailable):
        verbs.swap(SID, record, b"2", HOUR)
    # Had it been repeated, the second run would have met its own first write.
    assert verbs.data(SID) == b"2"
