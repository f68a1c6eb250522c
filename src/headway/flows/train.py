"""Release trains: releases wait at the door of an environment and leave together.

Nobody drives a train. Each delivery that waits at the door looks at the clock; the first one that
sees a moment of the schedule pass writes the departure with everybody who is ready, and wakes them.
So a train needs no process of its own, and a killed one loses nothing: who left is in the database.
Asked by flows/enter at the door, by `headway train` and `headway plan`.
"""

from dataclasses import dataclass
from datetime import tzinfo

import sqlalchemy as sa

from headway.flows.journal import Outbox
from headway.flows.trigger_schedule import zone_of
from headway.flows.trip import Trip
from headway.flows.world import World
from headway.gate import train as gate
from headway.gate.train import Bundle, Passenger, Progress, Seat
from headway.model.delivery import Release
from headway.model.errors import Refused
from headway.model.event import Fact
from headway.model.service import Environment, Train
from headway.model.verdict import Outcome, Verdict
from headway.pipeline.trigger import cron
from headway.store import decisions, records, trains
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.trains import Departure, Known

# a train that nobody could let go in time leaves late, but not in the middle of the next night
LATE_SECONDS = 3600.0
TURN_SECONDS = 3.0
HOTFIX = "delivery.hotfix"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the train says to a release. `again_seconds`: when to ask again, 0: no matter.
    `overtaken`: the newer release of its service that left instead.
    """

    verdict: Verdict
    again_seconds: float = 0.0
    overtaken: str = ""


def ask(tx: Tx, world: World, trip: Trip, others: Verdict) -> Answer:
    """The train's answer at the door. `others`: the worst that the other gates say."""
    policy = trip.environment.train
    if policy is None:
        return Answer(gate.judge(None, None))
    release, ready = trip.release, others.outcome is Outcome.PASS
    id = trains.train_id(policy, release.service, trip.environment.name)
    held = trains.learn(tx, id, trip.environment.name, policy)
    named = (trip.delivery, release.service, release.name, release.number)
    seen = trains.wait(tx, id, Passenger(*named, ready))
    hotfix = _hotfix(tx.connection, trip.delivery, trip.environment.name)
    moment = _due(policy, seen.since, tx.now)
    if moment is not None and not held and not hotfix and seen.passenger.state == "waiting":
        going = Departure(f"{id}/{cron.shown(moment, zone_of(policy.zone))}", id, moment, tx.now,
                         "schedule", "")  # fmt: skip
        _let_go(tx, world.outbox, Known(id, trip.environment.name, policy), going)
        seen = trains.wait(tx, id, Passenger(*named, ready))
    return _answer(tx, trip, policy, Seat(seen.passenger, "", held, hotfix))


def left(tx: Tx, trip: Trip) -> bool:
    """Whether it has left with a train: then nobody who comes to the door later takes its seat."""
    policy = trip.environment.train
    if policy is None:
        return False
    id = trains.train_id(policy, trip.release.service, trip.environment.name)
    one = trains.passenger(tx.connection, id, trip.delivery)
    return one is not None and one.state == "boarded"


def _answer(tx: Tx, trip: Trip, policy: Train, seat: Seat) -> Answer:
    one = seat.passenger
    if one.state == "behind" and not seat.hotfix:
        left = trains.aboard(tx.connection, one.departure)
        newer = next((p.release for p in left if p.service == one.service), one.departure)
        return Answer(Verdict(gate.JUDGE, Outcome.WAIT, f"{newer} left instead"), 0.0, newer)
    zone = zone_of(policy.zone)
    upcoming = cron.following(cron.parse(policy.schedule), zone, tx.now)
    before = _before(tx, trip, one) if policy.order and one.state == "boarded" else None
    told = Seat(one, cron.shown(upcoming, zone), seat.held, seat.hotfix, before)
    again = TURN_SECONDS if one.state == "boarded" else upcoming - tx.now
    return Answer(gate.judge(policy, told), max(0.1, again))


def _due(policy: Train, since: float, now: float) -> float | None:
    """The latest moment of the schedule that has passed since the release was ready to leave."""
    known, zone = cron.parse(policy.schedule), zone_of(policy.zone)
    return cron.latest(known, zone, max(since, now - LATE_SECONDS), now)


def _hotfix(connection: sa.Connection, delivery: str, environment: str) -> str:
    """Who let it go beside the train, and why."""
    said = decisions.last_said(connection, delivery, environment, HOTFIX)
    return f"by {said[0]}: {said[1]}" if said else ""


