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
