"""From a commit, a digest or a release to everything that happened with it: `headway trace`."""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from headway.model.errors import Invalid
from headway.store.tables import deliveries, releases
from headway.store.views import artifacts, ids
from headway.store.views import delivery as story
from headway.store.views.artifacts import ArtifactRow
from headway.store.views.delivery import DeliveryView
from headway.store.views.indexed import begins

Kind = Literal["commit", "digest", "release", "delivery"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What was asked for, spelt out, its artifacts, and each delivery of it, oldest first."""

    kind: Kind
    value: str
    artifacts: tuple[ArtifactRow, ...]
    deliveries: tuple[DeliveryView, ...]


def read(connection: sa.Connection, text: str) -> Trace:
    """Raises Invalid (`unknown-subject`, `ambiguous`)."""
    kind, value = _resolve(connection, text)
    column = {
        "commit": deliveries.c.sha,
        "digest": deliveries.c.digest,
        "release": deliveries.c.release,
        "delivery": deliveries.c.id,
    }[kind]
    query = sa.select(deliveries.c.id, deliveries.c.digest).where(column == value)
    rows = connection.execute(query.order_by(deliveries.c.requested_at, deliveries.c.id)).all()
    digests = dict.fromkeys(r.digest for r in rows if r.digest)
    return Trace(
        kind,
        value,
        tuple(artifacts.one(connection, d) for d in digests),
        tuple(story.read(connection, r.id) for r in rows),
    )


def _resolve(connection: sa.Connection, text: str) -> tuple[Kind, str]:
    named = sa.select(releases.c.name).where(releases.c.name == text)
    if connection.execute(named).first() is not None:
        return "release", text
    if text.startswith("del_"):
        return "delivery", ids.delivery_id(connection, text)
    found: list[tuple[Kind, str]] = []
    if not text.startswith("sha256:"):
        found += [("commit", s) for s in _starting(connection, deliveries.c.sha, text.lower())]
    wanted = f"sha256:{text.removeprefix('sha256:').lower()}"
    found += [("digest", d) for d in _starting(connection, releases.c.digest, wanted)]
    if not text or not found:
        raise Invalid(
            f"`{text}` is no commit, digest or release that was ever delivered",
            next="headway delivery list",
            code="unknown-subject",
        )
    only = ids.one_of([value for _, value in found], text, "commit or digest")
    return next(pair for pair in found if pair[1] == only)


def _starting(connection: sa.Connection, column: "sa.ColumnElement[str]", text: str) -> list[str]:
    query = sa.select(column).where(begins(connection, column, text)).distinct()
    return list(connection.execute(query.order_by(column).limit(ids.SHOWN + 1)).scalars())
