"""`headway train`: which releases wait for which departure; let one go, hold one."""

from datetime import UTC, datetime

import click
import sqlalchemy as sa

from headway.cli import said
from headway.cli.context import Context, pass_context
from headway.cli.options import Noun
from headway.flows import train as flow
from headway.gate.train import Bundle
from headway.record import dataclass
from headway.store import trains
from headway.store.trains import Departure, Known, Waiting
from headway.wording.text import clock, columns, plain, since

TRAIN = click.argument("id", metavar="TRAIN")


@dataclass(frozen=True, slots=True)
class TrainRow:
    """A train as people see it. `next`: the next departure in its zone; `waiting`: releases."""

    train: str
    environment: str
    schedule: str
    zone: str
    order: tuple[str, ...]
    next: str
    held: str
    waiting: tuple[str, ...]


@click.group(cls=Noun, examples=("headway train list", "headway train show shop/production"))
def train() -> None:
    """Releases that wait for a departure and leave together."""


@train.verb("headway train list", "headway train list --json", name="list")
@pass_context
def listing(context: Context) -> None:
    """Show every train, its next departure, and who waits."""
    with context.reading() as connection:
        rows = [_row(connection, one) for one in trains.known(connection)]
    if context.json:
        context.document({"items": rows})
        return
    head = ("TRAIN", "NEXT DEPARTURE", "WAITING", "HELD")
    table = [(r.train, r.next, " ".join(r.waiting) or "-", plain(r.held) or "-") for r in rows]
    none = ["No train yet: write `train: {schedule: …}` at an environment"]
    context.lines(columns([head, *table]) if rows else none)


def _row(connection: sa.Connection, one: Known) -> TrainRow:
    waiting = tuple(w.passenger.release for w in trains.at_door(connection, one.id))
    when = flow.upcoming(one.policy, datetime.now(UTC).timestamp())
    policy = one.policy
    words = (one.id, one.environment, policy.schedule, policy.zone, policy.order)
    return TrainRow(*words, when, one.held, waiting)


@train.verb("headway train show shop/production", "headway train show weekly/production --json")
@TRAIN
@pass_context
def show(context: Context, id: str) -> None:
    """Show who waits at a train and who left with its last departures."""
    with context.reading() as connection:
        known = trains.get(connection, id)
        row, waiting = _row(connection, known), trains.at_door(connection, id)
        left = trains.history(connection, id)
        aboard = {d.id: [p.release for p in trains.aboard(connection, d.id)] for d in left}
    if context.json:
        departures = [{"departure": d, "passengers": aboard[d.id]} for d in left]
        context.document({"train": row, "waiting": waiting, "departures": departures})
        return
    context.line(f"{row.train}  {row.schedule}  {row.zone}")
    context.lines(columns(_facts(row)))
    context.lines([f"  ● {w.passenger.release} {_ready(w)}" for w in waiting])
    context.lines([f"  ✓ {_departed(d)}: {' '.join(aboard[d.id])}" for d in left])


def _facts(row: TrainRow) -> list[tuple[str, str]]:
    found = [("  next", row.next)]
    found += [("  order", ", ".join(row.order))] if row.order else []
    return found + ([("  held", row.held)] if row.held else [])


def _ready(one: Waiting) -> str:
    known = datetime.fromtimestamp(one.since, UTC)
    how = "is ready" if one.passenger.ready else "waits for other gates"
    return f"{how} since {since(known, datetime.now(UTC))}"


def _departed(one: Departure) -> str:
    why = f", by {plain(one.by)}: {plain(one.reason)}" if not one.at else ""
    return f"left {clock(datetime.fromtimestamp(one.left_at, UTC))}{why}"


@train.verb('headway train depart shop/production --reason "the fair begins"')
@TRAIN
@said.reason()
@pass_context
def depart(context: Context, id: str, reason: str) -> None:
    """Let a train go now, with everybody who is ready."""
    with context.headway.tx() as tx:
        left = flow.depart(tx, context.headway.outbox, id, context.person, reason)
    if context.json:
        context.document({"train": id, "passengers": _releases(left), "behind": left.behind})
        return
    context.line(f"{id} leaves with {', '.join(_releases(left))}")


def _releases(left: Bundle) -> list[str]:
    return [p.release for p in left.passengers]


@train.verb('headway train hold shop/production --reason "the database moves"')
@TRAIN
@said.reason()
@pass_context
def hold(context: Context, id: str, reason: str) -> None:
    """Let no train go until somebody resumes. Hotfixes go beside it all the same."""
    with context.headway.tx() as tx:
        flow.hold(tx, context.headway.outbox, id, context.person, reason)
    _confirm(context, id, "held")


@train.verb('headway train resume shop/production --reason "the database has moved"')
@TRAIN
@said.reason()
@pass_context
def resume(context: Context, id: str, reason: str) -> None:
    """Let a held train go again."""
    with context.headway.tx() as tx:
        flow.resume(tx, context.headway.outbox, id, context.person, reason)
    _confirm(context, id, "resumed")


def _confirm(context: Context, id: str, word: str) -> None:
    if context.json:
        context.document({"train": id, "command": word})
    else:
        context.line(f"{id} is {word}")