def _before(tx: Tx, trip: Trip, one: Passenger) -> dict[str, Progress]:
    """How those are doing who left with it and sit before it."""
    found: dict[str, Progress] = {}
    for other in trains.aboard(tx.connection, one.departure):
        if other.delivery == one.delivery:
            break
        place = records.place(tx.connection, other.service, trip.environment.name)
        over = records.delivery(tx.connection, other.delivery).state == "done"
        released = place.stable == other.release and place.candidate != other.release
        found[other.release] = "released" if released else "ended" if over else "going"
    return found


def foresee(
    connection: sa.Connection, environment: Environment, release: Release | None, now: float
) -> Verdict:
    """What the train would say now, for `headway plan`; changes nothing. None: not built yet."""
    policy = environment.train
    if policy is None:
        return gate.judge(None, None)
    one = Passenger("", "", "", 0, ready=True)
    held = hotfix = ""
    if release is not None:
        id = trains.train_id(policy, release.service, environment.name)
        held = next((t.held for t in trains.known(connection) if t.id == id), "")
        one = trains.passenger(connection, id, release.delivery) or one
        hotfix = _hotfix(connection, release.delivery, environment.name)
    return gate.judge(policy, Seat(one, upcoming(policy, now), held, hotfix))


def _let_go(tx: Tx, outbox: Outbox, known: Known, left: Departure) -> Bundle:
    """The departure, with everybody who is ready, in one transaction."""
    waiting = [w.passenger for w in trains.at_door(tx.connection, known.id)]
    bundle = gate.bundle(waiting, known.policy.order)
    if bundle.passengers and trains.depart(tx, left, bundle):
        data: dict[str, object] = {
            "train": known.id,
            "scheduled_at": left.at,
            "late_seconds": round(left.left_at - left.at, 3) if left.at else 0.0,
            "by": left.by,
            "reason": left.reason,
            "passengers": [p.release for p in bundle.passengers],
            "behind": bundle.behind,
        }
        about = About("", "", known.environment)
        append(tx, about, Fact("train.departed", left.id, 0, data))
        for delivery in (*(p.delivery for p in bundle.passengers), *bundle.behind):
            outbox.wake(tx, delivery)
    return bundle


def depart(tx: Tx, outbox: Outbox, id: str, by: str, reason: str) -> Bundle:
    """A person lets the train go now. Raises Refused (`train-held`, `train-empty`), Invalid
    (`unknown-train`).
    """
    known = trains.get(tx.connection, id)
    if known.held:
        raise Refused(
            f"{id} is held {known.held}", next=f"headway train resume {id}", code="train-held"
        )
    number = decisions.count_of(tx.connection, "train.departed", f"{id}/")
    left = Departure(f"{id}/by-hand-{number + 1}", id, 0.0, tx.now, by, reason)
    bundle = _let_go(tx, outbox, known, left)
    if not bundle.passengers:
        raise Refused(
            f"nobody is ready to leave with {id}",
            why="a release boards once every other gate lets it in",
            next=f"headway train show {id}",
            code="train-empty",
        )
    return bundle


def hold(tx: Tx, outbox: Outbox, id: str, by: str, reason: str) -> None:
    """No departure from now on, until somebody resumes. Raises Invalid (`unknown-train`)."""
    trains.hold(tx, id, f"by {by}: {reason}")
    _told(tx, outbox, id, "train.held", {"by": by, "reason": reason})


def resume(tx: Tx, outbox: Outbox, id: str, by: str, reason: str) -> None:
    """It goes again: at its next moment, or at once if it was held at one less than LATE_SECONDS
    ago. Raises Invalid (`unknown-train`).
    """
    trains.hold(tx, id, "")
    _told(tx, outbox, id, "train.resumed", {"by": by, "reason": reason})


def _told(tx: Tx, outbox: Outbox, id: str, kind: str, data: dict[str, object]) -> None:
    known = trains.get(tx.connection, id)
    number = decisions.count(tx.connection, id, kind)
    append(tx, About("", "", known.environment), Fact(kind, id, number, data))
    for one in trains.at_door(tx.connection, id):
        outbox.wake(tx, one.passenger.delivery)


def upcoming(policy: Train, now: float) -> str:
    """The next departure, for people."""
    zone: tzinfo = zone_of(policy.zone)
    return cron.shown(cron.following(cron.parse(policy.schedule), zone, now), zone)
