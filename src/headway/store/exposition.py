"""What Headway knows, as Prometheus' text format 0.0.4 (prometheus.io/docs, exposition formats).

For `GET /metrics` (api/metrics.py). Times are in seconds there, whatever they are kept in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import sqlalchemy as sa

from headway import typed
from headway.analysis.judge import Finding
from headway.store.samples import Samples
from headway.store.tables import deliveries, rollouts

FRESH_SECONDS = 30.0
_NOTHING = -1e8  # below this there was nothing to weigh
_MILLISECONDS = "headway_request_duration_milliseconds_bucket"

_HELP = {
    "headway_requests_total": "Answers given to users, by release.",
    "headway_request_errors_total": "Answers with status 5xx among them.",
    "headway_request_duration_seconds": "Latency of answers, by release; the sum is not known.",
    "headway_attempts_total": "Attempts at an instance, retried ones too.",
    "headway_attempt_errors_total": "Attempts at an instance that failed.",
    "headway_instance_cpu_seconds_total": "Processor time of an instance's processes.",
    "headway_instance_memory_bytes": "Resident memory of an instance's processes.",
    "headway_instance_restarts_total": "How often an instance began again.",
    "headway_instances_ready": "Instances that are ready, by release.",
    "headway_instance_cpu_usage": "Processors in use by an instance between two measurements.",
    "headway_cpu_seconds_per_request": "Processor time per request between two measurements.",
}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples: (suffix, labels, value)."""

    name: str
    type: str
    help: str
    samples: list[tuple[str, dict[str, str], float]]


def text(families: Iterable[Family]) -> str:
    """The page."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(family.help)}\n"
    yield f"# TYPE {family.name} {family.type}\n"
    for suffix, labels, value in family.samples:
        told = ",".join(f'{k}="{_quoted(v)}"' for k, v in labels.items())
        yield f"{family.name}{suffix}{{{told}}} {value!r}\n"


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(words: str) -> str:
    return _escaped(words).replace('"', '\\"')


def families(connection: sa.Connection, samples: Samples, now: float) -> Iterator[Family]:
    """Everything: Headway itself, its rollouts, and what it measures."""
    build = [("", {"version": version("headway")}, 1.0)]
    yield Family("headway_build_info", "gauge", "The version that runs.", build)
    yield from _deliveries(connection)
    yield from _rollouts(connection)
    yield _dropped(samples)
    yield from _measured(samples, now)


def _deliveries(connection: sa.Connection) -> Iterator[Family]:
    count = sa.func.count()
    ended = sa.select(deliveries.c.service, deliveries.c.outcome, count)
    ended = ended.where(deliveries.c.state == "done")
    ended = ended.group_by(deliveries.c.service, deliveries.c.outcome)
    rows: list[tuple[str, dict[str, str], float]] = [
        ("", {"service": s, "outcome": o}, float(n)) for s, o, n in connection.execute(ended)
    ]
    yield Family("headway_deliveries_total", "counter", "Deliveries that ended.", rows)
    running = sa.select(count).where(deliveries.c.state != "done")
    value = float(connection.execute(running).scalar() or 0)
    yield Family("headway_deliveries_running", "gauge", "Deliveries under way.", [("", {}, value)])


def _rollouts(connection: sa.Connection) -> Iterator[Family]:
    """A rollout runs until its outcome is known."""
    query = sa.select(rollouts).where(rollouts.c.outcome == "").order_by(rollouts.c.id)
    rows = [
        ({"service": r.service, "environment": r.environment, "release": r.release}, r.verdict)
        for r in connection.execute(query)
    ]
    name, words = "headway_rollouts_running", "Rollouts that are not decided, by release."
    yield Family(name, "gauge", words, [("", labels, 1.0) for labels, _ in rows])
    found = [(labels, typed.loads(v, Finding)) for labels, v in rows if v]
    evidence = [("", w, f.log_evidence) for w, f in found if f.log_evidence > _NOTHING]
    name, words = "headway_judge_log_evidence", "Log of the evidence of harm against a release."
    yield Family(name, "gauge", words, evidence)
    words = "Where the log of the evidence rolls back."
    yield Family("headway_judge_boundary", "gauge", words, [("", w, f.boundary) for w, f in found])


def _dropped(samples: Samples) -> Family:
    rows: list[tuple[str, dict[str, str], float]] = [
        ("", {"service": one.service, "metric": one.metric, "why": why}, float(count))
        for one in samples.listing()
        for why, count in one.dropped.items()
    ]
    return Family("headway_samples_dropped_total", "counter", "Samples that were not kept.", rows)


def _measured(samples: Samples, now: float) -> Iterator[Family]:
    grouped: dict[str, list[tuple[dict[str, str], float]]] = {}
    for metric, labels, _, value in samples.latest(now - FRESH_SECONDS):
        grouped.setdefault(metric, []).append((labels, value))
    for name, words in _HELP.items():
        if name in grouped:
            kind = "counter" if name.endswith("_total") else "gauge"
            yield Family(name, kind, words, [("", w, v) for w, v in grouped[name]])
    name = "headway_request_duration_seconds"
    if _MILLISECONDS in grouped:
        yield Family(name, "histogram", _HELP[name], _histogram(grouped[_MILLISECONDS]))


def _histogram(
    found: list[tuple[dict[str, str], float]],
) -> list[tuple[str, dict[str, str], float]]:
    """Buckets in seconds, in order, release by release, each with its count."""
    whole: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for labels, value in found:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        whole.setdefault(key, []).append((float(labels["le"]) / 1000, value))
    rows: list[tuple[str, dict[str, str], float]] = []
    for key, buckets in whole.items():
        for le, value in sorted(buckets):
            rows.append(("_bucket", {**dict(key), "le": _bound(le)}, value))
        rows.append(("_count", dict(key), sorted(buckets)[-1][1]))
    return rows


def _bound(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else f"{seconds:g}"
