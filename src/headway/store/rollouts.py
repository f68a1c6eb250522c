"""The rollout's record: its state, the judge's state, every window and every finding."""

import os
from functools import cache
from typing import Any

import sqlalchemy as sa

from headway.model.rollout import Rollout, RolloutOutcome
from headway.model.window import Snapshot, Window
from headway.store import by_key
from headway.store.database import Tx
from headway.store.log import About
from headway.store.records import dumps, loads
from headway.store.tables import rollouts, windows

_WINDOWS = sa.select(sa.func.count()).where(windows.c.rollout == sa.bindparam("of"))
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(now: float) -> str:
    """A ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that ids sort
    by time (github.com/ulid/spec).
    """
    number = (int(now * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def new_id(tx: Tx) -> str:
    """An id for a rollout."""
    return f"rol_{ulid(tx.now)}"


def add(tx: Tx, id: str, about: About, digest: str, stable: str) -> None:
    """A new rollout, not yet decided."""
    row = {
        "id": id,
        "delivery": about.delivery,
        "service": about.service,
        "environment": about.environment,
        "release": about.release,
        "digest": digest,
        "stable": stable,
        "state": "",
        "judge": "",
        "snapshot": "",
        "verdict": "",
        "outcome": "",
        "because": "",
        "started_at": tx.now,
        "finished_at": 0.0,
    }
    by_key.insert(tx.connection, rollouts, row)


def load(connection: sa.Connection, id: str) -> Rollout:
    """The machine's state."""
    return loads(column(connection, id, "state"), Rollout)


def column(connection: sa.Connection, id: str, name: str) -> str:
    """One text column of the record."""
    found: str = connection.execute(_column(name), {"of": id}).scalar_one()
    return found


@cache
def _column(name: str) -> "sa.Select[Any]":
    return sa.select(rollouts.c[name]).where(rollouts.c.id == sa.bindparam("of"))


def save(tx: Tx, id: str, state: Rollout) -> None:
    """The machine's new state."""
    update(tx, id, state=dumps(state))


def update(tx: Tx, id: str, **changes: str | float) -> None:
    """Change columns of the record."""
    by_key.update(tx.connection, rollouts, {"id": id}, changes)


def forget_snapshot(tx: Tx, id: str) -> None:
    """A step has just taken effect: the next reading is where its first window begins."""
    update(tx, id, snapshot="")


def last_snapshot(connection: sa.Connection, id: str) -> Snapshot | None:
    """The reading at which the running window began."""
    text = column(connection, id, "snapshot")
    return loads(text, Snapshot) if text else None


def finish(tx: Tx, id: str, outcome: RolloutOutcome, because: str) -> None:
    """The rollout's last word."""
    update(tx, id, outcome=outcome, because=because, finished_at=tx.now)


def add_window(tx: Tx, id: str, index: int, window: str, finding: str) -> None:
    """One judged window, as JSON, for replay."""
    values = {"rollout": id, "index": index, "window": window, "finding": finding}
    by_key.insert(tx.connection, windows, values)


def window_count(connection: sa.Connection, id: str) -> int:
    """How many windows were judged."""
    return connection.execute(_WINDOWS, {"of": id}).scalar() or 0


def all_windows(connection: sa.Connection, id: str) -> list[tuple[str, str]]:
    """(window, finding) as JSON, in order."""
    query = sa.select(windows.c.window, windows.c.finding).where(windows.c.rollout == id)
    return [(r[0], r[1]) for r in connection.execute(query.order_by(windows.c.index))]


def last_windows(connection: sa.Connection, id: str, most: int) -> list[Window]:
    """The newest windows, at most so many, in order."""
    query = sa.select(windows.c.window).where(windows.c.rollout == id)
    rows = connection.execute(query.order_by(windows.c.index.desc()).limit(most))
    return [loads(r[0], Window) for r in rows][::-1]


def number(connection: sa.Connection, id: str, name: str) -> float:
    """One numeric column of the record."""
    return float(connection.execute(_column(name), {"of": id}).scalar_one())
