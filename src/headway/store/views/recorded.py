"""What a service's past holds: the windows of its rollouts as they were judged, and its newest
configuration. Called by `headway judge selftest` and `headway rollout suggest`.
"""

import sqlalchemy as sa

from headway.model.service import Service
from headway.model.window import Window
from headway.store import records, rollouts
from headway.store.records import loads
from headway.store.tables import releases
from headway.store.tables import rollouts as table


def windows(
    connection: sa.Connection, service: str, environment: str, most: int = 20
) -> list[list[Window]]:
    """Those of the newest `most` rollouts there that had a stable release, newest first; rollouts
    without any window are left out.
    """
    query = (
        sa.select(table.c.id)
        .where(
            table.c.service == service,
            table.c.environment == environment,
            table.c.stable != "",
        )
        .order_by(table.c.id.desc())
        .limit(most)
    )
    found = [
        [loads(w, Window) for w, _ in rollouts.all_windows(connection, id)]
        for id in list(connection.execute(query).scalars())
    ]
    return [each for each in found if each]


def newest_config(connection: sa.Connection, service: str) -> Service | None:
    """The service as its newest release has it; None without any release."""
    query = sa.select(releases.c.name).where(releases.c.service == service)
    newest: str | None = connection.execute(query.order_by(releases.c.number.desc())).scalar()
    return records.release(connection, newest).config if newest else None
