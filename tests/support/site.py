"""The whole server's HTTP in this process, over a home without an engine, and browsers that use it.

Passwords are hashed with cheap parameters, by the code that hashes them with dear ones.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from argon2.profiles import CHEAPEST
from starlette.applications import Starlette

from headway.access.principal import Grant
from headway.access.scope import Scope
from headway.api.security import Site
from headway.flows import accounts, passwords
from headway.flows.accounts import Wish
from headway.store.access import Account, Holder
from headway.web.app import app
from headway.wiring import Headway, locate
from tests.support.serving import serving

PASSWORD = "correct horse battery"
TOKEN = "t" * 43


@dataclass
class Browser:
    """Keeps cookies, sends what browsers send with a form, does not follow."""

    address: str
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(trust_env=False, timeout=30, verify=False)
    )

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(self.address + path, headers=_dashed(headers))

    def csrf(self, path: str) -> str:
        """The hidden field of the first form of that page."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get(path).text)
        assert found, f"no form at {path}"
        return found[1]

    def post(self, path: str, data: dict[str, Any], **headers: str) -> httpx.Response:
        """A form of this site, unless the headers say otherwise."""
        own = {"origin": self.address, "sec-fetch-site": "same-origin"}
        return self.client.post(self.address + path, data=data, headers=own | _dashed(headers))

    def log_in(self, name: str, password: str = PASSWORD, next: str = "/") -> httpx.Response:
        data = {"name": name, "password": password, "next": next, "csrf": self.csrf("/login")}
        return self.post("/login", data)


@dataclass
class House:
    """A running site and who is known there."""

    headway: Headway
    address: str
    application: Starlette

    def browser(self) -> Browser:
        return Browser(self.address)

    def person(self, name: str, *grants: Grant, kind: str = "user") -> None:
        """An account with PASSWORD and these grants."""
        hashed = passwords.hashed(PASSWORD) if kind == "user" else ""
        with self.headway.tx() as tx:
            accounts.add(tx, "test", Account(name, kind, password=hashed))  # type: ignore[arg-type]
            for one in grants:
                accounts.grant(tx, "test", Holder("account", name), one)

    def token(self, account: str, *allows: str, service: str = "", environment: str = "") -> str:
        scope = Scope(allows, service, environment)
        with self.headway.tx() as tx:
            return accounts.create_token(tx, "test", Wish(account, "t", scope))[1]

    def entered(self, name: str) -> Browser:
        """A browser that is logged in."""
        made = self.browser()
        assert made.log_in(name).status_code == 303
        return made


@contextmanager
def house(home: Path, reached: Site | None = None) -> Iterator[House]:
    """A site over that home."""
    before, passwords.PARAMETERS = passwords.PARAMETERS, CHEAPEST
    headway = Headway(locate(str(home), {}))
    try:
        application = app(headway, TOKEN, *([reached] if reached else []))
        with serving(application) as address:
            try:
                yield House(headway, address, application)
            finally:
                application.state.leaving = lambda: True
    finally:
        passwords.PARAMETERS = before
        headway.db.dispose()


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
