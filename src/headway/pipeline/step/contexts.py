"""What expressions see in a step: contexts, and the functions that ask how the job stands. Pure.

Availability: GitHub's documentation, "Contexts reference". Called by job runners.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Any

from headway.expression import Scope, Value
from headway.model.job import JobOrder, StepSpec
from headway.pipeline.step.state import Status
from headway.pipeline.syntax.ir import Step, Text
from headway.record import dataclass

GIVEN = ("vars", "inputs", "needs", "strategy", "matrix")


@dataclass(frozen=True, slots=True)
class View:
    """What one level of a job sees: the job itself, or the inside of a composite action.

    `status` of a composite action is its own: its steps that failed so far.
    """

    contexts: dict[str, Any]
    status: Status = "success"
    functions: Mapping[str, Callable[..., Value]] = field(default_factory=dict)

    def scope(self, env: Mapping[str, str], **more: object) -> Scope:
        """For expressions of a step with these variables."""
        contexts = {**self.contexts, "env": dict(env), **more}
        return Scope(contexts, {**self.functions, **_asked(self.status)})

    def now(self, status: Status, job: Status) -> "View":
        """The same view once the job stands so."""
        contexts = {**self.contexts, "job": {**self.contexts.get("job", {}), "status": job}}
        return replace(self, contexts=contexts, status=status)


def _asked(status: Status) -> dict[str, Callable[..., Value]]:
    return {
        "success": lambda: status == "success",
        "failure": lambda: status == "failure",
        "cancelled": lambda: status == "cancelled",
        "always": lambda: True,
    }


def job_contexts(
    order: JobOrder, github: dict[str, Any], runner: dict[str, Any], secrets: Mapping[str, str]
) -> dict[str, Any]:
    """The contexts of a job's own steps, without env and steps."""
    given = {name: order.contexts.get(name) or {} for name in GIVEN}
    job = {"status": "success", "container": {}, "services": {}}
    return {**given, "github": github, "runner": runner, "secrets": dict(secrets), "job": job}


def inside(contexts: dict[str, Any], inputs: dict[str, str], folder: str) -> dict[str, Any]:
    """The contexts inside a composite action: no secrets, no needs, its own inputs and steps."""
    hidden = {"secrets", "needs", "steps", "inputs"}
    kept = {name: value for name, value in contexts.items() if name not in hidden}
    github = {**contexts["github"], "action_path": folder}
    return {**kept, "github": github, "inputs": inputs, "steps": {}}


def spec(step: Step, number: int) -> StepSpec:
    """A step of a composite action in the form of a job's step."""
    return StepSpec(
        id=step.id or f"__{number}",
        name=_text(step.name),
        run=None if step.run is None else step.run.text,
        uses=None if step.uses is None else step.uses.text,
        inputs={name: text.text for name, text in step.inputs},
        env={name: text.text for name, text in step.env},
        condition=_text(step.condition),
        shell=_text(step.shell),
        working_directory=_text(step.working_directory),
        timeout_minutes=_text(step.timeout_minutes),
        continue_on_error=_text(step.continue_on_error),
        line=step.at.line,
    )


def _text(text: Text | None) -> str:
    return "" if text is None else text.text


def title(step: StepSpec, filled: str) -> str:
    """What a step is called for people."""
    if filled.strip():
        return filled.strip()
    if step.uses is not None:
        return f"Run {step.uses}"
    first = next((line.strip() for line in (step.run or "").splitlines() if line.strip()), "")
    return f"Run {first[:200]}"
