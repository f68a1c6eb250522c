"""One turn of a rollout: what was seen goes in, one move comes out. Called by flows/roll_out.py.

`decide` runs inside a commit: it takes the commands, closes a window, asks the pure judge and the
pure state machine, and writes what they said. Its result is in the journal, so a replay never
judges twice.
"""

import re
from dataclasses import dataclass, field, replace

import msgspec

from headway import typed
from headway.analysis import judge as analysis
from headway.analysis import shadow as besides
from headway.analysis import windows
from headway.analysis.judge import Finding, Setup
from headway.flows import baseline, line, shadow
from headway.flows.measure import Subject, measure
from headway.flows.shadow import BesideSeen
from headway.flows.trip import Begun, Trip
from headway.flows.world import World
from headway.metrics import window as signals
from headway.metrics.grouping import Version
from headway.metrics.window import Reading
from headway.model.deployment import InstanceState
from headway.model.errors import Failed, Unreachable
from headway.model.event import Fact
from headway.model.rollout import Hold, Move, RollBack, Rollout
from headway.model.routing import Routed
from headway.model.verdict import Outcome, Verdict, worst
from headway.model.window import Snapshot, Window
from headway.rollout import machine
from headway.store import decisions, readings, records, rollouts
from headway.store.database import Tx
from headway.store.log import append
from headway.store.views import verdict as read_model

NONE = -1e8  # below this there was nothing to weigh
JUDGED = frozenset({"baking", "stability"})
STANDING_SECONDS = 30.0  # who starts the line wakes it; until then there is nothing to judge


@dataclass(frozen=True, slots=True)
class Seen:
    """The world at one moment. `snapshot`, `routed` None: the proxy did not answer. `readings`: own
    signals since users came; empty before. `beside`: compared answers and journeys.
    """

    snapshot: Snapshot | None
    instances: tuple[InstanceState, ...]
    routed: Routed | None
    readings: dict[str, Reading] = field(default_factory=dict)
    beside: BesideSeen = field(default_factory=BesideSeen)


@dataclass(frozen=True, slots=True)
class Turn:
    """The move; if it is Hold, how long to wait, and whether an instance must be routed to first
    because it came back at another address. `exposed`: Unix time since when users reach the
    candidate and it is judged, else 0.
    """

    move: Move
    wait_seconds: float
    astray: bool = False
    exposed: float = 0.0


def observe(world: World, trip: Trip, begun: Begun, exposed: float) -> Seen:
    """Counters, instances and routing, now; own signals since `exposed`, if that is not 0."""
    service, environment = trip.release.service, trip.environment.name
    found = _measured(world, trip, begun, exposed) if exposed else {}
    seen = world.targets[trip.environment.target].observe(service, environment)
    beside = shadow.look(world, trip, begun) if exposed else BesideSeen()
    found = {**found, **shadow.readings(trip, begun, beside)}
    counted = world.meter.read(service, environment)
    return Seen(counted, seen, _routed(world, trip), found, beside)


def _measured(world: World, trip: Trip, begun: Begun, exposed: float) -> dict[str, Reading]:
    release = trip.release
    candidate = Version(release.name, release.digest, release.sha)
    stable = Version(begun.stable, begun.stable_digest, begun.stable_sha)
    where = (release.service, trip.environment.name)
    return measure(world, trip.environment.analysis, Subject(*where, candidate, stable, exposed))


def _routed(world: World, trip: Trip) -> Routed | None:
    """A proxy that is dead and does not start is no answer, and no reason to blame the release."""
    try:
        return world.router.observe(trip.release.service, trip.environment.name)
    except (Failed, Unreachable):
        return None


def decide(tx: Tx, trip: Trip, begun: Begun, seen: Seen) -> Turn:
    """Everything about this turn in one transaction."""
    state = _hear(tx, trip, rollouts.load(tx.connection, begun.rollout))
    state = line.hear(tx, trip, begun, state)
    finding = None
    if state.phase in JUDGED:
        state, finding = _judge(tx, trip, begun, state, seen)
    judged = finding.verdict if finding else _silence(state)
    verdict = worst([*_unheard(tx, trip, begun, state, seen), judged, _health(trip, seen)])
    suspicion = finding.suspicion if finding else False
    move = machine.next_move(state, verdict, tx.now, suspicion=suspicion)
    state = _tell(tx, trip, begun, state, move)
    _tell_differences(tx, trip, begun, state, seen, last=not isinstance(move, Hold))
    rollouts.save(tx, begun.rollout, state)
    if isinstance(move, RollBack):
        rollouts.update(tx, begun.rollout, because=move.because)
    astray = isinstance(move, Hold) and _astray(trip, begun, state, seen)
    exposed = state.exposed if state.phase in JUDGED else 0.0
    return Turn(move, _wait(state), astray, exposed)


