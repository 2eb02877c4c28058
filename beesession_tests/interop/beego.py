"""The real beego, run by tests: :class:`BeegoLines` for its gob and its engines, :class:`BeegoApp` for a web site.

Both are the Go program in ``peer/``, which says what each request does; it is built when it is first needed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from beesession_tests.interop.lines import BeegoLines, PeerDiedError, PeerError
from beesession_tests.interop.program import ANSWERED_WITHIN, environment, program
from beesession_tests.interop.values import Key, Node, Pairs, pairs
from beesession_tests.servers.base import ServerError, WebServer, running

__all__ = [
    "COOKIE_KEYS",
    "COOKIE_NAME",
    "Address",
    "BeegoApp",
    "BeegoError",
    "BeegoLines",
    "PeerDiedError",
    "PeerError",
    "Visitor",
    "beego_app",
    "beego_provider_config",
    "program",
]

COOKIE_NAME = "beegosessionID"
"""What beego calls the session cookie unless it is configured."""

COOKIE_KEYS = {
    "securityKey": "beego-tests-security-key",
    "blockKey": "0123456789abcdef",
    "securityName": "beesec",
    "cookieName": COOKIE_NAME,
    "maxage": 3600,
}
"""The configuration of beego's cookie engine that :func:`beego_provider_config` gives."""


def beego_provider_config(engine: str, ours: str = "") -> str:
    """Return the ProviderConfig by which beego uses the store that our engine of this name uses.

    :param engine: beego's name of the engine
    :param ours: our PROVIDER_CONFIG, such as the ``provider_config`` of a test server
    :raises ValueError: beego cannot use that engine
    """
    if engine in {"couchbase", "ledis"}:
        raise ValueError(f"beego cannot begin a session with its engine {engine}")
    # All others are written alike on both sides.
    return ours or (json.dumps(COOKIE_KEYS) if engine == "cookie" else "")


class Address(NamedTuple):
    """Where a beego application is.

    :ivar cookie_name: the name of its session cookie
    """

    host: str
    port: int
    cookie_name: str


