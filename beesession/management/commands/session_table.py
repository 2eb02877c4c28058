"""``session_table``: makes, or shows, the table of the SQL engines."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from django.core.management.base import CommandError, CommandParser

from beesession.management.base import SessionCommand
from beesession.sql.layout import TABLE
from beesession.sql.provider import SQLProvider
from beesession.sql.table import Flaw, Kind, create, flaws


class Command(SessionCommand):
    help = "Makes the table of the mysql or postgresql engine. One that is there stays, and what it costs is told."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", metavar="A", help="the DATABASES alias (that of the engine)")
        shown = parser.add_mutually_exclusive_group()
        shown.add_argument("--dry-run", action="store_true", help="write the statements, and run none of them")
        shown.add_argument(
            "--beego", action="store_true", help="write the statement that beego documents, and run none"
        )

    def work(self, given: Namespace) -> None:
        store = self.store()
        engine, options = store.provider_class, store.bound_options()
        if not issubclass(engine, SQLProvider):
            raise CommandError(
                f"The {engine.name} engine keeps its sessions in no table; session_table is for the engines mysql and "
                "postgresql."
            )
        layout = engine.dialect.layout
        if given.beego or given.dry_run:
            self._show(*([layout.beegos] if given.beego else layout.create))
            return
        if given.database is not None:
            options = replace(options, alias=given.database)
        database = engine.database(options.provider_config_for(engine.name), options)
        try:
            with database.connection() as connection:
                is_new = create(connection, engine.dialect)
                found = flaws(connection, engine.dialect) or []
        finally:
            database.close()
        if given.verbosity > 0:
            self.stdout.write(f"The table {TABLE} of {database.origin} {'has been made' if is_new else 'is there'}.")
        self._tell(found)

    def _show(self, *statements: str) -> None:
        self.stdout.write("\n".join(f"{statement};" for statement in statements))

    def _tell(self, found: list[Flaw]) -> None:
        unfit = [flaw for flaw in found if flaw.kind is Kind.UNFIT]
        if unfit:
            raise CommandError("\n".join(str(flaw) for flaw in unfit))
        for flaw in found:
            self.stderr.write(f"{flaw} To mend it: {flaw.remedy};")
