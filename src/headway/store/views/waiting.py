"""Why it is not moving: one sentence for each delivery and rollout that has not ended.

A gate, an approval and by whom, its turn, the stopped line, a pause and since when, time that must
pass, data that is missing and when to expect enough. Commands and pages show exactly this sentence.
"""

import json
import time

import sqlalchemy as sa

from headway.model.delivery import Delivery
from headway.model.line import utc
from headway.model.rollout import Hold, RollBack, Rollout
from headway.model.verdict import Outcome, Verdict, worst
from headway.rollout import machine
from headway.store import readings, records
from headway.store.records import loads
from headway.store.tables import events, places, rollouts

JUDGED = frozenset({"baking", "stability"})
GATES = {"approval": "approval by people, {}", "policy": "a policy, {}"}


def of_delivery(connection: sa.Connection, id: str, now: float | None = None) -> str:
    """What it waits for at Unix time `now` (None: by the clock); empty once it has ended.

    Raises Invalid (`unknown-delivery`).
    """
    known = records.delivery(connection, id)
    if known.state == "done":
        return ""
    if not known.environment or known.state == "building":
        return _before(connection, known)
    if known.state in {"waiting", "queued"}:
        return _door(connection, known)
    t = places
    here = (t.c.service == known.service, t.c.environment == known.environment)
    query = sa.select(t.c.rollout).where(*here, t.c.holder == id)
    rollout = connection.execute(query).scalar()
    if not rollout:
        return f"enters {known.environment}"
    words = of_rollout(connection, rollout, now) or "cleans up after its rollout"
    return f"{known.environment}: {words}"


def of_rollout(connection: sa.Connection, id: str, now: float | None = None) -> str:
    """What exactly this rollout waits for; empty once it has ended."""
    t = rollouts
    row = connection.execute(sa.select(t).where(t.c.id == id)).one()
    if not row.state or row.outcome not in {"", "released"}:
        return ""
    state = loads(row.state, Rollout)
    if state.phase == "done":
        return ""
    if row.finished_at and not row.outcome:
        return f"goes back to {row.stable or 'nothing'}: {row.because}"
    when = time.time() if now is None else now
    move = machine.next_move(state, _verdict(connection, row, state), when)
    if isinstance(move, RollBack):
        return f"goes back to {row.stable or 'nothing'}: {move.because}"
    words = _hold(connection, row, state, move, when) if isinstance(move, Hold) else ""
    words = words or f"goes on: {move.because}"
    if state.at < 0 or state.phase == "keeping":
        return words
    step = state.plan.steps[state.at]
    share = f"{100 * step.share:.3g}%" if not step.mirror else f"mirror {100 * step.mirror:.3g}%"
    return f"step {state.at + 1} of {len(state.plan.steps)}, {share}: {words}"


def _before(connection: sa.Connection, known: Delivery) -> str:
    """On the way to its release."""
    if known.state == "queued":
        return "waits for the server to take it"
    done = {str(d.get("job")) for d in _told(connection, known.id, "job.finished")}
    planned = _told(connection, known.id, "pipeline.started")
    names = planned[-1]["jobs"] if planned else []
    left = [str(n) for n in names if n not in done] if isinstance(names, list) else []
    return f"its pipeline runs: {', '.join(left)}" if left else "its release is being made"


def _door(connection: sa.Connection, known: Delivery) -> str:
    """Every gate that waits, not only the first."""
    told = _told(connection, known.id, "gates.judged", known.environment)
    gates = told[-1]["gates"] if told else []
    waits = [g for g in gates if g["outcome"] == "WAIT"] if isinstance(gates, list) else []
    words = [GATES.get(g["judge"], "{}").format(g["because"]) for g in waits]
    if known.state == "queued" or not words:
        words = [known.because]
    return f"waits before {known.environment}: {'; '.join(words)}"


def _hold(
    connection: sa.Connection, row: "sa.Row[tuple[object, ...]]", state: Rollout, move: Hold,
    now: float,
) -> str:  # fmt: skip
    found = row._mapping
    place = f"{found['service']}/{found['environment']}"
    if state.stopped:
        return state.stopped
    if state.phase == "preparing":
        return f"{found['release']} starts and is tested before users come"
    if state.paused and move.because == state.paused:
        return _paused(connection, found["delivery"], found["environment"], state)
    if move.held:
        asks = f"waits for a person (headway rollout promote or abort {place})"
        return f"{asks}: {move.because}{_outlook(connection, found['id'], now)}"
    if move.because.endswith("of this step"):
        return f"{move.because} (headway rollout approve {place})"
    return f"{move.because}{_outlook(connection, found['id'], now)}"


def _paused(connection: sa.Connection, delivery: str, environment: str, state: Rollout) -> str:
    e = events
    query = sa.select(e.c.at, e.c.data).where(
        e.c.delivery == delivery, e.c.environment == environment, e.c.kind == "rollout.pause"
    )
    last = connection.execute(query.order_by(e.c.seq.desc()).limit(1)).first()
    if last is None:
        return state.paused
    data = json.loads(last.data)
    return f"paused by {data['by']} since {utc(last.at)}: {data['reason']}; the judge stays armed"


def _outlook(connection: sa.Connection, id: str, now: float) -> str:
    """When to expect enough data, where that is the question."""
    from headway.store.views import verdict  # noqa: PLC0415  it loads the judge

    found = verdict.outlook(connection, id, now)
    return f"; {found.because}" if found else ""


def _verdict(
    connection: sa.Connection, row: "sa.Row[tuple[object, ...]]", state: Rollout
) -> Verdict:
    """What the judge said last; nothing yet is WAIT."""
    if state.phase not in JUDGED:
        return Verdict("analysis", Outcome.PASS, "nothing is judged in this phase")
    text, id = row._mapping["verdict"], row._mapping["id"]
    said = json.loads(text)["verdict"] if text else {}
    because = said.get("because", "insufficient data: no window is complete yet")
    judged = Verdict("analysis", Outcome(said.get("outcome", "WAIT")), because)
    silent = readings.unheard(connection, id)
    if not silent:
        return judged
    missing = f"insufficient data: no data for {', '.join(sorted(silent))}"
    return worst([Verdict("signals", Outcome.WAIT, missing), judged])


def _told(
    connection: sa.Connection, delivery: str, kind: str, environment: str | None = None
) -> list[dict[str, object]]:
    """What the events of this kind say, oldest first."""
    e = events
    query = sa.select(e.c.data).where(e.c.delivery == delivery, e.c.kind == kind)
    if environment is not None:
        query = query.where(e.c.environment == environment)
    return [json.loads(d) for d in connection.execute(query.order_by(e.c.seq)).scalars()]
