"""The tables of test results: reports, tests, what each report said about each test, quarantines,
and the shards of a run. Used by store/tests.py, store/tests_held.py and store/views/tests.py.
"""

import sqlalchemy as sa

from headway.store.tables import metadata

# `fingerprint`: what was tested (commit and job); `infrastructure`: says nothing about single tests
reports = sa.Table(
    "headway_test_report",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("sha", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("infrastructure", sa.Boolean, nullable=False),
    sa.UniqueConstraint("service", "run", "job", "digest"),
    sa.Index("headway_test_report_of", "service", "fingerprint"),
)

# more of a report: of which branch it is, and which layer all of its tests are in ("": names tell)
abouts = sa.Table(
    "headway_test_about",
    metadata,
    sa.Column("report", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("size", sa.Text, nullable=False),
)

tests = sa.Table(
    "headway_test",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("suite", sa.Text, nullable=False),
    sa.Column("classname", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.UniqueConstraint("service", "suite", "classname", "name"),
)

results = sa.Table(
    "headway_test_result",
    metadata,
    sa.Column("report", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("test", sa.Integer, primary_key=True, autoincrement=False, index=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("passes", sa.Integer, nullable=False),
    sa.Column("skips", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)

# `runs`, `bad`: what it had done until then; `ended_at` 0: not lifted by a person
quarantines = sa.Table(
    "headway_test_quarantine",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("test", sa.Integer, nullable=False, index=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("runs", sa.Integer, nullable=False),
    sa.Column("bad", sa.Integer, nullable=False),
    sa.Column("ended_at", sa.Float, nullable=False),
    sa.Column("ended_by", sa.Text, nullable=False),
    sa.Column("ended_reason", sa.Text, nullable=False),
)

# the shards of a run, made once, so that every machine of the run has the same ones
shard_plans = sa.Table(
    "headway_test_shards",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("total", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("shards", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

# how much of a commit's code its tests ran: `glob` empty for all files, else a critical path
coverages = sa.Table(
    "headway_test_coverage",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("glob", sa.Text, primary_key=True),
    sa.Column("sha", sa.Text, nullable=False, index=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("lines_run", sa.Integer, nullable=False),
    sa.Column("branches", sa.Integer, nullable=False),
    sa.Column("branches_run", sa.Integer, nullable=False),
    sa.Column("least", sa.Float, nullable=True),
    sa.Column("at", sa.Float, nullable=False),
)
