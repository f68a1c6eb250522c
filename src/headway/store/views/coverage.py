"""What is measured of every place, and what is not: blind spots. For `headway metric list`."""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.model.series import Selector
from headway.store import records
from headway.store.samples import Samples
from headway.store.tables import places

FRESH_SECONDS = 60.0
# what is known of a place -> the metric that tells it
_KNOWN = {
    "traffic": "headway_requests_total",
    "saturation": "headway_instance_memory_bytes",
}


@dataclass(frozen=True, slots=True)
class Coverage:
    """One place. `known`: what there are fresh samples of; `blind`: what there should be, too."""

    service: str
    environment: str
    release: str
    known: tuple[str, ...]
    blind: tuple[str, ...]


def coverage(connection: sa.Connection, samples: Samples, now: float) -> list[Coverage]:
    """Every place with a release in charge."""
    query = sa.select(places.c.service, places.c.environment, places.c.stable)
    query = query.where(places.c.stable != "").order_by(places.c.service, places.c.environment)
    return [_place(connection, samples, now, *row) for row in connection.execute(query)]


def _place(  # noqa: PLR0913
    connection: sa.Connection, samples: Samples, now: float, service: str, environment: str,
    release: str,
) -> Coverage:  # fmt: skip
    wanted = dict(_KNOWN)
    config = records.release(connection, release).config.environment(environment)
    for signal in config.analysis.signals:
        if signal.source == "headway":
            wanted[f"signal {signal.name}"] = signal.metric
    where = {"service": service, "environment": environment}
    known = {
        what
        for what, metric in wanted.items()
        if any(
            s.labels.get("environment", environment) == environment
            for s in samples.fetch(Selector(metric, {"service": service}), now - FRESH_SECONDS, now)
        )
    }
    blind = tuple(what for what in wanted if what not in known)
    return Coverage(**where, release=release, known=tuple(sorted(known)), blind=blind)
