"""Runs that a server starts: their numbers, and how far their start has come.

What happens in a run is in its log (run_log.py); a row only says that there is one. Used by
flows/run_start, flows/run_workflow and flows/commit_rules.
"""

from typing import Literal

import sqlalchemy as sa

from headway.store.database import Tx
from headway.store.tables import events
from headway.store.tables import runs as table

Stage = Literal["made", "started", "success", "failure", "cancelled", "refused"]


def number(tx: Tx, id: str, repo: str, workflow: str) -> int:
    """The run's number among those of its workflow, from 1; the same again for the same run."""
    known = sa.select(table.c.number).where(table.c.id == id)
    found = tx.connection.execute(known).scalar()
    if found is not None:
        return int(found)
    mine = (table.c.repo == repo, table.c.workflow == workflow)
    last = tx.connection.execute(sa.select(sa.func.max(table.c.number)).where(*mine)).scalar() or 0
    row = {"id": id, "repo": repo, "workflow": workflow, "number": last + 1}
    tx.connection.execute(table.insert().values(**row, state="made", made_at=tx.now))
    return int(last) + 1


def move(tx: Tx, id: str, before: tuple[Stage, ...], to: Stage) -> bool:
    """Move the run on, if it stands at one of `before`; False: it does not."""
    here = (table.c.id == id, table.c.state.in_(before))
    return tx.connection.execute(table.update().where(*here).values(state=to)).rowcount == 1


def begun(connection: sa.Connection, id: str) -> bool:
    """Whether the run was put into the queue."""
    query = sa.select(table.c.state).where(table.c.id == id)
    return connection.execute(query).scalar() not in {None, "made"}


def of_commit(
    connection: sa.Connection, repo: str, workflow: str, sha: str, most: int = 20
) -> tuple[str, ...]:
    """Runs of the workflow of that repository at exactly that commit, the newest first. `sha`: hex.

    A run's commit is in the event of its request; one that was refused has none.
    """
    said = events.c.data.contains(f'"sha":"{sha}"', autoescape=True)
    asked = sa.and_(events.c.subject == table.c.id, events.c.kind == "run.requested", said)
    query = sa.select(table.c.id).join(events, asked)
    mine = query.where(table.c.repo == repo, table.c.workflow == workflow)
    return tuple(connection.execute(mine.order_by(table.c.number.desc()).limit(most)).scalars())


def waiting(connection: sa.Connection) -> int:
    """How many were started and have not ended."""
    count = sa.select(sa.func.count()).where(table.c.state == "started")
    return int(connection.execute(count).scalar() or 0)
