"""A job that calls a workflow, against the workflow that it calls: inputs, secrets, permissions.

Pure: the called workflows are given, by the text of `uses`. Called by the command line for local
files, and by whoever loads the called workflows of a run. Limits are GitHub's unless said otherwise
(docs.github.com, "Reusing workflows"): ten levels with the caller, 256 jobs here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from headway.document import Mark, quoted
from headway.model.errors import Problem
from headway.pipeline.syntax.expressions import has_holes
from headway.pipeline.syntax.ir import Input, Job, Permissions, Text, Trigger, Workflow
from headway.pipeline.syntax.keys import RISING, SCOPES
from headway.pipeline.syntax.page import suggestion

Granted = Mapping[str, str]
LIMITED_READ: Granted = {"contents": "read", "packages": "read"}
"""What a token may where nothing is written, in a repository that grants little."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`granted`: what jobs may where nothing is written; None: that is not known, not checked.

    `depth`: how many levels of calls below the first file; `jobs`: how many in all.
    """

    granted: Granted | None = None
    depth: int = 9
    jobs: int = 256


@dataclass(slots=True)
class _Walk:
    called: Mapping[str, Workflow]
    terms: Terms
    problems: list[Problem] = field(default_factory=list)
    jobs: int = 0

    def fault(self, file: str, at: Mark, sentence: str, code: str) -> None:
        self.problems.append(Problem(file, at.line, at.column, sentence, code))


def check(
    workflow: Workflow, called: Mapping[str, Workflow], terms: Terms = Terms()
) -> tuple[Problem, ...]:
    """Every fault of the calls of this workflow and of those that it calls, with their places.

    `called`: the workflows by what `uses` says; a call of one that is not there is left alone.
    Codes: `not-callable` `unknown-input` `missing-input` `input-type` `unknown-secret`
    `missing-secret` `permissions` `too-deep` `too-many-jobs` `call-ring`.
    """
    walk = _Walk(called, terms)
    _workflow(walk, workflow, _allowed(workflow.permissions, terms.granted), ())
    if walk.jobs > terms.jobs:
        sentence = f"{walk.jobs} jobs with those of called workflows; at most {terms.jobs}"
        walk.fault(workflow.file, workflow.at, sentence, "too-many-jobs")
    return tuple(dict.fromkeys(walk.problems))


def _workflow(
    walk: _Walk, workflow: Workflow, granted: Granted | None, above: tuple[str, ...]
) -> None:
    for job in workflow.jobs:
        walk.jobs += 1
        if job.uses is None or job.uses.text not in walk.called:
            continue
        name = job.uses.text
        if name in above:
            sentence = f"{quoted(name)} calls itself in the end. Remove one call"
            walk.fault(workflow.file, job.uses.at, sentence, "call-ring")
        elif len(above) >= walk.terms.depth:
            sentence = f"calls nested more than {walk.terms.depth} deep. Call it from further up"
            walk.fault(workflow.file, job.uses.at, sentence, "too-deep")
        elif walk.jobs <= walk.terms.jobs:
            _call(walk, workflow, job, granted, above)


def _call(
    walk: _Walk, workflow: Workflow, job: Job, granted: Granted | None, above: tuple[str, ...]
) -> None:
    assert job.uses is not None
    name = job.uses.text
    target = walk.called[name]
    walk.problems += _check_call(workflow.file, job, target)
    mine = _allowed(job.permissions, granted)
    walk.problems += _check_permissions(workflow.file, job, target, mine)
    _workflow(walk, target, _allowed(target.permissions, mine), (*above, name))


def _check_call(file: str, job: Job, target: Workflow) -> Iterator[Problem]:
    assert job.uses is not None
    at, trigger = job.uses.at, target.trigger("workflow_call")
    if trigger is None:
        sentence = (
            f"{quoted(job.uses.text)} cannot be called: `workflow_call` is not under its `on`"
        )
        yield Problem(file, at.line, at.column, sentence, "not-callable")
        return
    yield from _check_inputs(file, job, trigger)
    if not job.inherit:
        yield from _check_secrets(file, job, trigger)


def _check_inputs(file: str, job: Job, trigger: Trigger) -> Iterator[Problem]:
    assert job.uses is not None
    declared = {one.name.casefold(): one for one in trigger.inputs}
    given = {name.casefold() for name, _ in job.inputs}
    for folded, one in declared.items():
        if one.required and folded not in given:
            sentence = (
                f"the input {quoted(one.name)} is required and not given. Write it under `with`"
            )
            yield _problem(file, job.uses.at, sentence, "missing-input")
    for name, value in job.inputs:
        found = declared.get(name.casefold())
        if found is None:
            hint = suggestion(name, [one.name for one in trigger.inputs])
            sentence = f"the called workflow has no input {quoted(name)}. {hint}"
            yield _problem(file, value.at, sentence, "unknown-input")
        elif not _is_of(found, value):
            sentence = f"{quoted(name)} is a {found.type}, not {quoted(value.text)}"
            yield _problem(file, value.at, sentence, "input-type")


def _is_of(declared: Input, value: Text) -> bool:
    if has_holes(value.text):
        return True  # known when the job starts
    if declared.type == "boolean":
        return isinstance(value.value, bool)
    if declared.type == "number":
        return isinstance(value.value, int | float) and not isinstance(value.value, bool)
    return True


def _check_secrets(file: str, job: Job, trigger: Trigger) -> Iterator[Problem]:
    assert job.uses is not None
    declared = {one.name.casefold(): one for one in trigger.secrets}
    given = {name.casefold() for name, _ in job.secrets}
    for folded, one in declared.items():
        if one.required and folded not in given:
            sentence = f"the secret {quoted(one.name)} is required. Write it, or `secrets: inherit`"
            yield _problem(file, job.uses.at, sentence, "missing-secret")
    for name, value in job.secrets:
        if name.casefold() not in declared:
            hint = suggestion(name, [one.name for one in trigger.secrets])
            sentence = f"the called workflow takes no secret {quoted(name)}. {hint}"
            yield _problem(file, value.at, sentence, "unknown-secret")


def _check_permissions(
    file: str, job: Job, target: Workflow, granted: Granted | None
) -> Iterator[Problem]:
    """A called workflow may have less than its caller, never more."""
    if granted is None:
        return
    asked = [(target.permissions, "the called workflow")]
    asked += [(j.permissions, f"its job {quoted(j.id)}") for j in target.jobs]
    for permissions, who in asked:
        more = _beyond(permissions, granted)
        if more:
            sentence = (
                f"{who} asks for {', '.join(more)}: grant it to {quoted(job.id)}, or ask for less"
            )
            yield _problem(file, job.at, sentence, "permissions")


def _beyond(permissions: Permissions | None, granted: Granted) -> list[str]:
    wanted = _allowed(permissions, {}) if permissions else {}
    return [
        f"{scope}: {level} (allowed: {granted.get(scope, 'none')})"
        for scope, level in (wanted or {}).items()
        if RISING.index(level) > RISING.index(granted.get(scope, "none"))
    ]


def _allowed(permissions: Permissions | None, otherwise: Granted | None) -> Granted | None:
    if permissions is None:
        return otherwise
    if permissions.all:
        level = permissions.all.removesuffix("-all")
        return {scope: level for scope in SCOPES if scope not in _NOT_BY_ALL}
    return dict(permissions.scopes)


_NOT_BY_ALL = ("copilot-requests", "models", "vulnerability-alerts", "drives", "code-quality")


def _problem(file: str, at: Mark, sentence: str, code: str) -> Problem:
    return Problem(file, at.line, at.column, sentence, code)
