"""The tables of notifications; made with the others (store/database)."""

import sqlalchemy as sa

from headway.store.tables import metadata

# how a team or person is reached
parties = sa.Table(
    "headway_notice_party",
    metadata,
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("party", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

# `scope`: who, events, services and environments; one rule each
rules = sa.Table(
    "headway_notice_rule",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("who", sa.Text, nullable=False, index=True),
    sa.Column("scope", sa.Text, nullable=False, unique=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

# what a channel is told of an event, `due_at`; `message`: the key of the message that told it,
# empty while it waits. `why`: what kept it back.
told = sa.Table(
    "headway_notice",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False, index=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("notice", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("made_at", sa.Float, nullable=False, index=True),
    sa.Column("due_at", sa.Float, nullable=False, index=True),
    sa.Column("told_at", sa.Float, nullable=False),
    sa.Column("message", sa.Text, nullable=False, index=True),
    sa.UniqueConstraint("key", "channel"),
)
