"""What was told from outside, kept until it is worked on, and long enough to know it again.

A delivery is known by its hook and the sender's id; where a signature does not cover that id, also
by the digest of its body. Used by api/webhook, flows/trigger and flows/schedules.
"""

import dataclasses
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from headway import typed
from headway.pipeline.trigger.event import TriggerEvent
from headway.store.database import Tx
from headway.store.tables import trigger_runs
from headway.store.tables import triggers as table

KEPT_SECONDS = 30 * 86400.0
_WAITING = (
    sa.select(table)
    .where(table.c.state == "waiting", table.c.next_at <= sa.bindparam("now"))
    .order_by(table.c.received_at, table.c.id)
    .limit(sa.bindparam("most"))
    .offset(sa.bindparam("skip"))
)
# two of these with one body are two orders, not a replay: nothing in them tells the time
REPEATED = frozenset({"workflow_dispatch", "repository_dispatch"})


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery. `hook`: a connection's name, or `push`, `schedule`, `poll`; `delivery`: unique
    among its hook's; `body`: the digest of what came, "" if it proves nothing.
    """

    hook: str
    delivery: str
    event: TriggerEvent
    body: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored event whose work is not done."""

    id: str
    hook: str
    event: TriggerEvent
    attempts: int
    received_at: float
    because: str = ""


def identity(hook: str, delivery: str) -> str:
    """The trigger's id, the same for the same delivery."""
    digest = hashlib.sha256(f"{hook}\n{delivery}".encode()).hexdigest()
    return f"trg_{digest[:26]}"


def known(connection: sa.Connection, told: Told) -> str:
    """Why this was heard before; empty if it was not."""
    id = identity(told.hook, told.delivery)
    if connection.execute(sa.select(table.c.id).where(table.c.id == id)).first():
        return "this delivery is known"
    same = sa.select(table.c.id).where(table.c.hook == told.hook, table.c.body == told.body)
    if told.body and told.event.name not in REPEATED and connection.execute(same).first():
        return "the same content came before under another id"
    return ""


def add(tx: Tx, told: Told) -> str:
    """Keep it to be worked on; gives its id, or "" if it was heard before."""
    if known(tx.connection, told):
        return ""
    event = dataclasses.replace(told.event, at=tx.now)
    id = identity(told.hook, told.delivery)
    tx.connection.execute(
        table.insert().values(
            id=id,
            hook=told.hook,
            delivery=told.delivery,
            body=told.body,
            name=event.name,
            repo=event.repo,
            ref=event.ref,
            state="waiting",
            because="",
            event=zlib.compress(msgspec.json.encode(event), 1),
            received_at=tx.now,
            next_at=tx.now,
            attempts=0,
        )
    )
    return id


def waiting(connection: sa.Connection, now: float, limit: int = 50, skip: int = 0) -> list[Waiting]:
    """What may be worked on now, oldest first. An event that cannot be read any more raises
    msgspec.ValidationError.
    """
    rows = connection.execute(_WAITING, {"now": now, "most": limit, "skip": skip})
    return [_waiting(row._mapping) for row in rows]


def _waiting(row: "sa.RowMapping") -> Waiting:
    event = typed.loads(zlib.decompress(row["event"]), TriggerEvent)
    told = (row["attempts"], row["received_at"], row["because"])
    return Waiting(row["id"], row["hook"], event, *told)


@dataclass(frozen=True, slots=True)
class Started:
    """A run that a trigger started. `hook`, `repo`, `sha`: where a forge may show how it goes."""

    run: str
    trigger: str
    hook: str
    repo: str
    sha: str
    file: str


def finish(tx: Tx, id: str, state: str, because: str) -> None:
    """The work is over: `started`, `nothing` to start, or `failed`. The payload is let go."""
    changes = {"state": state, "because": because, "event": b""}
    tx.connection.execute(table.update().where(table.c.id == id).values(**changes))


def link(tx: Tx, runs: Iterable[Started]) -> None:
    """These runs are about to be started by a trigger; known before they start, because what they
    tell goes where the trigger came from.
    """
    for one in runs:
        if started(tx.connection, one.run) is None:
            tx.connection.execute(trigger_runs.insert().values(**dataclasses.asdict(one)))


def started(connection: sa.Connection, run: str) -> Started | None:
    """What started the run; None: no trigger did."""
    row = connection.execute(sa.select(trigger_runs).where(trigger_runs.c.run == run)).first()
    return Started(**row._mapping) if row else None


def postpone(tx: Tx, id: str, until: float, because: str) -> None:
    """Try again then; `because` says what was in the way."""
    changes = {"next_at": until, "because": because, "attempts": table.c.attempts + 1}
    tx.connection.execute(table.update().where(table.c.id == id).values(changes))


def note(tx: Tx, id: str, because: str) -> None:
    """Why nothing happens to one that waits; when it may be worked on stays."""
    mine = (table.c.id == id, table.c.state == "waiting")
    tx.connection.execute(table.update().where(*mine).values(because=because))


@dataclass(frozen=True, slots=True)
class Seen:
    """A trigger as people see it. `state`: waiting, started, nothing or failed."""

    id: str
    hook: str
    name: str
    repo: str
    ref: str
    state: str
    because: str
    received_at: float
    runs: tuple[str, ...] = ()


def newest(connection: sa.Connection, limit: int = 50) -> list[Seen]:
    """The latest ones, newest first."""
    columns = [table.c[n] for n in Seen.__slots__ if n != "runs"]
    query = sa.select(*columns).order_by(table.c.received_at.desc(), table.c.id).limit(limit)
    rows = [row._mapping for row in connection.execute(query)]
    return [Seen(**row, runs=_runs(connection, row["id"])) for row in rows]


def _runs(connection: sa.Connection, trigger: str) -> tuple[str, ...]:
    query = sa.select(trigger_runs.c.run).where(trigger_runs.c.trigger == trigger)
    return tuple(connection.execute(query.order_by(trigger_runs.c.file)).scalars())


def forget(tx: Tx) -> None:
    """Let go of what was done long ago, but for what only its signature proves: that stays known
    (without its payload), or it could be sent again.
    """
    old = (table.c.received_at < tx.now - KEPT_SECONDS, table.c.state != "waiting")
    tx.connection.execute(table.delete().where(*old, table.c.body == ""))
