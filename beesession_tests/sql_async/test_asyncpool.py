"""psycopg's connections of one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import DataError, IntegrityError, OperationalError, ProgrammingError

from beesession.clients import PerLoop
from beesession.sql import asyncpool
from beesession.sql.asyncpool import AsyncPool
from beesession.sql.statements import DEADLINE, Result, Statement
from beesession_tests.faults import Proxy, Stream
from beesession_tests.servers import PostgreSQLServer, free_port
from beesession_tests.servers.base import eventually

pytestmark = pytest.mark.xdist_group("postgresql")

Run = Callable[..., Any]


@pytest.fixture
def run(postgresql: PostgreSQLServer, database: Callable[..., Any]) -> Run:
    """Runs ``act(pool)`` on a loop of its own, with a pool of these OPTIONS, and closes the pool."""

    def run(act: Callable[[AsyncPool], Awaitable[Any]], **options: Any) -> Any:
        async def main() -> Any:
            pool = AsyncPool(database(postgresql.provider_config, **options))
            try:
                return await act(pool)
            finally:
                await pool.close()

        return asyncio.run(main())

    return run


def _statement(text: str, *, deadline: float = DEADLINE, **parameters: object) -> Statement:
    return Statement(text, parameters, deadline=deadline)


def test_a_statement_returns_its_rows_and_their_number(run: Run) -> None:
    async def act(pool: AsyncPool) -> list[Result]:
        return [
            await pool.execute(
                _statement("SELECT %(a)s::bytea, %(b)s::int FROM generate_series(1, 2)", a=b"\x00%'", b=7)
            ),
            await pool.execute(_statement("DO 'BEGIN END'")),
        ]

    assert run(act) == [Result(2, [(b"\x00%'", 7)] * 2), Result(-1, [])]


@pytest.mark.parametrize(
    ("statement", "error", "cause"),
    [
        ("SELECT * FROM no_such_table", ProgrammingError, psycopg.errors.UndefinedTable),
        ("SELECT pg_terminate_backend(pg_backend_pid())", OperationalError, psycopg.OperationalError),
        ("DO $$BEGIN RAISE unique_violation; END$$", IntegrityError, psycopg.errors.UniqueViolation),
    ],
)
def test_an_error_is_djangos_and_the_drivers_is_its_cause(
    run: Run, statement: str, error: type[Exception], cause: type[Exception]
) -> None:
    async def act(pool: AsyncPool) -> Result:
        with pytest.raises(error) as raised:
            await pool.execute(_statement(statement))
        assert isinstance(raised.value.__cause__, cause)
        return await pool.execute(_statement("SELECT 1"))

    assert run(act).rows == [(1,)]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, asyncpool.SIZE),
        ({"pool": True}, 10),
        ({"pool": {"max_size": 3}}, 3),
        ({"pool": {"max_size": None}}, 10),
        ({"pool": {"min_size": 12}}, 12),
    ],
)
def test_so_many_connections_at_once_as_the_options_say(
    run: Run, postgresql: PostgreSQLServer, options: dict[str, Any], size: int
) -> None:
    async def act(pool: AsyncPool) -> int:
        await asyncio.gather(*(pool.execute(_statement("SELECT pg_sleep(0.01)")) for _ in range(4 * size)))
        return len(postgresql.connections())

    assert run(act, **options) == size


@pytest.mark.parametrize(
    ("options", "name"),
    [({"max_size": 0}, "max_size"), ({"max_size": "4"}, "max_size"), ({"min_size": 0, "max_size": None}, "min_size")],
)
def test_a_size_that_is_none_is_refused_by_name(run: Run, options: dict[str, object], name: str) -> None:
    async def act(pool: AsyncPool) -> None:
        pytest.fail("the pool was made")

    with pytest.raises(ImproperlyConfigured, match=rf"\['OPTIONS'\]\['pool'\]\['{name}'\]"):
        run(act, pool=options)


def test_one_task_after_the_other_needs_one_connection(run: Run, postgresql: PostgreSQLServer) -> None:
    async def act(pool: AsyncPool) -> set[Any]:
        return {(await pool.execute(_statement("SELECT pg_backend_pid()"))).rows[0] for _ in range(20)}

    assert len(run(act)) == 1


def test_connections_are_set_up_as_django_would(run: Run) -> None:
    async def act(pool: AsyncPool) -> Result:
        return await pool.execute(_statement("SELECT current_user, current_setting('application_name')"))

    options = {"assume_role": "pg_monitor", "application_name": "of a test", "server_side_binding": True}
    assert run(act, **options).rows == [("pg_monitor", "of a test")]


def test_each_connection_is_made_with_the_password_of_that_moment(
    postgresql: PostgreSQLServer, database: Callable[..., Any]
) -> None:
    wrapper = database(postgresql.provider_config)
    settings = wrapper.settings_dict
    password, settings["PASSWORD"] = settings["PASSWORD"], "one that has expired"

    async def main() -> list[Any]:
        pool = AsyncPool(wrapper)
        with pytest.raises(OperationalError, match="password"):
            await pool.execute(_statement("SELECT 1"))
        settings["PASSWORD"] = password
        try:
            return (await pool.execute(_statement("SELECT 1"))).rows
        finally:
            await pool.close()

    assert asyncio.run(main()) == [(1,)]


def test_a_role_that_is_refused_leaves_no_connection(run: Run, postgresql: PostgreSQLServer) -> None:
    async def act(pool: AsyncPool) -> None:
        for _ in range(2 * asyncpool.SIZE):
            with pytest.raises(DataError):
                await pool.execute(_statement("SELECT 1"))

    run(act, assume_role="nobody-of-that-name")
    eventually(lambda: postgresql.connections() == [])


def test_a_connection_that_the_server_ended_is_replaced_before_anything_is_sent(
    run: Run, postgresql: PostgreSQLServer
) -> None:
    async def act(pool: AsyncPool) -> list[Any]:
        found = []
        for _ in range(3):
            found += (await pool.execute(_statement("SELECT 1"))).rows
            assert postgresql.disconnect_clients() == 1
        return found

    assert run(act) == [(1,)] * 3


def test_a_statement_runs_to_its_end_though_its_task_is_cancelled(run: Run, postgresql: PostgreSQLServer) -> None:
    async def act(pool: AsyncPool) -> tuple[int, list[Any]]:
        await pool.execute(_statement("CREATE TEMPORARY SEQUENCE runs"))
        sleep = "SELECT pg_sleep(0.1), nextval('runs')"
        task = asyncio.ensure_future(pool.execute(_statement(sleep)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(postgresql.connections()), (await pool.execute(_statement("SELECT nextval('runs')"))).rows

    assert run(act, pool={"max_size": 1}) == (1, [(2,)])


def test_a_task_that_is_cancelled_while_it_waits_for_a_connection_sends_nothing(run: Run) -> None:
    async def act(pool: AsyncPool) -> list[Any]:
        await pool.execute(_statement("CREATE TEMPORARY SEQUENCE runs"))
        first = asyncio.ensure_future(pool.execute(_statement("SELECT pg_sleep(0.2)")))
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(pool.execute(_statement("SELECT nextval('runs')"))) for _ in range(20)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.wait([first, *waiting])
        return (await pool.execute(_statement("SELECT nextval('runs')"))).rows

    assert run(act, pool={"max_size": 1}) == [(1,)]


@pytest.mark.slow
@pytest.mark.crowd
def test_a_thousand_statements_that_fail_leave_no_connection_in_use(run: Run, postgresql: PostgreSQLServer) -> None:
    async def act(pool: AsyncPool) -> tuple[int, list[Result]]:
        failing = (pool.execute(_statement("SELECT * FROM no_such_table")) for _ in range(1000))
        outcomes = await asyncio.gather(*failing, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {ProgrammingError}
        return len(postgresql.connections()), await asyncio.gather(
            *(pool.execute(_statement("SELECT 1")) for _ in range(2 * asyncpool.SIZE))
        )

    connections, results = run(act)
    assert connections <= asyncpool.SIZE
    assert results == [Result(1, [(1,)])] * 2 * asyncpool.SIZE


def test_whoever_gets_no_connection_in_time_is_told_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncpool, "TIMEOUT", 0.05)

    async def act(pool: AsyncPool) -> list[Any]:
        slow = asyncio.ensure_future(pool.execute(_statement("SELECT pg_sleep(0.3)")))
        await asyncio.sleep(0)
        with pytest.raises(OperationalError, match="became free"):
            await pool.execute(_statement("SELECT 1"))
        await slow
        return (await pool.execute(_statement("SELECT 1"))).rows

    assert run(act, pool={"max_size": 1}) == [(1,)]


def test_a_server_that_does_not_answer_in_time_is_hung_up_on(run: Run) -> None:
    async def act(pool: AsyncPool) -> list[Any]:
        began = time.monotonic()
        with pytest.raises(OperationalError):
            await pool.execute(_statement("SELECT pg_sleep(30)", deadline=0.1))
        assert time.monotonic() - began < 10
        return (await pool.execute(_statement("SELECT 1"))).rows

    assert run(act, pool={"max_size": 1}) == [(1,)]


def test_no_server_is_told_at_once(database: Callable[..., Any]) -> None:
    async def main() -> float:
        pool = AsyncPool(database(f"postgresql://u:p@127.0.0.1:{free_port()}/d?sslmode=disable"))
        began = time.monotonic()
        outcomes = await asyncio.gather(
            *(pool.execute(_statement("SELECT 1")) for _ in range(50)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {OperationalError}
        return time.monotonic() - began

    assert asyncio.run(main()) < asyncpool.TIMEOUT


def test_a_closed_pool_closes_what_was_in_use_when_it_is_given_back(
    postgresql: PostgreSQLServer, database: Callable[..., Any]
) -> None:
    async def main() -> None:
        pool = AsyncPool(database(postgresql.provider_config))
        slow = asyncio.ensure_future(pool.execute(_statement("SELECT pg_sleep(0.1)")))
        await pool.execute(_statement("SELECT 1"))
        await pool.close()
        assert (await slow).rowcount == 1

    asyncio.run(main())
    eventually(lambda: postgresql.connections() == [])


@pytest.mark.parametrize("silent", [False, True], ids=["answering", "silent"])
def test_a_loop_that_ends_in_the_middle_of_a_statement_ends_its_connection(
    postgresql: PostgreSQLServer, database: Callable[..., Any], caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    with Proxy(postgresql.port, Stream) as proxy:
        config = postgresql.provider_config.replace(f":{postgresql.port}/", f":{proxy.port}/")
        pools = PerLoop(lambda: AsyncPool(database(config)), AsyncPool.close)

        async def main() -> asyncio.Future[Result]:
            pool = await pools.get()
            await pool.execute(_statement("SELECT 1"))
            if silent:
                proxy.blackhole()
            sleeping = asyncio.ensure_future(pool.execute(_statement("SELECT pg_sleep(0.5)")))
            await asyncio.sleep(0.1)
            return sleeping

        assert asyncio.run(main()).cancelled()
        eventually(lambda: postgresql.connections() == [])
    # psycopg has its own word for it, from 3.3.9 on. What must not be there is an exception that nobody retrieved.
    assert [record for record in caplog.records if record.name != "psycopg"] == []
