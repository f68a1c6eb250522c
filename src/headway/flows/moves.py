"""What each move of a rollout changes in the world: instances of both sides and their shares.

Called by flows/roll_out.py inside commits; `flows/change.py` makes it true. A change that moves the
rollout on says where (`onward`), so that it does not happen while the line is stopped.
"""

from dataclasses import replace

from headway.flows import line
from headway.flows.change import Change, next_generation, order_for
from headway.flows.trip import Begun, Trip
from headway.flows.world import World
from headway.store import records, rollouts
from headway.store.database import Tx


def preview(tx: Tx, world: World, trip: Trip, begun: Begun) -> Change:
    """The first step's instances, reachable for testers only."""
    first = begun.plan.steps[0]
    counts = (first.candidate, begun.stable_instances, 0.0)
    return onward(_change(tx, world, trip, begun, counts), trip, begun)


def step_change(tx: Tx, world: World, trip: Trip, begun: Begun, to: int) -> Change:
    """The instances and the share of step `to`."""
    return onward(_step(tx, world, trip, begun, to), trip, begun)


def onward(change: Change, trip: Trip, begun: Begun) -> Change:
    """It moves the rollout on, so it must not happen while the line is stopped."""
    return change if begun.way_back else replace(change, onward=line.at(trip))


def _step(tx: Tx, world: World, trip: Trip, begun: Begun, at: int) -> Change:
    step = begun.plan.steps[at]
    change = _change(tx, world, trip, begun, (step.candidate, step.stable, step.share))
    return replace(change, mirror=step.mirror, ignore=trip.environment.rollout.ignore_fields)


def release_change(tx: Tx, world: World, trip: Trip, begun: Begun) -> Change:
    """All traffic to the release; the old one stays up only if it is kept. If it is not, a way back
    has to bring it up again.
    """
    keep = begun.stable_instances if begun.plan.keep_old_seconds else 0
    if not keep:
        state = rollouts.load(tx.connection, begun.rollout)
        rollouts.save(tx, begun.rollout, replace(state, phase="keeping"))
    counts = (trip.environment.run.instances, keep, 1.0)
    return onward(_change(tx, world, trip, begun, counts), trip, begun)


def stay(tx: Tx, world: World, trip: Trip, begun: Begun) -> Change:
    """What was in force before a change that the stopped line held; no shares: nothing was."""
    state = rollouts.load(tx.connection, begun.rollout)
    if state.at >= 0:
        if state.phase == "keeping":
            rollouts.save(tx, begun.rollout, replace(state, phase="stability"))
        return _step(tx, world, trip, begun, state.at)
    change = _change(tx, world, trip, begun, (0, begun.stable_instances, 0.0))
    return change if begun.stable else replace(change, shares={})


def mend_change(tx: Tx, world: World, trip: Trip, begun: Begun) -> Change:
    """What is in force now, once more."""
    state = rollouts.load(tx.connection, begun.rollout)
    if state.phase == "keeping":
        return replace(release_change(tx, world, trip, begun), onward=None)
    return _step(tx, world, trip, begun, state.at)


def conclude_change(tx: Tx, world: World, trip: Trip, begun: Begun) -> Change:
    """As before the rollout."""
    return _change(tx, world, trip, begun, (0, begun.stable_instances, 0.0))


def retire_change(tx: Tx, world: World, trip: Trip, begun: Begun) -> Change:
    """The old release leaves the routing for good."""
    return _change(tx, world, trip, begun, (trip.environment.run.instances, 0, 1.0))


def _change(
    tx: Tx, world: World, trip: Trip, begun: Begun, counts: tuple[int, int, float]
) -> Change:
    candidate, stable, share = counts
    generation = next_generation(tx, trip)
    environment = trip.environment
    shares = {trip.release.name: share}
    old = None
    if begun.stable:
        shares[begun.stable] = 1.0 - share
        before = records.release(tx.connection, begun.stable)
        old = order_for(world, before, environment, generation, stable)
    new = order_for(world, trip.release, environment, generation, candidate)
    return Change(generation, begun.rollout, environment.target, shares, new, old)
