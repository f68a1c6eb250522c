"""The tables of Headway's own samples. A file of their own beside the journal's on SQLite, because
they are written every few seconds; the same database on Postgres. Used by store/samples.py.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

# `family`: the labels without `le`, since a histogram is one label set for the budget.
series = sa.Table(
    "headway_series",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("labels", sa.Text, nullable=False),
    sa.Column("family", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    sa.UniqueConstraint("metric", "labels"),
)

raw = sa.Table(
    "headway_sample",
    metadata,
    sa.Column("series", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Float, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

# One row a minute. `at`, `last`: its last sample; `value`: a counter without its resets, or the
# mean of a gauge.
rollups = sa.Table(
    "headway_rollup",
    metadata,
    sa.Column("series", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Float, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("last", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

dropped = sa.Table(
    "headway_sample_dropped",
    metadata,
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("why", sa.Text, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

settings = sa.Table(
    "headway_sample_setting",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
