"""A rollout: the candidate comes up beside the stable release, is tested, gets its share step by
step, is judged on live traffic in every window, and is promoted or rolled back.

The body interprets moves and does nothing else; what to do is decided in `decide`
(flows/decide.py), where the pure judge and the pure state machine are called inside a commit.
"""

from typing import NoReturn

from headway.flows import baseline, line, moves, shadow
from headway.flows import decide as turn
from headway.flows.change import (
    Applied,
    Change,
    apply,
    remove,
    to_routes,
)
from headway.flows.enter import release_place
from headway.flows.journal import Journal
from headway.flows.roll_back import close, roll_back
from headway.flows.smoke import smoke
from headway.flows.trip import Begun, Stopped, Trip
from headway.flows.world import World
from headway.model.errors import HeadwayError, Refused
from headway.model.event import Fact
from headway.model.rollout import (
    Conclude,
    Hold,
    Release,
    Retire,
    RollBack,
    Rollout,
    Settle,
    Shift,
)
from headway.rollout import machine
from headway.rollout.plan import plan
from headway.store import records, rollouts
from headway.store.database import Tx
from headway.store.log import append


def roll_out(journal: Journal, world: World, trip: Trip) -> None:
    """Returns when the release is released here. Raises Stopped (`rolled_back`)."""
    begun = journal.commit("begin rollout", begin, trip)
    try:
        _follow(journal, world, trip, begun)
    except HeadwayError as error:
        _broke(journal, world, trip, begun, error)


def _broke(
    journal: Journal, world: World, trip: Trip, begun: Begun, error: HeadwayError
) -> NoReturn:
    """Back after an error, whose code is the delivery's last word."""
    try:
        roll_back(journal, world, trip, begun, str(error))
    except Stopped as stop:
        raise Stopped(stop.outcome, stop.because, error.code) from error


def _preview(journal: Journal, world: World, trip: Trip, begun: Begun) -> bool:
    """Bring the candidate up and test it before any user is sent to it, where that is possible.
    False: the line was stopped before.
    """
    if not begun.stable or begun.plan.steps[0].candidate == 0:
        return True
    change = journal.commit("preview", moves.preview, world, trip, begun)
    applied = _onward(journal, world, trip, begun, (change, "preview"))
    if applied is None:
        return False
    smoke(journal, world, trip, applied.routed.address)
    return True


def _onward(
    journal: Journal, world: World, trip: Trip, begun: Begun, wanted: tuple[Change, str]
) -> Applied | None:
    """Apply a change that moves the rollout on. None: the line was stopped before it took hold, and
    what was in force is told to the proxy once more, in case it had heard of the change.
    """
    change, label = wanted
    try:
        return apply(journal, world, trip, change, label)
    except Refused as refused:
        if refused.code != line.CODE:
            raise
    former = journal.commit(f"{label}: stay", moves.stay, world, trip, begun)
    if former.shares:
        to_routes(journal, world, trip, former, f"{label}: stay")
    else:
        journal.act(f"{label}: stay closed", close, world, trip, former)
    journal.commit(f"{label}: stayed", mended, trip, begun, former.generation)
    return None


def _follow(journal: Journal, world: World, trip: Trip, begun: Begun) -> None:
    exposed, ready = 0.0, _preview(journal, world, trip, begun)
    while True:
        seen = journal.act("observe", turn.observe, world, trip, begun, exposed)
        what = journal.commit("decide", turn.decide, trip, begun, seen)
        exposed = what.exposed
        match what.move:
            case Hold():
                _hold(journal, world, trip, begun, what)
            case Shift(to=to):
                ready = _go_on(journal, world, trip, begun, (to, ready))
            case Settle():
                journal.commit("settled", settled, trip, begun)
            case Release(because=because):
                over = _release(journal, world, trip, begun, because)
                if over and not (begun.plan.keep_old_seconds and begun.stable):
                    return
            case Conclude():
                _conclude(journal, world, trip, begun, what.move)
                return
            case Retire():
                _retire(journal, world, trip, begun)
                return
            case RollBack(because=because):
                roll_back(journal, world, trip, begun, because)


