"""One round of taking away. Called by cli/prune.py and, once an hour, by upkeep.py.

What will go is written to the event log in the transaction that makes it go from the records; files
follow. Killed in between, the files that are left are found, told and removed by the next round.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headway.adapters.oci.pruning import Pruning
from headway.flows.world import Transactions
from headway.model.event import Fact
from headway.record import dataclass
from headway.retention import folders
from headway.retention.needed import needed
from headway.retention.settings import Kept
from headway.store import log, tables
from headway.store.database import Tx
from headway.store.keeping import keeping
from headway.store.log import About

DAY = 86400.0
YOUNG_SECONDS = 2 * DAY
"""No artifact younger than this is touched, whatever is asked for."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go: numbers, and bytes of files."""

    runs: int = 0
    run_bytes: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    unpacked: int = 0
    unpacked_bytes: int = 0
    windows: int = 0
    messages: int = 0
    triggers: int = 0

    @property
    def nothing(self) -> bool:
        """Whether all of it is zero."""
        return not any(asdict(self).values())


@dataclass(frozen=True, slots=True)
class Ask:
    """Take away in `home` what is older than `kept` says. `by`: who asks."""

    home: Path
    tx: Transactions
    kept: Kept
    by: str
    now: float


class _Undo(Exception):
    """A dry run has seen enough."""


def prune(ask: Ask, *, dry_run: bool) -> Pruned:
    """Raises Drifted (`keeping`) while a backup is made, Refused (`tampered`)."""
    with keeping(ask.home, alone=True):
        runs = _runs(ask)
        first = Pruned(runs=len(runs), run_bytes=sum(map(folders.size, runs)))
        store = Pruning(ask.home / "artifacts")
        before = ask.now - max(YOUNG_SECONDS, ask.kept.artifacts_days * DAY)
        try:
            with ask.tx() as tx:
                stay = needed(tx.connection, before, ask.kept.releases)
                loose = store.loose(stay, before)
                index = _there(store, stay, before)
                old = folders.unpacked(ask.home, before, index)
                done = replace(
                    first,
                    artifacts=len(loose.artifacts),
                    artifact_bytes=loose.bytes,
                    unpacked=len(old),
                    unpacked_bytes=sum(map(folders.size, old)),
                    **_rows(tx, ask),
                )
                if dry_run or done.nothing:
                    raise _Undo
                store.forget(stay, before)
                _tell(tx, ask, done)
        except _Undo:
            return done
        store.remove(before)
        folders.remove(ask.home, [*runs, *old])
    return done


def _there(store: Pruning, stay: frozenset[str], before: float) -> frozenset[str]:
    """What the store will still have."""
    return store.subjects() - frozenset(store.loose(stay, before).artifacts)


def _runs(ask: Ask) -> list[Path]:
    with ask.tx() as tx:
        d = tables.deliveries
        asked = sa.select(d.c.id).where(d.c.state != "done")
        busy = frozenset(tx.connection.execute(asked).scalars())
    return folders.ended_runs(ask.home, ask.now - ask.kept.runs_days * DAY, busy)


def _rows(tx: Tx, ask: Ask) -> dict[str, Any]:
    """Rows of what ended long ago."""
    kept, now = ask.kept, ask.now
    r, m, t = tables.rollouts, tables.alert_messages, tables.triggers
    old = sa.select(r.c.id).where(
        r.c.finished_at > 0, r.c.finished_at < now - kept.windows_days * DAY
    )
    windows = _delete(tx, tables.windows, tables.windows.c.rollout.in_(old))
    _delete(tx, tables.readings, tables.readings.c.rollout.in_(old))
    late = m.c.created_at < now - kept.messages_days * DAY
    messages = _delete(tx, m, sa.and_(m.c.state != "waiting", late))
    done = sa.and_(t.c.state != "waiting", t.c.received_at < now - kept.triggers_days * DAY)
    # what only its signature proves stays known, or it could be sent again (store/triggers.forget)
    triggers = _delete(tx, t, sa.and_(done, t.c.body == ""))
    return {"windows": windows, "messages": messages, "triggers": triggers}


def _delete(tx: Tx, table: sa.Table, which: "sa.ColumnElement[bool]") -> int:
    return tx.connection.execute(table.delete().where(which)).rowcount


def _tell(tx: Tx, ask: Ask, done: Pruned) -> None:
    number = log.last_seq(tx.connection) + 1
    data: dict[str, object] = {"by": ask.by, **asdict(done), "kept": asdict(ask.kept)}
    log.append(tx, About(), Fact("installation.pruned", "installation", number, data))
