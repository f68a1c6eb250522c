"""From a job to its instances: matrix, names, how many at once. Called by schedule."""

from typing import Any

from headway.expression import Scope, truth
from headway.pipeline.run.contexts import Contexts, filled, template, valued
from headway.pipeline.run.matrix import BadMatrix, Matrix, expand, suffixed
from headway.pipeline.run.state import Planned
from headway.pipeline.run.units import Unit
from headway.pipeline.syntax.ir import Text

MAX_PARALLEL = 10_000


def planned(unit: Unit, contexts: Contexts, now: float) -> Planned:
    """The instances of a job that shall run. Raises BadMatrix, ExpressionError."""
    strategy = unit.job.strategy
    scope = Scope(contexts, {})
    fail_fast = _truth(strategy.fail_fast if strategy else None, scope)
    most = _number(strategy.max_parallel if strategy else None, scope)
    if strategy is None or strategy.matrix is None:
        plan = Planned(unit.id, (unit.key,), now, (), (None,), fail_fast, most)
        return _named(unit, contexts, plan, ((),))
    found = expand(strategy.matrix, scope)
    matrices = tuple(matrix for matrix, _ in found)
    keys = unit.keys(len(found))
    plan = Planned(unit.id, keys, now, (), matrices, fail_fast, most)
    return _named(unit, contexts, plan, tuple(words for _, words in found))


def alone(unit: Unit, now: float) -> Planned:
    """One instance that will not run: skipped, or its matrix cannot be written out."""
    written = template(unit.job.name)
    name = unit.job.id if "${{" in written else written or unit.job.id
    return Planned(unit.id, (unit.key,), now, (_below(unit, name),), (None,))


def strategy_of(plan: Planned, number: int) -> dict[str, Any]:
    """The `strategy` context of that instance."""
    total = len(plan.keys)
    return {
        "fail-fast": plan.fail_fast,
        "job-index": number,
        "job-total": total,
        "max-parallel": plan.max_parallel or total,
    }


def instance(contexts: Contexts, plan: Planned, number: int) -> Contexts:
    """The job's contexts with those of one instance."""
    matrix: Matrix | None = plan.matrices[number] if plan.matrices else None
    return {**contexts, "strategy": strategy_of(plan, number), "matrix": matrix}


def _named(
    unit: Unit, contexts: Contexts, plan: Planned, words: tuple[tuple[str, ...], ...]
) -> Planned:
    """A written name is taken as it is if it holds an expression, else as of a job without one."""
    written = template(unit.job.name)
    names = []
    for number, distinct in enumerate(words):
        if "${{" in written:
            name = filled(unit.job.name, Scope(instance(contexts, plan, number), {})) or unit.job.id
        else:
            name = suffixed(written or unit.job.id, distinct)
        names.append(_below(unit, name))
    return Planned(
        plan.job, plan.keys, plan.at, tuple(names), plan.matrices, plan.fail_fast, plan.max_parallel
    )


def _below(unit: Unit, name: str) -> str:
    return f"{unit.frame.name} / {name}" if unit.frame.name else name


def _truth(text: Text | None, scope: Scope) -> bool:
    return True if text is None else truth(valued(text, scope))


def _number(text: Text | None, scope: Scope) -> int:
    if text is None:
        return 0
    found = valued(text, scope)
    try:
        number = int(float(found))
    except (TypeError, ValueError) as error:
        raise BadMatrix(f"`max-parallel` is no number: {found}") from error
    if not 1 <= number <= MAX_PARALLEL:
        raise BadMatrix(f"`max-parallel` must be at least 1, not {number}")
    return number