def _tell_differences(  # noqa: PLR0913
    tx: Tx, trip: Trip, begun: Begun, state: Rollout, seen: Seen, *, last: bool
) -> None:
    """What was compared is a fact: at the first difference, and when mirroring ends."""
    told = seen.beside.differences
    if told is None or state.at < 0 or not state.plan.steps[state.at].mirror:
        return
    kind = "rollout.compared" if last else "rollout.differed"
    number = decisions.count(tx.connection, begun.rollout, kind)
    if last or (told.candidate and not number):
        append(tx, trip.about, Fact(kind, begun.rollout, number, msgspec.to_builtins(told)))


def _astray(trip: Trip, begun: Begun, state: Rollout, seen: Seen) -> bool:
    """Whether a ready instance that a side needs is at an address that gets no requests. Not if a
    side that has users has no ready instance at all: then a new routing could only be worse.
    """
    if seen.routed is None or state.at < 0:
        return False
    step = state.plan.steps[state.at]
    share = step.share or step.mirror
    shares = {trip.release.name: share, begun.stable: 1.0 - step.share}
    ready: dict[str, set[tuple[str, int]]] = {release: set() for release in shares if release}
    for i in seen.instances:
        if i.phase == "ready" and i.release in ready:
            ready[i.release].add((i.host, i.port))
    served = all(found for release, found in ready.items() if shares[release] > 0)
    wanted = {trip.release.name: step.candidate, begun.stable: step.stable}
    all_of_them = state.phase == "keeping"
    return served and any(
        _lacks(_known(seen.routed, r), ready[r], len(ready[r]) if all_of_them else wanted[r])
        for r in seen.routed.endpoints
        if r in ready
    )


def _lacks(known: set[tuple[str, int]], ready: set[tuple[str, int]], wanted: int) -> bool:
    """Instances that came up for a step which the line then held are ready and not needed yet."""
    return bool(ready - known) and len(ready & known) < wanted


def _known(routed: Routed, release: str) -> set[tuple[str, int]]:
    return {(e.host, e.port) for e in routed.endpoints[release] if not e.draining}


def _wait(state: Rollout) -> float:
    window = state.plan.pace.window
    if state.stopped and state.phase not in JUDGED:
        return STANDING_SECONDS
    return min(window, 1.0) if state.phase == "preparing" else window


def _hear(tx: Tx, trip: Trip, state: Rollout) -> Rollout:
    for word in records.take_commands(tx, trip.delivery, trip.environment.name):
        state = machine.told(state, word.verb, word.by, word.reason)
        data: dict[str, object] = {"by": word.by, "reason": word.reason}
        append(tx, trip.about, Fact(f"rollout.{word.verb}", trip.delivery, word.seq, data))
    if state.phase == "keeping" and _somebody_waits(tx, trip):
        state = replace(state, since=tx.now - state.plan.keep_old_seconds)
    return state


def _somebody_waits(tx: Tx, trip: Trip) -> bool:
    return decisions.waiting_for(tx.connection, trip.release.service, trip.environment.name)


def _judge(
    tx: Tx, trip: Trip, begun: Begun, state: Rollout, seen: Seen
) -> tuple[Rollout, Finding | None]:
    before = rollouts.last_snapshot(tx.connection, begun.rollout)
    known = rollouts.column(tx.connection, begun.rollout, "verdict")
    last = typed.loads(known, Finding) if known else None
    if seen.snapshot is None:
        return state, None
    if before is None:
        rollouts.update(tx, begun.rollout, snapshot=records.dumps(seen.snapshot))
        readings.save(tx, begun.rollout, seen.readings)
        return state, None
    if seen.snapshot.at - before.at < state.plan.pace.window * 0.9:
        return state, last
    window = _window(tx, trip, begun, state, (before, seen.snapshot))
    window = _with_signals(tx, begun, window, seen)
    finding = _ask(tx, trip, begun, window)
    served = window.candidate.total.requests if window.candidate else 0
    rollouts.update(
        tx,
        begun.rollout,
        snapshot=records.dumps(seen.snapshot),
        verdict=records.dumps(finding),
    )
    return replace(state, served=state.served + served), finding


def _window(
    tx: Tx, trip: Trip, begun: Begun, state: Rollout, pair: tuple[Snapshot, Snapshot]
) -> Window:
    return windows.between(
        *pair,
        candidate=trip.release.name,
        stable=begun.stable or None,
        index=rollouts.window_count(tx.connection, begun.rollout),
        started_at=state.exposed,
        step=state.at,
        share=state.plan.steps[state.at].share,
    )


def _with_signals(tx: Tx, begun: Begun, window: Window, seen: Seen) -> Window:
    """The window with own signals; what has no data yet is counted from where it has some."""
    before = readings.load(tx.connection, begun.rollout)
    measured, onward = signals.between(before, seen.readings)
    readings.save(tx, begun.rollout, onward)
    return replace(window, signals=measured)


