"""Services of which nothing was released yet, with headway.yaml as their newest delivery had it.

Written by flows/build when a delivery reads the file, so that whoever owns a service hears of its
very first deliveries; not asked any more once there is a release. Read by flows/alert_links.
"""

import sqlalchemy as sa

from headway.model.service import Service
from headway.store.database import Tx
from headway.store.records import dumps, loads
from headway.store.tables import planned, releases


def keep(tx: Tx, delivery: str, config: Service) -> None:
    """Remember what the delivery has read, unless the service has a release."""
    released = sa.select(releases.c.name).where(releases.c.service == config.name).limit(1)
    if tx.connection.execute(released).first() is not None:
        return
    tx.connection.execute(planned.delete().where(planned.c.service == config.name))
    values = {"service": config.name, "delivery": delivery, "config": dumps(config), "at": tx.now}
    tx.connection.execute(planned.insert().values(**values))


def config(connection: sa.Connection, service: str) -> Service | None:
    """What was read last; None: nothing yet."""
    query = sa.select(planned.c.config).where(planned.c.service == service)
    text = connection.execute(query).scalar()
    return loads(text, Service) if text else None


def services(connection: sa.Connection) -> list[str]:
    """Every service that is known by a release or a plan, by name."""
    found = sa.union(sa.select(releases.c.service), sa.select(planned.c.service))
    return sorted(connection.execute(found).scalars())
