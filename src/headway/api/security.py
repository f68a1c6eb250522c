"""What guards every answer, whoever asks: which names the server has, where a question that changes
something may come from, the headers that tell browsers to be careful, and the request's id. Put
around all routes by api/app.py.
"""

import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.api.problems import Denied, problem

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer that does not say it better itself."""
HSTS = "max-age=31536000"
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True)
class Site:
    """How browsers reach the server. `public_url`: as `https://headway.example.com`, or empty;
    `hosts`: more names that it answers to.
    """

    public_url: str = ""
    hosts: frozenset[str] = frozenset()

    @property
    def secure(self) -> bool:
        """By https only."""
        return self.public_url.startswith("https://")

    def knows(self, host: str) -> bool:
        """Whether that is one of its names. A name that somebody else can point at this machine is
        not (DNS rebinding); an address is nobody's name.
        """
        name = _hostname(host)
        return (
            name in {"localhost", _hostname(urlsplit(self.public_url).netloc), *self.hosts} - {""}
            or name.endswith(".localhost")
            or _is_address(name)
        )


class Secured:
    """The middleware."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses, or passes on and adds headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        id = _id(scope)
        scope.setdefault("state", {})["request_id"] = id

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = id
                self._add(headers)
            await send(message)

        if refusal := self._refusal(scope):
            await problem(Request(scope), refusal)(scope, receive, send_more)
            return
        await self._app(scope, receive, send_more)

    def _refusal(self, scope: Scope) -> Denied | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._site.knows(host):
            return Denied("this server has another name", 421, why="the Host header is not its own",
                          next="headway server --public-url URL")  # fmt: skip
        if scope["method"] not in _SAFE and not self._from_here(headers, host):
            return Denied("this comes from another site", 403, why="only pages of this server may")
        return None

    def _from_here(self, headers: Headers, host: str) -> bool:
        """Programs say nothing; browsers say where a question comes from."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in {"same-origin", "none"}:
            return False
        if origin is None:
            return True
        parts = urlsplit(origin)
        return origin == self._site.public_url.rstrip("/") or (
            parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
        )

    def _add(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self._site.secure:
            headers.setdefault("strict-transport-security", HSTS)


def _id(scope: Scope) -> str:
    """The one that was sent, if it is harmless, else a new one."""
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if _ID.fullmatch(given) else f"req_{os.urandom(10).hex()}"


def _hostname(host: str) -> str:
    """Without the port, in small letters."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
