"""A person goes back to an older release of a service in one environment.

The older release comes up beside the present one and takes all traffic by one switch; what was
left behind is quarantined there. Started by flows/commands.py.
"""

from dataclasses import dataclass, replace

from headway.flows.deliver import finish, outcome_of
from headway.flows.enter import admit
from headway.flows.journal import Journal
from headway.flows.roll_out import roll_out
from headway.flows.trip import Stopped, Trip
from headway.flows.world import World
from headway.model.delivery import Order, Release
from headway.model.errors import HeadwayError
from headway.model.event import Fact
from headway.model.service import RolloutPolicy
from headway.store import decisions, records
from headway.store.database import Tx
from headway.store.log import append

AT_ONCE = RolloutPolicy(
    strategy="blue-green", bake_seconds=0.0, keep_old_seconds=0.0, stability_seconds=0.0
)


@dataclass(frozen=True, slots=True)
class RevertOrder:
    """Which release, where, who asked and why. `repo` is where its commit is read from."""

    delivery: str
    repo: str
    release: str
    environment: str
    by: str
    reason: str


def revert(journal: Journal, world: World, order: RevertOrder) -> None:
    """One revert, from the request to the last word."""
    plain = Order(order.delivery, order.repo, "", "", order.by)
    try:
        release = journal.commit("find release", find, order)
        environment = replace(release.config.environment(order.environment), rollout=AT_ONCE)
        trip = Trip(order.delivery, order.repo, release, environment, back=True)
        admit(journal, world, trip)
        left = journal.commit("leave", leaving, trip)
        roll_out(journal, world, trip)
        journal.commit("left", quarantine_left, trip, order, left)
        journal.commit("delivered", finish, plain, "delivered", "", "")
    except Stopped as stop:
        journal.commit("stopped", finish, plain, stop.outcome, stop.because, stop.code)
    except HeadwayError as error:
        journal.commit("failed", finish, plain, outcome_of(error), str(error), error.code)


def find(tx: Tx, order: RevertOrder) -> Release:
    """The release to go back to."""
    return records.release(tx.connection, order.release)


def leaving(tx: Tx, trip: Trip) -> str:
    """The release in charge before."""
    return records.place(tx.connection, trip.release.service, trip.environment.name).stable


def quarantine_left(tx: Tx, trip: Trip, order: RevertOrder, left: str) -> None:
    """Nobody shall deploy it here again by accident."""
    if not left or left == trip.release.name:
        return
    digest = records.release(tx.connection, left).digest
    because = f"rolled back by {order.by}: {order.reason}"
    if digest == trip.release.digest:
        return
    decisions.quarantine(tx, digest, trip.release.service, trip.environment.name, because)
    data: dict[str, object] = {"digest": digest, "because": because, "release": left}
    append(tx, trip.about, Fact("artifact.quarantined", order.delivery, 0, data))
