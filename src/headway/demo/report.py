"""The demo's report: every number, from the event log and from what the users counted. Pure.

Nothing is taken from the demo's own doings, so the report can be checked against the database and
the users' file that it names. `document` is what `--report FILE` holds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headway.demo.course import Course
from headway.demo.samples import Samples


@dataclass(frozen=True, slots=True)
class Asked:
    """What the demo was told to do. `low_traffic`: so few users that nothing can be proven."""

    fault: str = "both"
    rate: float = 500.0
    seed: int = 1
    chaos: bool = False
    low_traffic: bool = False
    pace: str = "quick"


@dataclass(frozen=True, slots=True)
class Users:
    """Who met a version of the shop. Latencies are milliseconds at the client, from due time."""

    exposed: int = 0
    hurt: int = 0
    requests: int = 0
    faults: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One delivery.

    detect_seconds: the first user's answer from the candidate until the verdict FAIL; None without
    one. rollback_ms: that verdict until the proxy confirmed the way back. requests_total and
    requests_failed_by_delivery: all requests in its time (until it ended, the one before having
    ended), and those among them that got no answer or one the shop did not mark as its own fault.
    exposed_share: of all requests while it was a canary, those it served; 1 for a first release.
    """

    version: str
    commit: str
    digest: str
    release: str
    delivery: str
    rollout: str
    outcome: str
    detect_seconds: float | None
    rollback_ms: float | None
    requests_total: int
    requests_failed_by_delivery: int
    requests_served: int
    requests_faulty: int
    exposed_share: float | None
    users_exposed: int
    users_hurt: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    why: str
    recovery: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Strike:
    """A SIGKILL to the server. `after_seconds`: since the version met its first users."""

    version: str
    step: int
    share: float
    after_seconds: float
    down_seconds: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the demo itself contributes: how long it took, whom it struck, where things lie."""

    seconds: float
    strikes: tuple[Strike, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


def deliveries(
    courses: Mapping[str, Course], samples: Samples, users: Mapping[str, Any]
) -> list[DeliveryReport]:
    """In the order of the versions; each one's time begins where the former's ended."""
    told, began = [], 0.0
    for number, (version, course) in enumerate(courses.items()):
        last = number == len(courses) - 1
        end = math.inf if last or not course.finished_at else course.finished_at
        seen = _users(users, version)
        told.append(_delivery(version, course, seen, _Time(samples, began, end, users)))
        began = end
    return told


@dataclass(frozen=True, slots=True)
class _Time:
    """The time that one delivery answers for."""

    samples: Samples
    began: float
    end: float
    users: Mapping[str, Any]

    @property
    def requests(self) -> int:
        """All requests in it."""
        return self.samples.requests(self.end) - self.samples.requests(self.began)

    @property
    def lost(self) -> int:
        """Those that got no good answer."""
        return self.samples.lost(self.end) - (self.samples.lost(self.began) if self.began else 0)


def _delivery(version: str, course: Course, seen: Users, time: _Time) -> DeliveryReport:
    return DeliveryReport(
        version=version,
        commit=course.commit,
        digest=course.digest,
        release=course.release,
        delivery=course.delivery,
        rollout=course.rollout,
        outcome=course.outcome,
        detect_seconds=_detected(version, course, time.users),
        rollback_ms=_milliseconds(course),
        requests_total=time.requests,
        requests_failed_by_delivery=time.lost,
        requests_served=seen.requests,
        requests_faulty=seen.faults,
        exposed_share=_share(version, course, time.samples),
        users_exposed=seen.exposed,
        users_hurt=seen.hurt,
        p50_ms=seen.p50_ms,
        p95_ms=seen.p95_ms,
        p99_ms=seen.p99_ms,
        why=course.why,
        recovery=course.recovery,
        seconds=_span(course.requested_at, course.finished_at),
    )


def _users(users: Mapping[str, Any], version: str) -> Users:
    counts = users.get("versions", {}).get(version)
    if counts is None:
        return Users()
    times = {name: counts[name] for name in ("p50_ms", "p95_ms", "p99_ms")}
    people, hurt = counts["users"], counts["users_hurt"]
    return Users(people, hurt, counts["requests"], counts["shop_fault"], **times)


def _detected(version: str, course: Course, users: Mapping[str, Any]) -> float | None:
    """None if it did not fail, or failed before any user met it."""
    first: float | None = users.get("versions", {}).get(version, {}).get("first_seen")
    if not course.verdict_at or first is None:
        return None
    return round(course.verdict_at - first, 2)


def _milliseconds(course: Course) -> float | None:
    if not course.verdict_at or course.outcome != "rolled_back":
        return None
    return round(1000.0 * (course.back_at - course.verdict_at), 1)


def _share(version: str, course: Course, samples: Samples) -> float | None:
    if course.first:
        return 1.0 if course.exposed_at else None
    ends = [at for at in (course.whole_at, course.back_at) if at]
    if not course.exposed_at:
        return 0.0 if course.finished_at else None
    end = min(ends) if ends else math.inf
    asked = samples.requests(end) - samples.requests(course.exposed_at)
    served = samples.served(version, end) - samples.served(version, course.exposed_at)
    return round(served / asked, 4) if asked else None


def _span(began: float, ended: float) -> float | None:
    return round(ended - began, 1) if began and ended else None


def summary(
    asked: Asked, told: Told, reports: Sequence[DeliveryReport], users: Mapping[str, Any]
) -> dict[str, object]:
    """The whole in numbers. Rates are requests per second while there were users."""
    total, seconds = users.get("total", {}), users.get("seconds", 0.0)
    answered = total.get("ok", 0) + total.get("shop_fault", 0)
    return {
        "seconds": round(told.seconds, 1),
        "fault": asked.fault,
        "seed": asked.seed,
        "pace": asked.pace,
        "low_traffic": asked.low_traffic,
        "rate_asked": asked.rate,
        "rate_offered": round(users.get("offered", 0) / seconds, 1) if seconds else 0.0,
        "rate_answered": round(answered / seconds, 1) if seconds else 0.0,
        "requests": total.get("requests", 0),
        "lost": total.get("lost", 0),
        "lost_by_reason": users.get("lost_by_reason", {}),
        "shop_faults": total.get("shop_fault", 0),
        "users_seconds": round(seconds, 1),
        "client_latency_ms": {d.version: _latency(d) for d in reports},
        "client_cpu_share": users.get("cpu", {}).get("share"),
        "client_latest_ms": users.get("latest_ms"),
        "chaos": asked.chaos,
        "server_kills": [_fields(strike) for strike in told.strikes],
    }


def _latency(report: DeliveryReport) -> dict[str, float | None]:
    return {"p50": report.p50_ms, "p95": report.p95_ms, "p99": report.p99_ms}


def _fields(strike: Strike) -> dict[str, object]:
    return {name: getattr(strike, name) for name in strike.__slots__}


def done_after_verdict(courses: Mapping[str, Course]) -> dict[str, object]:
    """From the verdict FAIL until the delivery was over (users back, checked, cleaned up)."""
    found = sorted(
        c.finished_at - c.verdict_at for c in courses.values() if c.verdict_at and c.finished_at
    )
    p95 = round(found[math.ceil(0.95 * len(found)) - 1], 2) if found else None
    return {"p95_seconds": p95, "rollbacks": len(found)}
