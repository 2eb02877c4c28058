"""The peer does what the tests that lean on it believe: this is the real beego, in its virtues and its faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from redis.crc import key_slot

from beesession_tests.engines import ENGINES, Engine, RunningEngine
from beesession_tests.interop.beego import (
    BeegoApp,
    BeegoError,
    BeegoLines,
    PeerDiedError,
    PeerError,
    beego_app,
    beego_provider_config,
)
from beesession_tests.interop.values import NIL, Key, Node, go, go_list, go_map, tagged
from beesession_tests.servers import ServerError, Servers, free_port
from beesession_tests.servers.base import eventually

pytestmark = pytest.mark.slow

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "beego-stores.json"
NO_ENGINE_OF_BEEGO = {"couchbase", "ledis"}
COUNTS = {"memory", "file", "mysql", "postgresql"}
"""The engines whose sessions beego can count, and which it collects by itself."""


def named(*names: str) -> list[Engine]:
    return [each for each in ENGINES if each.name in names]


def but(*names: str) -> list[Engine]:
    """The engines that the peer runs, but for some."""
    return [each for each in ENGINES if each.name not in {*NO_ENGINE_OF_BEEGO, *names}]


def config_of(engine: RunningEngine) -> str:
    return beego_provider_config(engine.name, engine.settings["PROVIDER_CONFIG"])


@pytest.fixture
def app(engine: RunningEngine) -> Iterator[BeegoApp]:
    with beego_app(engine.name, config_of(engine)) as running:
        yield running


@pytest.fixture
def memory_app() -> Iterator[BeegoApp]:
    """An application for what does not depend on the engine."""
    with beego_app("memory", "") as running:
        yield running


@pytest.fixture(scope="module")
def lines() -> Iterator[BeegoLines]:
    with BeegoLines() as running:
        yield running


# The web application ----------------------------------------------------------------------------------------------

CONTENT = {
    "name": go("string", "héllo \N{HONEYBEE}"),
    "visits": go("int", -3),
    "big": go("uint64", 2**64 - 1),
    "ratio": {**go("float64", 0.1), "v": "0.1"},
    "raw": go("[]uint8", b"\x00\xff"),
    "yes": go("bool", True),
    "list": go_list("[]interface {}", [go("int8", 1), NIL, go("string", "x")]),
    "nested": go_map("map[string]interface {}", [(go("string", "a"), go_map("map[int]string", []))]),
    "composed": go_map("map[string]int64", [(go("string", "n"), go("int64", 2**62))]),
    "user": {
        "t": "main.Point",
        "v": [["X", go("int", 3)], ["Y", go("int", 4)]],
    },
}


@pytest.mark.parametrize("engine", but(), indirect=True)
def test_what_one_request_sets_the_next_one_gets(app: BeegoApp) -> None:
    visitor = app.visitor()
    visitor.set(CONTENT)
    assert visitor.get(*CONTENT, "missing") == [*CONTENT.values(), NIL]
    visitor.delete("visits", "yes")
    assert visitor.get("visits", "yes", "name") == [NIL, NIL, CONTENT["name"]]
    assert app.visitor().get("name") == [NIL]


@pytest.mark.parametrize("engine", but(), indirect=True)
def test_a_visitor_is_counted_from_request_to_request(app: BeegoApp) -> None:
    visitor = app.visitor()
    assert [visitor.count(), visitor.count(), visitor.count("other"), visitor.count()] == [1, 2, 1, 3]
    assert visitor.get("visits") == [go("int", 3)]


@pytest.mark.parametrize("engine", but("cookie", "memcache", "redis_cluster"), indirect=True)
def test_regenerate_keeps_the_session_and_ends_the_old_id(app: BeegoApp) -> None:
    visitor, thief = app.visitor(), app.visitor()
    visitor.set({"name": tagged("astaxie")})
    old = thief.cookie = visitor.cookie
    new = visitor.regenerate()
    assert visitor.cookie == new == visitor.sid() != old
    assert visitor.get("name") == [tagged("astaxie")]
    assert thief.get("name") == [NIL]
    assert thief.cookie not in {old, new}


@pytest.mark.parametrize("engine", named("redis_cluster"), indirect=True)
def test_regenerate_in_a_cluster_loses_the_session_and_leaves_it_under_the_old_id(app: BeegoApp) -> None:
    visitor, thief = app.visitor(), app.visitor()
    visitor.set({"name": tagged("astaxie")})
    old = thief.cookie = visitor.cookie
    new = visitor.regenerate()
    assert old is not None
    if key_slot(old.encode()) != key_slot(new.encode()):  # one pair of ids in thousands can be renamed
        assert visitor.get("name") == [NIL]
        assert thief.get("name") == [tagged("astaxie")]


@pytest.mark.parametrize("engine", named("cookie", "memcache"), indirect=True)
def test_some_engines_of_beego_cannot_regenerate(app: BeegoApp) -> None:
    visitor = app.visitor()
    visitor.set({"name": tagged("astaxie")})
    with pytest.raises(BeegoError, match="nil pointer dereference") as caught:
        visitor.regenerate()
    assert caught.value.status == 500


@pytest.mark.parametrize("engine", but(), indirect=True)
def test_destroy_ends_the_session_where_the_server_keeps_it(app: BeegoApp) -> None:
    visitor, thief = app.visitor(), app.visitor()
    visitor.set({"name": tagged("astaxie")})
    thief.cookie = visitor.cookie
    visitor.destroy()
    assert visitor.cookie is None
    assert visitor.get("name") == [NIL]
    if app.provider == "memcache":  # takes what is not found for a failure
        with pytest.raises(BeegoError) as caught:
            thief.get("name")
        assert caught.value.status == 503
    else:
        assert thief.get("name") == [tagged("astaxie") if app.provider == "cookie" else NIL]


@pytest.mark.parametrize("engine", but(), indirect=True)
def test_beego_counts_its_sessions_with_the_engines_that_can(app: BeegoApp) -> None:
    visitors = [app.visitor() for _ in range(3)]
    for visitor in (*visitors, *visitors):
        visitor.count()
    assert app.active() == (3 if app.provider in COUNTS else 0)
    visitors[0].destroy()
    assert app.active() == (2 if app.provider in COUNTS else 0)


@pytest.mark.parametrize("engine", named(*COUNTS), indirect=True)
def test_gc_removes_what_has_expired(engine: RunningEngine) -> None:
    with beego_app(engine.name, config_of(engine), lifetime=1) as forgetful:
        forgetful.visitor().count()
        assert forgetful.active() == 1

        def collected() -> bool:
            forgetful.gc()
            return forgetful.active() == 0

        eventually(collected, within=10)


@pytest.mark.parametrize("engine", but(), indirect=True)
def test_a_login_is_the_three_keys_of_django(app: BeegoApp) -> None:
    visitor = app.visitor()
    assert visitor.user() is None
    before = visitor.cookie
    visitor.login("7", "django.contrib.auth.backends.ModelBackend", "ab12")
    assert visitor.user() == "7"
    assert visitor.get("_auth_user_backend", "_auth_user_hash") == [
        tagged("django.contrib.auth.backends.ModelBackend"),
        tagged("ab12"),
    ]
    assert (visitor.cookie != before) == (app.provider != "memcache")


@pytest.mark.parametrize("engine", named("redis", "file", "mysql"), indirect=True)
def test_a_slow_request_saves_what_it_loaded(app: BeegoApp) -> None:
    visitor, meanwhile = app.visitor(), app.visitor()
    visitor.count()
    meanwhile.cookie = visitor.cookie
    with visitor.slowly("late", "yes"):
        meanwhile.set({"lost": tagged(True)})
        assert meanwhile.get("lost", "late") == [tagged(True), NIL]
    assert visitor.get("lost", "late", "visits") == [NIL, tagged("yes"), tagged(1)]


@pytest.mark.parametrize("engine", named("redis", "memcache", "mysql"), indirect=True)
def test_a_slow_request_revives_a_destroyed_session_except_in_sql(app: BeegoApp, engine: RunningEngine) -> None:
    visitor, leaving = app.visitor(), app.visitor()
    visitor.count()
    leaving.cookie = visitor.cookie
    with visitor.slowly("late", "yes"):
        leaving.destroy()
    assert visitor.get("late") == [NIL if engine.name == "mysql" else tagged("yes")]


@pytest.mark.parametrize("engine", but("memory", "cookie"), indirect=True)
def test_beego_tells_nobody_that_it_could_not_save(app: BeegoApp) -> None:
    visitor = app.visitor()
    visitor.set({"name": tagged("astaxie")})
    visitor.set({"name": NIL, "more": tagged(1)})
    assert visitor.get("name", "more") == [tagged("astaxie"), NIL]


def test_several_slow_requests_wait_at_once(memory_app: BeegoApp) -> None:
    one, other = memory_app.visitor(), memory_app.visitor()
    with one.slowly("late", "one"), other.slowly("late", "other"):
        assert memory_app.visitor().get("late") == [NIL]
    assert [*one.get("late"), *other.get("late")] == [tagged("one"), tagged("other")]


def test_keys_may_be_of_any_type(memory_app: BeegoApp) -> None:
    visitor = memory_app.visitor()
    keys: list[Key] = [go("int", 1), tagged(1.0), go("bool", True), "1"]
    visitor.set([(key, tagged(number)) for number, key in enumerate(keys)])
    assert visitor.get(*keys, go("int64", 1)) == [*map(tagged, range(4)), NIL]


def test_what_is_no_int_is_not_counted_on(memory_app: BeegoApp) -> None:
    visitor = memory_app.visitor()
    visitor.set({"visits": go("int64", 1)})
    with pytest.raises(BeegoError, match="int64") as caught:
        visitor.count()
    assert caught.value.status == 500


@pytest.mark.parametrize("values", [{"k": {"t": "main.Unknown"}}, {"k": {"t": "int", "v": "x"}}, {"k": {"t": "[]int"}}])
def test_an_error_of_the_application_is_told(memory_app: BeegoApp, values: dict[str, Node]) -> None:
    visitor = memory_app.visitor()
    with pytest.raises(BeegoError, match='"error":') as caught:
        visitor.set(values)
    assert caught.value.status == 500
    assert visitor.count() == 1


def test_the_app_conf_is_beegos_own() -> None:
    conf = {"sessionidprefix": "bee-", "sessioncookielifetime": 60, "sessionname": "sid", "sessioncookiesamesite": 3}
    with beego_app("memory", "", conf=conf) as app:
        visitor = app.visitor()
        assert visitor.sid().startswith("bee-")
        (header,) = visitor.set_cookies
        assert header.startswith("sid=bee-")
        assert {"Max-Age=60", "HttpOnly", "SameSite=Strict"} <= {*header.split("; ")}
        assert visitor.cookie == visitor.sid()


@pytest.mark.parametrize("engine", named("redis"), indirect=True)
def test_an_application_reads_only_the_types_that_it_registers(engine: RunningEngine, servers: Servers) -> None:
    value = go_map("map[string]uint16", [(go("string", "n"), go("uint16", 5))])
    # A process of its own, since beego registers whatever it encodes.
    with BeegoLines() as elsewhere:
        stream = elsewhere.encode({"k": value})
    with beego_app("redis", config_of(engine)) as app:
        visitor = app.visitor()
        servers.redis.admin.set(visitor.sid(), stream)
        with pytest.raises(BeegoError) as caught:
            visitor.get("k")
        assert caught.value.status == 503
    with beego_app("redis", config_of(engine), conf={"peertypes": json.dumps(["map[string]uint16"])}) as app:
        visitor = app.visitor()
        servers.redis.admin.set(visitor.sid(), stream)
        assert visitor.get("k") == [value]


def test_cookies_go_to_another_browser_and_come_back(memory_app: BeegoApp) -> None:
    visitor, jar = memory_app.visitor(), SimpleCookie({"gone": ""})
    visitor.count()
    visitor.give_cookies(jar)
    assert [*jar] == ["beegosessionID"]
    jar["csrftoken"] = "abc"
    other = memory_app.visitor()
    other.take_cookies(jar)
    assert other.count() == 2
    assert other.cookies == {"beegosessionID": visitor.cookie, "csrftoken": "abc"}


def test_an_application_without_its_store_does_not_start() -> None:
    with pytest.raises(ServerError, match="connection refused"), beego_app("redis", f"127.0.0.1:{free_port()}"):
        pass


@pytest.mark.parametrize("name", sorted(NO_ENGINE_OF_BEEGO))
def test_engines_that_beego_cannot_use_are_told(name: str) -> None:
    with pytest.raises(ValueError, match=f"its engine {name}"):
        beego_provider_config(name, "127.0.0.1:1")


# Streams, one request a line --------------------------------------------------------------------------------------

MAP_OF_INTERFACES = "0d7f040102ff8000011001100000"
"""The message that each stream begins with: it defines the type of a session."""

# What the real beego made in another process, for sessions that have one key "k".
STREAMS = [
    ("18ff80000106737472696e670c0300016b03696e740402007f", go("int", -64)),
    (
        (
            "2aff80000106737472696e670c0300016b0974696d652e54696d65ff810501010454696d6501ff8200000014ff8211000f010000000edd"
            "7269b500000000003c"
        ),
        {**go("time.Time", "2024-02-29T13:04:05+01:00"), "gobbytes": "010000000edd7269b500000000003c"},
    ),
    (
        "28ff80000106737472696e670c0300016b086d61696e2e456e63ffcd05010103456e6301ffce0000000cffce090007656e633a616263",
        {"t": "main.Enc", "v": "abc", "gobbytes": "656e633a616263"},
    ),
    (
        "2bff80000106737472696e670c0300016b066e65742e49500a12001000000000000000000000ffffc0000201",
        {"t": "net.IP", "v": "192.0.2.1", "hex": "00000000000000000000ffffc0000201"},
    ),
    (
        "23ff80000106737472696e670c0300016b082a6269672e496e74ffd9050102ffdc00000013ffda10000e02018ee90ff6c373e0ee4e3f0ad2",
        {
            "t": "*big.Int",
            "ptr": {
                "t": "big.Int",
                "v": "123456789012345678901234567890",
                "gobbytes": "02018ee90ff6c373e0ee4e3f0ad2",
            },
        },
    ),
]


def session(**values: Node) -> Node:
    """The node of a session with string keys, in alphabetical order."""
    return go_map("map[interface {}]interface {}", [(go("string", key), value) for key, value in values.items()])


@pytest.mark.parametrize(("stream", "value"), STREAMS, ids=[value["t"] for _, value in STREAMS])
def test_a_stream_is_read_and_written(lines: BeegoLines, stream: str, value: Node) -> None:
    written = bytes.fromhex(MAP_OF_INTERFACES + stream)
    assert lines.decode(written) == session(k=value)
    assert lines.decode(lines.encode({"k": value})) == session(k=value)
    read, again = lines.through(written)
    assert read == session(k=value)
    assert lines.decode(again) == session(k=value)


def test_everything_that_beego_has_stored_is_read(lines: BeegoLines) -> None:
    for row in json.loads(VECTORS.read_text(encoding="ascii"))["redis"].values():
        value, again = lines.through(bytes.fromhex(row["hex"]))
        assert lines.decode(again) == value


@pytest.mark.parametrize(
    "value",
    [
        go_map("map[string]int64", [(go("string", "n"), go("int64", -5))]),
        go_list("[][]string", [go_list("[]string", [tagged("x")]), {"t": "[]string", "v": [], "nil": True}]),
        go_map("map[int]interface {}", [(go("int", 7), go_list("[2]bool", [tagged(True), tagged(False)]))]),
        go_list("[]map[string]interface {}", [go_map("map[string]interface {}", [(tagged("k"), tagged(1))])]),
        go_map("map[[1]uint8][]main.Point", [(go_list("[1]uint8", [go("uint8", 9)]), go_list("[]main.Point", []))]),
        {"t": "struct { A int; B []string }", "v": [["A", tagged(1)], ["B", go_list("[]string", [tagged("x")])]]},
        {"t": "*models.Account", "ptr": {"t": "models.Account", "v": [["ID", tagged(7)], ["Name", tagged("bee")]]}},
        {"t": "complex64", "re": "3ff8000000000000", "im": "c000000000000000", "v": ["1.5", "-2"]},
        {"t": "float32", "v": "0.5", "bits": "3fe0000000000000"},
        {"t": "string", "hex": "fffe"},
        {"t": "string", "rep": ["6162", 40_000]},
    ],
    ids=lambda value: value["t"],
)
def test_values_of_composed_types_travel_alone_and_in_interfaces(lines: BeegoLines, value: Node) -> None:
    in_list = go_list("[]interface {}", [value])
    read = {key["v"]: each for key, each in lines.decode(lines.encode({"a": value, "b": in_list}))["v"]}
    # An empty slice comes out of gob as none at all.
    assert _without_nil(read) == _without_nil({"a": value, "b": in_list})


def _without_nil(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nil(each) for key, each in value.items() if key != "nil"}
    return [_without_nil(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "main.Unknown",
        "[]",
        "[x]int",
        "[-1]int",
        "[99999999]int",
        "map[string",
        "map[[]int]int",
        "int int",
        "chan int",
    ],
)
def test_what_is_not_the_spelling_of_a_type_is_refused(lines: BeegoLines, spelling: str) -> None:
    with pytest.raises(PeerError, match="type"):
        lines.register(spelling)


def test_a_type_that_nothing_has_registered_is_read_once_it_is() -> None:
    with BeegoLines() as writer, BeegoLines() as reader:
        stream = writer.encode({"k": go_map("map[string]uint32", [])})
        with pytest.raises(PeerError, match="name not registered") as caught:
            reader.decode(stream)
        assert not caught.value.panic
        reader.register("map[string]uint32")
        assert reader.decode(stream)["v"][0][1]["t"] == "map[string]uint32"


def test_no_request_ends_it(lines: BeegoLines) -> None:
    before = lines.process.pid
    with pytest.raises(PeerError, match="nil pointer dereference") as caught:
        lines.encode({"k": NIL})
    assert caught.value.panic
    with pytest.raises(PeerError, match="unhashable") as caught:
        lines.encode([(tagged([1]), NIL)])
    assert caught.value.panic
    with pytest.raises(PeerError, match="unknown op"):
        lines.request("juggle")
    with pytest.raises(PeerError, match="EOF"):
        lines.decode(b"")
    with pytest.raises(PeerError, match="cannot unmarshal"):
        lines.request("encode", values="none")
    assert lines.decode(lines.encode({})) == session()
    assert lines.process.pid == before


def test_a_process_that_has_died_is_told_with_its_last_words() -> None:
    with BeegoLines() as lines:
        lines.encode({})
        lines.process.kill()
        with pytest.raises(PeerDiedError, match="the peer has ended:\n"):
            lines.encode({})
        with pytest.raises(PeerDiedError):
            lines.encode({})


# beego's engines, one request a line ------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", but("cookie"), indirect=True)
def test_an_engine_answers_one_call_at_a_time(lines: BeegoLines, engine: RunningEngine) -> None:
    at = {"provider": engine.name, "config": config_of(engine), "maxlifetime": 3600, "sid": "0123abcd" * 4}
    told = lines.request("create", **at, values=[["name", tagged("astaxie")]], keys=["name", "missing"])
    assert told["sid"] == at["sid"]
    assert told["got"] == [tagged("astaxie"), NIL]
    assert lines.request("exist", **at)["exist"]
    assert lines.request("count", **at)["count"] == (1 if engine.name in COUNTS else 0)
    lines.request("set", **at, values=[["more", tagged(1)]])
    lines.request("gc", **at)
    assert lines.request("read", **at, keys=["name", "more"])["got"] == [tagged("astaxie"), tagged(1)]
    new = "4567abcd" * 4
    if engine.name == "memcache":
        with pytest.raises(PeerError, match="nil pointer dereference"):
            lines.request("regenerate", **at, newsid=new)
    else:
        told = lines.request("regenerate", **at, newsid=new, keys=["more"])
        assert told["sid"] == new
        assert told["got"] == [NIL if engine.name == "redis_cluster" else tagged(1)]
        at["sid"] = new
    lines.request("destroy", **at)
    if engine.name == "memcache":
        with pytest.raises(PeerError, match="cache miss"):
            lines.request("exist", **at)
    else:
        assert not lines.request("exist", **at)["exist"]


def test_the_cookie_engine_tells_the_cookie_that_it_makes(lines: BeegoLines) -> None:
    at = {"provider": "cookie", "config": beego_provider_config("cookie"), "maxlifetime": 3600}
    made = lines.request("create", **at, sid="", values=[["name", tagged("astaxie")]])["set_cookie"]
    token = SimpleCookie(made)["beegosessionID"].value.replace("%3D", "=")
    assert lines.request("read", **at, sid=token, keys=["name"])["got"] == [tagged("astaxie")]
    assert lines.request("regenerate", **at, sid=token, newsid="x")["nil_store"]
