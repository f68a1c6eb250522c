"""The way back: one routing change to the last known good, read back; then clean-up.

Called by flows/roll_out.py for a FAIL, an abort or a failed preparation. Ends the delivery.
"""

from dataclasses import dataclass
from typing import NoReturn

from headway.flows import shadow
from headway.flows.change import Applied, Change, apply, next_generation, order_for, remove
from headway.flows.enter import release_place
from headway.flows.journal import Journal
from headway.flows.trip import Begun, Stopped, Trip
from headway.flows.world import World
from headway.model.event import Fact
from headway.model.window import Snapshot
from headway.rollout import machine
from headway.store import decisions, records, rollouts
from headway.store.database import Tx
from headway.store.log import append

RECOVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """What users of the last known good saw right after the way back."""

    requests: int
    errors: int
    seconds: float


def roll_back(journal: Journal, world: World, trip: Trip, begun: Begun, because: str) -> NoReturn:
    """Always raises Stopped: `rolled_back`, or `failed` if no user ever reached the candidate."""
    change = journal.commit("roll back", back_change, world, trip, begun, because)
    if begun.stable:
        applied = apply(journal, world, trip, change, "roll back")
        exposed = journal.commit("rolled back", rolled_back, trip, begun, applied, because)
    else:
        journal.act("close the way in", close, world, trip, change)
        exposed = journal.commit("closed", closed, trip, begun, because)
    if any(step.mirror for step in begun.plan.steps) or shadow.journeys(trip.environment, begun):
        journal.act("nothing beside", shadow.quiet, world, trip, change.generation)
    journal.act("remove the candidate", remove, world, change, trip.release.name, trip)
    if begun.stable:
        recovery = journal.act("recovery", recovered, world, trip, begun.stable)
        journal.commit("recovered", tell_recovery, trip, begun, recovery)
    journal.commit("cleaned up", cleaned, trip, begun)
    raise Stopped("rolled_back" if exposed else "failed", because)


def back_change(tx: Tx, world: World, trip: Trip, begun: Begun, because: str) -> Change:
    """Decided: the time of this commit is when the rollback began."""
    generation = next_generation(tx, trip)
    data: dict[str, object] = {"because": because, "to": begun.stable}
    append(tx, trip.about, Fact("rollout.failed", begun.rollout, 0, data))
    rollouts.update(tx, begun.rollout, finished_at=tx.now)
    _quarantine(tx, trip, begun, because)
    shares, old, new, restore, traffic = {}, None, None, False, None
    if begun.stable:
        state = rollouts.load(tx.connection, begun.rollout)
        up = begun.plan.steps[state.at].stable if state.at >= 0 else begun.stable_instances
        leaving = state.phase == "keeping" and not begun.plan.keep_old_seconds
        restore = leaving or up < begun.stable_instances
        shares = {begun.stable: 1.0}
        before = records.release(tx.connection, begun.stable)
        old = order_for(world, before, trip.environment, generation, begun.stable_instances)
        new = order_for(world, trip.release, trip.environment, generation, 0)
        traffic = before.config.environment(trip.environment.name).traffic
    target = trip.environment.target
    return Change(generation, begun.rollout, target, shares, new, old, restore, traffic)


def close(world: World, trip: Trip, change: Change) -> None:
    """A first release that failed: there is nothing to go back to."""
    world.router.remove(trip.release.service, trip.environment.name, change.generation)


def rolled_back(tx: Tx, trip: Trip, begun: Begun, applied: Applied, because: str) -> bool:
    """The router has confirmed it. Gives whether any user had been on the candidate."""
    state = rollouts.load(tx.connection, begun.rollout)
    decided = float(rollouts.number(tx.connection, begun.rollout, "finished_at"))
    exposed = machine.reached(state)
    data: dict[str, object] = {
        "because": because,
        "to": begun.stable,
        "digest": trip.release.digest,
        "milliseconds": round(1000 * (applied.at - decided), 1),
        "step": state.at,
        "share": state.plan.steps[state.at].share if exposed else 0.0,
        "exposed": exposed,
        "seconds_since_start": round(decided - begun.started, 3),
    }
    append(tx, trip.about, Fact("rollout.rolled_back", begun.rollout, 0, data))
    _fail(tx, begun, because)
    return exposed


def closed(tx: Tx, trip: Trip, begun: Begun, because: str) -> bool:
    """No last known good: the service is not reachable here, and says so."""
    data: dict[str, object] = {"because": because, "digest": trip.release.digest, "to": ""}
    append(tx, trip.about, Fact("rollout.closed", begun.rollout, 0, data))
    _fail(tx, begun, because)
    return False


def _fail(tx: Tx, begun: Begun, because: str) -> None:
    """The rollout's last word."""
    state = rollouts.load(tx.connection, begun.rollout)
    rollouts.save(tx, begun.rollout, machine.done(state))
    rollouts.finish(tx, begun.rollout, "rolled_back" if begun.stable else "failed", because)


def _quarantine(tx: Tx, trip: Trip, begun: Begun, because: str) -> None:
    """Decided with the way back, not after it: also if that is cut off, the digest is refused here
    from now on and the last known good is what `tend` will restore.
    """
    release, name = trip.release, trip.environment.name
    decisions.quarantine(tx, release.digest, release.service, name, because)
    data: dict[str, object] = {"digest": release.digest, "because": because}
    append(tx, trip.about, Fact("artifact.quarantined", begun.rollout, 0, data))
    place = records.place(tx.connection, release.service, name)
    records.put_place(tx, records.changed(place, stable=begun.stable, candidate=""))


def recovered(world: World, trip: Trip, stable: str) -> Recovery:
    """Two readings of the last known good, two seconds apart."""
    service, environment = trip.release.service, trip.environment.name
    before = world.meter.read(service, environment)
    world.clock.sleep(RECOVERY_SECONDS)
    after = world.meter.read(service, environment)
    requests, errors = _increase(before, after, stable)
    return Recovery(requests, errors, RECOVERY_SECONDS)


def _increase(before: Snapshot | None, after: Snapshot | None, release: str) -> tuple[int, int]:
    if before is None or after is None or release not in after.versions:
        return 0, 0
    now = after.versions[release].total
    if release not in before.versions or before.epoch != after.epoch:
        return now.requests, now.errors
    then = before.versions[release].total
    return now.requests - then.requests, now.errors - then.errors


def tell_recovery(tx: Tx, trip: Trip, begun: Begun, recovery: Recovery) -> None:
    """Whether the service is well again: PASS, FAIL, or WAIT when nobody asked it anything."""
    limit = trip.environment.analysis.errors_absolute
    if recovery.requests == 0:
        outcome = "WAIT"
    else:
        outcome = "PASS" if recovery.errors <= max(1.0, limit * recovery.requests) else "FAIL"
    data: dict[str, object] = {
        "outcome": outcome,
        "requests": recovery.requests,
        "errors": recovery.errors,
        "seconds": recovery.seconds,
        "stable": begun.stable,
    }
    append(tx, trip.about, Fact("rollout.recovered", begun.rollout, 0, data))


def cleaned(tx: Tx, trip: Trip, begun: Begun) -> None:
    """Nothing of the candidate is left; the place is free."""
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    records.put_place(tx, records.changed(place, rollout=""))
    release_place(tx, trip)
    data: dict[str, object] = {"removed": trip.release.name}
    append(tx, trip.about, Fact("rollout.cleaned", begun.rollout, 0, data))
