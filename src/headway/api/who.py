"""Who asks: from a bearer token or a session's cookie to a Principal. The one place that decides.

The token of the home (HOME/token, readable by its owner only) is an admin's: whoever can read it
can write everything in the home.
"""

import hmac
from collections.abc import Callable

from starlette.requests import Request

from headway.access.principal import NOBODY, Grant, Principal

OWNER = Principal("home", "owner of the home", "service", (Grant("admin"),), via="token")


class Doorkeeper:
    """`token`: that of the home."""

    def __init__(self, token: str) -> None:
        self._token = token

    def who(self, request: Request) -> Principal:
        """Whoever asks; NOBODY without valid credentials. Reads the database."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_home(given.strip()):
            return OWNER
        return NOBODY

    def _is_home(self, given: str) -> bool:
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())


Who = Callable[[Request], Principal]
