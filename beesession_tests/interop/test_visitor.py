"""A visitor walks between a Django site and a beego application; each of the two sees what the other has done."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from datetime import timezone as zones
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from beesession.codecs.gob import Int8, Int64, Map, Slice, Time, Uint8
from beesession.delta import same
from beesession.sql.layout import MYSQL, POSTGRESQL
from beesession_tests.engines import RunningEngine
from beesession_tests.interop.beego import BeegoApp, BeegoError
from beesession_tests.interop.crowds import application
from beesession_tests.interop.django_site import LIFETIME, Point, User, Walker, sharing
from beesession_tests.interop.sides import on, stock, with_ours
from beesession_tests.interop.stored import STORES, Dated, Stored
from beesession_tests.interop.values import NIL, Key, Node, go, go_list, go_map, tagged
from beesession_tests.servers import Servers

pytestmark = pytest.mark.slow

DATED = ("file", "mysql", "postgresql")
"""The stores whose sessions beego counts, and collects by the date of their last use."""


def but(*names: str) -> set[str]:
    return {*STORES} - {*names}


each_shared = on(*stock(*STORES), *with_ours(*STORES))
each_dated = on(*stock(*DATED), *with_ours(*DATED))


@pytest.fixture
def walker(beside: BeegoApp) -> Walker:
    return Walker(beside)


@pytest.fixture
def stored(site: RunningEngine, servers: Servers) -> Stored:
    return STORES[site.name](site, servers, LIFETIME)


# Values -----------------------------------------------------------------------------------------------------------

JOINED = Time(2024, 2, 29, 13, 4, 5, 678901, zones.utc, nanosecond=234)
JOINED_IN_GO = go("time.Time", "2024-02-29T13:04:05.678901234Z")

VALUES: dict[str, tuple[Node, Any]] = {
    "text": (go("string", "héllo \N{HONEYBEE}"), "héllo \N{HONEYBEE}"),
    "int": (go("int", -3), -3),
    "int64": (go("int64", 2**62), Int64(2**62)),
    "uint8": (go("uint8", 200), Uint8(200)),
    "float": (go("float64", 0.1), 0.1),
    "true": (go("bool", True), True),
    "false": (go("bool", False), False),
    "bytes": (go("[]uint8", b"\x00\xff"), b"\x00\xff"),
    "strings": (go_list("[]string", map(tagged, ["a", "b"])), Slice.of("[]string")(["a", "b"])),
    "list": (go_list("[]interface {}", [go("int8", 1), NIL, tagged("x"), tagged([1.5])]), [Int8(1), None, "x", [1.5]]),
    "map": (tagged({"a": 1, "b": {"c": [True]}}), {"a": 1, "b": {"c": [True]}}),
    "counts": (
        go_map("map[string]int", [(go("string", "n"), go("int", 5))]),
        Map.of("map[string]int")({"n": 5}),
    ),
    "time": (JOINED_IN_GO, JOINED),
    "point": ({"t": "main.Point", "v": [["X", go("int", 3)], ["Y", go("int", 0)]]}, Point(3, 0)),
    "user": (
        {
            "t": "models.User",
            "v": [
                ["ID", go("int", 7)],
                ["Name", tagged("Ann")],
                ["Email", tagged("")],
                ["Tags", go_list("[]string", [tagged("x")])],
                ["Admin", go("bool", True)],
                ["Score", go("float64", 0.5)],
                ["Meta", tagged({"k": 1})],
                ["Joined", JOINED_IN_GO],
            ],
        },
        User(7, "Ann", "", ["x"], True, 0.5, {"k": 1}, JOINED),
    ),
}
"""By name a value as Go has it, and as Python has it."""

IN_GO = {name: in_go for name, (in_go, _) in VALUES.items()}
IN_PYTHON = {name: in_python for name, (_, in_python) in VALUES.items()}


def what_counts(found: Any) -> Any:
    """Leave out of what the peer tells how floats are spelled, and how moments are encoded."""
    if isinstance(found, dict):
        left_out = {"gobbytes"} | ({"v"} if found.get("t") == "float64" else set())
        return {key: what_counts(value) for key, value in found.items() if key not in left_out}
    return [what_counts(each) for each in found] if isinstance(found, list | tuple) else found


def has_in_go(walker: Walker, values: dict[str, Node]) -> bool:
    return bool(what_counts(walker.beego.get(*values)) == what_counts([*values.values()]))


@each_shared
def test_django_reads_what_beego_sets(walker: Walker) -> None:
    walker.beego.set(IN_GO)
    assert same(walker.get_in_django(*VALUES, "missing"), [*IN_PYTHON.values(), None])


@each_shared
def test_beego_reads_what_django_sets(walker: Walker) -> None:
    walker.set_in_django(**IN_PYTHON)
    assert what_counts(walker.beego.get(*VALUES, "missing")) == what_counts([*IN_GO.values(), NIL])


@each_shared
def test_values_keep_their_types_however_often_either_side_saves(walker: Walker) -> None:
    walker.beego.set(IN_GO)
    for number in range(3):
        walker.set_in_django(number=number)
        assert has_in_go(walker, {**IN_GO, "number": tagged(number)})
        walker.beego.set({"back": tagged(number)})
        assert same(walker.get_in_django(*VALUES, "back"), [*IN_PYTHON.values(), number])


FOREIGN: dict[str, Node] = {
    "rect": {"t": "main.Rect", "v": [["W", go("float64", 1.5)], ["H", go("float64", 0.0)]]},
    "account": {
        "t": "*models.Account",
        "ptr": {"t": "models.Account", "v": [["ID", go("int", 7)], ["Name", tagged("")]]},
    },
    "points": go_list("[]main.Point", [{"t": "main.Point", "v": [["X", go("int", 1)], ["Y", go("int", 2)]]}]),
    "float32": {"t": "float32", "v": "0.5", "bits": "3fe0000000000000"},
    "complex64": {"t": "complex64", "re": "3ff8000000000000", "im": "c000000000000000", "v": ["1.5", "-2"]},
    "texts": go_map("map[int]string", [(go("int", 1), tagged("x"))]),
    "mixed": go_map("map[interface {}]interface {}", [(go("bool", True), tagged("x")), (go("int", 1), tagged("y"))]),
    "role": {"t": "models.Role", "v": "admin"},
    "celsius": {"t": "main.Celsius", "v": "36.6", "bits": "40424ccccccccccd"},
    "encoded": {"t": "main.Enc", "v": "abc"},
    "ip": {"t": "net.IP", "v": "192.0.2.1", "hex": "00000000000000000000ffffc0000201"},
    "raw text": {"t": "string", "hex": "fffe"},
}
"""Values of types that the Django site has not registered, or has none for."""


@each_shared
def test_what_django_has_no_type_for_is_kept_as_it_is(walker: Walker) -> None:
    walker.beego.set(FOREIGN)
    walker.set_in_django(number=1)
    walker.in_django(lambda request: [request.session[key] for key in FOREIGN])
    walker.set_in_django(number=2)
    walker.in_django(lambda request: request.session.update({"again": request.session["rect"]}))
    assert has_in_go(walker, {**FOREIGN, "number": tagged(2), "again": FOREIGN["rect"]})


@each_shared
def test_keys_that_are_no_text_are_kept(walker: Walker) -> None:
    keys: list[Key] = [go("int", 1), tagged(1.0), go("bool", True), "1", go("int64", 1)]
    walker.beego.set([(key, tagged(number)) for number, key in enumerate(keys)])
    walker.set_in_django(name="ann")
    assert walker.beego.get(*keys, "name") == [*map(tagged, range(5)), tagged("ann")]
    held = walker.in_django(lambda request: dict[Any, Any](request.session.items()))
    assert (held[1], held["1"]) == (0, 3)


@each_shared
def test_what_one_side_deletes_is_gone_on_the_other(walker: Walker) -> None:
    walker.beego.set({"one": tagged(1), "other": tagged(2), "kept": tagged(3)})
    walker.in_django(lambda request: request.session.pop("one"))
    walker.beego.delete("other")
    assert walker.get_in_django("one", "other", "kept") == [None, None, 3]
    assert walker.beego.get("one", "other", "kept") == [NIL, NIL, tagged(3)]


@each_shared
def test_a_key_that_holds_none_in_django_is_no_key_for_beego_and_stays_none(walker: Walker) -> None:
    walker.set_in_django(nothing=None, other=1)
    assert walker.beego.get("nothing", "other") == [NIL, tagged(1)]
    walker.beego.set({"other": tagged(2)})
    assert walker.in_django(lambda request: (request.session["nothing"], request.session["other"])) == (None, 2)


@each_shared
def test_an_empty_session_of_beegos_is_one_in_django(walker: Walker) -> None:
    walker.beego.sid()
    assert walker.in_django(lambda request: dict(request.session.items())) == {}
    walker.set_in_django(name="ann")
    assert walker.beego.get("name") == [tagged("ann")]


# Counters ---------------------------------------------------------------------------------------------------------


@each_shared
def test_a_counter_goes_on_whoever_counts(walker: Walker) -> None:
    counted = [each for _ in range(3) for each in (walker.beego.count(), walker.count_in_django())]
    assert counted == [1, 2, 3, 4, 5, 6]
    assert walker.beego.get("visits") == [go("int", 6)]


@each_shared
def test_a_counter_that_django_begins_is_an_int_for_beego(walker: Walker) -> None:
    assert [walker.count_in_django(), walker.beego.count(), walker.count_in_django()] == [1, 2, 3]


@each_shared
def test_a_counter_of_another_type_keeps_it(walker: Walker) -> None:
    walker.beego.set({"visits": go("int64", 41)})
    assert same(walker.count_in_django(), Int64(42))
    assert walker.beego.get("visits") == [go("int64", 42)]
    with pytest.raises(BeegoError, match="int64"):
        walker.beego.count()  # it asks for an int


# Expiry -----------------------------------------------------------------------------------------------------------


def ends_in(stored: Stored, walker: Walker, seconds: float, *, within: float = 1) -> bool:
    """Return whether the session ends so long after the last save, by beego's rule."""
    left, passed = stored.left(walker.sid), time.monotonic() - stored.made
    return left is not None and seconds - within - passed <= left <= seconds + within


