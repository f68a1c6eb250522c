"""A workflow's jobs as what they do, each part with its line; names and comments left out.

Two jobs that do the same have equal shapes, however they are formatted. Called by drift and by
flows/templates.
"""

import json
import re
from dataclasses import dataclass

from headway.document import Node, plain
from headway.pipeline.syntax.ir import Bindings, Job, Step, Text, Workflow

Fields = dict[str, tuple[str, int]]
"""What is said under each key, and the line where."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """One step. `name`: for people; `sign`: what it is, without versions and values."""

    name: str
    sign: str
    line: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class JobShape:
    """One job with steps."""

    id: str
    line: int
    fields: Fields
    steps: tuple[StepShape, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """A job that calls a workflow of another repository: `owner/name`, `path`, `ref`."""

    job: str
    repository: str
    path: str
    ref: str
    line: int


def jobs(workflow: Workflow) -> tuple[JobShape, ...]:
    """Every job that has steps."""
    return tuple(_job(job) for job in workflow.jobs if job.uses is None)


def uses(workflow: Workflow) -> tuple[Use, ...]:
    """Every call of a workflow of another repository."""
    found = []
    for job in workflow.jobs:
        if job.uses is None or job.uses.text.startswith("./"):
            continue
        whole, _, ref = job.uses.text.partition("@")
        owner, _, rest = whole.partition("/")
        name, _, path = rest.partition("/")
        found.append(Use(job.id, f"{owner}/{name}", path, ref, job.uses.at.line))
    return tuple(found)


def is_template(workflow: Workflow) -> bool:
    """Whether others can call it."""
    return workflow.trigger("workflow_call") is not None


def _job(job: Job) -> JobShape:
    fields: Fields = {}
    for key, node in (
        ("runs-on", job.runs_on),
        ("container", job.container),
        ("services", job.services),
        ("strategy.matrix", job.strategy.matrix if job.strategy else None),
    ):
        _add_node(fields, key, node)
    for key, text in (
        ("if", job.condition),
        ("timeout-minutes", job.timeout_minutes),
        ("cancel-timeout-minutes", job.cancel_timeout_minutes),
        ("continue-on-error", job.continue_on_error),
        ("environment", job.environment.name if job.environment else None),
        ("environment.url", job.environment.url if job.environment else None),
        ("environment.deployment", job.environment.deployment if job.environment else None),
        ("defaults.run.shell", job.defaults.shell),
        ("defaults.run.working-directory", job.defaults.working_directory),
    ):
        _add(fields, key, text)
    _add_all(fields, "env", job.env)
    _add_all(fields, "outputs", job.outputs)
    if job.permissions is not None:
        scopes = job.permissions.all or ", ".join(f"{k}: {v}" for k, v in job.permissions.scopes)
        fields["permissions"] = scopes, job.permissions.at.line
    return JobShape(job.id, job.at.line, fields, tuple(_step(step) for step in job.steps))


def _step(step: Step) -> StepShape:
    fields: Fields = {}
    for key, text in (
        ("run", step.run),
        ("uses", step.uses),
        ("if", step.condition),
        ("shell", step.shell),
        ("working-directory", step.working_directory),
        ("timeout-minutes", step.timeout_minutes),
        ("continue-on-error", step.continue_on_error),
    ):
        _add(fields, key, text)
    if not step.id.startswith("__"):
        fields["id"] = step.id, step.at.line
    _add_all(fields, "env", step.env)
    _add_all(fields, "with", step.inputs)
    return StepShape(_name(step), _sign(step), step.at.line, fields)


def _name(step: Step) -> str:
    if step.name is not None:
        return step.name.text
    said = step.uses.text if step.uses else step.run.text if step.run else step.id
    return next(iter(said.strip().splitlines()), "")[:80]


def _sign(step: Step) -> str:
    """Steps with one sign are versions of one step: the same action, the same program first."""
    if step.uses is not None:
        return "uses " + step.uses.text.partition("@")[0].lower()
    words = (step.run.text if step.run else "").split()
    verb = [word for word in words[1:2] if re.fullmatch(r"[a-z][\w:-]*", word)]
    return " ".join(["run", *words[:1], *verb])


def _add(fields: Fields, key: str, text: Text | None) -> None:
    if text is not None:
        lines = [line.rstrip() for line in text.text.strip().splitlines()]
        fields[key] = "\n".join(lines), text.at.line


def _add_all(fields: Fields, key: str, bindings: Bindings) -> None:
    for name, text in bindings:
        _add(fields, f"{key}.{name}", text)


def _add_node(fields: Fields, key: str, node: Node | None) -> None:
    if node is not None:
        fields[key] = json.dumps(plain(node), sort_keys=True, ensure_ascii=False), node.at.line
