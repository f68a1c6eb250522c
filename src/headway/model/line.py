"""The stopped line: one act that holds every rollout it covers, until somebody starts it again.

Who stopped it, why, since when; what it covers. Written by flows/line.py, asked at the door
(gate/line.py), by the rollout machine and by who shows it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from headway.model.service import Tier
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """What is stopped: all of the named at once; nothing named is everything."""

    service: str = ""
    environment: str = ""
    tier: Tier | str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """What is asked about: a service in an environment. An unknown tier counts as production."""

    service: str
    environment: str
    tier: Tier | str = "production"


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop in force. Times are Unix seconds; `until` 0: until somebody starts the line."""

    id: str
    scope: Scope
    by: str
    reason: str
    since: float
    until: float = 0.0


EVERYTHING = Scope()


def covers(scope: Scope, where: Where) -> bool:
    """Whether nothing may move there."""
    return (
        scope.service in {"", where.service}
        and scope.environment in {"", where.environment}
        and scope.tier in {"", where.tier or "production"}
    )


def first(stops: Iterable[Stop], where: Where) -> Stop | None:
    """The oldest stop that covers it; None: the line runs there."""
    found = (s for s in stops if covers(s.scope, where))
    return min(found, key=lambda s: (s.since, s.id), default=None)


def scope_words(scope: Scope) -> str:
    """`everything`, `shop`, `production`, `shop in production`, `every staging environment`."""
    if scope == EVERYTHING:
        return "everything"
    where = scope.environment or (f"every {scope.tier} environment" if scope.tier else "")
    return f"{scope.service} in {where}" if scope.service and where else scope.service or where


def because(stop: Stop) -> str:
    """The one sentence that says why nothing moves: what, by whom, since when, until when, why."""
    ends = f" until {utc(stop.until)}" if stop.until else ""
    what = scope_words(stop.scope)
    return f"the line is stopped for {what} by {stop.by} since {utc(stop.since)}{ends}: " + (
        stop.reason
    )


def utc(seconds: float) -> str:
    """A time for people, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
