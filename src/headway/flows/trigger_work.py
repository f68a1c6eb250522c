"""Stored events become runs, one after the other; what cannot be reached is tried again.

A round of the server. The one call that starts a run is `Desk.start`: wiring gives it. It may come
twice for one run (a crash between it and the note that it was done) with the same id.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa

from headway.flows import (
    handover_push,
    intake,
    run_start,
    trigger,
    trigger_push,
    trigger_schedule,
    trigger_where,
)
from headway.flows.trigger import Found
from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Unreachable
from headway.pipeline.run.state import RunSpec
from headway.pipeline.trigger import Starts
from headway.store import triggers
from headway.store.database import Tx
from headway.store.triggers import Started, Waiting

FIRST_SECONDS, LAST_SECONDS = 5.0, 600.0
GIVEN_UP_SECONDS = 86400.0
MOST_BECAUSE = 2000


@dataclass(frozen=True, slots=True)
class Desk:
    """Where triggers are worked on. `connection`: by name, None if nobody knows it (any more).

    `start`: makes the run exist and go; the same id again changes nothing.
    """

    world: World
    tx: Callable[[], AbstractContextManager[Tx]]
    reading: Callable[[], AbstractContextManager[sa.Connection]]
    connection: Callable[[str], Connection | None]
    start: Callable[[RunSpec], object]


def work(desk: Desk) -> None:
    """Work on all that waits and is this server's to do. A bug marks its event as failed before it
    goes on its way, so that it does not stop the others for ever.
    """
    for one in _mine(desk):
        try:
            _work(desk, one)
        except Unreachable as error:
            _later(desk, one, str(error))
        except HeadwayError as error:
            _finish(desk, one, "failed", str(error))
        except Exception as bug:
            _finish(desk, one, "failed", f"a bug in Headway: {type(bug).__name__}")
            raise


def _mine(desk: Desk) -> list[Waiting]:
    """What waits, without what other servers on this database must do."""
    now = desk.world.clock.now()
    with desk.reading() as connection:
        if not trigger_where.shared(connection):
            return triggers.waiting(connection, now)
        found, others = trigger_where.sorted_out(connection, now, partial(_lacking, desk))
    for one, lacking in others:
        because = trigger_where.note(lacking)
        waited = now - one.received_at
        if waited > trigger_where.KEPT_SECONDS:
            _finish(desk, one, "failed", f"given up after a week: it {because}")
        elif waited > trigger_where.NOTED_SECONDS and not one.because:
            with desk.tx() as tx:
                triggers.note(tx, one.id, because[:MOST_BECAUSE])
    return found


def _lacking(desk: Desk, one: Waiting) -> str:
    return trigger_where.lacking(desk.world, one, desk.connection(one.hook))


def _work(desk: Desk, one: Waiting) -> None:
    rule = handover_push.rule_of(desk.connection(one.hook))
    if rule is not None:
        came = handover_push.work(desk.tx, desk.world, rule, one.event)
        _finish(desk, one, came.state, came.because)
        return
    token = token_for(desk.connection(one.hook))
    found = [_delivered(desk.world, one, f) for f in trigger.look(desk.world, one.event, token)]
    if desk.connection(one.hook):
        with desk.tx() as tx:  # before they start: the first thing they tell goes to the forge
            triggers.link(tx, _links(one, found))
    found = [_started_or_not(desk, f) for f in found]
    good = any(f.spec is not None for f in found)
    state = "started" if good else "failed" if any(f.broken for f in found) else "nothing"
    trigger_schedule.learn(desk.tx, desk.world, one.event, token)
    with desk.tx() as tx:
        triggers.link(tx, _links(one, found))
        triggers.finish(tx, one.id, state, _because(tuple(found)))


def _links(one: Waiting, found: Iterable[Found]) -> list[Started]:
    """The runs and what started them."""
    specs = [f.spec for f in found if f.spec is not None]
    return [Started(s.id, one.id, one.hook, one.event.repo, s.sha, s.workflow) for s in specs]


def _delivered(world: World, one: Waiting, found: Found) -> Found:
    """A pushed commit's own deliver workflow is a delivery (flows/intake) and not also a run."""
    if one.hook != trigger_push.HOOK or found.spec is None:
        return found
    because = intake.delivers(world, one.event, found.file)
    return (
        replace(found, spec=None, starts=Starts(yes=False, because=because)) if because else found
    )


def _started_or_not(desk: Desk, found: Found) -> Found:
    """Start the run; one that is refused keeps none of the others from starting."""
    if found.spec is None:
        return found
    try:
        desk.start(found.spec)
    except Unreachable:
        raise
    except HeadwayError as error:
        with desk.tx() as tx:
            run_start.refuse(tx, desk.world, found.spec, str(error))
        return replace(found, spec=None, starts=Starts(yes=False, because=str(error)), broken=True)
    return found


def token_for(connection: Connection | None) -> str:
    """What reads the connection's repository; "" if nothing is needed."""
    return connection.options.get("token", "") if connection else ""


def _because(found: tuple[Found, ...]) -> str:
    """Why each workflow starts or not, those that matter first."""
    if not found:
        return f"there is no workflow in {trigger.FOLDER} at that commit"
    ranked = sorted(found, key=lambda f: (not f.broken, f.spec is None))
    return "\n".join(f"{f.file}: {f.starts.because}" for f in ranked)[:MOST_BECAUSE]


def _finish(desk: Desk, one: Waiting, state: str, because: str) -> None:
    with desk.tx() as tx:
        triggers.finish(tx, one.id, state, because[:MOST_BECAUSE])


def _later(desk: Desk, one: Waiting, because: str) -> None:
    now = desk.world.clock.now()
    if now - one.received_at > GIVEN_UP_SECONDS:
        _finish(desk, one, "failed", f"given up after a day: {because}")
        return
    until = now + min(LAST_SECONDS, FIRST_SECONDS * 2.0 ** min(one.attempts, 20))
    with desk.tx() as tx:
        triggers.postpone(tx, one.id, until, because[:MOST_BECAUSE])