def _hold(journal: Journal, world: World, trip: Trip, begun: Begun, what: turn.Turn) -> None:
    if what.astray:
        _mend(journal, world, trip, begun)
    journal.wait(what.wait_seconds)


def _go_on(journal: Journal, world: World, trip: Trip, begun: Begun, how: tuple[int, bool]) -> bool:
    to, ready = how
    if ready or _preview(journal, world, trip, begun):
        _shift(journal, world, trip, begun, to)
        return True
    return False


def _shift(journal: Journal, world: World, trip: Trip, begun: Begun, to: int) -> None:
    change = journal.commit(f"step {to}", moves.step_change, world, trip, begun, to)
    applied = _onward(journal, world, trip, begun, (change, f"step {to}"))
    if applied is None:
        return
    address = applied.routed.address
    journal.commit(f"step {to} in force", in_force, trip, begun, to, address)
    _beside(journal, world, trip, begun, (to, change.generation, address))
    untested = not begun.stable or begun.plan.steps[0].candidate == 0
    if untested and to == len(begun.plan.steps) - 1:
        smoke(journal, world, trip, address)


def _beside(
    journal: Journal, world: World, trip: Trip, begun: Begun, now: tuple[int, int, str]
) -> None:
    """What runs beside the step that is now in force."""
    to, generation, address = now
    if to and begun.plan.steps[to - 1].mirror and not begun.plan.steps[to].mirror:
        journal.act(f"step {to}: compare no more", shadow.compare_no_more, world, trip, generation)
    if shadow.journeys(trip.environment, begun):
        journal.act(f"step {to}: play", shadow.play, world, trip, begun, address, generation)


def _mend(journal: Journal, world: World, trip: Trip, begun: Begun) -> None:
    """The same shares, and the instances where they are now."""
    change = journal.commit("mend", moves.mend_change, world, trip, begun)
    to_routes(journal, world, trip, change, "mend")
    journal.commit("mended", mended, trip, begun, change.generation)


def _release(journal: Journal, world: World, trip: Trip, begun: Begun, because: str) -> bool:
    change = journal.commit("release", moves.release_change, world, trip, begun)
    applied = _onward(journal, world, trip, begun, (change, "release"))
    if applied is None:
        return False
    if shadow.journeys(trip.environment, begun):
        journal.act("nothing beside", shadow.quiet, world, trip, change.generation)
    if begun.stable and not begun.plan.keep_old_seconds:
        journal.act("remove the old release", remove, world, change, begun.stable, trip)
    journal.commit("released", released, trip, begun, because, applied.routed.address)
    return True


def _conclude(journal: Journal, world: World, trip: Trip, begun: Begun, move: Conclude) -> None:
    """The shadow goes; who served all the time goes on serving."""
    change = journal.commit("conclude", moves.conclude_change, world, trip, begun)
    apply(journal, world, trip, change, "conclude")
    journal.act("nothing beside", shadow.quiet, world, trip, change.generation)
    journal.act("remove the candidate", remove, world, change, trip.release.name, trip)
    journal.commit("concluded", concluded, trip, begun, move)


def _retire(journal: Journal, world: World, trip: Trip, begun: Begun) -> None:
    change = journal.commit("retire", moves.retire_change, world, trip, begun)
    apply(journal, world, trip, change, "retire")
    journal.act("remove the old release", remove, world, change, begun.stable, trip)
    journal.commit("retired", retired, trip, begun)


def begin(tx: Tx, trip: Trip) -> Begun:
    """The rollout's record, with its plan fixed."""
    release, environment = trip.release, trip.environment
    place = records.place(tx.connection, release.service, environment.name)
    stable = place.stable if place.stable != release.name else ""
    before = records.release(tx.connection, stable) if stable else None
    count = before.config.environment(environment.name).run.instances if before else 0
    made = plan(environment, count)
    begun = Begun(
        rollout=rollouts.new_id(tx),
        plan=made,
        stable=stable,
        stable_digest=before.digest if before else "",
        stable_instances=count,
        started=tx.now,
        stable_sha=before.sha if before else "",
        way_back=line.is_way_back(tx.connection, trip),
    )
    rollouts.add(tx, begun.rollout, trip.about, release.digest, stable)
    rollouts.save(tx, begun.rollout, Rollout(made, tx.now))
    records.put_place(tx, records.changed(place, candidate=release.name, rollout=begun.rollout))
    data: dict[str, object] = {
        "rollout": begun.rollout,
        "strategy": made.strategy,
        "steps": [s.share for s in made.steps],
        "mirrors": [s.mirror for s in made.steps],
        "holdback": made.holdback,
        "pace": made.pace.name,
        "stable": stable,
        "digest": release.digest,
        "first": not stable,
    }
    append(tx, trip.about, Fact("rollout.started", begun.rollout, 0, data))
    return begun


