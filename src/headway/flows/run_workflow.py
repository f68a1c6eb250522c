"""A run of the server, from its place in the queue to its end. A flow, registered in wiring.

To its journal the run is one act: what happens in it is in the run's own log, and after a crash it
goes on there, so that no finished step runs twice (flows/pipeline.py). A run that can only wait
ends its flow and so gives up its place; flows/run_wake starts the next one.
"""

import time
from dataclasses import dataclass

from headway.flows import commit_rules, pipeline, pipeline_park
from headway.flows.journal import Journal
from headway.flows.pipeline_bench import Bench
from headway.flows.run_start import RunOrder
from headway.flows.run_tell import Telling, Voice, job_ended, voice
from headway.flows.world import World
from headway.model.errors import Drifted, HeadwayError
from headway.model.job import JobReport
from headway.pipeline.run.state import RunState
from headway.store import parked, runs
from headway.store.database import Tx
from headway.store.parked import Parked

AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """One instance: the job's id in the file, its name for people, and what came of it."""

    id: str
    name: str
    report: JobReport


@dataclass(frozen=True, slots=True)
class End:
    """What the run came to; `jobs` as they ended. `waits`: it has not ended, and for what it waits
    without a place.
    """

    outcome: str
    because: str
    seconds: float
    jobs: tuple[Job, ...]
    waits: str = ""


def run_workflow(journal: Journal, world: World, order: RunOrder) -> None:
    """One run to its end, to where it can only wait, or to the reason why it has no end."""
    try:
        end = journal.act("run", drive, world, order)
        if end.waits:
            journal.commit("run waits", waits, world, order, end)
        else:
            journal.commit("run ended", ended, world, order, end)
    except HeadwayError as error:
        journal.commit("run broke", broke, world, order, str(error))


def drive(world: World, order: RunOrder) -> End:
    """The run to its end; goes on where it stood. Another process that still drives it is waited
    for: it was taken for dead, and lives.
    """
    speaker = _speaker(world, order)
    while True:
        try:
            park = bool(order.queue)
            return _end(
                world.bench, pipeline.run(world.bench, order.id, Telling(speaker), park=park)
            )
        except Drifted as error:
            if error.code != "run-running":
                raise
        time.sleep(AGAIN_SECONDS)


def _speaker(world: World, order: RunOrder) -> Voice:
    """Nothing is looked up for a run of which nobody is told."""
    if not order.told:
        return Voice(world, order.id, "", told=False)
    spec = pipeline.show(world.home, order.id).spec
    with world.tx() as tx:
        return voice(world, tx, spec)


def _end(bench: Bench, state: RunState) -> End:
    if state.phase == "running":
        return End(state.phase, "", 0.0, (), pipeline_park.words(bench, state))
    ids = {key: job for job, keys in state.planned.items() for key in keys}
    names = {key: order.name for key, order in state.orders.items()}
    jobs = tuple(Job(ids[k], names.get(k, k), report) for k, report in state.ended.items())
    seconds = round(state.finished_at - state.created_at, 3)
    return End(state.phase, state.cancelled, seconds, jobs)


def waits(tx: Tx, world: World, order: RunOrder, end: End) -> None:
    """It is known to wait, and its place is free as soon as this is written down."""
    turn = order.turn + 1
    parked.put(tx, Parked(order.id, turn, order.queue, order.told))
    speaker = voice(world, tx, pipeline.show(world.home, order.id).spec)
    speaker.fact(tx, "run.parked", {"turn": turn, "because": end.waits}, turn)
    speaker.status(tx, "", "pending", end.waits)


def ended(tx: Tx, world: World, order: RunOrder, end: End) -> None:
    """The last word, and whatever could not be told while the run went on."""
    spec = pipeline.show(world.home, order.id).spec
    speaker = voice(world, tx, spec)
    for job in end.jobs:
        job_ended(tx, speaker, job.id, job.report, job.name)
    stage = "success" if end.outcome == "success" else _bad(end.outcome)
    runs.move(tx, order.id, ("made", "started"), stage)
    data: dict[str, object] = {"outcome": end.outcome, "because": end.because}
    speaker.fact(tx, "run.finished", data | {"number": spec.number, "seconds": end.seconds})
    speaker.ended(tx, end.outcome, end.because)
    commit_rules.wake(tx, world, spec.repo, spec.sha)


def _bad(outcome: str) -> runs.Stage:
    return "cancelled" if outcome == "cancelled" else "failure"


def broke(tx: Tx, world: World, order: RunOrder, because: str) -> None:
    """The run cannot go on: its log is damaged, or there is no room for it."""
    runs.move(tx, order.id, ("made", "started"), "failure")
    try:
        speaker = voice(world, tx, pipeline.show(world.home, order.id).spec)
    except HeadwayError:
        speaker = Voice(world, order.id, "", told=False)
    speaker.fact(tx, "run.finished", {"outcome": "failure", "because": because})
    speaker.ended(tx, "failure", because)
