"""Reading and writing single records. Every function takes a transaction or a connection."""

from dataclasses import replace
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from headway import typed
from headway.model.delivery import Command, Delivery, Place, Release
from headway.model.errors import Invalid
from headway.model.service import Service
from headway.store.database import Tx
from headway.store.tables import commands, deliveries, places, releases

T = TypeVar("T")


def dumps(value: object) -> str:
    """Any dataclass of the model as JSON text."""
    return msgspec.json.encode(value).decode()


def loads(text: str, kind: type[T]) -> T:
    """The dataclass again. Raises msgspec.ValidationError if the text is another shape's."""
    return typed.loads(text, kind)


def delivery(connection: sa.Connection, id: str) -> Delivery:
    """Raises Invalid (`unknown-delivery`)."""
    found = connection.execute(sa.select(deliveries).where(deliveries.c.id == id)).first()
    if found is None:
        raise Invalid(
            f"there is no delivery `{id}`", next="headway delivery list", code="unknown-delivery"
        )
    return Delivery(**found._mapping)


def last_delivered(connection: sa.Connection, service: str) -> str:
    """The commit of the newest delivery of the service that reached its end or is on its way there;
    "" if there is none. One that a person sent back to an older release is not asked.
    """
    mine = sa.select(releases.c.name).where(releases.c.delivery == deliveries.c.id).exists()
    counts = sa.or_(
        sa.and_(deliveries.c.outcome == "", sa.or_(deliveries.c.release == "", mine)),
        sa.and_(deliveries.c.outcome == "delivered", mine),
    )
    query = sa.select(deliveries.c.sha).where(deliveries.c.service == service, counts)
    newest = query.order_by(deliveries.c.requested_at.desc(), deliveries.c.id.desc())
    return str(connection.execute(newest).scalar() or "")


def add_delivery(tx: Tx, new: Delivery) -> None:
    """Record a delivery."""
    tx.connection.execute(
        deliveries.insert().values(**{c.name: getattr(new, c.name) for c in deliveries.columns})
    )


def update_delivery(tx: Tx, id: str, **changes: str | float) -> None:
    """Change columns of one delivery."""
    tx.connection.execute(deliveries.update().where(deliveries.c.id == id).values(**changes))


def release(connection: sa.Connection, name: str) -> Release:
    """Raises Invalid (`unknown-release`)."""
    found = connection.execute(sa.select(releases).where(releases.c.name == name)).first()
    if found is None:
        raise Invalid(
            f"there is no release `{name}`", next="headway release list", code="unknown-release"
        )
    fields = dict(found._mapping)
    return Release(**(fields | {"config": loads(fields["config"], Service)}))


def add_release(tx: Tx, new: Release) -> None:
    """Record a release."""
    fields = {c.name: getattr(new, c.name) for c in releases.columns}
    tx.connection.execute(releases.insert().values(**(fields | {"config": dumps(new.config)})))


def next_number(tx: Tx, service: str) -> int:
    """The number of the service's next release; the first is 1."""
    query = sa.select(sa.func.max(releases.c.number)).where(releases.c.service == service)
    return (tx.connection.execute(query).scalar() or 0) + 1


def place(connection: sa.Connection, service: str, environment: str) -> Place:
    """The place as recorded, or an empty one."""
    query = sa.select(places).where(
        places.c.service == service, places.c.environment == environment
    )
    found = connection.execute(query).first()
    return Place(**found._mapping) if found else no_place(service, environment)


def no_place(service: str, environment: str) -> Place:
    """A place in which nothing was ever done."""
    return Place(service, environment, 0, "", "", "", "", "", 0)


def changed(old: Place, **changes: str | int | float) -> Place:
    """The place with some of it changed."""
    return replace(old, **changes)  # type: ignore[arg-type]


def put_place(tx: Tx, new: Place) -> None:
    """Record a place, new or changed."""
    key = (places.c.service == new.service, places.c.environment == new.environment)
    fields = {c.name: getattr(new, c.name) for c in places.columns}
    if tx.connection.execute(places.update().where(*key).values(**fields)).rowcount == 0:
        tx.connection.execute(places.insert().values(**fields))


def free_places(tx: Tx, holder: str) -> None:
    """What a delivery held when it ended, however it ended, is free for the next one."""
    freed = {"holder": "", "candidate": "", "rollout": ""}
    tx.connection.execute(places.update().where(places.c.holder == holder).values(**freed))


def take_commands(tx: Tx, delivery: str, environment: str) -> tuple[Command, ...]:
    """Commands not taken yet, in the order given; they are taken now, once."""
    query = (
        sa.select(commands)
        .where(
            commands.c.delivery == delivery,
            commands.c.environment.in_([environment, ""]),
            commands.c.taken.is_(False),
        )
        .order_by(commands.c.seq)
    )
    rows = [dict(r._mapping) for r in tx.connection.execute(query)]
    seqs = [r["seq"] for r in rows]
    tx.connection.execute(commands.update().where(commands.c.seq.in_(seqs)).values(taken=True))
    return tuple(
        Command(r["seq"], r["verb"], r["environment"], r["by"], r["reason"], r["at"]) for r in rows
    )
