"""How many alerts deployments cause, and which rules make the noise. Pure; asked by the CLI.

Too many alerts make people deaf: alerts per deployment is the figure to watch, and the review list
says where to begin.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

SHORT_SECONDS = 900.0
AFTER_SECONDS = 1800.0  # an alert so long after a deployment still belongs to it
MANY = 1.0  # alerts per deployment above this are worth a look


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert that people were told of. Times are Unix seconds; `resolved` 0: still open."""

    service: str
    environment: str
    rule: str
    severity: str
    began: float
    resolved: float
    symptoms: int
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Deployment:
    """One rollout; `finished` 0: it still runs."""

    service: str
    environment: str
    started: float
    finished: float


@dataclass(frozen=True, slots=True)
class Volume:
    """One service in one ISO week. `per_deployment` None: there was no deployment."""

    service: str
    week: str
    deployments: int
    alerts: int
    pages: int
    per_deployment: float | None


@dataclass(frozen=True, slots=True)
class Noisy:
    """One rule of one service. `during`: alerts that began while something was rolled out or soon
    after; `short`: over by themselves within 15 minutes; `unanswered`: never acknowledged.
    """

    service: str
    rule: str
    alerts: int
    symptoms: int
    during: int
    short: int
    unanswered: int
    advice: str


def volume(fired: Iterable[Fired], deployments: Iterable[Deployment]) -> list[Volume]:
    """Every service and week in which something happened, newest week first."""
    alerts: dict[tuple[str, str], list[Fired]] = defaultdict(list)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for one in fired:
        alerts[week(one.began), one.service].append(one)
    for deployment in deployments:
        counts[week(deployment.started), deployment.service] += 1
    rows = []
    for when, service in sorted({*alerts, *counts}, key=lambda k: (k[0], k[1]), reverse=True):
        mine, n = alerts[when, service], counts[when, service]
        pages = sum(a.severity == "page" for a in mine)
        rate = round(len(mine) / n, 2) if n else None
        rows.append(Volume(service, when, n, len(mine), pages, rate))
    return rows


def review(fired: Iterable[Fired], deployments: Sequence[Deployment]) -> list[Noisy]:
    """The rules that made most alerts first: what a team goes through once a week."""
    by_rule: dict[tuple[str, str], list[Fired]] = defaultdict(list)
    for one in fired:
        by_rule[one.service, one.rule].append(one)
    rows = [_noisy(key, mine, deployments) for key, mine in by_rule.items()]
    return sorted(rows, key=lambda r: (-r.alerts, -r.symptoms, r.service, r.rule))


def week(at: float) -> str:
    """`2026-W47` (ISO 8601), in UTC."""
    year, number, _ = datetime.fromtimestamp(at, UTC).isocalendar()
    return f"{year}-W{number:02d}"


def _noisy(key: tuple[str, str], mine: Sequence[Fired], deployments: Sequence[Deployment]) -> Noisy:
    service, rule = key
    during = sum(any(_belongs(a, d) for d in deployments) for a in mine)
    short = sum(bool(a.resolved) and a.resolved - a.began <= SHORT_SECONDS for a in mine)
    unanswered = sum(not a.acknowledged for a in mine)
    return Noisy(
        service,
        rule,
        len(mine),
        sum(a.symptoms for a in mine),
        during,
        short,
        unanswered,
        _advice(service, rule, len(mine), (during, short, unanswered)),
    )


def _belongs(alert: Fired, deployment: Deployment) -> bool:
    end = (deployment.finished + AFTER_SECONDS) if deployment.finished else float("inf")
    same = (alert.service, alert.environment) == (deployment.service, deployment.environment)
    return same and deployment.started <= alert.began <= end


def _advice(service: str, rule: str, alerts: int, counts: tuple[int, int, int]) -> str:
    during, short, unanswered = counts
    if alerts < 2:
        return "nothing to do"
    if during * 2 > alerts:
        return (
            f"most belong to deployments: headway alert suppress {service} --rule {rule} "
            "--for 1h while you deploy, or name it in a composite"
        )
    if short * 2 > alerts:
        return "most end by themselves: name it in a composite, or set a goal that fits"
    if unanswered == alerts:
        return "nobody ever acknowledges it: make it a ticket, or leave it out"
    return "look for the cause"
