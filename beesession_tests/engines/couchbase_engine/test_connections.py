"""How a cluster is found and connected to, and what a mistake in that is called."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from beesession.couchbase_clients import errors
from beesession.provider import Unavailable
from beesession.sid import Ids
from beesession_tests.engines.couchbase_engine.records import HOUR, SID, Form, Make, config, stored
from beesession_tests.servers import CouchbaseServer, couchbase_server, free_port
from beesession_tests.servers.base import eventually
from beesession_tests.servers.certificates import Certificate, certificate

SECRET = "honey"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def with_tls(trusted: Certificate) -> Iterator[CouchbaseServer]:
    users = "bee:honey:rw,reader:honey:ro,elsewhere:honey:rw:other"
    options = ["-certificate", str(trusted.cert), "-key", str(trusted.key)]
    with couchbase_server(*options, "-users", users, "-buckets", "sessions,other,app") as server:
        yield server


def with_tls_address(server: CouchbaseServer, **members: str) -> str:
    return config(server, save_path=f"couchbases://bee:{SECRET}@{server.host}:{server.tls_port}", **members)


def shown(error: BaseException | None) -> str:
    """Return what an error, and those that it was raised from, say."""
    return "" if error is None else f"{error} {error!r} {shown(error.__cause__ or error.__context__)}"


def test_nothing_is_connected_before_the_first_use(make: Make, form: Form, server: CouchbaseServer) -> None:
    before = server.connections()
    verbs = form(make())
    eventually(lambda: server.connections() <= before)
    verbs.read(SID)
    assert server.connections() > before


def test_tls_works_with_the_authority_that_is_named(
    make: Make, form: Form, with_tls: CouchbaseServer, trusted: Certificate
) -> None:
    with_tls.flush()
    verbs = form(make(with_tls_address(with_tls, ca_file=str(trusted.cert))))
    record = verbs.swap(SID, stored(verbs), b"new", HOUR)
    assert verbs.data(record.sid) == b"new"
    assert verbs.active().number == 1


@pytest.mark.slow
@pytest.mark.usefixtures("soon")
def test_a_cluster_that_nobody_vouches_for_is_not_talked_to(
    make: Make, form: Form, with_tls: CouchbaseServer, tmp_path: Path
) -> None:
    stranger = certificate(tmp_path)
    with pytest.raises(Unavailable, match="with TLS ca_file"):
        form(make(with_tls_address(with_tls, ca_file=str(stranger.cert)))).read(SID)


def test_a_wrong_password_is_told_at_once_and_not_shown(make: Make, form: Form, server: CouchbaseServer) -> None:
    with pytest.raises(Unavailable, match="check the user and the password in PROVIDER_CONFIG") as caught:
        form(make(server.provider_config.replace(f":{SECRET}@", ":wasp@"))).read(SID)
    assert isinstance(caught.value.__cause__, errors.AuthenticationException)
    assert "wasp" not in shown(caught.value)


@pytest.mark.usefixtures("soon")
def test_an_unknown_bucket_is_told_to_be_checked(make: Make, form: Form, server: CouchbaseServer) -> None:
    with pytest.raises(Unavailable, match="check the address, the bucket"):
        form(make(config(server, bucket="sesions"))).read(SID)


@pytest.mark.usefixtures("soon")
def test_an_address_where_nobody_listens_is_told_to_be_checked(make: Make, form: Form) -> None:
    with pytest.raises(Unavailable, match="check the address, the bucket"):
        form(make(f"couchbase://bee:{SECRET}@127.0.0.1:{free_port()},,sessions")).read(SID)


@pytest.mark.usefixtures("soon")
def test_an_unknown_collection_is_told_to_be_checked(make: Make, form: Form, server: CouchbaseServer) -> None:
    with pytest.raises(Unavailable, match="Check the scope and the collection"):
        form(make(config(server, collection="nowhere"))).read(SID)


def test_a_user_without_the_right_to_write_can_read(make: Make, form: Form, with_tls: CouchbaseServer) -> None:
    with_tls.flush()
    stored(form(make(with_tls.provider_config)))
    verbs = form(make(with_tls.provider_config.replace("//bee:", "//reader:")))
    record = verbs.read(SID)
    assert record is not None
    with pytest.raises(Unavailable, match="rights on the bucket"):
        verbs.swap(SID, record, b"new", HOUR)


def test_a_user_of_another_bucket_is_told_so(make: Make, form: Form, with_tls: CouchbaseServer) -> None:
    with pytest.raises(Unavailable, match="in PROVIDER_CONFIG"):
        form(make(with_tls.provider_config.replace("//bee:", "//elsewhere:"))).read(SID)


def test_an_error_shows_neither_id_nor_data(make: Make, form: Form, server: CouchbaseServer) -> None:
    verbs = form(make())
    record = stored(verbs, b"the visitor's own")
    server.fail(0x84)
    for verb in (
        lambda: verbs.read(SID),
        lambda: verbs.swap(SID, record, b"the visitor's new", HOUR),
        lambda: verbs.touch(SID, record, HOUR),
        lambda: verbs.destroy(SID),
    ):
        with pytest.raises(Unavailable) as caught:
            verb()
        assert isinstance(caught.value.__cause__, errors.InternalServerFailureException)
        assert SID not in shown(caught.value)
        assert "visitor's" not in shown(caught.value)
        assert SECRET not in shown(caught.value)


@pytest.mark.usefixtures("soon")
def test_the_sdk_logs_nothing_of_its_own_accord(
    make: Make, form: Form, server: CouchbaseServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        verbs = form(make())
        stored(verbs)
        verbs.read("a" * 32)
        server.disconnect_clients()
        verbs.read(SID)
        with pytest.raises(Unavailable):
            form(make(config(server, bucket="sesions"))).read(SID)
    assert [each.getMessage() for each in caplog.records if each.name != "asyncio"] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "keys", "named"),
    [
        (
            "couchbase://127.0.0.1,,sessions",
            {},
            "BEESESSION['PROVIDER_CONFIG']: Couchbase lets nobody in without",
        ),
        ("couchbase://bee@127.0.0.1,,sessions", {}, "without a user and a password"),
        (f"http://bee:{SECRET}@127.0.0.1:11210,,sessions", {}, "BEESESSION['PROVIDER_CONFIG']: sessionproviderconfig"),
        (
            f'{{"save_path": "couchbases://bee:{SECRET}@h", "ca_file": "/no/such/file"}}',
            {},
            "there is no file '/no/such/file'",
        ),
        (f"couchbase://bee:{SECRET}@h,,s", {"key_prefix": "x" * 119}, "BEESESSION['KEY_PREFIX'] leaves too little"),
        (
            f"couchbase://bee:{SECRET}@h,,s",
            {"key_prefix": "ü" * 50, "id_prefix": "y" * 32},
            "86 bytes are allowed",
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_named_before_anything_is_connected(
    make: Make, value: str, keys: dict[str, str], named: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        make(value, **keys)
    assert named in str(caught.value)
    assert SECRET not in shown(caught.value)


def test_the_longest_prefix_and_id_make_a_key_that_couchbase_takes(make: Make, form: Form) -> None:
    verbs = form(make(key_prefix="x" * 86, id_prefix="y" * 32, id_length=64))
    sid = Ids(prefix="y" * 32, length=64).new()
    stored(verbs, sid=sid)
    assert len(sid) == 160
    assert verbs.data(sid) == b"data"


def test_a_missing_driver_is_named_with_the_extra_that_brings_it() -> None:
    program = "import sys; sys.modules['couchbase'] = None; import beesession.engines.couchbase"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "beesession_tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode != 0
    assert "ImproperlyConfigured" in found.stderr
    assert "pip install beesession[couchbase]" in found.stderr
