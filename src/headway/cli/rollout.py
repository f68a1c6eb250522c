"""`headway rollout`: list, show, watch, and what a person can tell a running one."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import click
import sqlalchemy as sa

from headway.cli import names, said, suggest
from headway.cli.context import Context, pass_context
from headway.cli.driving import watch as watch_it
from headway.cli.duration import Duration
from headway.cli.hints import hint
from headway.cli.options import Noun
from headway.cli.report import report
from headway.cli.verdict import report as verdict_report
from headway.flows import commands
from headway.flows.commands import Word
from headway.model.delivery import Verb as Said
from headway.model.errors import Refused
from headway.store import rollouts
from headway.store.tables import rollouts as table
from headway.store.views import ids, lists
from headway.store.views.paging import Filter
from headway.wording.text import columns, marked, since

ROLLOUT = click.argument("id", metavar="ROLLOUT", shell_complete=names.rollouts)


class Known(NamedTuple):
    """What a command must know of a rollout."""

    id: str
    delivery: str
    environment: str
    release: str


@click.group(
    cls=Noun,
    examples=("headway rollout show shop/production", "headway rollout watch shop/production"),
)
def rollout() -> None:
    """Moving users to a release, step by step.

    ROLLOUT is a beginning of its id, or a place like `shop/production`: the current one there.
    """


@rollout.verb(
    "headway rollout list", "headway rollout list --service shop --outcome rolled_back", name="list"
)
@said.service()
@said.environment(required=False)
@click.option("--outcome", default="", help="running, released, rolled_back or failed.")
@said.limit()
@pass_context
def listing(context: Context, service: str, environment: str, outcome: str, limit: int) -> None:
    """Newest first."""
    with context.reading() as connection:
        found = lists.list_rollouts(connection, Filter(service, environment, outcome, limit))
    if context.json:
        context.document({"items": found})
        return
    now = datetime.now(UTC)
    head = ("ROLLOUT", "PLACE", "RELEASE", "AGAINST", "OUTCOME", "STARTED", "WHY")
    rows = [
        (
            r.id,
            f"{r.service}/{r.environment}",
            r.release,
            r.stable,
            marked(r.outcome or "running"),
            since(r.started_at, now),
            r.because,
        )
        for r in found
    ]
    context.lines(columns([head, *rows]) if rows else ["No rollout yet. Next: headway deliver"])


@rollout.verb("headway rollout show shop/production", "headway rollout show rol_01K --json")
@ROLLOUT
@click.option("--windows", is_flag=True, help="Every window, too.")
@pass_context
def show(context: Context, id: str, *, windows: bool) -> None:
    """Show each step's numbers, intervals, evidence and reason, and every move."""
    from headway.store.views import rollout as full  # noqa: PLC0415  it loads the judge
    from headway.store.views import verdict  # noqa: PLC0415

    with context.reading() as connection:
        known = ids.rollout_id(connection, id)
        outlook = verdict.outlook(connection, known, time.time())
        view = replace(full.read(connection, known), outlook=outlook)
        every = full.windows(connection, known) if windows else []
    if context.json:
        context.document({"rollout": view, "windows": every} if windows else view)
    else:
        context.lines(report(view, every))


@rollout.verb("headway rollout watch shop/production", "headway rollout watch rol_01K --timeout 1h")
@ROLLOUT
@click.option("--timeout", type=Duration(), help="Follow for so long at most; then exit 5.")
@click.option("--here", is_flag=True, help="Run it in this process if no server does.")
@pass_context
def watch(context: Context, id: str, timeout: float | None, *, here: bool) -> None:
    """Follow the delivery of a rollout until it ends; its outcome is the exit code."""
    with context.reading() as connection:
        known = _row(connection, id)
    watch_it(context, known.delivery, timeout, here=here)


@rollout.verb('headway rollout pause shop/production --reason "lunch"')
@ROLLOUT
@said.reason()
@pass_context
def pause(context: Context, id: str, reason: str) -> None:
    """Stay at this step; the judge stays armed."""
    _say(context, id, "pause", reason)


@rollout.verb('headway rollout resume shop/production --reason "all is well"')
@ROLLOUT
@said.reason()
@pass_context
def resume(context: Context, id: str, reason: str) -> None:
    """Go on after a pause or a hold."""
    _say(context, id, "resume", reason)


@rollout.verb('headway rollout approve shop/production --reason "looked at the numbers"')
@ROLLOUT
@said.reason()
@pass_context
def approve(context: Context, id: str, reason: str) -> None:
    """Approve the step in force, or a rollout that asks for a decision."""
    _say(context, id, "approve", reason)


@rollout.verb('headway rollout promote shop/production --reason "fix for the outage"')
@ROLLOUT
@said.reason()
@pass_context
def promote(context: Context, id: str, reason: str) -> None:
    """Go to the next step now, proven or not."""
    context.confirm("Go to the next step, proven or not?")
    _say(context, id, "promote", reason)


@rollout.verb('headway rollout abort shop/production --reason "wrong prices"')
@ROLLOUT
@said.reason()
@pass_context
def abort(context: Context, id: str, reason: str) -> None:
    """Go back to the last known good release, now."""
    _say(context, id, "abort", reason)


rollout.add_command(verdict_report)
rollout.add_command(suggest.command)


def _row(connection: sa.Connection, text: str) -> Known:
    """The rollout that the text means."""
    id = ids.rollout_id(connection, text)
    columns = (table.c.id, table.c.delivery, table.c.environment, table.c.release)
    return Known(*connection.execute(sa.select(*columns).where(table.c.id == id)).one())


def _say(context: Context, text: str, verb: Said, reason: str) -> None:
    with context.reading() as connection:
        known = _row(connection, text)
    with context.headway.tx() as tx:
        if rollouts.load(tx.connection, known.id).phase == "done":
            raise Refused(
                f"rollout {known.id} has ended",
                why=f"nothing is left to {verb}",
                next=f"headway rollout show {known.id}",
                code="done",
            )
        word = Word(verb, context.person, reason, known.environment)
        commands.say(tx, context.headway.outbox, known.delivery, word)
    if context.json:
        context.document({"rollout": known.id, "command": verb, "reason": reason})
    else:
        context.line(hint(f"told {known.release} to {verb}; headway rollout watch {known.id}"))
