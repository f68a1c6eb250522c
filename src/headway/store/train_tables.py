"""The tables of release trains; made with the others (store/database)."""

import sqlalchemy as sa

from headway.store.tables import metadata

# `id`: `weekly/production`; schedule, zone and order as the newest release at its door says them
trains = sa.Table(
    "headway_train",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("schedule", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("sequence", sa.Text, nullable=False),
    sa.Column("held", sa.Text, nullable=False),
)

passengers = sa.Table(
    "headway_passenger",
    metadata,
    sa.Column("delivery", sa.Text, primary_key=True),
    sa.Column("train", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("ready", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("departure", sa.Text, nullable=False),
    sa.Column("seat", sa.Integer, nullable=False),
)

# `at`: the moment of the schedule, 0 for one that a person let go
departures = sa.Table(
    "headway_departure",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("train", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("left_at", sa.Float, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
