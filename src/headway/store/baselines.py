"""What each stable release was last seen to do, one row a place. Written by flows/baseline."""

import sqlalchemy as sa

from headway.analysis.memory import Memory
from headway.analysis.snapshot import Kept
from headway.model.window import Window
from headway.store import by_key
from headway.store.database import Tx
from headway.store.records import dumps, loads
from headway.store.tables import baselines, windows

_KEPT = sa.select(baselines).where(
    baselines.c.service == sa.bindparam("in"), baselines.c.environment == sa.bindparam("at")
)


def load(connection: sa.Connection, service: str, environment: str) -> Kept | None:
    """The snapshot there, if one was ever kept."""
    row = connection.execute(_KEPT, {"in": service, "at": environment}).first()
    return None if row is None else Kept(row.release, row.at, loads(row.memory, Memory))


def keep(tx: Tx, service: str, environment: str, kept: Kept) -> None:
    """Replace what is known there."""
    values = {"release": kept.release, "at": kept.at, "memory": dumps(kept.memory)}
    place = {"service": service, "environment": environment}
    by_key.put(tx.connection, baselines, place, values)


def newest_windows(connection: sa.Connection, rollout: str, most: int) -> list[Window]:
    """The last judged windows of a rollout, oldest first."""
    query = (
        sa.select(windows.c.window)
        .where(windows.c.rollout == rollout)
        .order_by(windows.c.index.desc())
        .limit(most)
    )
    return [loads(text, Window) for text in connection.execute(query).scalars()][::-1]
