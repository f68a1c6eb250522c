"""Reading and writing single records. Every function takes a transaction or a connection."""

from dataclasses import replace
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from headway import typed
from headway.model.delivery import Command, Delivery, Place, Release
from headway.model.errors import Invalid
from headway.model.service import Service
from headway.store import by_key
from headway.store.database import Tx
from headway.store.tables import commands, deliveries, places, releases

T = TypeVar("T")
_DELIVERY = sa.select(deliveries).where(deliveries.c.id == sa.bindparam("of"))
_RELEASE = sa.select(releases).where(releases.c.name == sa.bindparam("of"))
_PLACE = sa.select(places).where(
    places.c.service == sa.bindparam("in"), places.c.environment == sa.bindparam("at")
)
_COMMANDS = (
    sa.select(commands)
    .where(
        commands.c.delivery == sa.bindparam("of"),
        commands.c.environment.in_([sa.bindparam("at"), ""]),
        commands.c.taken.is_(False),
    )
    .order_by(commands.c.seq)
)


def dumps(value: object) -> str:
    """Any dataclass of the model as JSON text."""
    return msgspec.json.encode(value).decode()


def loads(text: str, kind: type[T]) -> T:
    """The dataclass again. Raises msgspec.ValidationError if the text is another shape's."""
    return typed.loads(text, kind)


def delivery(connection: sa.Connection, id: str) -> Delivery:
    """Raises Invalid (`unknown-delivery`)."""
    found = connection.execute(_DELIVERY, {"of": id}).first()
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
    row = {c.name: getattr(new, c.name) for c in deliveries.columns}
    by_key.insert(tx.connection, deliveries, row)


def update_delivery(tx: Tx, id: str, **changes: str | float) -> None:
    """Change columns of one delivery."""
    by_key.update(tx.connection, deliveries, {"id": id}, changes)


def release(connection: sa.Connection, name: str) -> Release:
    """Raises Invalid (`unknown-release`)."""
    found = connection.execute(_RELEASE, {"of": name}).first()
    if found is None:
        raise Invalid(
            f"there is no release `{name}`", next="headway release list", code="unknown-release"
        )
    fields = dict(found._mapping)
    return Release(**(fields | {"config": loads(fields["config"], Service)}))


def add_release(tx: Tx, new: Release) -> None:
    """Record a release."""
    fields = {c.name: getattr(new, c.name) for c in releases.columns}
    by_key.insert(tx.connection, releases, fields | {"config": dumps(new.config)})


def next_number(tx: Tx, service: str) -> int:
    """The number of the service's next release; the first is 1."""
    query = sa.select(sa.func.max(releases.c.number)).where(releases.c.service == service)
    return (tx.connection.execute(query).scalar() or 0) + 1


def place(connection: sa.Connection, service: str, environment: str) -> Place:
    """The place as recorded, or an empty one."""
    found = connection.execute(_PLACE, {"in": service, "at": environment}).first()
    return Place(**found._mapping) if found else no_place(service, environment)


def no_place(service: str, environment: str) -> Place:
    """A place in which nothing was ever done."""
    return Place(service, environment, 0, "", "", "", "", "", 0)


def changed(old: Place, **changes: str | int | float) -> Place:
    """The place with some of it changed."""
    return replace(old, **changes)  # type: ignore[arg-type]


def put_place(tx: Tx, new: Place) -> None:
    """Record a place, new or changed."""
    key = {"service": new.service, "environment": new.environment}
    by_key.put(tx.connection, places, key, {c.name: getattr(new, c.name) for c in places.columns})


def free_places(tx: Tx, holder: str) -> None:
    """What a delivery held when it ended, however it ended, is free for the next one."""
    freed = {"holder": "", "candidate": "", "rollout": ""}
    tx.connection.execute(places.update().where(places.c.holder == holder).values(**freed))


def take_commands(tx: Tx, delivery: str, environment: str) -> tuple[Command, ...]:
    """Commands not taken yet, in the order given; they are taken now, once."""
    found = tx.connection.execute(_COMMANDS, {"of": delivery, "at": environment})
    rows = [dict(r._mapping) for r in found]
    for row in rows:
        by_key.update(tx.connection, commands, {"seq": row["seq"]}, {"taken": True})
    return tuple(
        Command(r["seq"], r["verb"], r["environment"], r["by"], r["reason"], r["at"]) for r in rows
    )