@each_shared
def test_a_save_of_either_side_gives_the_same_lifetime(walker: Walker, stored: Stored) -> None:
    walker.beego.set({"name": tagged("ann")})
    assert ends_in(stored, walker, LIFETIME)
    walker.set_in_django(name="bob")
    assert ends_in(stored, walker, LIFETIME)
    walker.beego.count()
    assert ends_in(stored, walker, LIFETIME)


@each_shared
def test_an_expiry_of_djangos_own_holds_by_beegos_rule_until_beego_saves(walker: Walker, stored: Stored) -> None:
    walker.set_in_django(name="ann")
    walker.in_django(lambda request: request.session.set_expiry(60))
    assert ends_in(stored, walker, 60)
    # beego saves at the end of each request, and knows but one lifetime.
    assert walker.beego.get("name") == [tagged("ann")]
    assert ends_in(stored, walker, LIFETIME)
    # For Django it is still a session of a minute, which its next save gives it.
    assert walker.in_django(lambda request: request.session.get_expiry_age()) == 60
    walker.set_in_django(name="bob")
    assert ends_in(stored, walker, 60)


@each_shared
def test_an_expiry_that_is_later_than_beegos_holds_but_in_the_cookie(walker: Walker, stored: Stored) -> None:
    walker.set_in_django(name="ann")
    walker.in_django(lambda request: request.session.set_expiry(3 * LIFETIME))
    # A token that ends so late would be dated in the future, and beego refuses such a token.
    honoured = LIFETIME if stored.engine.name == "cookie" else 3 * LIFETIME
    assert ends_in(stored, walker, honoured)
    assert walker.beego.get("name") == [tagged("ann")]
    assert ends_in(stored, walker, LIFETIME)


