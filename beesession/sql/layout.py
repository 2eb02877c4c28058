"""The table of the sessions in each kind of database: how it is made, how it is looked at, how it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TABLE = "session"
"""beego's name of the table."""

KEY_LENGTH = 64
"""Characters that the column ``session_key`` holds."""


@dataclass(frozen=True)
class Layout:
    """The table in one kind of database.

    :ivar create: make it, unless it is there
    :ivar beegos: how a beego application has it made
    :ivar columns: returns (name, type, bytes that it holds or NULL, collation or NULL) of each column it has
    :ivar indexed: returns (name) of each column that comes first in an index
    :ivar engine: returns (its storage engine); empty where there is no choice
    :ivar types: the types that each column may have
    :ivar index_expiry: give it an index on the expiry
    :ivar widen_data: let it hold larger sessions
    :ivar compare_exactly: let it tell upper-case letters from lower-case ones
    :ivar change_engine: give it the better storage engine
    """

    create: tuple[str, ...]
    beegos: str
    columns: str
    indexed: str
    types: Mapping[str, frozenset[str]] = field(hash=False)
    index_expiry: str
    engine: str = ""
    widen_data: str = ""
    compare_exactly: str = ""
    change_engine: str = ""


MYSQL = Layout(
    create=(
        f"""\
CREATE TABLE IF NOT EXISTS {TABLE} (
    session_key CHAR({KEY_LENGTH}) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    session_data MEDIUMBLOB NOT NULL,
    session_expiry INT UNSIGNED NOT NULL,
    INDEX session_expiry (session_expiry)
) ENGINE = InnoDB""",
    ),
    beegos=f"""\
CREATE TABLE {TABLE} (
    session_key CHAR({KEY_LENGTH}) NOT NULL PRIMARY KEY,
    session_data BLOB,
    session_expiry INT(11) UNSIGNED NOT NULL
) ENGINE = MyISAM DEFAULT CHARSET = utf8""",
    columns=(
        "SELECT column_name, data_type, character_octet_length, collation_name FROM information_schema.columns "
        f"WHERE table_schema = DATABASE() AND table_name = '{TABLE}'"
    ),
    indexed=(
        "SELECT column_name FROM information_schema.statistics "
        f"WHERE table_schema = DATABASE() AND table_name = '{TABLE}' AND seq_in_index = 1"
    ),
    engine=(f"SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{TABLE}'"),
    types={
        "session_key": frozenset({"char", "varchar", "varbinary"}),  # BINARY gives the key back with zeros
        "session_data": frozenset({"blob", "mediumblob", "longblob"}),
        "session_expiry": frozenset({"int", "bigint"}),
    },
    index_expiry=f"CREATE INDEX session_expiry ON {TABLE} (session_expiry)",
    widen_data=f"ALTER TABLE {TABLE} MODIFY session_data MEDIUMBLOB",
    compare_exactly=(
        f"ALTER TABLE {TABLE} MODIFY session_key CHAR({KEY_LENGTH}) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"
    ),
    change_engine=f"ALTER TABLE {TABLE} ENGINE = InnoDB",
)

POSTGRESQL = Layout(
    create=(
        f"""\
CREATE TABLE IF NOT EXISTS {TABLE} (
    session_key CHAR({KEY_LENGTH}) NOT NULL PRIMARY KEY,
    session_data BYTEA NOT NULL,
    session_expiry TIMESTAMP WITHOUT TIME ZONE NOT NULL
)""",
        f"CREATE INDEX IF NOT EXISTS session_session_expiry ON {TABLE} (session_expiry)",
    ),
    beegos=f"""\
CREATE TABLE {TABLE} (
    session_key CHAR({KEY_LENGTH}) NOT NULL PRIMARY KEY,
    session_data BYTEA,
    session_expiry TIMESTAMP NOT NULL
)""",
    columns=(
        "SELECT attname, format_type(atttypid, NULL), NULL, NULL FROM pg_attribute "
        f"WHERE attrelid = to_regclass('{TABLE}') AND attnum > 0 AND NOT attisdropped"
    ),
    indexed=(
        "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] "
        f"WHERE indrelid = to_regclass('{TABLE}') AND indisvalid AND indpred IS NULL"
    ),
    types={
        "session_key": frozenset({"character", "character varying", "text"}),
        "session_data": frozenset({"bytea"}),
        "session_expiry": frozenset({"timestamp without time zone"}),
    },
    index_expiry=f"CREATE INDEX CONCURRENTLY session_session_expiry ON {TABLE} (session_expiry)",
)
