"""The workflow of a run with all the workflows that it calls, read and checked as a whole.

Called by flows/pipeline.py when a run is created and when it goes on; `references` also by whoever
gathers the texts. Ten levels of workflows and 50 different ones, the first included in the former
(docs.github.com, "Reusing workflow configurations").
"""

from collections.abc import Iterator

from headway.document import Mark, invalid, quoted
from headway.model.errors import Problem
from headway.pipeline.run.inputs import dispatched
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax import reader
from headway.pipeline.syntax.ir import Bindings, Input, Job, Secret, Trigger, Workflow
from headway.record import dataclass

MAX_LEVELS = 10
MAX_CALLED = 50


@dataclass(frozen=True, slots=True)
class Sheet:
    """One workflow as a graph: `jobs` as written, `ancestors` all that a job depends on."""

    name: str
    workflow: Workflow
    jobs: tuple[Job, ...]
    needs: dict[str, tuple[str, ...]]
    ancestors: dict[str, frozenset[str]]

    def callable(self) -> Trigger:
        """Its `on: workflow_call`. Raises KeyError if it has none; `load` has seen to that."""
        found = self.workflow.trigger("workflow_call")
        if found is None:
            raise KeyError("workflow_call")
        return found


@dataclass(frozen=True, slots=True)
class Program:
    """What a run does: its own workflow, and those called, by reference. `inputs`: of the start."""

    spec: RunSpec
    root: Sheet
    called: dict[str, Sheet]
    inputs: dict[str, object]

    def sheet(self, caller: Sheet, job: Job) -> Sheet:
        """The workflow that the job of `caller` calls."""
        if job.uses is None:
            raise KeyError(job.id)
        return self.called[reference(job.uses.text, caller.name)]


def reference(uses: str, caller: str) -> str:
    """The name of a called workflow: a path in the run's own repository, or `owner/name/path@ref`.

    `caller` is the name of the workflow it is written in: `./` is a path beside that, in the same
    repository at the same commit.
    """
    if not uses.startswith("./"):
        return uses
    if "@" not in caller:
        return uses.removeprefix("./")
    place, _, ref = caller.partition("@")
    owner, name, *_ = place.split("/")
    return f"{owner}/{name}/{uses.removeprefix('./')}@{ref}"


def references(workflow: Workflow, name: str) -> Iterator[str]:
    """The names of the workflows that this one, called `name`, calls itself."""
    for job in workflow.jobs:
        if job.uses is not None:
            yield reference(job.uses.text, name)


def load(spec: RunSpec) -> Program:
    """Read and check everything the run may come to. Raises Invalid with every place.

    Codes: the reader's, and `unknown-workflow` `not-callable` `too-many-levels` `calls-itself`
    `too-many-workflows` `unknown-input` `missing-input` `bad-input` `unknown-secret`
    `missing-secret` `unknown-job` `cycle`.
    """
    sheets: dict[str, Sheet] = {}
    problems = list(_gather(spec, spec.workflow, (), sheets))
    root = sheets[spec.workflow]
    inputs, faults = dispatched(spec, root.workflow)
    problems += [*faults, *_unknown_jobs(spec, root)]
    if len(sheets) - 1 > MAX_CALLED:
        sentence = f"this calls {len(sheets) - 1} different workflows; at most {MAX_CALLED} may be"
        problems.append(_problem(root.workflow, root.workflow.at, sentence, "too-many-workflows"))
    if problems:
        raise invalid(problems)
    return Program(spec, _selected(root, spec.only), sheets, inputs)