@each_shared
def test_reading_in_django_moves_no_expiry(walker: Walker, stored: Stored) -> None:
    walker.set_in_django(name="ann")
    walker.in_django(lambda request: request.session.set_expiry(60))
    assert walker.get_in_django("name") == ["ann"]
    assert ends_in(stored, walker, 60)


@each_shared
def test_a_session_that_django_ends_by_its_expiry_is_over_for_beego(walker: Walker) -> None:
    walker.set_in_django(name="ann")
    twin = walker.twin()
    walker.in_django(lambda request: request.session.set_expiry(-1))
    assert twin.get_in_django("name") == ["ann" if twin.app.provider == "cookie" else None]


@each_shared
def test_a_moment_of_expiry_holds_by_beegos_rule(walker: Walker, stored: Stored) -> None:
    walker.set_in_django(name="ann")
    walker.in_django(lambda request: request.session.set_expiry(timezone.now() + timedelta(minutes=1)))
    # Django counts what is left until then in whole seconds, and leaves out what is over.
    assert ends_in(stored, walker, 60, within=2)
    assert walker.beego.get("name") == [tagged("ann")]
    walker.set_in_django(name="bob")
    assert ends_in(stored, walker, 60, within=2)


@each_shared
@pytest.mark.parametrize("expiry", [0, None])
def test_what_is_to_end_with_the_browser_or_has_no_expiry_has_the_lifetime_in_the_store(
    walker: Walker, stored: Stored, expiry: int | None
) -> None:
    walker.set_in_django(name="ann")
    walker.in_django(lambda request: request.session.set_expiry(60))
    walker.in_django(lambda request: request.session.set_expiry(expiry))
    assert ends_in(stored, walker, LIFETIME)
    assert walker.beego.get("name") == [tagged("ann")]


