"""The jobs of a run as a graph, for people to look at: what needs what, and how each stands.

One node a job of the file; the instances of a matrix and the jobs of a called workflow are one with
it. Made from a run's state alone. Called by the pages and the API.
"""

from collections.abc import Iterable
from typing import Literal

from headway.model.job import JobReport
from headway.pipeline.run.program import load
from headway.pipeline.run.state import RunState
from headway.pipeline.syntax.ir import Job
from headway.record import dataclass

Stand = Literal["success", "failure", "cancelled", "skipped", "running", "waiting"]
_WORST: tuple[Stand, ...] = ("failure", "cancelled", "running", "waiting", "success", "skipped")


@dataclass(frozen=True, slots=True)
class Node:
    """One job. `column`: the longest way to it from a job without needs, in jobs; `row`: its place
    in the column, in the order of the file. `keys`: its instances so far. `seconds`: from the first
    instance's start to the last one's end; None until then.
    """

    id: str
    name: str
    needs: tuple[str, ...]
    column: int
    row: int
    stands: Stand
    keys: tuple[str, ...]
    seconds: float | None


def graph(state: RunState) -> tuple[Node, ...]:
    """In the order of the file."""
    jobs = load(state.spec).root.jobs
    columns = _columns(jobs)
    rows: dict[int, int] = {}
    found = []
    for job in jobs:
        column = columns[job.id]
        rows[column] = rows.get(column, -1) + 1
        found.append(_node(state, job, column, rows[column]))
    return tuple(found)


def _node(state: RunState, job: Job, column: int, row: int) -> Node:
    keys = state.planned.get(job.id, ())
    reports = [state.ended[k] for k in keys if k in state.ended]
    return Node(
        id=job.id,
        name=job.name.text if job.name and "${{" not in job.name.text else job.id,
        needs=tuple(n.text for n in job.needs),
        column=column,
        row=row,
        stands=_stands(state, job.id, keys),
        keys=keys,
        seconds=_seconds(reports) if keys and len(reports) == len(keys) else None,
    )


def _stands(state: RunState, job: str, keys: tuple[str, ...]) -> Stand:
    if job not in state.planned:
        return "waiting" if state.phase == "running" else "skipped"
    seen = {_instance(state, key) for key in keys}
    return next((s for s in _WORST if s in seen), "skipped")


def _instance(state: RunState, key: str) -> Stand:
    if key in state.ended:
        outcome = state.ended[key].outcome
        return "success" if key in state.tolerated else outcome
    begun = key in state.orders or key in state.calls
    return "running" if begun else "waiting"


def _seconds(reports: Iterable[JobReport]) -> float:
    known = list(reports)
    begun = min(r.started_at for r in known)
    return max(0.0, max(r.finished_at for r in known) - begun)


def _columns(jobs: tuple[Job, ...]) -> dict[str, int]:
    """A job's needs come before it; the reader has refused circles."""
    needs = {job.id: [n.text for n in job.needs] for job in jobs}
    found: dict[str, int] = {}
    while len(found) < len(needs):
        for id, before in needs.items():
            if id not in found and all(n in found for n in before):
                found[id] = 1 + max((found[n] for n in before), default=-1)
    return found
