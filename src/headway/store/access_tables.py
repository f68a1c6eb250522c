"""The tables of who may what: accounts, teams, grants, sessions, tokens, tries to log in.

No secret is stored: passwords as argon2id, everything else that proves who somebody is as SHA-256
of 256 random bits. Times are Unix seconds, 0: never.
"""

import sqlalchemy as sa

from headway.store.tables import metadata

# `issuer`, `subject`: who it is at an OpenID provider
accounts = sa.Table(
    "headway_account",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("disabled_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
)

teams = sa.Table(
    "headway_team",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("made_at", sa.Double, nullable=False),
)

# `source`: the connection whose claims put it there; empty: an administrator
members = sa.Table(
    "headway_team_member",
    metadata,
    sa.Column("team", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
)

# `holder_kind`: account or team; `source` as above
grants = sa.Table(
    "headway_grant",
    metadata,
    sa.Column("holder_kind", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
)

sessions = sa.Table(
    "headway_session",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False, index=True),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
)

# `allows`: words of access/scope, one space between
tokens = sa.Table(
    "headway_token",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("account", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("allows", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double, nullable=False),
)

# links that work once: the first administrator's
welcomes = sa.Table(
    "headway_welcome",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("expires_at", sa.Double, nullable=False),
)

# `key`: an address, a name, both, or a pair that has logged in before
tries = sa.Table(
    "headway_login_try",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

# logins at an OpenID provider that have begun; `nonce` and `verifier` are worth nothing alone
ways = sa.Table(
    "headway_login_way",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("browser", sa.Text, nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),
    sa.Column("verifier", sa.Text, nullable=False),
    sa.Column("wanted", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