def _gather(
    spec: RunSpec, name: str, above: tuple[str, ...], sheets: dict[str, Sheet]
) -> Iterator[Problem]:
    """Read one workflow and what it calls, each once; what is wrong with the calls."""
    sheet = sheets.get(name) or _sheet(name, reader.read(spec.texts[name], name))
    sheets[name] = sheet
    for job in sheet.jobs:
        if job.uses is None:
            continue
        called = reference(job.uses.text, name)
        fault = _uncallable(spec, called, (*above, name))
        if fault:
            yield _problem(sheet.workflow, job.uses.at, *fault)
            continue
        yield from _gather(spec, called, (*above, name), sheets)
        yield from _call_faults(sheet.workflow, job, sheets[called].workflow)


def _uncallable(spec: RunSpec, called: str, path: tuple[str, ...]) -> tuple[str, str] | None:
    if called not in spec.texts:
        return f"there is no workflow {quoted(called)} at this commit", "unknown-workflow"
    if called in path:
        return f"{quoted(called)} calls itself in the end", "calls-itself"
    if len(path) >= MAX_LEVELS:
        return f"this would be level {len(path) + 1} of {MAX_LEVELS} workflows", "too-many-levels"
    return None


def _call_faults(caller: Workflow, job: Job, called: Workflow) -> Iterator[Problem]:
    trigger = called.trigger("workflow_call")
    at = job.uses.at if job.uses else job.at
    if trigger is None:
        sentence = f"{quoted(called.file)} cannot be called: it has no `on: workflow_call`"
        yield _problem(caller, at, sentence, "not-callable")
        return
    yield from _names(caller, at, "input", job.inputs, trigger.inputs)
    if not job.inherit:
        yield from _names(caller, at, "secret", job.secrets, trigger.secrets)


def _names(
    caller: Workflow,
    at: Mark,
    kind: str,
    given: Bindings,
    declared: tuple[Input, ...] | tuple[Secret, ...],
) -> Iterator[Problem]:
    known = {d.name.lower() for d in declared}
    names = {name.lower() for name, _ in given}
    for name, value in given:
        if name.lower() not in known:
            sentence = f"the called workflow has no {kind} {quoted(name)}"
            yield _problem(caller, value.at, sentence, f"unknown-{kind}")
    for wanted in declared:
        has_default = getattr(wanted, "default", None) is not None
        if wanted.required and not has_default and wanted.name.lower() not in names:
            sentence = f"the called workflow requires the {kind} {quoted(wanted.name)}"
            yield _problem(caller, at, sentence, f"missing-{kind}")


def _sheet(name: str, workflow: Workflow) -> Sheet:
    needs = {job.id: tuple(dict.fromkeys(n.text for n in job.needs)) for job in workflow.jobs}
    ancestors: dict[str, frozenset[str]] = {}
    left = list(needs)
    while left:
        ready = [id for id in left if all(n in ancestors for n in needs[id])]
        if not ready:
            sentence = f"these jobs wait for each other or for nothing: {', '.join(left)}"
            raise invalid([_problem(workflow, workflow.at, sentence, "cycle")])
        for id in ready:
            direct = needs[id]
            ancestors[id] = frozenset(direct).union(*(ancestors[n] for n in direct))
        left = [id for id in left if id not in ancestors]
    return Sheet(name, workflow, workflow.jobs, needs, ancestors)


def _selected(root: Sheet, only: tuple[str, ...]) -> Sheet:
    """The chosen jobs with all they need; the others are no part of the run."""
    if not only:
        return root
    wanted = set(only).union(*(root.ancestors[id] for id in only))
    jobs = tuple(job for job in root.jobs if job.id in wanted)
    return Sheet(root.name, root.workflow, jobs, root.needs, root.ancestors)


def _unknown_jobs(spec: RunSpec, root: Sheet) -> Iterator[Problem]:
    for id in spec.only:
        if id not in root.needs:
            known = ", ".join(root.needs)
            sentence = f"there is no job {quoted(id)}. Known here: {known}"
            yield _problem(root.workflow, root.workflow.at, sentence, "unknown-job")


def _problem(workflow: Workflow, at: Mark, sentence: str, code: str) -> Problem:
    return Problem(workflow.file, at.line, at.column, sentence, code)
