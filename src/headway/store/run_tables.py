"""The tables of runs beside their rows; made with the others (store/database)."""

import sqlalchemy as sa

from headway.store.tables import metadata

# runs of a server that wait without a place. `turn`: how often each has waited so; `queue`: whose
parked = sa.Table(
    "headway_parked",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("queue", sa.Text, nullable=False, index=True),
    sa.Column("told", sa.Boolean, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
)

# what `vars` is to runs; `scope`: "" for the home, `repo:ADDRESS`, `service:NAME`
variables = sa.Table(
    "headway_variable",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
