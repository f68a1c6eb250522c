"""What the passing of time brings that people want to know of: an exception ends soon, a budget is
low. Each becomes an event, once; flows/notify_rounds tells it. Called by upkeep, once a minute.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import sqlalchemy as sa

from headway.flows import alert_links
from headway.flows.goals import watched
from headway.model.event import Fact
from headway.model.job_settings import Waiver
from headway.model.service import Slo
from headway.notice import ahead
from headway.slo.budget import budget
from headway.slo.windows import nominal_seconds
from headway.store import decisions, slis
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.slis import Goal
from headway.store.tables import events, releases

SECONDS = 60.0
News = list[tuple[About, Fact]]


def news(connection: sa.Connection, now: float) -> News:
    """Facts that are not in the log yet."""
    return [*_waivers(connection, now), *_budgets(connection, now)]


def tell(tx: Tx, found: News) -> None:
    """Write them; what was written meanwhile changes nothing."""
    for about, fact in found:
        append(tx, about, fact)


def _waivers(connection: sa.Connection, now: float) -> Iterator[tuple[About, Fact]]:
    today = datetime.fromtimestamp(now, UTC).date()
    for service in connection.execute(sa.select(releases.c.service).distinct()).scalars().all():
        config = alert_links.config(connection, service, "")
        jobs = config.jobs.values() if config else ()
        kept = {w for job in jobs if job.findings for w in job.findings.waivers}
        for waiver in sorted(kept, key=lambda w: (w.expires, w.rule, w.at)):
            fact = _expiring(service, waiver, today)
            if fact and not _is_known(connection, fact):
                yield About(service=service), fact


def _expiring(service: str, waiver: Waiver, today: date) -> Fact | None:
    ends = date.fromisoformat(waiver.expires)
    stage = ahead.stage((ends - today).days)
    if stage is None:
        return None
    data: dict[str, object] = {
        "rule": waiver.rule,
        "at": waiver.at,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "expires": waiver.expires,
        "days": (ends - today).days,
    }
    subject = f"waiver:{service}/{waiver.rule}@{waiver.at}"
    return Fact("waiver.expiring", subject, ends.toordinal() * 10 + stage, data)


def _is_known(connection: sa.Connection, fact: Fact) -> bool:
    id = f"{fact.subject}/{fact.generation}/{fact.kind}"
    return connection.execute(sa.select(events.c.seq).where(events.c.id == id)).first() is not None


def _budgets(connection: sa.Connection, now: float) -> Iterator[tuple[About, Fact]]:
    for one in watched(connection):
        for slo in one.slos:
            fact = _budget(connection, one.goal(slo), slo, now)
            if fact:
                place = one.place
                yield About("", place.service, place.environment, place.stable), fact


def _budget(connection: sa.Connection, goal: Goal, slo: Slo, now: float) -> Fact | None:
    """Low or restored, if that is not what was said last. Without data nothing is said."""
    found = budget(slo.target, slis.in_window(connection, goal, slo, now), nominal_seconds(slo))
    if found.left is None or found.thin:
        return None
    subject = f"{goal.service}/{goal.environment}/{goal.slo}"
    lows = decisions.count(connection, subject, "slo.low")
    restored = decisions.count(connection, subject, "slo.restored")
    kind = ahead.budget(found.left, was_low=lows > restored)
    if not kind:
        return None
    data: dict[str, object] = {
        "slo": goal.slo,
        "left": round(found.left, 4),
        "target": slo.target,
        "bad": found.bad,
        "allowed": round(found.allowed, 3),
    }
    return Fact(kind, subject, restored if kind == "slo.restored" else lows, data)
