"""Release trains: who waits at which, who left when, who holds one. Used by flows/train and cli.

Every function takes a transaction or a connection.
"""

import json
from dataclasses import dataclass, replace

import sqlalchemy as sa

from headway.gate.train import Bundle, Passenger
from headway.model.errors import Invalid
from headway.model.service import Train
from headway.store.database import Tx
from headway.store.tables import deliveries
from headway.store.train_tables import departures, passengers, trains


@dataclass(frozen=True, slots=True)
class Known:
    """A train. `held`: by whom and why; "" if it goes."""

    id: str
    environment: str
    policy: Train
    held: str = ""


@dataclass(frozen=True, slots=True)
class Departure:
    """One that left. `at`: its moment in the schedule, 0 if a person let it go; Unix seconds."""

    id: str
    train: str
    at: float
    left_at: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A passenger, and since when every other gate lets it in, or it came (Unix seconds)."""

    passenger: Passenger
    since: float


def train_id(policy: Train, service: str, environment: str) -> str:
    """`weekly/production`, or `shop/production` of a train that has no name."""
    return f"{policy.name or service}/{environment}"


def known(connection: sa.Connection) -> list[Known]:
    """Every train at which a release was ever waiting, by its id."""
    return [_known(r) for r in connection.execute(sa.select(trains).order_by(trains.c.id))]


def get(connection: sa.Connection, id: str) -> Known:
    """Raises Invalid (`unknown-train`)."""
    row = connection.execute(sa.select(trains).where(trains.c.id == id)).first()
    if row is None:
        names = ", ".join(one.id for one in known(connection)) or "none yet"
        raise Invalid(
            f"there is no train `{id}`",
            why=f"trains at which something waited: {names}",
            next="headway train list",
            code="unknown-train",
        )
    return _known(row)


def _known(row: "sa.Row[tuple[object, ...]]") -> Known:
    m = row._mapping
    order = tuple(json.loads(m["sequence"]))
    return Known(m["id"], m["environment"], Train(m["schedule"], m["zone"], "", order), m["held"])


def learn(tx: Tx, id: str, environment: str, policy: Train) -> str:
    """The train runs as this release's headway.yaml says; gives who holds it, and why."""
    said = {
        "schedule": policy.schedule,
        "zone": policy.zone,
        "sequence": json.dumps(policy.order),
    }
    here = trains.c.id == id
    if tx.connection.execute(trains.update().where(here).values(**said)).rowcount == 0:
        row = {"id": id, "environment": environment, "held": "", **said}
        tx.connection.execute(trains.insert().values(**row))
    return str(tx.connection.execute(sa.select(trains.c.held).where(here)).scalar_one())


def hold(tx: Tx, id: str, held: str) -> None:
    """Held by somebody for a reason; "": it goes again. Raises Invalid (`unknown-train`)."""
    get(tx.connection, id)
    tx.connection.execute(trains.update().where(trains.c.id == id).values(held=held))


def wait(tx: Tx, train: str, passenger: Passenger) -> Waiting:
    """The release is at the door; what is known of it already is kept, but for `ready`. Who gets
    ready after a departure has missed it.
    """
    t = passengers
    here = (t.c.delivery == passenger.delivery, t.c.train == train)
    known = tx.connection.execute(sa.select(t).where(*here)).first()
    if known is None:
        row = {c: getattr(passenger, c) for c in Passenger.__slots__}
        tx.connection.execute(t.insert().values(train=train, since=tx.now, seat=0, **row))
    elif known._mapping["ready"] != passenger.ready:
        changes = {"ready": passenger.ready, "since": tx.now}
        tx.connection.execute(t.update().where(*here).values(**changes))
    return _waiting(tx.connection.execute(sa.select(t).where(*here)).one())


def passenger(connection: sa.Connection, train: str, delivery: str) -> Passenger | None:
    """Where a delivery stands at a train; None: it has not come to it."""
    t = passengers
    query = sa.select(t).where(t.c.delivery == delivery, t.c.train == train)
    row = connection.execute(query).first()
    return _waiting(row).passenger if row else None


def at_door(connection: sa.Connection, train: str) -> list[Waiting]:
    """Who waits for the next departure, in the order they came; ended deliveries do not."""
    t = passengers
    query = (
        sa.select(t)
        .join(deliveries, deliveries.c.id == t.c.delivery)
        .where(t.c.train == train, t.c.state == "waiting", deliveries.c.state != "done")
    )
    return [_waiting(r) for r in connection.execute(query.order_by(t.c.since, t.c.delivery))]


def aboard(connection: sa.Connection, departure: str) -> list[Passenger]:
    """Who left with that departure, in their order."""
    t = passengers
    query = sa.select(t).where(t.c.departure == departure, t.c.state == "boarded")
    return [_waiting(r).passenger for r in connection.execute(query.order_by(t.c.seat))]


def _waiting(row: "sa.Row[tuple[object, ...]]") -> Waiting:
    m = row._mapping
    return Waiting(Passenger(**{name: m[name] for name in Passenger.__slots__}), m["since"])


def depart(tx: Tx, left: Departure, bundle: Bundle) -> bool:
    """Write down that these left together; False if this departure is known already."""
    here = departures.c.id == left.id
    if tx.connection.execute(sa.select(departures.c.id).where(here)).first():
        return False
    row = {name: getattr(left, name) for name in Departure.__slots__}
    tx.connection.execute(departures.insert().values(**row))
    for seat, one in enumerate(bundle.passengers):
        _change(tx, left.train, replace(one, state="boarded", departure=left.id), seat)
    for delivery in bundle.behind:
        gone = (passengers.c.delivery == delivery, passengers.c.train == left.train)
        changes = {"state": "behind", "departure": left.id}
        tx.connection.execute(passengers.update().where(*gone).values(**changes))
    return True


def _change(tx: Tx, train: str, one: Passenger, seat: int) -> None:
    here = (passengers.c.delivery == one.delivery, passengers.c.train == train)
    changes = {"state": one.state, "departure": one.departure, "seat": seat}
    tx.connection.execute(passengers.update().where(*here).values(**changes))


def history(connection: sa.Connection, train: str, limit: int = 10) -> list[Departure]:
    """The latest departures, newest first."""
    t = departures
    query = sa.select(t).where(t.c.train == train).order_by(t.c.left_at.desc(), t.c.id)
    return [Departure(**r._mapping) for r in connection.execute(query.limit(limit))]
