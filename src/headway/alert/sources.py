"""Which events of the log are symptoms, and which end them. Read in order by flows/alert_rounds.

A table from kinds to small functions: an event, and the earlier events of its delivery, give what
went wrong and what is over. Names of events are written by flows/; docs/reference/events.md lists
them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headway.model.alert import Symptom
from headway.model.event import Event

MOMENTARY = frozenset({"push_refused"})  # over as soon as they are told
_OF_RELEASES = frozenset(
    {
        "deploy_failed",
        "delivery_refused",
        "drift",
        "outage",
        "policy_broke",
        "quarantined",
        "rollback_failed",
        "rollout_failed",
        "rollout_held",
        "signature_refused",
    }
)


@dataclass(frozen=True, slots=True)
class End:
    """These rules are over in this service and environment: all of them, or those of one cause
    that a person (`by`) ended.
    """

    service: str
    environment: str
    rules: frozenset[str]
    cause: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What one event says. Symptoms come before ends, so that a momentary one is told at all."""

    symptoms: tuple[Symptom, ...] = ()
    ends: tuple[End, ...] = ()


NOTHING = Found()
Earlier = Sequence[Event]


def read(event: Event, earlier: Earlier) -> Found:
    """What the event means; NOTHING for most. `earlier`: the delivery's events before it."""
    rule = _TABLE.get(event.kind)
    return rule(event, earlier) if rule else NOTHING


def symptom(event: Event, rule: str, summary: str, cause: str = "") -> Symptom:
    """The symptom of an event, with what is known about it. Also for alert/slow."""
    known = {"delivery": event.delivery}
    if event.subject.startswith("rol_"):
        known["rollout"] = event.subject
    for name in ("step", "share"):
        if name in event.data:
            known[name] = str(event.data[name])
    known["stable"] = str(event.data.get("to", ""))
    labels = {name: text for name, text in known.items() if text}
    return Symptom(
        rule,
        event.service,
        event.environment,
        summary,
        event.at,
        release=event.release,
        cause=cause,
        labels=labels,
    )


def _why(event: Event) -> str:
    return str(event.data.get("because", "")) or "no reason given"


def _end(event: Event, *rules: str) -> tuple[End, ...]:
    return (End(event.service, event.environment, frozenset(rules)),)


def _rolled_back(event: Event, _earlier: Earlier) -> Found:
    exposed = int(str(event.data.get("step", 0))) >= 0
    rule = "rollout_failed" if exposed else "deploy_failed"
    back = f"back on {event.data.get('to')}" if event.data.get("to") else "nothing to go back to"
    summary = f"{event.release} was rolled back, {back}: {_why(event)}"
    return Found((symptom(event, rule, summary),), _end(event, "rollout_held"))


def _closed(event: Event, _earlier: Earlier) -> Found:
    summary = f"{event.release}, the first release here, failed: {_why(event)}"
    return Found((symptom(event, "deploy_failed", summary),), _end(event, "rollout_held"))


def _held(event: Event, _earlier: Earlier) -> Found:
    return Found((symptom(event, "rollout_held", f"{event.release} is held: {_why(event)}"),))


def _goes_on(event: Event, _earlier: Earlier) -> Found:
    return Found(ends=_end(event, "rollout_held"))


def _recovered(event: Event, _earlier: Earlier) -> Found:
    if event.data.get("outcome") == "PASS":
        return Found(ends=_end(event, "outage"))
    if event.data.get("outcome") != "FAIL":
        return NOTHING
    counts = f"{event.data.get('errors')} of {event.data.get('requests')} requests failed"
    summary = f"users still get errors on {event.data.get('stable')} after the rollback: {counts}"
    return Found((symptom(event, "outage", summary),))


def _finished(event: Event, earlier: Earlier) -> Found:
    kinds = {e.kind for e in earlier}
    outcome = str(event.data.get("outcome"))
    if outcome not in {"failed", "refused", "rolled_back"}:
        return NOTHING
    if "rollout.failed" in kinds and not kinds & {"rollout.rolled_back", "rollout.closed"}:
        said = f"the way back failed, {_left(event, earlier)}: {_why(event)}"
        return Found((symptom(event, "rollback_failed", said),))
    if not event.release:
        place = replace(event, environment="")
        return Found((symptom(place, "pipeline_failed", _why(event), "pipeline"),))
    if outcome == "refused" and event.data.get("code") != "approval":
        return Found((symptom(event, "delivery_refused", _why(event)),))
    if outcome == "failed" and not kinds & {"rollout.rolled_back", "rollout.closed"}:
        return Found((symptom(event, "deploy_failed", _why(event)),))
    return NOTHING


