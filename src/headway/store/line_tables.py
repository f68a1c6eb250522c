"""The table of stops of the line; made with the others (store/database)."""

import sqlalchemy as sa

from headway.store.tables import metadata

stops = sa.Table(
    "headway_line_stop",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # the scope while it is stopped, then nothing: never two stops of one scope
    sa.Column("open_key", sa.Text, unique=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float, nullable=False),
    sa.Column("ended_by", sa.Text, nullable=False),
    sa.Column("ended_reason", sa.Text, nullable=False),
)

# everybody who asked for a stop that was in force already
again = sa.Table(
    "headway_line_again",
    metadata,
    sa.Column("stop", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
