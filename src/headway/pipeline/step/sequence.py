"""Which part of a job is next: pre parts, the steps as written, post parts in reverse. Pure.

Called by job runners. Numbers count parts in the order in which they run, from 0.
"""

from typing import Literal

from headway.model.job import StepReport, StepSpec
from headway.pipeline.step.state import Pending, Progress
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Pre:
    """The pre part of the action of step `index`."""

    key: str
    name: str
    step: StepSpec
    kind: Literal["pre"] = "pre"


@dataclass(frozen=True, slots=True)
class Main:
    """Step `index` of the order."""

    index: int
    step: StepSpec
    kind: Literal["main"] = "main"


@dataclass(frozen=True, slots=True)
class Post:
    """The post part of an action whose main part was run."""

    pending: Pending
    kind: Literal["post"] = "post"


Part = Pre | Main | Post


def part(pres: tuple[Pre, ...], steps: tuple[StepSpec, ...], progress: Progress) -> Part | None:
    """What comes next, or None when the job is over."""
    number = len(progress.reports)
    if number < len(pres):
        return pres[number]
    number -= len(pres)
    if number < len(steps):
        return Main(number, steps[number])
    number -= len(steps)
    owed = progress.posts[::-1]
    return Post(owed[number]) if number < len(owed) else None


def key(found: Part) -> str:
    """The id under which the part is reported."""
    match found:
        case Main():
            return found.step.id
        case Pre():
            return f"__pre_{found.key}"
        case Post():
            return f"__post_{found.pending.key}"


def because(reports: list[StepReport]) -> str:
    """Why the job is red, in words; empty if no step is."""
    for report in reports:
        if report.conclusion == "failure":
            code = report.exit_code
            how = f" (exit code {code})" if code is not None else ""
            return f"step `{report.name}` failed{how}"
    return ""
