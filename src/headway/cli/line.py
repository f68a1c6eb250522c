"""`headway line`: hold every rollout now, let them go on, show what is held."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.duration import Duration
from headway.cli.options import Noun
from headway.flows import line as flow
from headway.flows.line import Said
from headway.model.line import Scope, because, scope_words
from headway.store.views import line as view
from headway.store.views.line import Held, LineView, StopView
from headway.wording.text import columns, marked, percent, plain, since

RUNS = "● the line runs"


def _scope(command: Callable[..., Any]) -> Callable[..., Any]:
    tier = click.option(
        "--tier",
        default="",
        type=click.Choice(["", *flow.TIERS]),
        metavar="TIER",
        help="Only environments of this tier: development, staging, production.",
    )
    where = click.option("--env", "environment", default="", metavar="ENV", help="Only there.")
    return said.service()(where(tier(command)))


@click.group(
    cls=Noun, examples=('headway line stop --reason "the database fails"', "headway line status")
)
def line() -> None:
    """Hold every rollout now, or let them go on.

    The way back is never held: what fails is rolled back, and so is what a person aborts.
    """


@line.verb(
    'headway line stop --reason "the database fails"',
    'headway line stop --env production --for 2h --reason "the fair begins"',
)
@said.reason()
@_scope
@click.option(
    "--for", "seconds", type=Duration(), default=None, help="Ends by itself after so long: 30m, 2h."
)
@pass_context
def stop(context: Context, /, reason: str, seconds: float | None, **scope: str) -> None:
    """Hold every rollout now, until somebody starts the line.

    Without an option: everything, everywhere.
    """
    with context.headway.tx() as tx:
        word = Said(context.person, reason, seconds or 0.0)
        found = flow.stop(tx, context.headway.outbox, Scope(**scope), word)
    with context.reading() as connection:
        seen = view.read(connection)
    mine = next((s for s in seen.stops if s.id == found.id), None)
    if context.json:
        context.document(seen)
        return
    if (found.by, found.reason) != (context.person, reason):
        context.line(f"it was stopped already: {plain(because(found))}")
    context.lines(_stop(mine, datetime.now(UTC)) if mine else [])
    context.line("rollbacks and aborts go through; headway line start --reason …")


@line.verb('headway line start --reason "the database is well"')
@said.reason()
@_scope
@pass_context
def start(context: Context, /, reason: str, **scope: str) -> None:
    """Let go on what this very scope holds; other stops stay."""
    named = Scope(**scope)
    with context.headway.tx() as tx:
        ended = flow.start(tx, context.headway.outbox, named, Said(context.person, reason))
    with context.reading() as connection:
        seen = view.read(connection)
    if context.json:
        context.document({"started": ended is not None, "line": seen})
        return
    runs = "goes on" if ended else "was not stopped"
    context.line(f"{scope_words(named)} {runs}")
    if seen.stopped:
        context.lines(["still stopped:", *_lines(seen, datetime.now(UTC))])


@line.verb("headway line status", "headway line status --service shop --json")
@said.service()
@pass_context
def status(context: Context, service: str) -> None:
    """Show whether the line is stopped, by whom, why, and what that holds."""
    with context.reading() as connection:
        seen = view.read(connection, service)
    if context.json:
        context.document(seen)
    else:
        context.lines(_lines(seen, datetime.now(UTC)))


def _lines(seen: LineView, now: datetime) -> list[str]:
    told = [row for one in seen.stops for row in _stop(one, now)] or [RUNS]
    rows = [
        (
            f"  ✓ {e.scope}",
            f"stopped by {e.by}: {e.reason}",
            f"started by {e.ended_by or 'itself'} {since(e.ended_at, now)}: {e.ended_reason}",
        )
        for e in seen.ended
    ]
    return [*told, *columns(rows)]


def _stop(stop: StopView, now: datetime) -> list[str]:
    again = [f"  also by {plain(a.by)} {since(a.at, now)}: {plain(a.reason)}" for a in stop.again]
    held = columns([_held(h) for h in stop.held]) or ["  nothing is under way there"]
    return [f"□ {plain(stop.because)}", *again, *held]


def _held(held: Held) -> tuple[str, ...]:
    where = held.state
    if held.step >= 0:
        where = f"at step {held.step + 1}, {percent(held.share)}"
    return (f"  {marked('held')}", f"{held.service}/{held.environment}", held.release, where)
