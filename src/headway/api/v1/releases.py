"""Releases: an artifact with its configuration, numbered per service."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import sqlalchemy as sa
from starlette.requests import Request

from headway.access.principal import Principal
from headway.api.guard import Reader, must, needs, see
from headway.api.v1.common import WRITES, filtered, headway, noun, private, reading
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import commands
from headway.flows.commands import Word
from headway.model.errors import Invalid
from headway.model.service import Service
from headway.store import records
from headway.store.database import Tx
from headway.store.views import lists
from headway.store.views.lists import ReleaseRow
from headway.store.views.moments import at

router = noun("releases")


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """What a release is made of; `config`: its headway.yaml, every default written out."""

    name: str
    service: str
    number: int
    digest: str
    commit: str
    author: str
    delivery: str
    config: Service
    config_digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReleaseTold:
    """What was said to whom."""

    release: str
    environment: str
    command: str
    delivery: str
    by: str
    reason: str


class ReleaseCommand(Body):
    """`start` where nothing starts by itself; `hotfix`: beside the train, at once."""

    command: Literal["start", "hotfix"]
    environment: str
    reason: Reason


@router.get("/releases")
def list_releases(
    request: Request, who: Reader, span: Spanned, service: str = "", commit: str = ""
) -> Page[ReleaseRow]:
    """Newest first; `environments`: where it is in charge now."""
    with reading(request) as connection:
        found = lists.list_releases(connection, filtered(who, span, service=service, commit=commit))
    return span.page(found, lambda r: r.name)


@router.get("/releases/{release}")
def show_release(request: Request, who: Reader, release: str) -> ReleaseView:
    """One, by its name."""
    with reading(request) as connection:
        return _seen(connection, who, release)


@router.post("/releases/{release}/commands", status_code=202, responses=WRITES)
def command_release(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Annotated[Principal, needs("delivery.start")],
    release: str,
    body: ReleaseCommand,
    key: Key,
    if_match: IfMatch = "",
) -> ReleaseTold:
    """Let a release into an environment that waits for a person (`auto: false`)."""
    del if_match

    def do(tx: Tx) -> ReleaseTold:
        known = _seen(tx.connection, who, release)
        must(who, "delivery.start", known.service, body.environment)
        unchanged(request, known)
        path = [e.name for e in known.config.environments]
        if body.environment not in path:
            raise Invalid(
                f"{release} has no such environment", why=f"its path is {', '.join(path)}",
                code="unknown-name",
            )  # fmt: skip
        word = Word(body.command, who.id, body.reason, body.environment)
        commands.say(tx, headway(request).outbox, known.delivery, word)
        told = (release, body.environment, body.command, known.delivery, who.id, body.reason)
        return ReleaseTold(*told)

    return Write(request, who, key, body).once(do)


def _seen(connection: sa.Connection, who: Principal, name: str) -> ReleaseView:
    with private(who):
        found = records.release(connection, name)
        see(who, found.service)
    return ReleaseView(
        name=found.name,
        service=found.service,
        number=found.number,
        digest=found.digest,
        commit=found.sha,
        author=found.author,
        delivery=found.delivery,
        config=found.config,
        config_digest=found.config_digest,
        created_at=at(found.created_at),
    )
