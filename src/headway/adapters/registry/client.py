"""One request to a registry, and what its answer means. Used by registry.py beside it.

API: OCI distribution-spec v1.1. Log-in: HTTP Basic, or the token flow of the Distribution project
(`WWW-Authenticate: Bearer realm=…,service=…,scope=…`). Credentials go to the registry's own host,
and to the realm that it names only if that is https or the same host; never into an error.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlsplit

import httpx
import msgspec

from headway.artifact import strict
from headway.artifact.strict import Unreadable
from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Invalid, Refused, Unreachable

TIMEOUT_SECONDS = 20.0
MOST_ANSWER = 4 << 20
MOST_REDIRECTS = 3
_LATER = frozenset({408, 425, 429})
_CHALLENGE = re.compile(r'([a-z_]+)="([^"]{0,2000})"')


class Client:
    """Requests to one registry, with one log-in. Not for several threads at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        parts = urlsplit(connection.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Invalid(
                f"the connection `{connection.name}` does not say where its registry is",
                next=f"headway connection add {connection.name} --kind registry --url-stdin",
                code="registry",
            )
        port = f":{parts.port}" if parts.port else ""
        self._base = f"{parts.scheme}://{parts.hostname}{port}"
        self._authorization = ""
        self._http = httpx.Client(
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            verify=_trusted(),
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            headers={"user-agent": "headway"},
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def read(self, path: str, accept: str = "*/*", most: int = MOST_ANSWER) -> "Answer | None":
        """The answer to GET; None: there is no such thing. Raises Unreachable, Refused, Invalid."""
        with self.stream("GET", path, accept) as answer:
            if answer.status_code == 404:
                return None
            return Answer(answer.headers, _body(self._connection, answer, most))

    @contextmanager
    def stream(self, method: str, path: str, accept: str = "*/*") -> Iterator[httpx.Response]:
        """The open answer, which is a success or 404. `path`: below the registry, or a whole URL of
        it.
        """
        url = path if path.startswith(f"{self._base}/") else f"{self._base}{path}"
        try:
            answer = self._sent(method, url, accept)
            try:
                self._judge(answer)
                yield answer
            finally:
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._silent(type(error).__name__) from None

    def _sent(self, method: str, url: str, accept: str) -> httpx.Response:
        answer = self._once(method, url, accept)
        if answer.status_code == 401 and not self._authorization:
            challenge = answer.headers.get("www-authenticate", "")
            answer.close()
            self._authorization = self._log_in(challenge)
            answer = self._once(method, url, accept)
        return answer

    def _once(self, method: str, url: str, accept: str) -> httpx.Response:
        headers = {"accept": accept}
        if self._authorization:
            headers["authorization"] = self._authorization
        return self._http.send(self._http.build_request(method, url, headers=headers), stream=True)

    def _log_in(self, challenge: str) -> str:
        """The header that answers the challenge."""
        scheme, _, rest = challenge.partition(" ")
        basic = self._basic()
        if scheme.lower() == "basic" and basic is not None:
            return str(
                next(basic.auth_flow(httpx.Request("GET", self._base))).headers["authorization"]
            )
        fields = dict(_CHALLENGE.findall(rest))
        realm = fields.pop("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise self._not_let("it asks for a user and a password, and the connection has none")
        wanted = {k: v for k, v in fields.items() if k in {"service", "scope"}}
        answer = self._http.get(realm, params=wanted, auth=basic if self._may_know(realm) else None)
        self._judge(answer)
        return f"Bearer {self._token(answer.content[:MOST_ANSWER])}"

    def _basic(self) -> httpx.BasicAuth | None:
        options = self._connection.options
        user, password = options.get("username", ""), options.get("password", "")
        return httpx.BasicAuth(user, password) if user and password else None

    def _may_know(self, realm: str) -> bool:
        parts = urlsplit(realm)
        return parts.scheme == "https" or parts.hostname == urlsplit(self._base).hostname

    def _token(self, body: bytes) -> str:
        try:
            fields = strict.mapping(strict.loads(body), "the token")
        except Unreadable as why:
            raise self._not_let(f"its token cannot be read: {why}") from None
        found = fields.get("token") or fields.get("access_token")
        if not isinstance(found, str) or not found.isascii() or not found.isprintable():
            raise self._not_let("it gives no token")
        return found

    def _judge(self, answer: httpx.Response) -> None:
        code = answer.status_code
        if answer.is_success or code == 404:
            return
        if code in _LATER or code >= 500:
            raise self._silent(f"it answers with status {code}")
        raise self._not_let(f"it answers with status {code}")

    def _silent(self, why: str) -> Unreachable:
        what = f"the registry of `{self._connection.name}` does not answer"
        return Unreachable(what, why=why, code="registry")

    def _not_let(self, why: str) -> Refused:
        name = self._connection.name
        return Refused(
            f"the registry of `{name}` does not let us read",
            why=why,
            next=f"headway connection add {name} --kind registry --url-stdin, with the lines "
            "`username=…` and `password=…`",
            code="registry",
        )


class Answer:
    """Headers, and the whole body."""

    def __init__(self, headers: httpx.Headers, body: bytes) -> None:
        self.headers = headers
        self.body = body

    def fields(self, what: str) -> dict[str, object]:
        """The body as a JSON object. Raises Unreadable."""
        try:
            return strict.mapping(msgspec.json.decode(self.body), what)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Unreadable(f"{what} is not JSON") from None


def _body(connection: Connection, answer: httpx.Response, most: int) -> bytes:
    found = bytearray()
    for chunk in answer.iter_bytes():
        found += chunk
        if len(found) > most:
            raise bad(connection, f"its answer is longer than {most} bytes")
    return bytes(found)


def bad(connection: Connection, why: str) -> HeadwayError:
    """What the registry says makes no sense."""
    what = f"the registry of `{connection.name}` answers what no registry should"
    return Invalid(what, why=why, code="registry")


@cache
def _trusted() -> ssl.SSLContext:
    """Reading the authorities takes longer than the request."""
    return httpx.create_ssl_context(trust_env=False)
