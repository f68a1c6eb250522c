"""A restored installation becomes the one that acts. Called by cli/restore.py, before flows run.

Between the backup and now the world went on without it, so nothing that was in flight is carried
on from memory: deliveries, runs and rollouts that were open are ended on record, what waited to be
sent or worked on is let go, and every place's generation jumps over whatever the old installation
may have told the world since. From then on the rounds (flows/tend.py) make every place what is on
record as released. An old installation that comes back is refused by every target and router that
both know: its generations are old.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from headway.flows.deliver import finish
from headway.flows.journal import Outbox
from headway.model.delivery import Order
from headway.model.errors import Invalid
from headway.model.event import Fact
from headway.record import dataclass
from headway.store import installation, log, pool_tables, rollouts, tables, webhook_tables
from headway.store.database import Tx
from headway.store.log import About

JUMP = 10_000
"""More changes than an installation makes to one place between a backup and its end."""
CODE = "restored"


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was ended or let go, by number."""

    deliveries: int
    runs: int
    messages: int
    triggers: int
    places: int


def adopt(
    tx: Callable[[], AbstractContextManager[Tx]], outbox: Outbox, by: str, reason: str
) -> Adopted:
    """Raises Invalid (`not-held`). Killed at any point, it is done again from the start."""
    with tx() as one:
        held = installation.get(one.connection, "held")
    if held is None:
        raise Invalid(
            "this installation is not held",
            why="it was not restored from a backup, or was adopted already",
            next="headway server status",
            code="not-held",
        )
    outbox.drop(outbox.open_flows())
    with tx() as one:
        ended = _end(one)
        installation.forget(one.connection, "held")
        number = log.last_seq(one.connection) + 1
        data = {
            "by": by,
            "reason": reason,
            "digest": held.get("digest", ""),
            "seq": held.get("seq"),
        }
        counts = {name: getattr(ended, name) for name in ended.__slots__}
        fact = Fact("installation.adopted", "installation", number, data | counts)
        log.append(one, About(), fact)
    return ended


def _end(tx: Tx) -> Adopted:
    because = "the installation was restored from a backup while it was under way"
    open_ones = _ids(tx, tables.deliveries.c.id, tables.deliveries.c.state != "done")
    for id in open_ones:
        finish(tx, Order(id, "", "", "", ""), "cancelled", because, CODE)
    for id in _ids(tx, tables.rollouts.c.id, tables.rollouts.c.outcome == ""):
        rollouts.finish(tx, id, "failed", because)
    r, m, t = tables.runs, tables.alert_messages, tables.triggers
    runs = _set(tx, r, r.c.state.in_(("made", "started")), state="cancelled")
    messages = _set(tx, m, m.c.state == "waiting", state="dead", error=because)
    w = webhook_tables.deliveries
    messages += _set(tx, w, w.c.state == "waiting", state="dead", error=because, done_at=tx.now)
    triggers = _set(tx, t, t.c.state == "waiting", state="failed", because=because)
    _set(tx, tables.commands, tables.commands.c.taken.is_(False), taken=True)
    p = tables.places
    moved = _set(
        tx, p, sa.true(), generation=p.c.generation + JUMP, holder="", candidate="", rollout=""
    )
    for gone in (tables.workers, pool_tables.jobs, pool_tables.pieces, pool_tables.workers):
        tx.connection.execute(gone.delete())
    return Adopted(len(open_ones), runs, messages, triggers, moved)


def _ids(tx: Tx, column: "sa.Column[str]", which: "sa.ColumnElement[bool]") -> list[str]:
    return list(tx.connection.execute(sa.select(column).where(which)).scalars())


def _set(tx: Tx, table: sa.Table, which: "sa.ColumnElement[bool]", **values: object) -> int:
    return tx.connection.execute(table.update().where(which).values(**values)).rowcount
