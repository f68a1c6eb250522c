"""What a door says to people: an approval is asked for, somebody must start it, a budget keeps it
out. Told when that begins, not each time the door counts anew. Called by notice/reading.
"""

from collections.abc import Sequence
from dataclasses import replace

from headway.model.event import Event
from headway.notice.known import Known, Said, make
from headway.notice.subject import Notice

_TOPICS = {"approval": "approval", "auto": "waiting", "error_budget": "budget"}


def read(event: Event, earlier: Sequence[Event], known: Known) -> Notice | None:
    """What keeps it most now, unless that kept it before: people first, then the budget."""
    before, now = _first(_waiting(_last(event, earlier))), _first(_waiting(event))
    if not now or now == before or event.data.get("outcome") == "FAIL":
        return None
    return _notice(event, now, _waiting(event)[now], known)


def _first(waiting: dict[str, str]) -> str:
    return next((judge for judge in _TOPICS if judge in waiting), "")


def _notice(event: Event, judge: str, why: str, known: Known) -> Notice:
    topic = _TOPICS[judge]
    release, environment = event.release, event.environment
    if topic == "approval":
        return _approval(event, why, known)
    if topic == "waiting":
        next = f"headway release start {release} --env {environment}"
        said = Said(f"{release} waits for somebody to start it", _page(event), next=next)
    else:
        said = Said(
            f"{release} is kept out by the error budget",
            _page(event),
            why,
            f"headway slo show {event.service}",
        )
    return make(event, topic, known, said)


def _approval(event: Event, why: str, known: Known) -> Notice:
    policy = known.environment.approval if known.environment else None
    count = policy.count if policy else 1
    said = Said(
        f"{event.release} waits for {count} approval{'s' if count > 1 else ''}",
        "/approvals",
        f"{why} so far" if why else "",
        f'headway approve {event.release} --env {event.environment} --reason "…"',
        facts=(_others(event),),
    )
    return replace(make(event, "approval", known, said), asked=policy.by if policy else ())


def _others(event: Event) -> str:
    """What else the door waits for: whoever approves wants to know that it is not all."""
    waiting = [f"{judge} ({why})" for judge, why in _waiting(event).items() if judge != "approval"]
    return f"It also waits for {', '.join(waiting)}." if waiting else "Nothing else keeps it."


def _last(event: Event, earlier: Sequence[Event]) -> Event | None:
    here = [e for e in earlier if (e.kind, e.environment) == (event.kind, event.environment)]
    return here[-1] if here else None


def _waiting(event: Event | None) -> dict[str, str]:
    """Judge -> because, of those that say WAIT."""
    gates = event.data.get("gates") if event else None
    known = [g for g in gates if isinstance(g, dict)] if isinstance(gates, list) else []
    return {
        str(g.get("judge", "")): str(g.get("because", ""))
        for g in known
        if g.get("outcome") == "WAIT"
    }


def _page(event: Event) -> str:
    return f"/deliveries/{event.delivery}"
