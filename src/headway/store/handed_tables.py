"""The tables of artifacts that registries tell of; made with the others (store/database)."""

import sqlalchemy as sa

from headway.store.tables import metadata

# one row for each digest that a registry's push delivered: the same digest is delivered once
handed = sa.Table(
    "headway_handed",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("tag", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

# what a tag was last seen to mean, so that one that moves is told
tags = sa.Table(
    "headway_registry_tag",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("repository", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("moves", sa.Integer, nullable=False),
)