@each_shared
def test_a_site_that_saves_at_every_request_gives_the_lifetime_at_each(walker: Walker, stored: Stored) -> None:
    walker.set_in_django(name="ann")
    walker.in_django(lambda request: request.session.set_expiry(60))
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        walker.beego.count()
        assert ends_in(stored, walker, LIFETIME)
        assert walker.get_in_django("visits") == [1]
        assert ends_in(stored, walker, 60)


# Rotation and destruction -----------------------------------------------------------------------------------------


def opens_nothing_in_beego(walker: Walker) -> bool:
    """Return whether beego finds nothing under the visitor's id."""
    if walker.app.provider == "memcache" and not walker.app.ours:  # takes what is not found for a failure
        with pytest.raises(BeegoError) as caught:
            walker.beego.get("name")
        return caught.value.status == 503
    return walker.beego.get("name") == [NIL]


@on(*stock(*but("cookie", "memcache", "redis_cluster")), *with_ours(*STORES))
def test_django_follows_a_rotation_in_beego(walker: Walker) -> None:
    walker.set_in_django(name="ann")
    thief = walker.twin()
    walker.beego.regenerate()
    assert walker.get_in_django("name") == ["ann"]
    assert thief.get_in_django("name") == [None]


@on(*stock(*but("cookie")), *with_ours(*STORES))
def test_beego_follows_a_rotation_in_django(walker: Walker) -> None:
    walker.beego.set({"name": tagged("ann"), "visits": go("int64", 1)})
    thief, old = walker.twin(), walker.sid
    walker.in_django(lambda request: request.session.cycle_key())
    assert walker.sid != old
    assert walker.beego.get("name", "visits") == [tagged("ann"), go("int64", 1)]
    assert opens_nothing_in_beego(thief)


@on(*stock("cookie"))
def test_a_rotation_in_django_makes_another_token_that_beego_reads(walker: Walker) -> None:
    walker.beego.set({"name": tagged("ann")})
    old = walker.sid
    walker.in_django(lambda request: request.session.cycle_key())
    assert walker.sid != old
    assert walker.beego.get("name") == [tagged("ann")]


