"""What stands beside a notice in the records: its commit, and alerts that tell the same.

Called by flows/notify_rounds, after the alerts have read the event.
"""

import sqlalchemy as sa

from headway.alert import routes
from headway.alert.state import Trouble
from headway.flows import alert_links
from headway.model.errors import Invalid
from headway.model.event import Event
from headway.model.service import AlertPolicy
from headway.notice.known import Known
from headway.notice.subject import Notice
from headway.store import alerts, log, records
from headway.store.tables import events

# topic -> rules of alerts that tell the same
SAME = {
    "rolled_back": ("rollout_failed", "deploy_failed", "canary_failed_with_slo_breach"),
    "failed": ("pipeline_failed", "delivery_refused", "deploy_failed", "rollback_failed"),
    "held": ("rollout_held",),
    "outage": ("outage",),
    "budget": ("slo_burn",),
    "line": ("line_stopped",),
}


def known(connection: sa.Connection, event: Event) -> Known:
    """The commit, and the environment as its release describes it; empty what is not known."""
    try:
        delivery = records.delivery(connection, event.delivery)
        commit = Known(delivery.sha, delivery.subject, delivery.author)
        if not event.release:
            return commit
        config = records.release(connection, event.release).config
    except Invalid:
        return Known()
    here = next((e for e in config.environments if e.name == event.environment), None)
    path = tuple(e.name for e in config.environments)
    return Known(commit.sha, commit.subject, commit.author, path, here)


def alerted(connection: sa.Connection, event: Event, notice: Notice) -> dict[str, str]:
    """Channels that need not be told, and why: an alert of the same has told them, or would have
    but for a window that keeps it from people. What only joined an alert that was told before is
    not among them: nobody read it.
    """
    rules = SAME.get(notice.topic, ())
    if not rules:
        return {}
    found: dict[str, str] = {}
    for trouble in alerts.open_at(connection, event.service):
        if _is_of(trouble, event, rules) and trouble.window.startswith("sup_"):
            found |= _suppressed(connection, trouble)
    for alert in _fired(connection, event):
        channels = alert.data.get("channels")
        if _names(rules, str(alert.data.get("rule"))) and isinstance(channels, list):
            why = f"the alert {alert.subject} tells this channel"
            found |= {str(c): why for c in channels}
    return found


def _fired(connection: sa.Connection, event: Event) -> list[Event]:
    """Alerts told of the event's delivery since; of a line those of this very stop, and its end.
    Of anything else those of the same moment, because who found it wrote both together.
    """
    t, line = events.c, event.kind.startswith("line.")
    kind = "alert.resolved" if event.kind == "line.started" else "alert.fired"
    query = sa.select(t.seq).where(t.kind == kind, t.service == event.service, t.at >= event.at)
    if not line:
        query = query.where(t.delivery == event.delivery if event.delivery else t.at == event.at)
    found = connection.execute(query.order_by(t.seq)).scalars().all()
    told = [alert for seq in found for alert in log.after(connection, seq - 1, limit=1)]
    key = f"{event.service}/{event.environment}/cause:{event.subject}"
    return [alert for alert in told if not line or alert.data.get("key") == key]


def _suppressed(connection: sa.Connection, trouble: Trouble) -> dict[str, str]:
    alert = trouble.alert
    config = alert_links.config(connection, alert.service, alert.environment)
    kept = routes.channels(config.alerts if config else AlertPolicy(), alert.severity)
    return dict.fromkeys(kept, f"the alert {alert.id} is suppressed")


def _is_of(trouble: Trouble, event: Event, rules: tuple[str, ...]) -> bool:
    same = event.release in {"", trouble.alert.release}
    return same and any(_names(rules, m.rule) for m in trouble.members)


def _names(rules: tuple[str, ...], rule: str) -> bool:
    return any(routes.matches(name, rule) for name in rules)
