"""Artifacts: what was built once, known by its digest, with the proof that comes with it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from fastapi import Query
from starlette.requests import Request

from headway.access.principal import Principal, services
from headway.api.guard import Reader, must, needs
from headway.api.problems import Missing
from headway.api.v1.common import WRITES, filtered, headway, noun, private, reading
from headway.api.v1.paging import Page, Spanned
from headway.api.v1.route import unchanged
from headway.api.v1.writing import Body, IfMatch, Key, Reason, Write
from headway.flows import commands, enter
from headway.flows.commands import Word
from headway.store.database import Tx
from headway.store.tables import releases
from headway.store.views import artifacts, ids
from headway.store.views.artifacts import ArtifactRow

router = noun("artifacts")


@dataclass(frozen=True, slots=True)
class Statement:
    """A signed statement that is attached to a digest. `trusted`: its signature is that of a key
    that this home trusts; otherwise `because` says why not, and nothing else of it is believed.
    `builders`: for whom that key may sign; empty: for any.
    `kind`: the predicate's type, as of in-toto; `statement`: what it says.
    """

    id: str
    digest: str
    trusted: bool
    because: str
    key: str
    builders: tuple[str, ...]
    kind: str
    statement: dict[str, Any]


class ArtifactCommand(Body):
    """`clear` lifts a quarantine."""

    command: Literal["clear"]
    environment: str
    reason: Reason


@router.get("/artifacts")
def list_artifacts(
    request: Request, who: Reader, span: Spanned, service: str = ""
) -> Page[ArtifactRow]:
    """Every digest that a release names, newest first."""
    with reading(request) as connection:
        found = artifacts.read(connection, filtered(who, span, service=service))
    return span.page(found, lambda a: a.digest)


@router.get("/artifacts/{digest}")
def show_artifact(request: Request, who: Reader, digest: str) -> ArtifactRow:
    """One: a digest, the beginning of one, or a release's name."""
    with reading(request) as connection:
        return _seen(connection, who, digest)


@router.get("/artifacts/{digest}/evidence")
def list_artifact_evidence(
    request: Request, who: Reader, span: Spanned, digest: str
) -> Page[Statement]:
    """What is attached to it: provenance, tests, scans, approvals."""
    with reading(request) as connection:
        known = _seen(connection, who, digest).digest
    return _page(request, span, known)


@router.get("/evidence", tags=["evidence"])
def list_evidence(
    request: Request,
    who: Reader,
    span: Spanned,
    digest: Annotated[str, Query(min_length=1, description="Of which artifact.")],
) -> Page[Statement]:
    """Statements about a digest."""
    with reading(request) as connection:
        known = _seen(connection, who, digest).digest
    return _page(request, span, known)


@router.post("/artifacts/{digest}/commands", status_code=202, responses=WRITES)
def command_artifact(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Annotated[Principal, needs("quarantine.clear")],
    digest: str,
    body: ArtifactCommand,
    key: Key,
    if_match: IfMatch = "",
) -> ArtifactRow:
    """Lift a quarantine."""
    del if_match

    def do(tx: Tx) -> ArtifactRow:
        known = _seen(tx.connection, who, digest)
        must(who, "quarantine.clear", known.service, body.environment)
        unchanged(request, known)
        word = Word("approve", who.id, body.reason, body.environment)
        commands.clear_quarantine(tx, known.digest, body.environment, word)
        return _seen(tx.connection, who, digest)

    return Write(request, who, key, body).once(do)


def _seen(connection: sa.Connection, who: Principal, text: str) -> ArtifactRow:
    """Raises Missing for one of no service that may be seen."""
    with private(who):
        digest, seen = ids.digest(connection, text), services(who)
        query = sa.select(releases.c.service).where(releases.c.digest == digest).distinct()
        mine = [s for s in connection.execute(query).scalars() if seen is None or s in seen]
        if not mine:
            raise Missing("there is none by that name", code="unknown-artifact")
        return artifacts.one(connection, digest, mine[0])


def _page(request: Request, span: Spanned, digest: str) -> Page[Statement]:
    found = sorted(_statements(request, digest), key=lambda s: s.id)
    behind = [s for s in found if s.id > span.after]
    return span.page(behind[: span.reach], lambda s: s.id)


def _statements(request: Request, digest: str) -> Iterator[Statement]:
    attested, refused = enter.attestations(headway(request).world, digest)
    for one in attested:
        said: dict[str, Any] = msgspec.json.decode(one.payload)
        id = f"sha256:{hashlib.sha256(one.payload).hexdigest()}"
        kind = str(said.get("predicateType", one.payload_type))
        yield Statement(
            id=id,
            digest=digest,
            trusted=True,
            because="",
            key=one.keyid,
            builders=one.builders,
            kind=kind,
            statement=said,
        )
    for why in refused:
        id = f"refused:{hashlib.sha256(why.encode()).hexdigest()}"
        yield Statement(
            id=id,
            digest=digest,
            trusted=False,
            because=why,
            key="",
            builders=(),
            kind="",
            statement={},
        )
