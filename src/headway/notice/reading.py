"""Which events are notices, and what they say: what happened, why, what is next, who did it.

A table from kinds to small functions; an event, and the earlier events of its delivery, give a
notice or none. A state that lasts (an approval is waited for, a door says why) is told when it
begins. Called by flows/notify_rounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from headway.model.event import Event
from headway.notice import doors
from headway.notice.known import Known, Said, because, make, number
from headway.notice.subject import Notice
from headway.wording.text import percent, span

Earlier = Sequence[Event]
_BACK = frozenset({"rollout.rolled_back", "rollout.closed"})


def read(event: Event, earlier: Earlier, known: Known) -> Notice | None:
    """What people may be told of the event; None for most. `earlier`: its delivery's events."""
    found = _TABLE.get(event.kind)
    return found(event, earlier, known) if found else None


def _rollout(event: Event) -> str:
    return f"/rollouts/{event.subject}" if event.subject.startswith("rol_") else _delivery(event)


def _delivery(event: Event) -> str:
    return f"/deliveries/{event.delivery}" if event.delivery else f"/services/{event.service}"


def _started(event: Event, _earlier: Earlier, known: Known) -> Notice | None:
    """Promoted is who comes from an environment before."""
    if event.environment not in known.path[1:]:
        return None
    before = known.path[known.path.index(event.environment) - 1]
    title = f"{event.release} was promoted from {before}, the same digest"
    strategy = str(event.data.get("strategy", ""))
    facts = (f"It starts as {strategy} beside {event.data.get('stable') or 'nothing'}.",)
    return make(event, "promoted", known, Said(title, _rollout(event), facts=facts))


def _released(event: Event, _earlier: Earlier, known: Known) -> Notice:
    title = f"{event.release} is released, {span(number(event, 'seconds'))} after its start"
    said = Said(title, f"/releases/{event.release}", because(event))
    return _with(make(event, "released", known, said), result="released")


def _rolled_back(event: Event, _earlier: Earlier, known: Known) -> Notice:
    to, share = str(event.data.get("to", "")), number(event, "share")
    reached = bool(event.data.get("exposed")) and share > 0
    title = f"{event.release} was rolled back; {to} serves everyone"
    took = span(number(event, "milliseconds") / 1000)
    users = f"{percent(share)} of users had it" if reached else "No user had it"
    since = span(number(event, "seconds_since_start"))
    facts = (f"{users}; decided {since} after its start, the way back took {took}.",)
    said = Said(title, _rollout(event), because(event), _mend(event), facts=facts)
    return _with(make(event, "rolled_back", known, said), result="rolled_back", to=to)


def _closed(event: Event, _earlier: Earlier, known: Known) -> Notice:
    title = f"{event.release}, the first release here, failed; nothing serves"
    said = Said(title, _rollout(event), because(event), _mend(event))
    return _with(make(event, "rolled_back", known, said), result="failed")


def _mend(event: Event) -> str:
    return (
        f"the digest is refused in {event.environment} from now on; push a fix, or "
        f"headway trace {event.release}"
    )


def _recovered(event: Event, _earlier: Earlier, known: Known) -> Notice | None:
    if event.data.get("outcome") != "FAIL":
        return None
    stable = event.data.get("stable")
    counts = f"{number(event, 'errors'):g} of {number(event, 'requests'):g} requests"
    title = f"users still get errors on {stable} after the rollback: {counts}"
    return make(event, "outage", known, Said(title, _rollout(event), next="headway status"))


def _finished(event: Event, earlier: Earlier, known: Known) -> Notice | None:
    """A way back was told when it was taken; one that was cut off is urgent."""
    kinds = {e.kind for e in earlier}
    outcome, back = str(event.data.get("outcome")), bool(kinds & _BACK)
    if outcome not in {"failed", "refused", "rolled_back"} or (back and outcome != "refused"):
        return None
    what = event.release or f"commit {known.sha[:12] or event.delivery}"
    said = Said(f"{what} was refused", _delivery(event), because(event), _look(event))
    if "rollout.failed" in kinds and not back:
        said = replace(said, title=f"{what} failed and the way back did not take hold")
        return _with(make(event, "failed", known, said, "page"), result=outcome)
    if outcome == "failed":
        where = "" if event.release else ": no release was made"
        said = replace(said, title=f"{what} failed{where}")
    return _with(make(event, "failed", known, said), result=outcome)


def _look(event: Event) -> str:
    return f"headway delivery show {event.delivery}"


