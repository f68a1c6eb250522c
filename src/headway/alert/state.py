"""The life of an alert: symptoms come and go, and `settle` says what is to be told now.

firing -> acknowledged -> resolved, and suppressed while nothing of it may be told: a window covers
it, or it has not lasted long enough. Everything is a function of the record and the time, so
that a crash between two looks changes nothing. Called by flows/alerting, in one transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from headway.model.alert import Alert, AlertState, Severity, Symptom
from headway.model.service import AlertPolicy

FLAP_SECONDS = 300.0
REMIND_SECONDS = 4 * 3600.0
NEVER = 1e18
What = Literal["fired", "escalated", "reminded", "suppressed", "resolved", "acknowledged"]


@dataclass(frozen=True, slots=True)
class Member:
    """Symptoms of one rule and cause in an alert. `over`: when they ended; 0 while they last."""

    rule: str
    severity: Severity
    summary: str
    began: float
    seen: float
    confirm_seconds: float = 0.0
    count: int = 1
    over: float = 0.0
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Quiet:
    """A suppression window. Empty `environment` or `rule`: every one. Times are Unix seconds."""

    id: str
    service: str
    environment: str
    rule: str
    begins: float
    ends: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """An alert and what its life depends on. `told_as`: the urgency at which people were told;
    `over`: since when nothing of it lasts; `window`: the id of what suppresses it; `tells` counts
    what was told.
    """

    alert: Alert
    members: tuple[Member, ...]
    told_as: Severity | Literal[""] = ""
    over: float = 0.0
    window: str = ""
    reminded: float = 0.0
    tells: int = 0


@dataclass(frozen=True, slots=True)
class Tell:
    """Something that people must be told; `number` is unique within the alert."""

    what: What
    number: int


def key(symptom: Symptom) -> str:
    """Symptoms of one service and environment belong together by their cause, else by release."""
    by = f"cause:{symptom.cause}" if symptom.cause else f"release:{symptom.release}"
    return f"{symptom.service}/{symptom.environment}/{by}"


def has(trouble: Trouble, symptom: Symptom) -> bool:
    """Whether the alert knows this very symptom: its rule and its cause."""
    return any((m.rule, m.cause) == (symptom.rule, symptom.cause) for m in trouble.members)


def covers(window: Quiet, alert: Alert, rule: str, now: float) -> bool:
    """Whether the window suppresses the rule for this service and environment now."""
    return (
        window.begins <= now < window.ends
        and window.service == alert.service
        and window.environment in {"", alert.environment}
        and window.rule in {"", rule}
    )


def begin(id: str, symptom: Symptom, member: Member) -> Trouble:
    """An alert that nobody has been told of yet."""
    alert = Alert(
        id=id,
        key=key(symptom),
        severity=member.severity,
        state="suppressed",
        rule=symptom.rule,
        service=symptom.service,
        environment=symptom.environment,
        release=symptom.release,
        cause=symptom.cause,
        summary=symptom.summary,
        began=member.began,
        seen=member.seen,
        labels=dict(symptom.labels),
    )
    return Trouble(alert, (member,))


def join(trouble: Trouble, symptom: Symptom, member: Member) -> Trouble:
    """One more symptom of the same trouble. One that came back lasts anew."""
    alert = trouble.alert
    same = (member.rule, member.cause)
    known = next((m for m in trouble.members if (m.rule, m.cause) == same), None)
    if known:
        since = member.began if known.over else known.began
        member = replace(member, began=since, count=known.count + 1)
    others = tuple(m for m in trouble.members if (m.rule, m.cause) != same)
    alert = replace(
        alert,
        seen=max(alert.seen, member.seen),
        count=alert.count + 1,
        release=alert.release or symptom.release,
        labels=alert.labels | symptom.labels,
    )
    return replace(trouble, alert=alert, members=(*others, member))


def ended(trouble: Trouble, rules: Iterable[str], now: float, cause: str | None = None) -> Trouble:
    """The symptoms of these rules are over: those of the cause, or of every one."""
    gone = set(rules)
    members = tuple(
        replace(m, over=now) if m.rule in gone and cause in {None, m.cause} and not m.over else m
        for m in trouble.members
    )
    return replace(trouble, members=members)


def settle(
    trouble: Trouble, windows: Iterable[Quiet], policy: AlertPolicy, now: float
) -> tuple[Trouble, tuple[Tell, ...]]:
    """What the alert is now, and what must be told. Asked again it tells nothing again."""
    if trouble.alert.state == "resolved":
        return trouble, ()
    lasting = [m for m in trouble.members if not m.over]
    if not lasting:
        return _fade(trouble, now)
    loud, window = _loud(trouble.alert, lasting, tuple(windows), now)
    trouble = replace(trouble, over=0.0)
    if not loud:
        return _hush(trouble, window)
    return _speak(replace(trouble, window=""), loud, policy, now)


def acknowledge(trouble: Trouble, by: str, now: float) -> tuple[Trouble, tuple[Tell, ...]]:
    """Somebody takes care of it: no escalation, no reminders. Twice changes nothing."""
    if trouble.alert.state == "resolved" or trouble.alert.acknowledged:
        return trouble, ()
    state = "acknowledged" if trouble.alert.state == "firing" else trouble.alert.state
    alert = replace(trouble.alert, state=state, acknowledged=now, by=by)
    return _told(replace(trouble, alert=alert), "acknowledged")


def resolve(trouble: Trouble, now: float, by: str = "") -> tuple[Trouble, tuple[Tell, ...]]:
    """It is over: by itself, or because a person says so. Twice changes nothing."""
    if trouble.alert.state == "resolved":
        return trouble, ()
    alert = replace(trouble.alert, state="resolved", resolved=now, by=by or trouble.alert.by)
    return _told(replace(trouble, alert=alert), "resolved")


def wake_at(trouble: Trouble, windows: Iterable[Quiet], policy: AlertPolicy, now: float) -> float:
    """When `settle` may say something new if nothing happens until then; NEVER if it will not."""
    alert = trouble.alert
    if alert.state == "resolved":
        return NEVER
    if trouble.over:
        return trouble.over + FLAP_SECONDS
    times = [m.began + m.confirm_seconds for m in trouble.members if not m.over]
    times += [t for w in windows for t in (w.begins, w.ends)]
    if alert.state == "firing" and trouble.told_as == "page":
        times.append(trouble.reminded + REMIND_SECONDS)
        if policy.escalate_to and not alert.escalated:
            times.append(alert.told + policy.escalate_after_seconds)
    return min((t for t in times if t > now), default=NEVER)


def _fade(trouble: Trouble, now: float) -> tuple[Trouble, tuple[Tell, ...]]:
    """Nothing of it lasts: resolved, unless it comes back soon."""
    since = max(m.over for m in trouble.members)
    trouble = replace(trouble, over=since)
    return resolve(trouble, now) if now - since >= FLAP_SECONDS else (trouble, ())


def _loud(
    alert: Alert, lasting: list[Member], windows: tuple[Quiet, ...], now: float
) -> tuple[list[Member], str]:
    """What may be told, and what suppresses the rest."""
    loud, window = [], "unconfirmed"
    for member in lasting:
        covering = next((w for w in windows if covers(w, alert, member.rule, now)), None)
        if covering:
            window = covering.id
        elif now - member.began >= member.confirm_seconds:
            loud.append(member)
    return loud, window


def _hush(trouble: Trouble, window: str) -> tuple[Trouble, tuple[Tell, ...]]:
    news = trouble.window != window
    alert = replace(trouble.alert, state="suppressed")
    trouble = replace(trouble, alert=alert, window=window)
    return _told(trouble, "suppressed") if news else (trouble, ())


def _speak(
    trouble: Trouble, loud: list[Member], policy: AlertPolicy, now: float
) -> tuple[Trouble, tuple[Tell, ...]]:
    """Fire, once for each urgency; else escalate or remind when it is time."""
    head = next((m for m in loud if m.severity == "page"), loud[0])
    if not trouble.told_as or (trouble.told_as, head.severity) == ("ticket", "page"):
        return _fire(trouble, head, now)
    state: AlertState = "acknowledged" if trouble.alert.acknowledged else "firing"
    trouble = replace(trouble, alert=replace(trouble.alert, state=state))
    alert = trouble.alert
    if state == "acknowledged" or trouble.told_as != "page":
        return trouble, ()
    due = now - alert.told >= policy.escalate_after_seconds
    if policy.escalate_to and not alert.escalated and due:
        return _told(replace(trouble, alert=replace(alert, escalated=now)), "escalated")
    if now - trouble.reminded >= REMIND_SECONDS:
        return _told(replace(trouble, reminded=now), "reminded")
    return trouble, ()


def _fire(trouble: Trouble, head: Member, now: float) -> tuple[Trouble, tuple[Tell, ...]]:
    """What was acknowledged as a ticket must be acknowledged anew as a page."""
    raised = bool(trouble.told_as)
    alert = replace(
        trouble.alert,
        state="acknowledged" if trouble.alert.acknowledged and not raised else "firing",
        severity=head.severity,
        rule=head.rule,
        summary=head.summary,
        told=now,
        acknowledged=0.0 if raised else trouble.alert.acknowledged,
    )
    told = replace(trouble, alert=alert, told_as=head.severity, reminded=now)
    return _told(told, "fired")


def _told(trouble: Trouble, what: What) -> tuple[Trouble, tuple[Tell, ...]]:
    number = trouble.tells + 1
    return replace(trouble, tells=number), (Tell(what, number),)
