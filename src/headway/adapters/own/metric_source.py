"""OwnSamples: what Headway measured itself or was sent (OTLP, statsd, imports). Built by wiring."""

from pathlib import Path

import sqlalchemy as sa

from headway.model.connection import Connection
from headway.model.errors import Unreachable
from headway.model.series import Selector, Series
from headway.ports.metric_source import MetricSource
from headway.store.samples import Samples, location


class OwnSamples(MetricSource):
    """`connection.url` is the database of a Headway on Postgres; empty: a file in the home."""

    def __init__(self, home: Path, connection: Connection) -> None:
        self._samples = Samples(location(home, connection.url or "sqlite"))

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        """See MetricSource."""
        try:
            return self._samples.fetch(selector, since, until)
        except sa.exc.DBAPIError as error:
            why = str(error.orig).strip().splitlines()[0]
            raise Unreachable("Headway's own samples cannot be read", why=why) from error
