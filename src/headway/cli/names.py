"""Live names for shell completion. A shell asks at each Tab: anything wrong is no names."""

import os
from collections.abc import Callable

import click
import sqlalchemy as sa

from headway.cli.context import Context
from headway.model.errors import HeadwayError
from headway.store.tables import alerts as alert_table
from headway.store.tables import deliveries as delivery_table
from headway.store.tables import places as place_table
from headway.store.tables import releases as release_table
from headway.store.tables import rollouts as rollout_table

MOST = 200
Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _complete(column: "sa.ColumnElement[str]") -> Complete:
    def names(ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
        context = ctx.find_object(Context) or Context()
        context.home = ctx.params.get("home") or context.home or os.environ.get("HEADWAY_HOME")
        query = sa.select(column).where(column.startswith(typed, autoescape=True)).distinct()
        try:
            with context.reading() as connection:
                found = connection.execute(query.order_by(column.desc()).limit(MOST)).scalars()
                return [str(name) for name in found]
        except (HeadwayError, sa.exc.SQLAlchemyError, OSError):
            return []

    return names


services = _complete(place_table.c.service)
environments = _complete(place_table.c.environment)
releases = _complete(release_table.c.name)
digests = _complete(release_table.c.digest)
deliveries = _complete(delivery_table.c.id)
rollouts = _complete(rollout_table.c.id)
alerts = _complete(alert_table.c.id)