@each_shared
def test_django_follows_the_end_of_a_session_in_beego(walker: Walker) -> None:
    walker.set_in_django(name="ann")
    thief = walker.twin()
    walker.beego.destroy()
    assert walker.beego.cookie is None
    assert walker.get_in_django("name") == [None]
    # A cookie that carries the session itself opens it for whoever has kept it.
    assert thief.get_in_django("name") == ["ann" if thief.app.provider == "cookie" else None]


@each_shared
def test_beego_follows_the_end_of_a_session_in_django(walker: Walker) -> None:
    walker.beego.set({"name": tagged("ann")})
    thief = walker.twin()
    walker.in_django(lambda request: request.session.flush())
    assert walker.beego.cookie is None
    if thief.app.provider == "cookie":
        assert thief.beego.get("name") == [tagged("ann")]
    else:
        assert opens_nothing_in_beego(thief)
    assert walker.beego.get("name") == [NIL]


# Counting and collecting ------------------------------------------------------------------------------------------


def active_in_django() -> Any:
    written = io.StringIO()
    call_command("session_active", "--json", stdout=written)
    return json.loads(written.getvalue())["active"]


@each_dated
def test_both_sides_count_the_same_sessions(beside: BeegoApp) -> None:
    walkers = [Walker(beside) for _ in range(4)]
    for walker in walkers[:2]:
        walker.set_in_django(name="ann")
    for walker in walkers[2:]:
        walker.beego.count()
    assert active_in_django() == beside.active() == 4
    walkers[0].beego.destroy()
    walkers[2].in_django(lambda request: request.session.flush())
    assert active_in_django() == beside.active() == 2
    walkers[1].in_django(lambda request: request.session.cycle_key())
    walkers[3].beego.regenerate()
    assert active_in_django() == beside.active() == 2


@each_dated
def test_gc_of_beego_leaves_what_lives_and_removes_what_is_over(beside: BeegoApp, stored: Stored) -> None:
    assert isinstance(stored, Dated)
    live, over, short, short_over = (Walker(beside) for _ in range(4))
    for walker in (live, over, short, short_over):
        walker.set_in_django(name="ann")
    for walker in (short, short_over):
        walker.in_django(lambda request: request.session.set_expiry(60))
    stored.age(live.sid, LIFETIME - 5)
    stored.age(over.sid, LIFETIME + 5)
    stored.age(short.sid, 55)
    stored.age(short_over.sid, 65)
    assert [walker.twin().get_in_django("name") for walker in (live, over, short, short_over)] == [
        ["ann"],
        [None],
        ["ann"],
        [None],
    ]
    # beego's own providers count what is over until it is collected.
    assert (active_in_django(), beside.active()) == (2, 2 if beside.ours else 4)
    assert None not in (stored.left(over.sid), stored.left(short_over.sid))
    beside.gc()
    assert (stored.left(over.sid), stored.left(short_over.sid)) == (None, None)
    assert active_in_django() == beside.active() == 2
    assert [live.get_in_django("name"), short.get_in_django("name")] == [["ann"], ["ann"]]


@each_dated
def test_gc_of_ours_leaves_what_lives_and_removes_what_is_over_by_beegos_rule(beside: BeegoApp, stored: Stored) -> None:
    assert isinstance(stored, Dated)
    live, over = Walker(beside), Walker(beside)
    for walker in (live, over):
        walker.beego.set({"name": tagged("ann")})
    stored.age(live.sid, LIFETIME - 5)
    stored.age(over.sid, LIFETIME + 5)
    call_command("session_gc", stdout=io.StringIO())
    assert active_in_django() == beside.active() == 1
    assert live.beego.get("name") == [tagged("ann")]


# Time zones -------------------------------------------------------------------------------------------------------


