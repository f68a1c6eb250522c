"""Alerts for a Prometheus Alertmanager: POST /api/v2/alerts (its openapi.yaml).

Alertmanager knows an alert by its labels, so these are the same for every message of one alert,
but for `severity`: whatever is told, the other severity is ended. What is resolved gets an end;
what lasts gets one far away, because Alertmanager would end it by itself otherwise.
Called by flows/telling.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from headway.adapters.webhook.post import post
from headway.model.alert import Message
from headway.model.connection import Connection
from headway.ports.notifier import Notifier

LASTS_SECONDS = 7 * 86400.0
LABELS = ("service", "environment")
SEVERITIES = ("page", "ticket")


class AlertmanagerNotifier(Notifier):
    """One Alertmanager; the connection's URL is its root."""

    def __init__(self, _home: Path, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        """See Notifier. An acknowledgement is no news for an Alertmanager: nothing is sent."""
        found = body(message)
        if found:
            post(self._connection, msgspec.json.encode(found), path="/api/v2/alerts")


def body(message: Message) -> list[dict[str, object]]:
    """One alert for each severity that begins or ends with this message."""
    if not message.severity and not message.resolved:
        return []
    return [_alert(message, severity) for severity in SEVERITIES]


def _alert(message: Message, severity: str) -> dict[str, object]:
    lasts = severity == message.severity and not message.resolved
    labels = {"alertname": "Headway", "alert": message.thread, "severity": severity}
    labels |= {name: message.fields.get(name, "") for name in LABELS}
    annotations = {n: t for n, t in message.fields.items() if t and n not in LABELS}
    annotations |= {"summary": message.title, "description": message.text}
    ends = message.at + LASTS_SECONDS if lasts else message.at
    found: dict[str, object] = {
        "labels": {name: text for name, text in labels.items() if text},
        "annotations": annotations,
        "endsAt": _moment(ends),
    }
    return found | ({"startsAt": _moment(message.at)} if lasts else {})


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
