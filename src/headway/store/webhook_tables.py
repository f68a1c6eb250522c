"""The tables of webhooks that go out: who subscribed, and what was sent or is to be sent.

No table holds a secret (store/webhook_secrets). Used by store/webhooks and
store/webhook_deliveries.
"""

import sqlalchemy as sa

from headway.store.tables import metadata

subscriptions = sa.Table(
    "headway_webhook",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("events", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("allow_private", sa.Boolean, nullable=False),
    sa.Column("home", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("changes", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failing_since", sa.Float, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("delivered_at", sa.Float, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False),
)

# the event is in the log: `seq`; `part`: which of its CloudEvents; `aside`: others go first;
# `first_at`: when it was tried first, `done_at`: when it was taken or given up
deliveries = sa.Table(
    "headway_webhook_delivery",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("webhook", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("aside", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("first_at", sa.Float, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("done_at", sa.Float, nullable=False),
    sa.Index("ix_headway_webhook_delivery_order", "webhook", "state", "aside", "seq", "part"),
    sa.Index("ix_headway_webhook_delivery_done", "state", "done_at"),
)
