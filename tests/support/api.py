"""The server's HTTP in this process over a home without an engine, asked with real tokens: one for
each role everywhere, `shop` (an operator of that service only) and `nothing` (an account alone).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from headway.access.principal import Grant
from headway.flows import accounts
from headway.model.event import Fact
from headway.store import access_tokens
from headway.store.log import About, append, last_seq
from headway.wiring import Headway
from tests.support.site import House, house

ROLES = ("viewer", "developer", "approver", "operator", "admin")
PEOPLE = {r: Grant(r) for r in ROLES} | {"shop": Grant("operator", "shop")}  # type: ignore[arg-type]


@dataclass
class Api:
    """`tokens` by name; what has none here is nobody's token. `mark`: a test's own number."""

    house: House
    tokens: dict[str, str] = field(default_factory=dict)
    mark: int = 0
    _keys: int = 0

    @property
    def headway(self) -> Headway:
        return self.house.headway

    @property
    def url(self) -> str:
        return f"{self.house.address}/api/v1"

    def bearer(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens.get(name, name)}"}

    @property
    def seq(self) -> int:
        """Of the newest event."""
        with self.headway.reading() as connection:
            return last_seq(connection)

    def take_back(self, name: str) -> None:
        """The token works no more."""
        with self.headway.tx() as tx:
            token = access_tokens.by_text(tx.connection, self.tokens[name])
            assert token is not None
            accounts.revoke_token(tx, "test", token.id)

    def get(self, path: str, who: str = "admin", **headers: str) -> httpx.Response:
        return self.ask("GET", path, who, headers=headers)

    def post(self, path: str, body: Any, who: str = "admin", **headers: str) -> httpx.Response:
        self._keys += 1
        sent = {"idempotency-key": f"k{self._keys}"} | headers
        return self.ask("POST", path, who, json=body, headers=sent)

    def ask(self, method: str, path: str, who: str, **options: Any) -> httpx.Response:
        headers = self.bearer(who) | options.pop("headers", {})
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, self.url + path, headers=headers, **options)


@contextmanager
def api(home: Path) -> Iterator[Api]:
    """Of that home, which may have a past."""
    with house(home) as made:
        found = Api(made)
        for name in (*PEOPLE, "nothing"):
            made.person(name, *([PEOPLE[name]] if name in PEOPLE else []), kind="service")
            allows = ("admin",) if name not in PEOPLE else (PEOPLE[name].role,)
            found.tokens[name] = made.token(name, *allows)
        try:
            yield found
        finally:
            made.application.state.leaving = lambda: True


def tell(headway: Headway, kind: str, subject: str, number: int = 0, **about: str) -> None:
    """An event of the log."""
    with headway.tx() as tx:
        append(tx, About(**about), Fact(kind, subject, number, {"n": number}))
