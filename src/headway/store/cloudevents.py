"""Headway's events as CloudEvents 1.0 in JSON form (github.com/cloudevents/spec, v1.0.2).

Pure. What the HTTP API lists, streams and sends. For CDEvents see store/cdevents.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from headway.model.event import Event
from headway.store.views.moments import at

SOURCE = "/headway"
MEDIA_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """`type` is `dev.headway.KIND`; `sequence` (an extension, as are the four names after it) is
    the event's number in the log, a text as the extension has it. `data`: the fact itself.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    sequence: str
    delivery: str
    service: str
    environment: str
    release: str
    data: dict[str, object]


def cloud_event(event: Event, source: str = SOURCE) -> CloudEvent:
    """One event."""
    return CloudEvent(
        specversion="1.0",
        id=event.id,
        source=source,
        type=f"dev.headway.{event.kind.partition(':')[0]}",
        subject=event.subject,
        time=at(event.at),
        datacontenttype="application/json",
        sequence=str(event.seq),
        delivery=event.delivery,
        service=event.service,
        environment=event.environment,
        release=event.release,
        data=event.data,
    )


def envelope(event: Event, source: str) -> dict[str, Any]:
    """The event as JSON in structured mode; attributes that say nothing are left out, because the
    specification has none that are empty.
    """
    whole: dict[str, Any] = msgspec.to_builtins(cloud_event(event, source))
    return {name: value for name, value in whole.items() if value != ""}