def _ask(tx: Tx, trip: Trip, begun: Begun, window: Window) -> Finding:
    """The judge's finding on this window, its state carried from the last one."""
    watched = besides.watched(
        signals.judged(trip.environment.analysis),
        mirrored=begun.plan.steps[window.step].mirror > 0,
        journeys=shadow.journeys(trip.environment, begun),
    )
    known = baseline.known(tx, trip, window)
    setup = Setup(watched, begun.plan.holdback, known.memory)
    text = rollouts.column(tx.connection, begun.rollout, "judge")
    state = records.loads(text, analysis.State) if text else analysis.begin(setup)
    after, finding = answer = analysis.judge(setup, state, window)
    finding = baseline.judged(tx, trip, begun, window, known, answer)
    rollouts.update(tx, begun.rollout, judge=records.dumps(after))
    rollouts.add_window(
        tx, begun.rollout, window.index, records.dumps(window), records.dumps(finding)
    )
    _record(tx, trip, begun, window, finding)
    return finding


def _record(tx: Tx, trip: Trip, begun: Begun, window: Window, finding: Finding) -> None:
    data: dict[str, object] = {
        "step": window.step,
        "share": window.share,
        "seconds": round(window.end - window.start, 3),
        "candidate_requests": window.candidate.total.requests if window.candidate else None,
        "stable_requests": window.stable.total.requests if window.stable else None,
        "outcome": str(finding.verdict.outcome),
        "because": finding.verdict.because,
        "log_evidence": round(finding.log_evidence, 4) if finding.log_evidence > NONE else None,
        "boundary": round(finding.boundary, 4),
        "baseline": finding.baseline,
    }
    append(tx, trip.about, Fact("rollout.judged", begun.rollout, window.index, data))


def _unheard(tx: Tx, trip: Trip, begun: Begun, state: Rollout, seen: Seen) -> list[Verdict]:
    """A signal that was declared and has no data now is WAIT, whatever the others say."""
    declared = trip.environment.analysis.signals
    if state.phase not in JUDGED or not declared:
        return []
    both = bool(begun.stable) and state.plan.steps[state.at].share < 1.0
    silent = signals.missing(declared, seen.readings, both=both)
    known = {name: re.sub(r"\d[\d.]*", "#", why) for name, why in silent.items()}
    if seen.readings and known != readings.unheard(tx.connection, begun.rollout):
        readings.save_unheard(tx, begun.rollout, known)
        number = decisions.count(tx.connection, begun.rollout, "rollout.unheard")
        data: dict[str, object] = {"signals": silent}
        append(tx, trip.about, Fact("rollout.unheard", begun.rollout, number, data))
    words = "; ".join(f"no data for {name}: {why}" for name, why in silent.items())
    because = f"insufficient data: {words}"
    return [Verdict("signals", Outcome.WAIT, because)] if silent else []


def _health(trip: Trip, seen: Seen) -> Verdict:
    """A candidate that keeps dying is a failure, whatever its survivors answer."""
    mine = [i for i in seen.instances if i.release == trip.release.name]
    looping = [i for i in mine if i.phase == "crash_loop"]
    if looping:
        because = f"instance {looping[0].id} keeps dying, last exit {looping[0].exit_status}"
        return Verdict("instances", Outcome.FAIL, because)
    return Verdict("instances", Outcome.PASS, f"{len(mine)} instances of {trip.release.name}")


def _silence(state: Rollout) -> Verdict:
    if state.phase in JUDGED:
        return Verdict("analysis", Outcome.WAIT, "insufficient data: no window is complete yet")
    return Verdict("analysis", Outcome.PASS, "nothing is judged in this phase")


def _outlook(tx: Tx, begun: Begun) -> str:
    """How much longer it may take at this rate; empty where that is not the question."""
    found = read_model.outlook(tx.connection, begun.rollout, tx.now)
    return found.because if found else ""


def _tell(tx: Tx, trip: Trip, begun: Begun, state: Rollout, move: Move) -> Rollout:
    """Write the move where it changes something; a hold is told once."""
    held = move.because if isinstance(move, Hold) and move.held else ""
    if isinstance(move, Hold):
        if held and not state.held:
            number = decisions.count(tx.connection, begun.rollout, "rollout.held")
            data: dict[str, object] = {
                "because": held,
                "step": state.at,
                "policy": state.plan.insufficient_data,
                "outlook": _outlook(tx, begun),
            }
            append(tx, trip.about, Fact("rollout.held", begun.rollout, number, data))
        records.update_delivery(tx, trip.delivery, state="held" if held else "delivering")
        return replace(state, held=held)
    number = decisions.count(tx.connection, begun.rollout, "rollout.moved")
    moved: dict[str, object] = {"step": state.at, **msgspec.to_builtins(move)}
    append(tx, trip.about, Fact("rollout.moved", begun.rollout, number, moved))
    return state
