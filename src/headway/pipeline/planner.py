"""From a workflow to the jobs that will run, needs first. Called as `pipeline.plan` by flows.

Matrices, conditions and called workflows expand here, when this version grows them.
"""

import difflib

from headway.document import invalid, quoted
from headway.model.errors import Invalid, Problem
from headway.model.pipeline import PlannedJob, PlannedStep
from headway.pipeline.triggers import input_fault
from headway.pipeline.workflow import Binding, Input, Job, Step, Workflow


def plan(workflow: Workflow, *, inputs: dict[str, str] | None = None) -> tuple[PlannedJob, ...]:
    """The jobs in an order where needs come first, else as written.

    `inputs` are the values given at the start. Raises Invalid: `cycle`, `unknown-input`,
    `missing-input`, `bad-input`.
    """
    values = _inputs(workflow, inputs or {})
    return tuple(_planned(workflow, job, values) for job in _ordered(workflow))


def _ordered(workflow: Workflow) -> list[Job]:
    done: dict[str, Job] = {}
    left = list(workflow.jobs)
    while left:
        ready = next((j for j in left if all(n.text in done for n in j.needs)), None)
        if ready is None:
            raise _cycle(workflow, left)
        done[ready.id] = ready
        left.remove(ready)
    return list(done.values())


def _cycle(workflow: Workflow, left: list[Job]) -> Invalid:
    """Follow needs that are left, from any job left, until one comes again."""
    jobs = {job.id: job for job in left}
    path = [left[0].id]
    while True:
        need = next(n.text for n in jobs[path[-1]].needs if n.text in jobs)
        if need in path:
            break
        path.append(need)
    circle = [*path[path.index(need) :], need]
    first = min((jobs[id] for id in circle), key=lambda j: j.at.line)
    start = circle.index(first.id)
    shown = " -> ".join([*circle[start:-1], *circle[:start], first.id])
    sentence = f"these jobs wait for each other: {shown}"
    return invalid([Problem(workflow.file, first.at.line, first.at.column, sentence, "cycle")])


def _inputs(workflow: Workflow, given: dict[str, str]) -> dict[str, str]:
    declared = {i.name: i for i in workflow.on.inputs()}
    problems = [_undeclared(workflow, name, declared) for name in given if name not in declared]
    values = {name: given.get(name, i.default) for name, i in declared.items()}
    for name, value in values.items():
        if fault := _fault(declared[name], value):
            at = declared[name].at
            problems.append(Problem(workflow.file, at.line, at.column, *fault))
    if problems:
        raise invalid(problems)
    return {name: "" if value is None else value for name, value in values.items()}


def _fault(declared: Input, value: str | None) -> tuple[str, str] | None:
    if value is None:
        missing = f"the input {quoted(declared.name)} is required and was not given"
        return (missing, "missing-input") if declared.required else None
    fault = input_fault(declared, value)
    return (f"the input {quoted(declared.name)} {fault}", "bad-input") if fault else None


def _undeclared(workflow: Workflow, name: str, declared: dict[str, Input]) -> Problem:
    near = difflib.get_close_matches(name, declared, n=1)
    known = ", ".join(declared) or "none"
    hint = f"Did you mean {quoted(near[0])}?" if near else f"Known here: {known}"
    sentence = f"unknown input {quoted(name)}. {hint}"
    at = workflow.on.at
    return Problem(workflow.file, at.line, at.column, sentence, "unknown-input")


def _planned(workflow: Workflow, job: Job, inputs: dict[str, str]) -> PlannedJob:
    return PlannedJob(
        id=job.id,
        name=job.name,
        needs=tuple(dict.fromkeys(need.text for need in job.needs)),
        steps=tuple(_step(step) for step in job.steps),
        env=_values((*workflow.env, *job.env)),
        timeout_seconds=job.timeout_seconds,
        inputs=inputs,
    )


def _step(step: Step) -> PlannedStep:
    return PlannedStep(
        id=step.id,
        name=step.name,
        run=step.run,
        uses=step.uses,
        inputs=_values(step.inputs),
        env=_values(step.env),
        shell=step.shell,
        working_directory=step.working_directory,
        line=step.at.line,
    )


def _values(bindings: tuple[Binding, ...]) -> dict[str, str]:
    """Later ones win: a job's variable hides the workflow's."""
    return {b.name: b.value for b in bindings}
