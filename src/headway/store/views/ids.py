"""From what a person types to one id: a unique prefix, a name, or `service/environment`.

Called by commands and the API before they read or change anything.
"""

import sqlalchemy as sa

from headway.model.errors import Invalid
from headway.store.tables import deliveries, places, releases, rollouts
from headway.store.views.indexed import begins

SHOWN = 5


def delivery_id(connection: sa.Connection, text: str) -> str:
    """A delivery by a prefix of its id, by its release, or by the place it is rolling out in.

    Raises Invalid (`unknown-delivery`, `ambiguous`).
    """
    if "/" in text:
        id = rollout_id(connection, text)
        found: str = connection.execute(
            sa.select(rollouts.c.delivery).where(rollouts.c.id == id)
        ).scalar_one()
        return found
    query = sa.select(releases.c.delivery).where(releases.c.name == text)
    named: str | None = connection.execute(query).scalar()
    if named is not None:
        return named
    return _prefix(connection, deliveries.c.id, _ulid(text, "del_"), "delivery", text)


def newest_delivery(connection: sa.Connection) -> str:
    """The delivery that was asked for last. Raises Invalid (`unknown-delivery`) without any."""
    query = sa.select(deliveries.c.id).order_by(deliveries.c.id.desc()).limit(1)
    found: str | None = connection.execute(query).scalar()
    if found is None:
        raise Invalid("nothing was delivered yet", next="headway deliver", code="unknown-delivery")
    return found


def rollout_id(connection: sa.Connection, text: str) -> str:
    """A rollout by a prefix of its id, or the latest one of a release; `shop/production` is the
    current, else the latest one there.

    Raises Invalid (`unknown-rollout`, `ambiguous`).
    """
    service, slash, environment = text.partition("/")
    if not slash:
        of = sa.select(rollouts.c.id).where(rollouts.c.release == text)
        newest = of.order_by(rollouts.c.id.desc()).limit(1)
        latest: str | None = connection.execute(newest).scalar()
        return latest or _prefix(connection, rollouts.c.id, _ulid(text, "rol_"), "rollout", text)
    query = sa.select(places.c.rollout).where(
        places.c.service == service, places.c.environment == environment
    )
    current: str | None = connection.execute(query).scalar()
    last = (
        sa.select(rollouts.c.id)
        .where(rollouts.c.service == service, rollouts.c.environment == environment)
        .order_by(rollouts.c.id.desc())
        .limit(1)
    )
    found: str | None = current or connection.execute(last).scalar()
    if found is None:
        raise _unknown(text, "rollout")
    return found


def digest(connection: sa.Connection, text: str) -> str:
    """A digest by a prefix of it, with or without `sha256:`, or by a release's name.

    Raises Invalid (`unknown-artifact`, `ambiguous`).
    """
    named: str | None = connection.execute(
        sa.select(releases.c.digest).where(releases.c.name == text)
    ).scalar()
    if named is not None:
        return named
    wanted = f"sha256:{text.removeprefix('sha256:').lower()}"
    return _prefix(connection, releases.c.digest, wanted, "artifact", text)


def one_of(found: list[str], text: str, noun: str) -> str:
    """The only one. Raises Invalid (`unknown-…`, `ambiguous`) and names the candidates."""
    if len(found) == 1:
        return found[0]
    if not found:
        raise _unknown(text, noun)
    shown = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    raise Invalid(
        f"`{text}` is more than one {noun}",
        why=f"it could be {shown}",
        next="type more of it",
        code="ambiguous",
    )


def _prefix(
    connection: sa.Connection, column: "sa.ColumnElement[str]", wanted: str, noun: str, text: str
) -> str:
    whole = sa.select(column).where(column == wanted).limit(1)
    if connection.execute(whole).first() is not None:
        return wanted
    query = sa.select(column).where(begins(connection, column, wanted)).distinct()
    found = list(connection.execute(query.order_by(column).limit(SHOWN + 1)).scalars())
    return one_of(found, text, noun)


def _ulid(text: str, prefix: str) -> str:
    return prefix + text.lower().removeprefix(prefix).upper()


def _unknown(text: str, noun: str) -> Invalid:
    return Invalid(
        f"there is no {noun} `{text}`", next=f"headway {noun} list", code=f"unknown-{noun}"
    )
