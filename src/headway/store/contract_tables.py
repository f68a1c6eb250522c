"""The tables of consumers' contracts. Used by store/contracts.py.

A contract's text is kept once by its digest; versions of a consumer point to it. Consumers that
Headway does not deliver themselves are told of: which version of them is in which environment.
"""

import sqlalchemy as sa

from headway.store.tables import metadata

texts = sa.Table(
    "headway_contract_text",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

contracts = sa.Table(
    "headway_contract",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("consumer", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False, index=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("interactions", sa.Integer, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.UniqueConstraint("consumer", "version", "provider"),
)

# what somebody said of consumers that are not delivered by this Headway
present = sa.Table(
    "headway_contract_present",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