def _left(event: Event, earlier: Earlier) -> str:
    """Who had users when the way back was cut off: what the proxy confirmed last."""
    here = [e for e in earlier if e.environment == event.environment]
    steps = [e for e in here if e.kind == "rollout.shifted"]
    share = steps[-1].data.get("share") if steps else 0.0
    if not isinstance(share, int | float) or not share:
        return f"no user was on {event.release}"
    return f"{event.release} still gets {100 * share:.3g} % of users"


def _created(event: Event, _earlier: Earlier) -> Found:
    return Found(ends=(End(event.service, "", frozenset({"pipeline_failed"})),))


def _verified(event: Event, _earlier: Earlier) -> Found:
    if event.data.get("outcome") == "PASS":
        return Found(ends=_end(event, "signature_refused"))
    return Found((symptom(event, "signature_refused", f"not deployed: {_why(event)}"),))


def _gates(event: Event, _earlier: Earlier) -> Found:
    gates = event.data.get("gates")
    known = gates if isinstance(gates, list) else []
    said = [str(g.get("because", "")) for g in known if isinstance(g, dict)]
    broken = next((s for s in said if s.startswith("the policy broke")), "")
    if broken:
        return Found((symptom(event, "policy_broke", broken),))
    return Found(ends=_end(event, "policy_broke"))


def _quarantined(event: Event, _earlier: Earlier) -> Found:
    """By Headway itself; a person who goes back by hand knows it."""
    if "release" in event.data:
        return NOTHING
    summary = f"{event.release} is quarantined: {_why(event)}"
    return Found((symptom(event, "quarantined", summary),))


def _cleared(event: Event, _earlier: Earlier) -> Found:
    return Found(ends=_end(event, "quarantined"))


def _astray(event: Event, _earlier: Earlier) -> Found:
    return Found((symptom(event, "drift", f"could not be mended: {_why(event)}", "drift"),))


def _mended(event: Event, _earlier: Earlier) -> Found:
    """Told although it is over: somebody or something changed the place by hand."""
    told = symptom(event, "drift", f"was mended: {_why(event)}", "drift")
    return Found((told,), _end(event, "drift"))


def _released(event: Event, _earlier: Earlier) -> Found:
    return Found(ends=_end(event, *_OF_RELEASES))


def _push(event: Event, _earlier: Earlier) -> Found:
    told = symptom(event, "push_refused", _why(event), "push")
    return Found((told,), _end(event, *MOMENTARY))


def _webhook_fails(event: Event, _earlier: Earlier) -> Found:
    """What a person did to it is no trouble: it ends what is told of it."""
    if event.kind == "webhook.paused" and event.data.get("by") != "headway":
        return _webhook_over(event, _earlier)
    return Found((_webhook(event),))


def _webhook_over(event: Event, _earlier: Earlier) -> Found:
    return Found((replace(_webhook(event), over=True),))


def _webhook(event: Event) -> Symptom:
    summary = f"the webhook {event.data.get('name', '')}: {_why(event)}"
    return symptom(event, "webhook_failing", summary, event.subject)


def _line_stopped(event: Event, _earlier: Earlier) -> Found:
    return Found((symptom(event, "line_stopped", _why(event), event.subject),))


def _line_started(event: Event, _earlier: Earlier) -> Found:
    who = f"{event.data.get('by') or 'its time'}: {event.data.get('reason')}"
    rules = frozenset({"line_stopped"})
    return Found(ends=(End(event.service, event.environment, rules, event.subject, who),))


_TABLE: dict[str, Callable[[Event, Earlier], Found]] = {
    "rollout.rolled_back": _rolled_back,
    "rollout.closed": _closed,
    "rollout.held": _held,
    "rollout.resume": _goes_on,
    "rollout.promote": _goes_on,
    "rollout.approve": _goes_on,
    "rollout.abort": _goes_on,
    "rollout.shifted": _goes_on,
    "rollout.recovered": _recovered,
    "delivery.finished": _finished,
    "release.created": _created,
    "artifact.verified": _verified,
    "gates.judged": _gates,
    "artifact.quarantined": _quarantined,
    "quarantine.cleared": _cleared,
    "place.astray": _astray,
    "place.mended": _mended,
    "release.released": _released,
    "push.refused": _push,
    "webhook.failing": _webhook_fails,
    "webhook.gave_up": _webhook_fails,
    "webhook.paused": _webhook_fails,
    "webhook.recovered": _webhook_over,
    "webhook.resumed": _webhook_over,
    "webhook.deleted": _webhook_over,
    "line.stopped": _line_stopped,
    "line.started": _line_started,
}
KINDS = frozenset(_TABLE)
