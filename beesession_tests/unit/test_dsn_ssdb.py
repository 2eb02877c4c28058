"""The ssdb engine's provider string beyond beego's own host and port."""

from __future__ import annotations

from typing import Any

import pytest

from beesession.beego import dsn


@pytest.mark.parametrize(
    "value",
    [
        {"host": "h", "port": 8888, "password": "hunter2", "pool_size": 7},
        '{"Host": "h", "PORT": 8888, "password": "hunter2", "pool_size": "7"}',
    ],
    ids=["mapping", "json"],
)
def test_password_and_pool_size_are_read(value: Any) -> None:
    config = dsn.ssdb(value)
    assert (config.host, config.port, config.password, config.pool_size) == ("h", 8888, "hunter2", 7)
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("value", ["h:8888", {"host": "h", "port": 8888}], ids=["text", "mapping"])
def test_without_them_there_is_no_password_and_a_pool_of_a_hundred(value: Any) -> None:
    assert (dsn.ssdb(value).password, dsn.ssdb(value).pool_size) == ("", 100)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"password": 7}, "password"),
        ({"password": "hunter2\n"}, "password"),
        ({"pool_size": 0}, "pool_size"),
        ({"pool_size": "many"}, "pool_size"),
    ],
    ids=str,
)
def test_a_wrong_member_is_named_and_not_shown(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(dsn.DSNError, match=field) as caught:
        dsn.ssdb({"host": "h", "port": 8888, **wrong})
    assert "hunter2" not in str(caught.value)
    assert "many" not in str(caught.value)
