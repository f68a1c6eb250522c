"""What alert/noise counts, read from the records. Used by cli/alert and cli/doctor."""

import sqlalchemy as sa

from headway.alert.noise import Deployment, Fired
from headway.store import alerts
from headway.store.tables import rollouts


def fired(connection: sa.Connection, since: float) -> list[Fired]:
    """Alerts that people were told of and that began since then."""
    return [
        Fired(
            t.alert.service,
            t.alert.environment,
            t.alert.rule,
            t.told_as,
            t.alert.began,
            t.alert.resolved,
            t.alert.count,
            t.alert.acknowledged > 0,
        )
        for t in alerts.since(connection, since)
        if t.told_as
    ]


def deployments(connection: sa.Connection, since: float) -> list[Deployment]:
    """Rollouts that started since then."""
    t = rollouts.c
    query = sa.select(t.service, t.environment, t.started_at, t.finished_at)
    return [Deployment(*r) for r in connection.execute(query.where(t.started_at >= since))]
