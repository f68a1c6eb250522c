"""One POST to a connection's address: what its answer means, said without the address.

The address may be the secret. Called by the notifiers beside it.
"""

from urllib.parse import urlsplit

import httpx

from headway.model.connection import Connection
from headway.model.errors import Refused, Unreachable

TIMEOUT_SECONDS = 10.0
RETRIED = frozenset({408, 425, 429})


def post(
    connection: Connection, content: bytes, headers: dict[str, str] | None = None, path: str = ""
) -> None:
    """Send `content`, which is JSON, to the connection's URL with `path` after it.

    Raises Unreachable (no answer, 408, 425, 429, 5xx) or Refused (anything else but success:
    redirects are not followed).
    """
    if urlsplit(connection.url).scheme not in {"http", "https"}:
        raise Refused(f"the address of `{connection.name}` is not http or https", code="channel")
    url = connection.url.rstrip("/") + path if path else connection.url
    known = {"content-type": "application/json", **(headers or {})}
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            answer = client.post(url, content=content, headers=known)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"`{connection.name}` does not answer", why=type(error).__name__, code="channel"
        ) from None
    if answer.is_success:
        return
    what = f"`{connection.name}` answers with status {answer.status_code}"
    if answer.status_code in RETRIED or answer.status_code >= 500:
        raise Unreachable(what, code="channel")
    raise Refused(what, why="redirects are not followed" * answer.is_redirect, code="channel")
