"""An alert as a message: what a person reads in a channel. Called by flows/alerting."""

from headway.alert.state import Tell, Trouble
from headway.model.alert import Message

_HEADS = {
    "fired": "",
    "escalated": "NOT ACKNOWLEDGED: ",
    "reminded": "STILL OPEN: ",
    "resolved": "RESOLVED: ",
    "acknowledged": "ACKNOWLEDGED: ",
}
MOST, LAST = 400, 120


def message(trouble: Trouble, tell: Tell, now: float, reason: str = "") -> Message:
    """The message for one tell; its key is that of the event. `reason`: as a person gave it."""
    alert = trouble.alert
    service = alert.service or "all services"
    where = f"{service}/{alert.environment}" if alert.environment else service
    urgency = "PAGE " if alert.severity == "page" and tell.what != "resolved" else ""
    notice = tell.what in {"resolved", "acknowledged"}
    return Message(
        key=f"{alert.id}/{tell.number}/{tell.what}",
        thread=alert.id,
        title=_short(f"{_HEADS[tell.what]}{urgency}{where}: {alert.summary}"),
        text=_text(trouble, tell, reason),
        severity="" if notice else alert.severity,
        resolved=tell.what == "resolved",
        at=now,
        fields={
            "alert": alert.id,
            "rule": alert.rule,
            "service": alert.service,
            "environment": alert.environment,
            "count": str(alert.count),
            **alert.links,
        },
    )


def _text(trouble: Trouble, tell: Tell, reason: str) -> str:
    alert = trouble.alert
    why = f": {_short(reason)}" if reason else "."
    lines = [f"{m.rule} ({m.count}x): {_short(m.summary)}" for m in trouble.members]
    if tell.what == "acknowledged":
        lines.insert(0, f"{alert.by} takes care of it{why}")
    if tell.what == "resolved":
        said = alert.by and not trouble.over
        lines.insert(
            0, f"{alert.by} says that it is over{why}" if said else "It is over by itself."
        )
    elif tell.what != "acknowledged":
        lines.append(f"headway alert ack {alert.id}")
    return "\n".join(lines)


def _short(text: str) -> str:
    """On one line, with its end if it is long: the last line of a log says what went wrong."""
    flat = " ".join(text.split())
    if len(flat) <= MOST:
        return flat
    return f"{flat[: MOST - LAST - 3]} … {flat[-LAST:]}"
