"""What the couchbase engine's provider string says beyond beego's own: a collection, and whom to trust."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beesession.beego import dsn

SECRET = "hunter2"
ADDRESS = f"couchbase://u:{SECRET}@h"


def read(**members: Any) -> dsn.CouchbaseConfig:
    return dsn.couchbase(json.dumps({"save_path": ADDRESS, "bucket": "b", **members}))


def test_sessions_lie_in_the_default_collection_where_none_is_named() -> None:
    config = dsn.couchbase(f"{ADDRESS},default,b")
    assert (config.scope, config.collection, config.ca_file) == ("_default", "_default", None)
    assert config.in_default_collection
    assert config == read()


def test_a_scope_and_a_collection_can_be_named() -> None:
    config = read(scope="shop", collection="visits")
    assert (config.scope, config.collection) == ("shop", "visits")
    assert not config.in_default_collection


def test_a_collection_may_lie_in_the_default_scope() -> None:
    config = read(collection="visits")
    assert (config.scope, config.collection) == ("_default", "visits")
    assert not config.in_default_collection


def test_a_mapping_is_read_like_json() -> None:
    members = {"save_path": ADDRESS, "bucket": "b", "Scope": "shop", "COLLECTION": "visits"}
    assert dsn.couchbase(members) == read(scope="shop", collection="visits")


@pytest.mark.parametrize("scheme", ["couchbases", "https"])
def test_a_file_of_authorities_goes_with_tls(scheme: str) -> None:
    config = read(save_path=f"{scheme}://u:{SECRET}@h", ca_file="/etc/ca.pem")
    assert (config.connection_string, config.ca_file) == ("couchbases://h", "/etc/ca.pem")


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"scope": "shop"}, "no collection in it"),
        ({"collection": "a.b"}, "collection must be 1 to 251 letters"),
        ({"collection": "_own"}, "not beginning with _ or %"),
        ({"scope": "%", "collection": "c"}, "scope must be"),
        ({"collection": "c" * 252}, "collection must be"),
        ({"collection": 1}, "collection must be a string"),
        ({"ca_file": "/etc/ca.pem"}, "ca_file is for TLS"),
        ({"ca_file": ["x"], "save_path": "couchbases://u:p@h"}, "ca_file must be a string"),
        ({"colection": "c"}, "did you mean 'collection'"),
    ],
)
def test_what_cannot_be_used_is_named_and_shows_no_secret(members: dict[str, Any], problem: str) -> None:
    with pytest.raises(dsn.DSNError) as caught:
        read(**members)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_no_repr_shows_the_password() -> None:
    assert SECRET not in repr(read(scope="shop", collection="visits"))
