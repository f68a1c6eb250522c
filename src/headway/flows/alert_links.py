"""What a person needs beside an alert: release, commit, owner, runbook, changelog, next command.

From Headway's own records, so that nothing outside is asked in a transaction. Called by
flows/alerting.
"""

import sqlalchemy as sa

from headway.model.alert import Alert
from headway.model.delivery import Release
from headway.model.errors import Invalid
from headway.model.service import AlertPolicy, Service
from headway.store import planned, records
from headway.store.tables import deliveries, releases

MOST_COMMITS = 10


def config(connection: sa.Connection, service: str, environment: str) -> Service | None:
    """Whose words count: the release in charge there, so that a bad release cannot silence what is
    told of it; else the newest release; of a service without any what its newest delivery has read.
    None: nothing of it could be read yet.
    """
    query = sa.select(releases.c.name).where(releases.c.service == service)
    name = (
        records.place(connection, service, environment).stable
        or connection.execute(query.order_by(releases.c.number.desc()).limit(1)).scalar()
    )
    if not name:
        return planned.config(connection, service)
    return records.release(connection, name).config


def policy(connection: sa.Connection, known: Service | None, service: str) -> AlertPolicy:
    """Who is told. What is about no service in particular is told wherever a service is told."""
    if known is not None or service:
        return known.alerts if known else AlertPolicy()
    names = planned.services(connection)
    found = [c.alerts for n in names if (c := config(connection, n, "")) is not None]
    page = dict.fromkeys(channel for p in found for channel in p.page)
    ticket = dict.fromkeys(c for p in found for c in (p.ticket or p.page))
    return AlertPolicy(tuple(page), tuple(ticket))


def links(connection: sa.Connection, alert: Alert, known: Service | None) -> dict[str, str]:
    """Name -> text or address; only what is known. Commit subjects are hostile text."""
    found = {
        "owner": known.owner or "" if known else "",
        "runbook": known.alerts.runbook if known else "",
        "rollout": alert.labels.get("rollout", ""),
        "step": _step(alert.labels),
        **_release(connection, alert, known),
    }
    return {name: text for name, text in found.items() if text}


def _step(labels: dict[str, str]) -> str:
    if "step" not in labels:
        return ""
    try:
        share = f", {100 * float(labels['share']):.3g} % of traffic"
    except (KeyError, ValueError):
        share = ""
    return f"step {labels['step']}{share}"


def _release(connection: sa.Connection, alert: Alert, known: Service | None) -> dict[str, str]:
    place = records.place(connection, alert.service, alert.environment)
    name = alert.release or place.candidate or place.stable
    try:
        release = records.release(connection, name)
    except Invalid:
        return _unreleased(connection, alert)
    subject = records.delivery(connection, release.delivery).subject
    written = known.alerts.changelog if known else ""
    before = alert.labels.get("stable", "") or place.stable
    return {
        "release": release.name,
        "commit": f"{release.sha} {subject}",
        "changelog": written,
        "changes": _changes(connection, release, before),
        "trace": f"headway trace {release.name}",
    }


def _unreleased(connection: sa.Connection, alert: Alert) -> dict[str, str]:
    """A delivery that came to no release."""
    id = alert.labels.get("delivery", "")
    try:
        delivery = records.delivery(connection, id)
    except Invalid:
        return {}
    return {
        "commit": f"{delivery.sha} {delivery.subject}",
        "trace": f"headway trace {delivery.sha}",
    }


def _changes(connection: sa.Connection, release: Release, before: str) -> str:
    """The range of commits since the release before, and those of them that were released."""
    try:
        stable = records.release(connection, before)
    except Invalid:
        return ""
    if stable.number >= release.number:
        return ""
    query = (
        sa.select(releases.c.sha, deliveries.c.subject)
        .join(deliveries, deliveries.c.id == releases.c.delivery)
        .where(
            releases.c.service == release.service,
            releases.c.number > stable.number,
            releases.c.number <= release.number,
        )
        .order_by(releases.c.number.desc())
        .limit(MOST_COMMITS)
    )
    commits = [f"{sha[:7]} {subject}" for sha, subject in connection.execute(query)]
    return f"{stable.sha[:12]}..{release.sha[:12]}: " + "; ".join(commits)
