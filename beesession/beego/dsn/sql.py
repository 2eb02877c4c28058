"""Provider strings of mysql (Go's MySQL driver) and postgresql (lib/pq), and the DATABASES entries they map to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from beesession.beego.dsn.form import Form, ProviderString

TIMEOUT = 3
"""Seconds until a silent server counts as unreachable."""

LOCK_TIMEOUT = 2
"""Seconds to wait for a row that somebody else has locked: less than TIMEOUT, so that the server ends the wait."""

_MYSQL = Form(
    "mysql",
    "'[user[:password]@][tcp|unix[(address)]]/database[?param=value&...]', such as "
    "'user:password@tcp(127.0.0.1:3306)/app?charset=utf8mb4'",
)
_POSTGRESQL = Form(
    "postgresql",
    "'postgres://user:password@host:port/database?sslmode=verify-full', or words such as 'host=db user=app dbname=app'",
)
# Of the Go driver alone: they shape Go values, or a connection that Django keeps in shape itself.
_GO_ONLY = frozenset(
    {"allowAllFiles", "allowCleartextPasswords", "allowFallbackToPlaintext", "allowNativePasswords",
     "allowOldPasswords", "checkConnLiveness", "clientFoundRows", "columnsWithAlias",
     "connectionAttributes", "interpolateParams", "loc",
     "maxAllowedPacket", "multiStatements", "parseTime", "rejectReadOnly", "serverPubKey", "timeTruncate"}
)  # fmt: skip
_GO_TIMEOUTS = {"timeout": "connect_timeout", "readTimeout": "read_timeout", "writeTimeout": "write_timeout"}
_PQ_ONLY = frozenset({"binary_parameters", "disable_prepared_binary_result", "krbspn", "sslinline"})
_LIBPQ = frozenset(
    {"application_name", "channel_binding", "client_encoding", "connect_timeout", "fallback_application_name",
     "gssencmode", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname",
     "options", "passfile", "service", "sslcert", "sslcrl", "sslkey", "sslmode", "sslpassword", "sslrootcert", "sslsni",
     "target_session_attrs", "tcp_user_timeout"}
)  # fmt: skip
_PQ_WORD = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w.]*)\s*=\s*"
    r"(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?)(?=\s|\Z)"
)
_PROTOCOL = re.compile(r"[0-9a-z]*\Z")
_NAME = re.compile(r"[A-Za-z_][\w.]*\Z")


@dataclass(frozen=True)
class MySQLConfig:
    """A MySQL database.

    :ivar protocol: as written: "tcp" or "unix"; another word names a way to connect that only a Go program knows
    :ivar address: ``host:port``, or the path of a socket; "" for the protocol's default
    :ivar params: the driver's parameters, percent-decoded, in their order
    """

    user: str = ""
    password: str = field(default="", repr=False)
    protocol: str = "tcp"
    address: str = ""
    database: str = ""
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be carried over to Django, one sentence each."""
        handled = _GO_ONLY | _GO_TIMEOUTS.keys() | {"charset", "collation", "tls"}
        found = [
            f"the parameter {name!r} is not carried over; set it in DATABASES['beesession'] if it is needed"
            for name, _ in self.params
            if name not in handled
        ]
        if self.protocol not in ("tcp", "unix"):
            found.append(
                f"{self.protocol!r} is no protocol that Django knows (tcp, unix); it connects to the address by TCP"
            )
        return tuple(found)

    def django_database(self) -> dict[str, Any]:
        """Return the DATABASES entry for it.

        :raises DSNError: for an address that MySQL's client does not know
        """
        options: dict[str, Any] = {
            "charset": "utf8mb4",
            "init_command": f"SET SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT}",
            **dict.fromkeys(_GO_TIMEOUTS.values(), TIMEOUT),
        }
        for name, value in self.params:
            if name == "charset":
                # A list, the first that the server knows; every server of today knows the first.
                options["charset"] = value.split(",")[0]
            elif name == "collation":
                options["collation"] = value
            elif name in _GO_TIMEOUTS:
                # In Go 0 is none. Here a page must not wait for ever.
                seconds = _MYSQL.seconds(value, name) or TIMEOUT
                options[_GO_TIMEOUTS[name]] = max(1, round(seconds))
            elif name == "tls" and value.lower() not in ("", "0", "false"):
                options["ssl_mode"] = _tls_mode(value)
        entry = {
            "ENGINE": "django.db.backends.mysql",
            "NAME": self.database,
            "USER": self.user,
            "PASSWORD": self.password,
            "OPTIONS": options,
        }
        if self.protocol == "unix":
            return {**entry, "HOST": self.address or "/tmp/mysql.sock"}
        host, port = _MYSQL.address(self.address or "127.0.0.1", "the address", default_port=3306)
        # By "localhost" MySQL's client means its unix socket, whatever the port.
        return {**entry, "HOST": "127.0.0.1" if host == "localhost" else host, "PORT": str(port)}


