"""The server's HTTP in this process over a home without an engine, asked by whom a test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from headway.access.principal import NOBODY, Grant, Principal
from headway.api import app as doors
from headway.api.who import Doorkeeper
from headway.model.event import Fact
from headway.store.log import About, append
from headway.wiring import Headway, locate
from tests.support.serving import serving

ROLES = ("viewer", "developer", "approver", "operator", "admin")
PEOPLE: dict[str, Principal] = {
    **{r: Principal(f"usr_{r}", r, "user", (Grant(r),), via="token") for r in ROLES},  # type: ignore[arg-type]
    "shop": Principal("usr_shop", "shopper", "user", (Grant("operator", "shop"),), via="token"),
    "nothing": Principal("usr_nothing", "newcomer", "user", (), via="token"),
}


class Door(Doorkeeper):
    """Tokens are the names of PEOPLE; without a token nobody asks. `gone`: taken back."""

    gone: set[str] = set()  # noqa: RUF012  of the class, so that a test reaches the one in the app

    def who(self, request: Request) -> Principal:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return NOBODY if token in self.gone else PEOPLE.get(token, NOBODY)


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}"}


@contextmanager
def api(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Headway, str, Any]]:
    """A Headway of the home, the address, and the application."""
    monkeypatch.setattr(doors, "Doorkeeper", Door)
    monkeypatch.setattr(Door, "gone", set())
    headway = Headway(locate(str(home), {}))
    application = doors.app(headway, "t")
    with serving(application) as address:
        try:
            yield headway, address, application
        finally:
            application.state.leaving = lambda: True
    headway.db.dispose()


def tell(headway: Headway, kind: str, subject: str, number: int = 0, **about: str) -> None:
    """An event of the log."""
    with headway.tx() as tx:
        append(tx, About(**about), Fact(kind, subject, number, {"n": number}))
