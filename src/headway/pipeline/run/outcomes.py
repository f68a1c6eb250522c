"""What jobs that have ended mean for those that need them: results, outputs, status functions.

Called by schedule. The rules are those of docs.github.com, "Evaluate expressions in workflows and
actions" (status functions over all ancestors) and "Passing information between jobs".
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any

from headway.expression import Value
from headway.model.job import JobOutcome
from headway.pipeline.run.state import Planned, RunState, conclusion, effective
from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """What `needs.JOB` says of a job."""

    result: JobOutcome
    outputs: dict[str, str] = field(default_factory=dict)

    def context(self) -> dict[str, Any]:
        """As an expression sees it."""
        return {"result": self.result, "outputs": dict(self.outputs)}


def result(state: RunState, plan: Planned) -> Result:
    """The result of a job all of whose instances have ended."""
    worst = conclusion(effective(state, key) for key in plan.keys)
    if len(plan.keys) == 1:
        return Result(worst, state.ended[plan.keys[0]].outputs)
    keys = set(plan.keys)
    outputs: dict[str, str] = {}
    for key in (key for key in state.ended if key in keys):
        for name, value in state.ended[key].outputs.items():
            outputs[name] = value or outputs.get(name, "")
    return Result(worst, outputs)


def status_functions(
    results: Mapping[str, Result], *, cancelled: bool
) -> dict[str, Callable[..., Value]]:
    """success, failure, cancelled, always over these ancestors, by job id.

    In a cancelled run neither success nor failure is true. A skipped ancestor is no success.
    """

    def chosen(names: Iterable[Any]) -> list[JobOutcome]:
        wanted = {str(name).lower() for name in names}
        return [r.result for id, r in results.items() if not wanted or id.lower() in wanted]

    def success(*names: Any) -> bool:
        return not cancelled and all(found == "success" for found in chosen(names))

    def failure(*names: Any) -> bool:
        return not cancelled and any(found == "failure" for found in chosen(names))

    return {
        "success": success,
        "failure": failure,
        "cancelled": lambda: cancelled,
        "always": lambda: True,
    }


_SAID = {"failure": "failed", "cancelled": "was cancelled", "skipped": "was skipped"}


def why_not(results: Mapping[str, Result], condition: str) -> str:
    """Why a job was not run, in words: the ancestor that is to blame if there is one, a red one
    before one that was skipped itself; its `condition` if one is written.
    """
    written = f"its `if` is false: {' '.join(condition[:120].split())}" if condition else ""
    for word, said in _SAID.items():
        for id, found in results.items():
            if found.result == word:
                blamed = f"`{id}`, which it needs, {said}"
                return f"{blamed}; {written}" if written else blamed
    return written