class BeegoApp(WebServer):
    """A beego web application, which keeps its sessions with one of beego's engines.

    :param provider: beego's name of the engine
    :param provider_config: beego's ProviderConfig; see :func:`beego_provider_config`
    :param lifetime: seconds that a session lives
    :param time_zone: its local time, which the postgresql engine stores, and that of its connections there
    :param ours: it runs with the session providers of this project rather than with beego's own
    :param conf: further keys of its app.conf, such as ``{"sessionidprefix": "bee-"}``; they win over ours. The key
        ``peertypes`` is a JSON list of Go types that it registers.
    :ivar provider: beego's name of its engine
    :ivar ours: whether the providers are ours
    """

    def __init__(
        self,
        directory: Path,
        provider: str,
        provider_config: str,
        *,
        lifetime: int = 3600,
        time_zone: str = "UTC",
        ours: bool = False,
        conf: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(directory)
        self._program = program(ours=ours)
        self.provider = provider
        self.ours = ours
        self._time_zone = time_zone
        self._conf: dict[str, object] = {
            "appname": "peer",
            "runmode": "prod",
            "sessionon": "true",
            "sessionprovider": provider,
            "sessionproviderconfig": provider_config,
            "sessiongcmaxlifetime": lifetime,
            "sessionname": COOKIE_NAME,
            **(conf or {}),
        }

    @property
    def cookie_name(self) -> str:
        """The name of its session cookie."""
        return str(self._conf["sessionname"])

    @property
    def address(self) -> Address:
        """Where another process finds it."""
        return Address(self.host, self.port, self.cookie_name)

    def visitor(self) -> Visitor:
        """Return a new visitor, who has no cookies."""
        return Visitor(self.address)

    def active(self) -> int:
        """Return how many sessions beego counts; 0 with an engine that cannot."""
        return int(self.visitor().ask("GET", "/active"))

    def gc(self) -> None:
        """Have beego remove what has expired."""
        self.visitor().ask("POST", "/gc")

    def command_line(self) -> list[str]:
        return [self._program, "web", str(self.directory / "app.conf")]

    def process_options(self) -> dict[str, Any]:
        return {"env": environment(self._time_zone)}

    def start(self) -> None:
        """Write its app.conf, start it, and wait until it answers."""
        lines = {"httpaddr": self.host, "httpport": self.port, **self._conf}
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        (self.directory / "app.conf").write_text(text, encoding="utf-8")
        super().start()


def beego_app(provider: str, provider_config: str, **options: Any) -> AbstractContextManager[BeegoApp]:
    """Run a beego application; skip the test when there is no Go (with ``CI=true``: fail).

    :param options: further arguments of :class:`BeegoApp`
    """
    return running(lambda directory: BeegoApp(directory, provider, provider_config, **options))


class BeegoError(RuntimeError):
    """The application answered with an error.

    :ivar status: the status of HTTP; 503 is beego's own, when it cannot open the session
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)  # as they are, so that it comes out of another process
        self.status = status


class Visitor:
    """A browser that visits the application, and keeps its cookies. Each method raises BeegoError on an error.

    :ivar cookies: by name the values of its cookies, as they stand in the headers
    :ivar set_cookies: the Set-Cookie headers of the last answer
    """

    _numbers = itertools.count()

    def __init__(self, app: Address) -> None:
        self.app = app
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    @property
    def cookie(self) -> str | None:
        """The value of the session cookie; None for none."""
        return self.cookies.get(self.app.cookie_name)

    @cookie.setter
    def cookie(self, value: str | None) -> None:
        self.cookies.pop(self.app.cookie_name, None)
        if value is not None:
            self.cookies[self.app.cookie_name] = value

    def take_cookies(self, jar: SimpleCookie) -> None:
        """Have the cookies of this jar and no others, such as those of Django's test client."""
        self.cookies = {name: each.coded_value for name, each in jar.items() if each.value}

    def give_cookies(self, jar: SimpleCookie) -> None:
        """Have this jar hold the cookies of this visitor and no others."""
        jar.clear()
        for name, value in self.cookies.items():
            jar[name] = value

    # What it may ask for ------------------------------------------------------------------------------------

    def set(self, values: Pairs) -> None:
        """Set keys of the session."""
        self.ask("POST", "/set", pairs(values))

    def get(self, *keys: Key) -> list[Node]:
        """Return what the session has under these keys: NIL where there is nothing."""
        found: list[Node] = self.ask("POST", "/get", keys)
        return found

    def delete(self, *keys: Key) -> None:
        """Remove keys from the session."""
        self.ask("POST", "/del", keys)

    def count(self, key: str = "visits") -> int:
        """Count under a key, and return the new number. What is no Go ``int`` there is an error that names its type."""
        return int(self.ask("POST", "/count", key=key))

    def sid(self) -> str:
        """Return the id of the session; a new one is begun where there is none."""
        return str(self.ask("GET", "/sid"))

    def regenerate(self) -> str:
        """Give the session a new id, and return it."""
        return str(self.ask("POST", "/regenerate"))

    def destroy(self) -> None:
        """Destroy the session."""
        self.ask("POST", "/destroy")

    def user(self) -> str | None:
        """Return the id of the user who has logged in, in Django or here; None for nobody."""
        found: str | None = self.ask("GET", "/user")["user"]
        return found

    def login(self, user_id: str, backend: str, auth_hash: str) -> None:
        """Log in with what Django keeps of a login; under a new id, with those engines of beego's that can do that."""
        login = {"_auth_user_id": user_id, "_auth_user_backend": backend, "_auth_user_hash": auth_hash}
        self.ask("POST", "/login", login)

    def slow(self, key: str, value: str, *, name: str) -> bool:
        """Set a key of the session that was loaded before ``let_go(name)``, and have it saved after that.

        Returns when that is done; false when nobody has let it go for ten seconds, and it went on alone.
        """
        return bool(self.ask("POST", "/slow", name=name, key=key, value=value))

    def await_slow(self, name: str) -> None:
        """Wait until the slow request of that name, a visitor's, has loaded its session, and waits.

        :raises BeegoError: it does not come
        """
        self.ask("GET", "/waiting", name=name)

    def let_go(self, name: str) -> None:
        """Let the slow request of that name go on."""
        self.ask("POST", "/go", name=name)

    def late(self, key: str, value: str, *, pause: float) -> tuple[bool, float]:
        """Set a key of a session that was loaded some seconds before.

        :return: whether somebody was logged in when it was loaded, and when beego was about to save it, in Unix seconds
        """
        told = self.ask("POST", "/late", key=key, value=value, pause=str(round(pause * 1e6)))
        return told["loaded"], told["saving"]

    @contextmanager
    def slowly(self, key: str, value: str) -> Iterator[None]:
        """Run a block of code while a request of this visitor is under way.

        It has loaded the session when the block begins. When the block has ended it sets a key, and saves.

        :raises BeegoError: the request failed
        :raises ServerError: the block took longer than the request waits
        """
        name = f"slow-{next(self._numbers)}"
        other = Visitor(self.app)
        with ThreadPoolExecutor(1) as threads:
            request = threads.submit(self.slow, key, value, name=name)
            other.await_slow(name)
            try:
                yield
            finally:
                other.let_go(name)
        if not request.result():
            raise ServerError("the slow request was not let go in time")

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Send a request with the cookies, keep those of the answer, and return what it says.

        :param body: is sent as JSON
        """
        connection = HTTPConnection(self.app.host, self.app.port, timeout=ANSWERED_WITHIN)
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            connection.request(method, target, None if body is None else json.dumps(body), self._headers())
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        self._keep_cookies(response)
        if response.status != 200:
            raise BeegoError(response.status, text)
        return json.loads(text)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return headers

    def _keep_cookies(self, response: HTTPResponse) -> None:
        self.set_cookies = response.headers.get_all("Set-Cookie") or []
        # A later one of the same name wins: beego's cookie engine sends two to a new visitor.
        for header in self.set_cookies:
            pair, *attributes = header.split("; ")
            name, _, value = pair.partition("=")
            self.cookies.pop(name, None)
            if "Max-Age=0" not in attributes:
                self.cookies[name] = value
