"""Rollouts: moving users to a release, step by step; what the judge holds of it; commands."""

import time
from dataclasses import dataclass, replace
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
from headway.model.errors import Refused
from headway.store import rollouts as stored
from headway.store.database import Tx
from headway.store.tables import rollouts as table
from headway.store.views import ids, lists, verdict
from headway.store.views import rollout as full
from headway.store.views.lists import RolloutRow
from headway.store.views.rollout import RolloutView
from headway.store.views.verdict import VerdictView
from headway.store.views.window import WindowView

router = noun("rollouts")


@dataclass(frozen=True, slots=True)
class RolloutTold:
    """What was said to whom; the rollout hears it within a second."""

    rollout: str
    release: str
    command: str
    by: str
    reason: str


class RolloutCommand(Body):
    """`pause`: stay at this step; `resume`: go on; `approve` the step in force, or a rollout that
    asks; `promote`: to the next step, proven or not; `abort`: back to the last known good.
    """

    command: Literal["pause", "resume", "approve", "promote", "abort"]
    reason: Reason


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    delivery: str
    service: str
    environment: str
    release: str


@router.get("/rollouts")
def list_rollouts(  # noqa: PLR0913  one parameter for each field
    request: Request,
    who: Reader,
    span: Spanned,
    service: str = "",
    environment: str = "",
    release: str = "",
    outcome: str = "",
) -> Page[RolloutRow]:
    """Newest first. `outcome`: also `running`, of those that are not decided."""
    fields = {"service": service, "environment": environment, "release": release}
    with reading(request) as connection:
        found = lists.list_rollouts(connection, filtered(who, span, state=outcome, **fields))
    return span.page(found, lambda r: r.id)


@router.get("/rollouts/{rollout}")
def show_rollout(request: Request, who: Reader, rollout: str) -> RolloutView:
    """Each step's numbers, intervals, evidence and reason, and every move. An id, the beginning of
    one, or a release: its latest.
    """
    with reading(request) as connection:
        known = _seen(connection, who, rollout)
        outlook = verdict.outlook(connection, known.id, time.time())
        return replace(full.read(connection, known.id), outlook=outlook)


@router.get("/rollouts/{rollout}/windows")
def list_windows(request: Request, who: Reader, span: Spanned, rollout: str) -> Page[WindowView]:
    """Every judged window, newest first; times are seconds since the rollout began."""
    with reading(request) as connection:
        known = _seen(connection, who, rollout)
        found = full.windows(connection, known.id)[::-1]
    behind = [w for w in found if not span.after or w.index < int(span.after)]
    return span.page(behind[: span.reach], lambda w: str(w.index))


@router.get("/rollouts/{rollout}/verdict")
def show_verdict(request: Request, who: Reader, rollout: str) -> VerdictView:
    """The judge's report."""
    with reading(request) as connection:
        known = _seen(connection, who, rollout)
        return verdict.read(connection, known.id, time.time())


@router.post("/rollouts/{rollout}/commands", status_code=202, responses=WRITES)
def command_rollout(  # noqa: PLR0913  headers are parameters
    request: Request,
    who: Annotated[Principal, needs("rollout.command")],
    rollout: str,
    body: RolloutCommand,
    key: Key,
    if_match: IfMatch = "",
) -> RolloutTold:
    """Tell a rollout something."""
    del if_match

    def do(tx: Tx) -> RolloutTold:
        known = _seen(tx.connection, who, rollout)
        must(who, "rollout.command", known.service, known.environment)
        unchanged(request, full.read(tx.connection, known.id))
        if stored.load(tx.connection, known.id).phase == "done":
            raise Refused(
                f"rollout {known.id} has ended",
                why=f"nothing is left to {body.command}",
                code="done",
            )
        word = Word(body.command, who.id, body.reason, known.environment)
        commands.say(tx, headway(request).outbox, known.delivery, word)
        return RolloutTold(known.id, known.release, body.command, who.id, body.reason)

    return Write(request, who, key, body).once(do)


def _seen(connection: sa.Connection, who: Principal, text: str) -> _Row:
    t = table.c
    with private(who):
        id = ids.rollout_id(connection, text)
        query = sa.select(t.id, t.delivery, t.service, t.environment, t.release).where(t.id == id)
        found = _Row(*connection.execute(query).one())
        see(who, found.service)
        return found
