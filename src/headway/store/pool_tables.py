"""The tables of pools: jobs that wait for a worker, who the workers are, and what both hand over.

No table holds a secret in plain: `sealed` opens with the key of the one worker that holds the job.
Used by store/pool_*.py.
"""

import sqlalchemy as sa

from headway.store.tables import metadata

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# limits of 0 mean none; `claims` counts what the pool's workers took
pools = sa.Table(
    "headway_pool",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("most", sa.Integer, nullable=False),
    sa.Column("most_repo", sa.Integer, nullable=False),
    sa.Column("most_environment", sa.Integer, nullable=False),
    sa.Column("claims", sa.BigInteger, nullable=False),
)

# `claims` of the pool when a repository or run was served last
turns = sa.Table(
    "headway_pool_turn",
    metadata,
    sa.Column("pool", sa.Text, primary_key=True),
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("turn", sa.BigInteger, nullable=False),
)

# `lease`: seconds without a beat after which its jobs are given to others
workers = sa.Table(
    "headway_pool_worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("pool", sa.Text, nullable=False, index=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("places", sa.Integer, nullable=False),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("lease", sa.Float, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("beat_at", sa.Float, nullable=False),
)

# `home`: whose run it is; `source`: the commit to be there; `shipped`: log to bytes handed over
jobs = sa.Table(
    "headway_pool_job",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("pool", sa.Text, nullable=False, index=True),
    sa.Column("home", sa.Text, nullable=False, index=True),
    sa.Column("run", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Column("order", sa.LargeBinary, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("secret", sa.Boolean, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("worker", sa.Text, nullable=False, index=True),
    sa.Column("claimed_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("shipped", sa.Text, nullable=False),
    sa.Column("result", sa.LargeBinary, nullable=False),
)

# what a job has said since the server last looked, in order
pieces = sa.Table(
    "headway_pool_piece",
    metadata,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("job", sa.Text, nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

# the commits that are there for workers: a pack with all that `base` does not have; `meta`: JSON
sources = sa.Table(
    "headway_pool_source",
    metadata,
    sa.Column("repo", sa.Text, primary_key=True),
    sa.Column("sha", sa.Text, primary_key=True),
    sa.Column("base", sa.Text, nullable=False),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("meta", sa.Text, nullable=False),
    sa.Column("used_at", sa.Float, nullable=False),
)

blobs = sa.Table(
    "headway_pool_blob",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("used_at", sa.Float, nullable=False),
)

# `at`: when it was written; chunks of a part that became no blob are dropped after a while
chunks = sa.Table(
    "headway_pool_chunk",
    metadata,
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

# names are bytes, because they may be any text; `id`: hash of scope and name
names = sa.Table(
    "headway_pool_name",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("scope", sa.LargeBinary, nullable=False, index=True),
    sa.Column("name", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
)
