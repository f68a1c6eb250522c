"""Each event as one plain line, for pipes, CI and logs. None: not worth a line of its own."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from headway.model.event import Event
from headway.wording.text import marked, percent, plain, short, span


def line(event: Event) -> str | None:
    """`14:03:07  production  ✓ released …`, or None."""
    told = sentence(event)
    if told is None:
        return None
    # Local time, because a person reads it.
    time = datetime.fromtimestamp(event.at).astimezone().strftime("%H:%M:%S")
    place = event.environment or "pipeline"
    return f"{time}  {plain(place, 40):<10}  {plain(told)}"


def sentence(event: Event) -> str | None:
    """What happened, in words."""
    tell = SENTENCES.get(event.kind.partition(":")[0])
    return tell(event, event.data) if tell else None


def audited(event: Event) -> str:
    """What happened, in words; also what is worth a line of the audit trail alone. "" for a kind
    without words.
    """
    tell = AUDITED.get(event.kind)
    return tell(event, event.data) if tell else sentence(event) or ""


Data = dict[str, Any]


def _requested(_event: Event, data: Data) -> str:
    ref = f" of {plain(data['ref'])}" if data["ref"] else ""
    return f"● requested by {plain(data['by'])}: commit {short(data['sha'])}{ref}"


def _run_requested(_event: Event, data: Data) -> str:
    whom = f" by {plain(data['by'])}" if data["by"] else ""
    what = plain(data["workflow"].rpartition("/")[2])
    return f"● run {data['number']} of {what} requested{whom}: {plain(data['event'])}"


def _run_refused(_event: Event, data: Data) -> str:
    return (
        f"✗ run of {plain(data['workflow'].rpartition('/')[2])} refused: {plain(data['because'])}"
    )


def _run_finished(_event: Event, data: Data) -> str:
    took = f" after {span(data['seconds'])}" if "seconds" in data else ""
    why = f": {plain(data['because'])}" if data["because"] else ""
    return f"{marked(data['outcome'])}: the run has ended{took}{why}"


def _cancel_requested(_event: Event, data: Data) -> str:
    more = ", also what always() keeps" if data["forced"] else ""
    return f"{plain(data['by'])} asks the run to end{more}: {plain(data['reason'])}"


def _pipeline(_event: Event, data: Data) -> str:
    return f"● {plain(data['subject'], 80)}: jobs {', '.join(data['jobs'])}"


def _job(_event: Event, data: Data) -> str:
    red = [s for s in data["steps"] if s["outcome"] not in {"success", "skipped"}]
    where = f", step {plain(red[0]['name'])}, exit {red[0]['exit']}" if red else ""
    return f"{marked(data['outcome'])}: job {data['job']} in {span(data['seconds'])}{where}"


def _packed(_event: Event, data: Data) -> str:
    return f"✓ artifact {data['digest']}, {data['size_bytes']:,} bytes, signed"


def _handed_over(_event: Event, data: Data) -> str:
    word = "ok" if data["outcome"] == "PASS" else "refused"
    return f"{marked(word)}: artifact handed over: {plain(data['because'])}"


def _verified(_event: Event, data: Data) -> str:
    word = "ok" if data["outcome"] == "PASS" else "refused"
    return f"{marked(word)}: artifact verified: {plain(data['because'])}"


def _quarantined(_event: Event, data: Data) -> str:
    return f"✗ {short(data['digest'])} is quarantined here: {plain(data['because'])}"


def _unheard(_event: Event, data: Data) -> str:
    told = "; ".join(f"{plain(name)}: {plain(why)}" for name, why in data["signals"].items())
    return f"◷ no data for {told}" if told else "● every signal has data again"


def _finished(_event: Event, data: Data) -> str:
    why = f": {plain(data['because'])}" if data["because"] else ""
    return f"{marked(data['outcome'])} after {span(data['seconds'])}{why}"


def _gates(_event: Event, data: Data) -> str:
    word = {"PASS": "ok", "WAIT": "waiting"}.get(data["outcome"], "refused")
    if word == "ok":
        gates = ", ".join(f"{g['judge']} {g['outcome']}" for g in data["gates"])
        return f"{marked(word)}: gates: {plain(gates)}"
    return f"{marked(word)}: {data['judge']}: {plain(data['because'])}"


def _tests(_event: Event, data: Data) -> str:
    word = "ok" if data["outcome"] == "PASS" else "failed"
    if "tests" not in data:
        return f"{marked(word)}: test workflow {plain(data['workflow'])}, job {data['job']}"
    red = [t for t in data["tests"] if t["problem"]]
    told = f"{marked(word)}: {len(data['tests']) - len(red)} of {len(data['tests'])} tests passed"
    return told + (f"; {plain(red[0]['test'])}: {plain(red[0]['problem'])}" if red else "")


def _approval(_event: Event, data: Data) -> str:
    word = "✓ approved" if data["approved"] else "✗ rejected"
    return f"{word} by {data['by']}: {data['reason']}"


def _run_decided(event: Event, data: Data) -> str:
    word = "✓ approved" if data["approved"] else "✗ rejected"
    why = f": {plain(data['reason'])}" if data["reason"] else ""
    return f"{word} {plain(event.environment)} by {plain(data['by'])}{why}"


def _command(_event: Event, data: Data) -> str:
    return f"● {data['by']} says {data['verb']}: {data['reason']}"


def _cleared(_event: Event, data: Data) -> str:
    return f"● quarantine of {short(data['digest'])} cleared by {data['by']}: {data['reason']}"


def _started(event: Event, data: Data) -> str:
    mirrors = data.get("mirrors") or [0.0] * len(data["steps"])
    steps = " ".join(_planned(*pair) for pair in zip(data["steps"], mirrors, strict=True))
    against = f" against {data['stable']}" if data["stable"] else ", the first release here"
    return f"● {event.release} starts: {data['strategy']} {steps}{against}, pace {data['pace']}"


def _planned(share: float, mirror: float) -> str:
    return f"mirror {percent(mirror)}" if mirror else percent(share)


def _shifted(event: Event, data: Data) -> str:
    if data.get("mirror"):
        copies = f"{percent(data['mirror'])} of users' requests"
        return f"● {event.release} gets copies of {copies} (step {data['step'] + 1})"
    return f"● {event.release} has {percent(data['share'])} of traffic (step {data['step'] + 1})"


def _judged(_event: Event, data: Data) -> str:
    share = percent(data["share"])
    counted = f"{data['candidate_requests'] or 0} against {data['stable_requests'] or 0} requests"
    return f"{marked(data['outcome'])} at {share}: {plain(data['because'])} ({counted} in window)"


def _held(_event: Event, data: Data) -> str:
    more = f"; {plain(data['outlook'])}" if data.get("outlook") else ""
    return f"◷ held: {plain(data['because'])}{more}"


def _recovered(_event: Event, data: Data) -> str:
    told = f"{data['errors']} errors of {data['requests']} requests"
    return f"{marked(data['outcome'])}: {data['stable']} after going back: {told}"


def _baseline(_event: Event, data: Data) -> str:
    return f"{'⚠' if data['stale'] or not data['used'] else '●'} {plain(data['because'])}"


def _settled(_event: Event, data: Data) -> str:
    return f"● last step reached; watching for {span(data['stability_seconds'])}"


def _released(event: Event, data: Data) -> str:
    return f"✓ released {event.release} at {data['address']}: {plain(data['because'])}"


def _shadowed(event: Event, data: Data) -> str:
    proven = "" if data["proven"] else ", not proven"
    return f"✓ shadow of {event.release} has ended{proven}: {plain(data['because'])}"


def _compared(_event: Event, data: Data) -> str:
    return f"● {data['candidate']} of {data['compared']} compared answers differ"


def _rolled_back(_event: Event, data: Data) -> str:
    return f"↩ rolled back to {data['to']} in {data['milliseconds']:.0f} ms"


def _continued(_event: Event, data: Data) -> str:
    return f"● goes on after {span(data['seconds'])}: the line runs again"


def _failed(_event: Event, data: Data) -> str:
    return f"↩ going back to {data['to'] or 'nothing'}: {plain(data['because'])}"


SENTENCES: dict[str, Callable[[Event, Data], str]] = {
    "delivery.requested": _requested,
    "pipeline.started": _pipeline,
    "run.requested": _run_requested,
    "run.refused": _run_refused,
    "run.cancel_requested": _cancel_requested,
    "run.decided": _run_decided,
    "run.finished": _run_finished,
    "job.finished": _job,
    "artifact.packed": _packed,
    "artifact.handed_over": _handed_over,
    "release.created": lambda event, _data: f"✓ release {event.release}",
    "gates.judged": _gates,
    "artifact.verified": _verified,
    "artifact.quarantined": _quarantined,
    "tests.finished": _tests,
    "approval.decided": _approval,
    "command.given": _command,
    "quarantine.cleared": _cleared,
    "rollout.started": _started,
    "rollout.shifted": _shifted,
    "rollout.judged": _judged,
    "rollout.held": _held,
    "rollout.unheard": _unheard,
    "rollout.baseline": _baseline,
    "rollout.settled": _settled,
    "rollout.halted": lambda _event, data: f"◷ stands: {plain(data['because'])}",
    "rollout.continued": _continued,
    "release.released": _released,
    "rollout.shadowed": _shadowed,
    "rollout.differed": _compared,
    "rollout.compared": _compared,
    "rollout.failed": _failed,
    "rollout.rolled_back": _rolled_back,
    "rollout.closed": lambda _event, data: f"✗ closed: {plain(data['because'])}",
    "rollout.recovered": _recovered,
    "rollout.retired": lambda _event, data: f"● the old release {data['stable']} is gone",
    "delivery.finished": _finished,
}


def _alert_over(_event: Event, data: Data) -> str:
    who = f"{plain(data['by'])} says that it is over" if data.get("by") else "over by itself"
    return f"✓ {who}: {plain(data['summary'])}"


def _logged_in(_event: Event, data: Data) -> str:
    through = f" by {plain(data['source'])}" if data["source"] else ""
    return f"logged in{through} from {plain(data['address'])}"


AUDITED: dict[str, Callable[[Event, Data], str]] = {
    "alert.fired": lambda _event, data: f"⚠ {data['severity']}: {plain(data['summary'])}",
    "alert.acknowledged": lambda _event, data: (
        f"{plain(data.get('by', ''))} takes care of it: {plain(data['summary'])}"
    ),
    "alert.resolved": _alert_over,
    "login.passed": _logged_in,
    "login.ended": lambda _event, _data: "logged out",
    "login.failed": lambda _event, data: f"failed to log in from {plain(data['address'])}",
}
