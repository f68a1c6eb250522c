"""One request to a forge's API, and what its answer means. Shared by the files beside it.

The token goes into one header and nowhere else; addresses are not repeated in errors either,
because a connection's URL may hold a password.
"""

import ssl
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit

import httpx

from headway.model.connection import Connection
from headway.model.errors import Invalid, Refused, Unreachable
from headway.ports.status_sink import Status

TIMEOUT_SECONDS = 10.0
MOST_ANSWER = 65_536
_LATER = frozenset({408, 425, 429})
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Answer:
    """`text`: the beginning of the body."""

    status: int
    text: str


def api(connection: Connection, default: str) -> str:
    """Where the API is: the option `api`, else made from the repository's address; `default` has
    `{host}` for its scheme and host. Raises Invalid (`forge`).
    """
    known = connection.options.get("api", "").rstrip("/")
    parts = urlsplit(connection.url)
    if not known and parts.scheme in {"http", "https"} and parts.hostname:
        port = f":{parts.port}" if parts.port else ""
        known = default.format(host=f"{parts.scheme}://{parts.hostname}{port}")
    if urlsplit(known).scheme not in {"http", "https"}:
        raise Invalid(
            f"the connection `{connection.name}` does not say where the forge's API is",
            next=f"headway connection add {connection.name} --option api=https://…",
            code="forge",
        )
    return known


def send(connection: Connection, url: str, headers: dict[str, str], body: object) -> Answer:
    """POST the body as JSON. Raises Unreachable or Refused (`forge`) for all but success and
    status 400, which the caller reads.
    """
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=_trusted()) as client:
            request = client.build_request("POST", url, json=body, headers=_known(headers))
            answer = client.send(request, stream=True)
            try:
                text = _beginning(answer)
            finally:
                answer.close()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = type(error).__name__
        what = f"the forge of `{connection.name}` does not answer"
        raise Unreachable(what, why=why, code="forge") from None
    _judge(connection, answer)
    return Answer(answer.status_code, text)


@cache
def _trusted() -> ssl.SSLContext:
    """Reading the authorities takes longer than the request."""
    return httpx.create_ssl_context(trust_env=False)


def _known(headers: dict[str, str]) -> dict[str, str]:
    return {"user-agent": "headway", "accept": "application/json", **headers}


def _beginning(answer: httpx.Response) -> str:
    found = b""
    for chunk in answer.iter_bytes():
        found += chunk
        if len(found) >= MOST_ANSWER:
            break
    return found[:MOST_ANSWER].decode("utf-8", "replace")


def _judge(connection: Connection, answer: httpx.Response) -> None:
    code = answer.status_code
    if answer.is_success or code == 400:
        return
    what = f"the forge of `{connection.name}` answers with status {code}"
    limited = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    if code in _LATER or code >= 500 or (code == 403 and limited):
        raise Unreachable(what, code="forge")
    raise Refused(what, why=_WHY.get(code, ""), code="forge")


_WHY = {
    401: "the token is not good",
    403: "the token may not write statuses",
    404: "there is no such repository or commit, or the token may not see it",
    422: "the forge does not take the status",
}


def path(connection: Connection, status: Status, *, whole: bool) -> str:
    """The repository as a part of a URL: `owner/name`, or with `whole` as one segment.

    Raises Refused (`forge`) for what is no name or no commit: both come from payloads.
    """
    parts = status.repo.split("/")
    good = len(parts) >= 2 and all(p.strip(".") and p.isprintable() for p in parts)
    if not good or len(status.sha) not in {40, 64} or not set(status.sha) <= _HEX:
        what = f"`{connection.name}`: this is not a commit of a repository of a forge"
        raise Refused(what, code="forge")
    return quote(status.repo, safe="" if whole else "/")


def token(connection: Connection) -> str:
    """The connection's token. Raises Invalid (`forge`)."""
    found = connection.options.get("token", "")
    if not found or not found.isascii() or not found.isprintable():
        raise Invalid(
            f"the connection `{connection.name}` has no token that may write statuses",
            next=f"headway connection add {connection.name} --url-stdin, with the line `token=…`",
            code="forge",
        )
    return found


def refused(connection: Connection) -> Refused:
    """The forge understood, and does not want it."""
    return Refused(f"the forge of `{connection.name}` does not take the status", code="forge")