@dataclass(frozen=True)
class PostgreSQLConfig:
    """A PostgreSQL database.

    :ivar host: a name, an address, or the directory of a socket
    :ivar params: further parameters, in their order
    """

    user: str = ""
    password: str = field(default="", repr=False)
    host: str = "localhost"
    port: int = 5432
    database: str = ""
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be carried over to Django, one sentence each."""
        return tuple(
            f"the parameter {name!r} is lib/pq's own and not carried over"
            for name, _ in self.params
            if name in _PQ_ONLY
        )

    def django_database(self) -> dict[str, Any]:
        """Return the DATABASES entry for it. As with lib/pq, TLS is demanded unless ``sslmode`` says otherwise."""
        options: dict[str, Any] = {"sslmode": "require", "connect_timeout": TIMEOUT}
        run_time = []
        for name, value in self.params:
            if name in _LIBPQ:
                options[name] = value
            elif name not in _PQ_ONLY:
                run_time.append(f"-c {name}={_escaped(value)}")
        # The last one of a name counts, so the string may set another.
        words = [f"-c lock_timeout={LOCK_TIMEOUT}s", options.get("options"), *run_time]
        options["options"] = " ".join(filter(None, words))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": self.database,
            "USER": self.user,
            "PASSWORD": self.password,
            "HOST": self.host,
            "PORT": str(self.port),
            "OPTIONS": options,
        }


def mysql(value: ProviderString) -> MySQLConfig:
    """Read the mysql engine's string. The last ``/`` ends the address, the last ``@`` before it the password.

    :raises DSNError: for text of another shape
    """
    text = _MYSQL.text(value, "it").strip()
    left, slash, right = text.rpartition("/")
    if not slash:
        raise _MYSQL.error("the '/' in front of the database is missing")
    account, _, network = left.rpartition("@")
    user, _, password = account.partition(":")
    protocol, parenthesis, rest = network.partition("(")
    if parenthesis and not rest.endswith(")"):
        raise _MYSQL.error("the address is not closed by ')' (a '/' inside a parameter must be written as %2F)")
    database, _, query = right.partition("?")
    if not database:
        raise _MYSQL.error("the database is missing")
    if not _PROTOCOL.match(protocol):
        raise _MYSQL.error("between '@' and '(' there must be a protocol and nothing else")
    return MySQLConfig(
        user=user,
        password=password,
        protocol=protocol or "tcp",
        address=rest.removesuffix(")"),
        database=unquote(database),
        params=tuple(parse_qsl(query, keep_blank_values=True)),
    )


def postgresql(value: ProviderString) -> PostgreSQLConfig:
    """Read the postgresql engine's string: a URL, or words of ``key=value``.

    :raises DSNError: for text of another shape
    """
    text = _POSTGRESQL.text(value, "it").strip()
    words = _postgres_url(text) if _POSTGRESQL.is_url(text) else _postgres_words(text)
    params = dict(words)
    user, password = params.pop("user", ""), params.pop("password", "")
    host, port = params.pop("host", "") or "localhost", params.pop("port", "") or "5432"
    database = params.pop("dbname", "") or user
    if not database:
        raise _POSTGRESQL.error("the database is missing")
    if not all(_NAME.match(name) for name in params):
        raise _POSTGRESQL.error("the name of a parameter holds more than letters, digits and '_'")
    if params.get("sslinline", "false") != "false":
        raise _POSTGRESQL.error("sslinline must be false: libpq takes a certificate and its key from files only")
    port_number = _POSTGRESQL.number(port, "the port", at_least=1, at_most=65535)
    return PostgreSQLConfig(user, password, host, port_number, database, tuple(params.items()))


def _postgres_url(text: str) -> list[tuple[str, str]]:
    url, port = _POSTGRESQL.url(text)
    if url.scheme not in ("postgres", "postgresql"):
        raise _POSTGRESQL.error("its URL has another scheme")
    words = {
        "user": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "host": unquote(url.hostname or ""),
        "port": str(port or ""),
        "dbname": unquote(url.path.removeprefix("/")),
    }
    return [*words.items(), *parse_qsl(url.query, keep_blank_values=True)]


def _postgres_words(text: str) -> list[tuple[str, str]]:
    words, position = [], 0
    while position < len(text):
        match = _PQ_WORD.match(text, position)
        if match is None:
            raise _POSTGRESQL.error("it is neither a postgres:// URL nor a row of key=value words")
        name, quoted, plain = match.groups()
        words.append((name, re.sub(r"\\(.)", r"\1", quoted if quoted is not None else plain or "")))
        position = match.end()
    return words


def _escaped(value: str) -> str:
    return re.sub(r"([\s\\])", r"\\\1", value)


def _tls_mode(value: str) -> str:
    """The client's word for a ``tls`` parameter of the Go driver."""
    modes = {"1": "VERIFY_IDENTITY", "true": "VERIFY_IDENTITY", "skip-verify": "REQUIRED", "preferred": "PREFERRED"}
    mode = modes.get(value.lower())
    if mode is None:
        raise _MYSQL.error("tls must be true, false, skip-verify or preferred; Go code of its own is unknown here")
    return mode
