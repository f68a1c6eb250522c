"""How much of what is going on or due: the figures beside the links of every page."""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.store.tables import deliveries, rollouts

OPEN = ("queued", "building", "delivering", "waiting", "held")
"""The states of a delivery that has not ended: found by their index, however many have ended."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Open deliveries, running rollouts, and deliveries that wait at a gate for somebody."""

    deliveries: int
    rollouts: int
    approvals: int


def read(connection: sa.Connection, services: frozenset[str] | None) -> Counts:
    """In these services; None: in all."""
    of = [] if services is None else [deliveries.c.service.in_(services)]
    query = sa.select(deliveries.c.state, sa.func.count()).where(deliveries.c.state.in_(OPEN), *of)
    rows = connection.execute(query.group_by(deliveries.c.state))
    states: dict[str, int] = {r[0]: r[1] for r in rows}
    running = sa.select(sa.func.count()).where(rollouts.c.outcome == "")
    if services is not None:
        running = running.where(rollouts.c.service.in_(services))
    return Counts(
        deliveries=sum(states.values()),
        rollouts=connection.execute(running).scalar_one(),
        approvals=states.get("waiting", 0),
    )