def concluded(tx: Tx, trip: Trip, begun: Begun, move: Conclude) -> None:
    """What the shadow showed is known; what is in charge here has not changed."""
    rollouts.save(tx, begun.rollout, machine.done(rollouts.load(tx.connection, begun.rollout)))
    data: dict[str, object] = {
        "because": move.because,
        "proven": move.proven,
        "digest": trip.release.digest,
        "stable": begun.stable,
        "seconds": round(tx.now - begun.started, 3),
    }
    append(tx, trip.about, Fact("rollout.shadowed", begun.rollout, 0, data))
    rollouts.finish(tx, begun.rollout, "shadowed", move.because)
    _leave(tx, trip)


def mended(tx: Tx, trip: Trip, begun: Begun, generation: int) -> None:
    """The proxy knows where the instances are."""
    append(tx, trip.about, Fact("rollout.mended", begun.rollout, generation))


def in_force(tx: Tx, trip: Trip, begun: Begun, to: int, address: str) -> None:
    """The router has confirmed the step: from now on it is judged."""
    state = rollouts.load(tx.connection, begun.rollout)
    rollouts.save(tx, begun.rollout, machine.shifted(state, to, tx.now))
    rollouts.forget_snapshot(tx, begun.rollout)
    step = begun.plan.steps[to]
    data: dict[str, object] = {
        "step": to,
        "share": step.share,
        "mirror": step.mirror,
        "candidate": step.candidate,
        "stable": step.stable,
        "address": address,
        "digest": trip.release.digest,
    }
    append(tx, trip.about, Fact("rollout.shifted", begun.rollout, to, data))
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    records.put_place(tx, records.changed(place, address=address))


def settled(tx: Tx, trip: Trip, begun: Begun) -> None:
    """The stability window begins; the judge stays armed."""
    state = rollouts.load(tx.connection, begun.rollout)
    rollouts.save(tx, begun.rollout, machine.settled(state, tx.now))
    data: dict[str, object] = {"stability_seconds": begun.plan.stability_seconds}
    append(tx, trip.about, Fact("rollout.settled", begun.rollout, 0, data))


def released(tx: Tx, trip: Trip, begun: Begun, because: str, address: str) -> None:
    """The release is the last known good here."""
    state = rollouts.load(tx.connection, begun.rollout)
    after = machine.released(state, tx.now) if begun.stable else machine.done(state)
    rollouts.save(tx, begun.rollout, after)
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    records.put_place(
        tx,
        records.changed(
            place, stable=trip.release.name, candidate="", address=address, since=tx.now
        ),
    )
    data: dict[str, object] = {
        "because": because,
        "digest": trip.release.digest,
        "seconds": round(tx.now - begun.started, 3),
        "address": address,
    }
    data |= {"replaced": begun.stable} if begun.stable else {}
    append(tx, trip.about, Fact("release.released", begun.rollout, 0, data))
    rollouts.finish(tx, begun.rollout, "released", because)
    baseline.released(tx, trip, begun)
    if after.phase == "done":
        _leave(tx, trip)


def retired(tx: Tx, trip: Trip, begun: Begun) -> None:
    """The old release is gone; the place is free."""
    rollouts.save(tx, begun.rollout, machine.done(rollouts.load(tx.connection, begun.rollout)))
    append(tx, trip.about, Fact("rollout.retired", begun.rollout, 0, {"stable": begun.stable}))
    _leave(tx, trip)


def _leave(tx: Tx, trip: Trip) -> None:
    place = records.place(tx.connection, trip.release.service, trip.environment.name)
    records.put_place(tx, records.changed(place, candidate="", rollout=""))
    release_place(tx, trip)