@on(*stock("postgresql"), *with_ours("postgresql"))
class TestABeegoInAnotherTimeZone:
    """beego writes its local time into PostgreSQL, and we are told which one that is."""

    @pytest.fixture(params=["America/Los_Angeles", "Asia/Kolkata"])
    def zone(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def site(self, engine: RunningEngine, zone: str) -> Iterator[RunningEngine]:
        with sharing(engine, STORE_TIMEZONE=zone) as shared:
            yield shared

    @pytest.fixture
    def beside(self, site: RunningEngine, ours: bool, zone: str) -> Iterator[BeegoApp]:
        with application(site, ours=ours, time_zone=zone) as app:
            yield app

    def test_a_session_lives_as_long_as_in_one_zone(self, beside: BeegoApp, stored: Stored) -> None:
        walker = Walker(beside)
        walker.beego.set({"name": tagged("ann")})
        assert ends_in(stored, walker, LIFETIME)
        assert walker.get_in_django("name") == ["ann"]
        walker.set_in_django(name="bob")
        assert ends_in(stored, walker, LIFETIME)
        beside.gc()
        assert walker.beego.get("name") == [tagged("bob")]

    def test_what_is_over_is_over_for_both(self, beside: BeegoApp, stored: Stored) -> None:
        assert isinstance(stored, Dated)
        live, over = Walker(beside), Walker(beside)
        for walker in (live, over):
            walker.set_in_django(name="ann")
        stored.age(live.sid, LIFETIME - 5)
        stored.age(over.sid, LIFETIME + 5)
        beside.gc()
        assert active_in_django() == beside.active() == 1
        assert live.get_in_django("name") == ["ann"]


# Other forms of a deployment ----------------------------------------------------------------------------------------


@on(*stock("file", "redis", "mysql"), *with_ours("redis", "mysql"))
class TestIdsWithAPrefix:
    """``sessionidprefix`` is ``ID_PREFIX``."""

    @pytest.fixture
    def site(self, engine: RunningEngine) -> Iterator[RunningEngine]:
        with sharing(engine, ID_PREFIX="bee-") as shared:
            yield shared

    @pytest.fixture
    def beside(self, site: RunningEngine, ours: bool) -> Iterator[BeegoApp]:
        with application(site, ours=ours, conf={"sessionidprefix": "bee-"}) as app:
            yield app

    def test_a_visitor_walks_with_an_id_of_either_side(self, beside: BeegoApp) -> None:
        for walker, begin in (
            (one := Walker(beside), one.count_in_django),
            (other := Walker(beside), other.beego.count),
        ):
            assert begin() == 1
            assert walker.sid.startswith("bee-")
            assert [walker.beego.count(), walker.count_in_django()] == [2, 3]


@on(*stock("mysql", "postgresql"), *with_ours("mysql", "postgresql"))
class TestTheTableThatBeegoHasMade:
    """A site that moves off beego finds beego's own table."""

    @pytest.fixture
    def site(self, engine: RunningEngine, servers: Servers) -> Iterator[RunningEngine]:
        server: Any = getattr(servers, engine.engine.server)
        layout = {"mysql": MYSQL, "postgresql": POSTGRESQL}[engine.name]
        server.execute("DROP TABLE session")
        server.execute(layout.beegos)
        try:
            with sharing(engine) as shared:
                yield shared
        finally:
            server.execute("DROP TABLE session")

    def test_a_visitor_walks_and_what_has_ended_stays_ended(self, walker: Walker) -> None:
        counted = [each for _ in range(2) for each in (walker.beego.count(), walker.count_in_django())]
        assert counted == [1, 2, 3, 4]
        walker.in_django(lambda request: request.session.cycle_key())
        assert walker.beego.count() == 5
        walker.beego.regenerate()
        assert walker.count_in_django() == 6
        leaving = walker.twin()
        with walker.beego.slowly("late", "yes"):
            leaving.in_django(lambda request: request.session.flush())
        assert walker.twin().get_in_django("visits", "late") == [None, None]
