"""A run that the server shall do: checked, numbered, written down, and put into the home's queue.

Called by wiring's `Headway.start` for triggers, `headway pipeline start` and the HTTP API, from any
process of the home. The same id again changes nothing, so it may be called again after a crash.
"""

from dataclasses import dataclass, replace

from headway.flows import pipeline
from headway.flows.pipeline_preview import preview
from headway.flows.run_list import service_of
from headway.flows.run_tell import Voice, voice
from headway.flows.variables import of_server
from headway.flows.world import World
from headway.model.errors import Refused
from headway.pipeline.run.state import RunSpec, RunState
from headway.store import run_log, runs, triggers
from headway.store.database import Tx

FLOW = "run"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Go on with this run until it has ended, or until it can only wait. `told`: a forge shows how
    it goes. `queue`: in which it goes on after it has waited ("": it keeps its place meanwhile);
    `turn`: how often it has.
    """

    id: str
    told: bool = False
    queue: str = ""
    turn: int = 0


def start(world: World, queue: str, spec: RunSpec) -> RunState:
    """Make the run exist and wait in the queue; gives it with its number.

    Raises Invalid for a workflow that cannot be read or planned, Refused (`cannot-run`) for one
    that certainly cannot run here; such a run does not exist afterwards, but its number is used.
    """
    with world.tx() as tx:
        number = runs.number(tx, spec.id, spec.repo, spec.workflow)
    served = of_server(world, replace(spec, number=number, served=True))
    _check(world, served)
    made = pipeline.create(world.bench, served)
    with world.tx() as tx:
        if runs.move(tx, spec.id, ("made",), "started"):
            _begin(tx, voice(world, tx, made.spec), made.spec, queue)
    return made


def again(world: World, queue: str, id: str, *, failed_only: bool = False) -> RunState:
    """A new run of one that has ended, as its next attempt, in the queue; gives it. A repetition
    that a crash kept out of the queue is given another time instead of a new one.

    Raises as flows/pipeline.rerun.
    """
    made = _left(world, id) or pipeline.rerun(world.bench, id, failed_only=failed_only, served=True)
    spec = made.spec
    with world.tx() as tx:
        runs.number(tx, spec.id, spec.repo, spec.workflow)
        if origin := triggers.started(tx.connection, id):
            triggers.link(tx, [replace(origin, run=spec.id)])
        if runs.move(tx, spec.id, ("made",), "started"):
            _begin(tx, voice(world, tx, spec), spec, queue)
    return made


def _left(world: World, id: str) -> RunState | None:
    """The newest repetition of the run, if it was written down and never put into the queue."""
    base = pipeline.show(world.home, id).spec.id.partition(".")[0]
    mine = (n for n in run_log.newest(world.home) if n.startswith(f"{base}."))
    newest = next(mine, None)
    if newest is None:
        return None
    found = pipeline.show(world.home, newest)
    with world.tx() as tx:
        begun = runs.begun(tx.connection, newest)
    waits = found.spec.served and found.phase == "running" and not found.planned
    return found if waits and found.spec.of == id and not begun else None


def refuse(tx: Tx, world: World, spec: RunSpec, because: str) -> None:
    """The run was refused: the forge that asked for it shows why."""
    if runs.move(tx, spec.id, ("made",), "refused"):
        speaker = voice(world, tx, spec)
        data = _what(spec) | {"because": because}
        speaker.first(tx, "run.refused", data, service_of(spec))
        speaker.status(tx, "", "error", because)


def _begin(tx: Tx, speaker: Voice, spec: RunSpec, queue: str) -> None:
    order = RunOrder(spec.id, speaker.told, queue)
    speaker.world.outbox.start(tx, FLOW, spec.id, order, queue)
    speaker.first(tx, "run.requested", _what(spec), service_of(spec))
    speaker.status(tx, "", "pending", "waiting")


def _what(spec: RunSpec) -> dict[str, object]:
    return {
        "workflow": spec.workflow,
        "repo": spec.repo,
        "sha": spec.sha,
        "ref": spec.ref,
        "event": spec.event,
        "number": spec.number,
        "by": spec.actor,
    }


def _check(world: World, spec: RunSpec) -> None:
    """Raises Refused with the first job that cannot run here."""
    refused = preview(world.bench, replace(spec, fresh=True)).refused
    if refused:
        key, error = refused[0]
        raise Refused(
            f"{spec.workflow}: job `{key}` cannot run here",
            why=str(error),
            next=error.next,
            code="cannot-run",
        )
