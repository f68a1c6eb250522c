"""Counts what users got: in all, per version of the shop, and per second. Called by `open_loop`.

Latency is kept in fixed buckets, each 5 % wider than the one before, so that a percentile is off
by at most 5 % and memory does not grow with the load.
"""

import math
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["ok", "shop_fault", "lost"]
BOUNDS_MS = tuple(0.1 * 1.05**n for n in range(250))
SECONDS_KEPT = 10
LOSSES_KEPT = 50
NO_VERSION = "none"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request ended. `at` is Unix time, `seconds` runs from when it was due.

    `reason` of a loss: status, reset, closed, timeout, refused, connect, malformed, no_connection.
    """

    kind: Kind
    at: float
    seconds: float
    user: int
    request: int
    version: str | None = None
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class Group:
    """Counts of requests that ended, and their latencies."""

    counts: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)
    most_ms: float = 0.0

    def add(self, kind: Kind, bucket: int, ms: float) -> None:
        """One more request."""
        self.counts[kind] += 1
        self.buckets[bucket] += 1
        self.most_ms = max(self.most_ms, ms)

    def percentile(self, share: float) -> float | None:
        """The bucket bound in ms that `share` of the requests did not exceed; None without any."""
        left = math.ceil(share * self.buckets.total())
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                bound = BOUNDS_MS[bucket] if bucket < len(BOUNDS_MS) else self.most_ms
                return round(min(bound, self.most_ms), 3)
        return None

    def as_json(self) -> dict[str, object]:
        """Requests, their kinds, and percentiles in ms."""
        kinds = {kind: self.counts[kind] for kind in ("ok", "shop_fault", "lost")}
        points = {f"p{round(q * 100)}_ms": self.percentile(q) for q in (0.5, 0.95, 0.99)}
        return {
            "requests": self.counts.total(),
            **kinds,
            **points,
            "max_ms": round(self.most_ms, 3),
        }


@dataclass(slots=True)
class Version:
    """One version of the shop as its users met it. Times are Unix time in seconds."""

    first_seen: float
    last_seen: float = 0.0
    group: Group = field(default_factory=Group)
    users: set[int] = field(default_factory=set)
    hurt: set[int] = field(default_factory=set)

    def as_json(self) -> dict[str, object]:
        """The counts, when it was seen, and how many users met it and were hurt by it."""
        people = {"users": len(self.users), "users_hurt": len(self.hurt)}
        seen = {"first_seen": self.first_seen, "last_seen": self.last_seen}
        return {**self.group.as_json(), **seen, **people}


@dataclass(slots=True)
class Second:
    """What ended within one second of Unix time."""

    second: int
    total: Group = field(default_factory=Group)
    versions: dict[str, Group] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The second, its counts, and those of each version."""
        versions = {name: group.as_json() for name, group in sorted(self.versions.items())}
        return {"second": self.second, **self.total.as_json(), "versions": versions}


@dataclass(slots=True)
class Tally:
    """Everything counted so far."""

    total: Group = field(default_factory=Group)
    versions: dict[str, Version] = field(default_factory=dict)
    seconds: deque[Second] = field(default_factory=lambda: deque(maxlen=SECONDS_KEPT))
    losses: list[Outcome] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """One more request ended."""
        ms = outcome.seconds * 1000.0
        bucket = bisect_left(BOUNDS_MS, ms)
        name = outcome.version or NO_VERSION
        second = self._second(int(outcome.at))
        version = self._version(name, outcome)
        part = second.versions.setdefault(name, Group())
        for group in (self.total, version.group, second.total, part):
            group.add(outcome.kind, bucket, ms)
        if outcome.kind == "lost":
            self._lose(outcome)

    def _second(self, at: int) -> Second:
        if not self.seconds or self.seconds[-1].second < at:
            self.seconds.append(Second(at))
        return self.seconds[-1]

    def _version(self, name: str, outcome: Outcome) -> Version:
        version = self.versions.get(name)
        if version is None:
            version = self.versions[name] = Version(outcome.at)
        version.last_seen = outcome.at
        version.users.add(outcome.user)
        if outcome.kind != "ok":
            version.hurt.add(outcome.user)
        return version

    def _lose(self, outcome: Outcome) -> None:
        self.reasons[outcome.reason] += 1
        if len(self.losses) < LOSSES_KEPT:
            self.losses.append(outcome)

    def as_json(self) -> dict[str, object]:
        """Cumulative totals, versions, the last seconds and the first losses."""
        return {
            "total": self.total.as_json(),
            "versions": {name: v.as_json() for name, v in sorted(self.versions.items())},
            "last_seconds": [second.as_json() for second in self.seconds],
            "lost_by_reason": dict(sorted(self.reasons.items())),
            "losses": [_loss(each) for each in self.losses],
        }


def _loss(outcome: Outcome) -> dict[str, object]:
    return {
        "at": outcome.at,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "version": outcome.version,
        "request": outcome.request,
        "seconds": round(outcome.seconds, 6),
    }
