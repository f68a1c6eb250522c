"""The mission in one screen: a commit is built once, then enters each environment of its path
through that environment's gates, is rolled out, judged, and promoted or rolled back.
"""

from headway.flows.build import build
from headway.flows.enter import admit
from headway.flows.handover import take_over
from headway.flows.journal import Journal
from headway.flows.roll_out import roll_out
from headway.flows.trip import Stopped, Trip
from headway.flows.world import World
from headway.model.delivery import DeliveryOutcome, Order
from headway.model.errors import Drifted, HeadwayError, Refused
from headway.model.event import Fact
from headway.store import records
from headway.store.database import Tx
from headway.store.log import About, append


def deliver(journal: Journal, world: World, order: Order) -> None:
    """One delivery from commit to released, or to the reason why not."""
    try:
        release = (take_over if order.artifact else build)(journal, world, order)
        for environment in release.config.environments:
            trip = Trip(order.delivery, order.repo, release, environment)
            admit(journal, world, trip)
            roll_out(journal, world, trip)
            if environment.name == order.to:
                break
        journal.commit("delivered", finish, order, "delivered", "", "")
    except Stopped as stop:
        journal.commit("stopped", finish, order, stop.outcome, stop.because, stop.code)
    except HeadwayError as error:
        journal.commit("failed", finish, order, outcome_of(error), str(error), error.code)


def outcome_of(error: HeadwayError) -> DeliveryOutcome:
    """What a delivery that met this error has come to."""
    return "refused" if isinstance(error, Refused | Drifted) else "failed"


def finish(tx: Tx, order: Order, outcome: DeliveryOutcome, because: str, code: str) -> None:
    """The delivery's last word; whatever it held is free again."""
    known = records.delivery(tx.connection, order.delivery)
    records.update_delivery(
        tx, order.delivery, state="done", outcome=outcome, because=because, finished_at=tx.now
    )
    records.free_places(tx, order.delivery)
    about = About(order.delivery, known.service, known.environment, known.release)
    data: dict[str, object] = {
        "outcome": outcome,
        "because": because,
        "code": code,
        "digest": known.digest,
        "sha": known.sha,
        "seconds": round(tx.now - known.requested_at, 3),
    }
    append(tx, about, Fact("delivery.finished", order.delivery, 0, data))
