"""The tables. One database for Headway's state and the engine's journal, so that both commit
together. SQLite or Postgres; JSON is kept as text, times as Unix seconds.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

events = sa.Table(
    "headway_event",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("release", sa.Text, nullable=False, index=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("headway_event_by_service", "service", "seq"),
    sa.Index("headway_event_by_kind", "kind", "seq"),
    # with the kind, lest SQLite, which keeps no statistics, takes the index of kinds for these
    sa.Index("headway_event_by_delivery", "delivery", "kind", "seq"),
    sa.Index("headway_event_by_subject", "subject", "kind", "seq"),
)

deliveries = sa.Table(
    "headway_delivery",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("sha", sa.Text, nullable=False, index=True),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("release", sa.Text, nullable=False, index=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("requested_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float, nullable=False),
    sa.Index("ix_headway_delivery_service_id", "service", "id"),
    sa.Index("ix_headway_delivery_state_id", "state", "id"),
    sa.Index("ix_headway_delivery_outcome_id", "outcome", "id"),
)

releases = sa.Table(
    "headway_release",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("sha", sa.Text, nullable=False, index=True),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("config_digest", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.UniqueConstraint("service", "number"),
    sa.Index("ix_headway_release_created", "created_at", "name"),
    sa.Index("ix_headway_release_service_created", "service", "created_at", "name"),
)

# headway.yaml of services without a release, as their newest delivery read it
planned = sa.Table(
    "headway_planned_service",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("delivery", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

places = sa.Table(
    "headway_place",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("stable", sa.Text, nullable=False),
    sa.Column("candidate", sa.Text, nullable=False),
    sa.Column("rollout", sa.Text, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
)

rollouts = sa.Table(
    "headway_rollout",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("delivery", sa.Text, nullable=False, index=True),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("stable", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("judge", sa.Text, nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float, nullable=False),
    sa.Index("ix_headway_rollout_place_id", "service", "environment", "id"),
    sa.Index("ix_headway_rollout_outcome_id", "outcome", "id"),
    sa.Index("ix_headway_rollout_release", "release"),
    sa.Index("ix_headway_rollout_digest", "digest"),
)

windows = sa.Table(
    "headway_window",
    metadata,
    sa.Column("rollout", sa.Text, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("window", sa.Text, nullable=False),
    sa.Column("finding", sa.Text, nullable=False),
)

commands = sa.Table(
    "headway_command",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("delivery", sa.Text, nullable=False, index=True),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("taken", sa.Boolean, nullable=False),
)

approvals = sa.Table(
    "headway_approval",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

quarantines = sa.Table(
    "headway_quarantine",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("cleared_by", sa.Text, nullable=False),
    sa.Column("cleared_reason", sa.Text, nullable=False),
    sa.Column("cleared_at", sa.Float, nullable=False),
)

workers = sa.Table(
    "headway_worker",
    metadata,
    sa.Column("executor", sa.Text, primary_key=True),
    sa.Column("beat_at", sa.Float, nullable=False),
)

alerts = sa.Table(
    "headway_alert",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # the key while it is open, then nothing: never two open alerts of one trouble
    sa.Column("open_key", sa.Text, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("began", sa.Float, nullable=False, index=True),
    sa.Column("next_at", sa.Float, nullable=False, index=True),
    sa.Column("trouble", sa.Text, nullable=False),
)

alert_signals = sa.Table(
    "headway_alert_signal",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("release", sa.Text, primary_key=True),
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("seen", sa.Float, nullable=False),
)

suppressions = sa.Table(
    "headway_suppression",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, nullable=False, index=True),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("begins", sa.Float, nullable=False),
    sa.Column("ends", sa.Float, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("symptoms", sa.Integer, nullable=False),
    sa.Column("alerts", sa.Integer, nullable=False),
)

alert_messages = sa.Table(
    "headway_alert_message",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("alert", sa.Text, nullable=False, index=True),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("sent_at", sa.Float, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.UniqueConstraint("key", "channel"),
)

cursors = sa.Table(
    "headway_cursor",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
)

# what was counted for an SLO from `at` on, for `resolution` seconds
slis = sa.Table(
    "headway_sli",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("resolution", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("release", sa.Text, primary_key=True),
    sa.Column("good", sa.Double, nullable=False),
    sa.Column("total", sa.Double, nullable=False),
)

sli_readings = sa.Table(
    "headway_sli_reading",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("slo", sa.Text, primary_key=True),
    sa.Column("reading", sa.Text, nullable=False),
)

# own signals of a rollout: `readings` at the begin of the running window, `unheard`: without data
readings = sa.Table(
    "headway_reading",
    metadata,
    sa.Column("rollout", sa.Text, primary_key=True),
    sa.Column("readings", sa.Text, nullable=False),
    sa.Column("unheard", sa.Text, nullable=False),
)

# what a place's stable release was last seen to do (the judge's memory of it)
baselines = sa.Table(
    "headway_baseline",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("memory", sa.Text, nullable=False),
)

# what was told by a webhook, a push, a clock or a registry, and whether it was worked on
triggers = sa.Table(
    "headway_trigger",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hook", sa.Text, nullable=False),
    sa.Column("delivery", sa.Text, nullable=False),
    # of the body as it came; the same body under another id is a replay
    sa.Column("body", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("event", sa.LargeBinary, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False, index=True),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.UniqueConstraint("hook", "delivery"),
)

# `sha`: at which the forge shall show how the run goes
trigger_runs = sa.Table(
    "headway_trigger_run",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("trigger", sa.Text, nullable=False, index=True),
    sa.Column("hook", sa.Text, nullable=False),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("sha", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
)

# `seen`: every moment of the schedule up to then was dealt with
schedules = sa.Table(
    "headway_schedule",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("cron", sa.Text, primary_key=True),
    sa.Column("zone", sa.Text, primary_key=True),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("branch", sa.Text, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
)

polls = sa.Table(
    "headway_poll",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("refs", sa.Text, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)

# the newest status of a commit for a forge: `version` rises with every change, `sent` follows it
commit_statuses = sa.Table(
    "headway_commit_status",
    metadata,
    sa.Column("connection", sa.Text, primary_key=True),
    sa.Column("repo", sa.Text, primary_key=True),
    sa.Column("sha", sa.Text, primary_key=True),
    sa.Column("context", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("changed_at", sa.Float, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)

# runs that a server starts, each with its number among those of its workflow
runs = sa.Table(
    "headway_run",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("repo", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("made_at", sa.Float, nullable=False),
    sa.UniqueConstraint("repo", "workflow", "number"),
)

# what is said of the whole installation: `schema` (store/schema.py), `held` (store/installation.py)
installation = sa.Table(
    "headway_installation",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