def _held(event: Event, _earlier: Earlier, known: Known) -> Notice:
    step = number(event, "step") + 1
    title = f"{event.release} is held at step {step:g} and waits for a person"
    outlook = str(event.data.get("outlook", ""))
    name = f"{event.service}/{event.environment}"
    said = Said(
        title,
        _rollout(event),
        because(event),
        f"headway rollout promote {name} or abort {name}, with --reason",
        facts=(f"Outlook: {outlook}",) if outlook else (),
    )
    return make(event, "held", known, said)


def _paused(event: Event, _earlier: Earlier, known: Known) -> Notice:
    who = str(event.data.get("by", ""))
    name = f"{event.service}/{event.environment}"
    said = Said(
        f"the rollout of {event.release} is paused",
        _delivery(event),
        because(event),
        f"headway rollout resume {name} --reason TEXT",
        who,
    )
    return make(event, "paused", known, said)


def _resumed(event: Event, _earlier: Earlier, known: Known) -> Notice:
    verb = event.kind.rpartition(".")[2]
    what = {"resume": "resumed", "promote": "moved on", "approve": "let on"}[verb]
    who = str(event.data.get("by", ""))
    title = f"the rollout of {event.release} was {what} by {who}"
    return make(event, "resumed", known, Said(title, _delivery(event), because(event), who=who))


def _decided(event: Event, _earlier: Earlier, known: Known) -> Notice:
    who = str(event.data.get("by", ""))
    what = "approved" if event.data.get("approved") else "rejected"
    said = Said(f"{who} {what} {event.release}", _delivery(event), because(event), who=who)
    return make(event, "decided", known, said)


def _burning(event: Event, _earlier: Earlier, known: Known) -> Notice:
    rate, slo = number(event, "burn_rate"), event.data.get("slo")
    title = f"the error budget of {slo} burns {rate:.3g} times too fast"
    why = (
        f"more than {number(event, 'factor'):g} times over {event.data.get('window')} "
        f"({event.data.get('condition')})"
    )
    said = Said(title, f"/services/{event.service}", why, f"headway slo show {event.service}")
    return make(event, "budget", known, said, "page" if _pages(event) else "ticket")


def _pages(event: Event) -> bool:
    return event.data.get("severity") == "page"


def _low(event: Event, _earlier: Earlier, known: Known) -> Notice:
    slo, left = event.data.get("slo"), number(event, "left")
    title = f"{percent(left)} of the error budget of {slo} is left"
    if left <= 0:
        title = f"the error budget of {slo} is used up"
    why = f"{number(event, 'bad'):g} of {number(event, 'allowed'):g} allowed failures"
    said = Said(title, f"/services/{event.service}", why, f"headway slo show {event.service}")
    return make(event, "budget", known, said)


def _expiring(event: Event, _earlier: Earlier, known: Known) -> Notice:
    data = event.data
    days = number(event, "days")
    when = f"in {days:g} days" if days > 1 else "tomorrow" if days else "today"
    where = f" at {data.get('at')}" if data.get("at") else ""
    said = Said(
        f"the waiver of {data.get('rule')}{where} ends {when}, on {data.get('expires')}",
        f"/services/{event.service}",
        str(data.get("reason", "")),
        "findings of the rule block again from then on: mend them, or decide anew",
        str(data.get("owner", "")),
    )
    return make(event, "expiring", known, said)


def _line(event: Event, _earlier: Earlier, known: Known) -> Notice | None:
    """A stop that was said again is no news. One who starts it is not asked to act: no ticket."""
    stopped, scope = event.kind == "line.stopped", event.data.get("scope")
    if event.data.get("again"):
        return None
    who = str(event.data.get("by", "")) or "the clock: its time had passed"
    said = Said(
        f"the line is {'stopped' if stopped else 'started again'} for {scope}",
        "/line",
        str(event.data.get("reason", "")),
        f"headway line start, after a look at why; {scope} waits" if stopped else "",
        who,
    )
    made = make(event, "line", known, said, None if stopped else "info")
    return replace(made, wide=True, about=f"line:{event.kind}:{scope}")


def _with(notice: Notice, **fields: str) -> Notice:
    return replace(notice, fields=notice.fields | fields)


_TABLE: dict[str, Callable[[Event, Earlier, Known], Notice | None]] = {
    "gates.judged": doors.read,
    "approval.decided": _decided,
    "rollout.started": _started,
    "rollout.held": _held,
    "rollout.pause": _paused,
    "rollout.resume": _resumed,
    "rollout.promote": _resumed,
    "rollout.approve": _resumed,
    "rollout.rolled_back": _rolled_back,
    "rollout.closed": _closed,
    "rollout.recovered": _recovered,
    "release.released": _released,
    "delivery.finished": _finished,
    "slo.burning": _burning,
    "slo.low": _low,
    "waiver.expiring": _expiring,
    "line.stopped": _line,
    "line.started": _line,
}
KINDS = frozenset(_TABLE)
