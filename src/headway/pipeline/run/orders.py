"""What is ordered of a runner: one instance of a job with everything known before it starts.

Called by schedule. Values that may need secrets or what steps say stay templates.
"""

import math
from typing import Any

from headway import expression
from headway.document import plain
from headway.expression import Scope, truth
from headway.model.job import JobOrder, StepSpec
from headway.pipeline.run.contexts import (
    Contexts,
    env_levels,
    environment_of,
    labels,
    node_value,
    template,
    templates,
    valued,
)
from headway.pipeline.run.state import Planned, RunSpec
from headway.pipeline.run.substitutes import applied
from headway.pipeline.run.units import Unit
from headway.pipeline.syntax.ir import Step, Text

DEFAULT_MINUTES = 360.0
DEFAULT_TIDY_MINUTES = 5.0
MAX_MINUTES = 35 * 24 * 60.0


class BadValue(ValueError):
    """A value of the job means nothing here; the message is a sentence about it."""


def order(spec: RunSpec, unit: Unit, plan: Planned, number: int, contexts: Contexts) -> JobOrder:
    """The order for instance `number` of the job; `contexts` are the instance's.

    Raises ExpressionError, BadValue.
    """
    job = unit.job
    workflow = unit.frame.sheet.workflow
    scope = Scope(contexts, {})
    environment = _environment(unit, scope)
    place = job.environment
    contexts = _in_environment(spec, environment, contexts)
    env = env_levels(spec.env, workflow, job.env)
    shell, folder = _defaults(unit, contexts, env)
    services = plain(job.services) if job.services is not None else {}
    made = JobOrder(
        run=spec.id,
        id=unit.id,
        key=plan.keys[number],
        name=plan.names[number],
        attempt=spec.attempt,
        repo=spec.repo,
        sha=spec.sha,
        ref=spec.ref,
        steps=tuple(step_spec(step) for step in job.steps),
        workflow=workflow.file,
        folder=spec.folder,
        contexts=contexts,
        env=env,
        outputs=templates(job.outputs),
        shell=shell,
        working_directory=folder,
        timeout_seconds=_minutes(job.timeout_minutes, scope) * 60,
        tidy_seconds=_tidy_minutes(job.cancel_timeout_minutes, scope) * 60,
        container=None if job.container is None else plain(job.container),
        services=services if isinstance(services, dict) else {},
        actions=spec.actions,
        trusted=spec.trusted,
        network=spec.network,
        runs_on=labels(node_value(job.runs_on, scope)),
        environment=environment,
        deploys=_deploys(place.deployment if place else None, scope),
        url=template(place.url if place else None),
    )
    return applied(spec.substitutes, made)


def step_spec(step: Step) -> StepSpec:
    """The step as it is ordered; everything in it stays a template."""
    return StepSpec(
        id=step.id,
        name=template(step.name),
        run=None if step.run is None else template(step.run),
        uses=None if step.uses is None else template(step.uses),
        inputs=templates(step.inputs),
        env=templates(step.env),
        condition=template(step.condition),
        shell=template(step.shell),
        working_directory=template(step.working_directory),
        timeout_minutes=template(step.timeout_minutes),
        continue_on_error=template(step.continue_on_error),
        line=step.at.line,
    )


def tolerates(unit: Unit, contexts: Contexts) -> bool:
    """Whether a red instance counts as green (`continue-on-error`). Raises ExpressionError."""
    text = unit.job.continue_on_error
    return text is not None and truth(valued(text, Scope(contexts, {})))


def _defaults(unit: Unit, contexts: Contexts, env: tuple[dict[str, str], ...]) -> tuple[str, str]:
    """Shell and folder: the job's, else the workflow's, else none."""
    job, workflow = unit.job.defaults, unit.frame.sheet.workflow.defaults
    shell = template(job.shell or workflow.shell)
    folder = template(job.working_directory or workflow.working_directory)
    if "${{" in shell or "${{" in folder:
        scope = Scope({**contexts, "env": environment_of(env, contexts)}, {})
        return expression.fill(shell, scope), expression.fill(folder, scope)
    return shell, folder


def _minutes(text: Text | None, scope: Scope) -> float:
    if text is None:
        return DEFAULT_MINUTES
    minutes = _number("timeout-minutes", text, scope)
    if not (math.isfinite(minutes) and 0 < minutes <= MAX_MINUTES):
        raise BadValue(f"`timeout-minutes` must be above 0, at most {MAX_MINUTES:.0f}: {minutes}")
    return minutes


def _tidy_minutes(text: Text | None, scope: Scope) -> float:
    if text is None:
        return DEFAULT_TIDY_MINUTES
    minutes = _number("cancel-timeout-minutes", text, scope)
    if not (math.isfinite(minutes) and 0 <= minutes <= MAX_MINUTES):
        raise BadValue(
            f"`cancel-timeout-minutes` must be 0 or more, at most {MAX_MINUTES:.0f}: {minutes}"
        )
    return minutes


def _number(name: str, text: Text, scope: Scope) -> float:
    found: Any = valued(text, scope)
    try:
        if isinstance(found, bool):
            raise TypeError(name)
        return float(found)
    except (TypeError, ValueError) as error:
        raise BadValue(f"`{name}` is no number: {expression.text(found)}") from error


def _deploys(text: Text | None, scope: Scope) -> bool:
    if text is None:
        return True
    found: Any = valued(text, scope)
    if not isinstance(found, bool):
        raise BadValue(f"`deployment` must be `true` or `false`: {expression.text(found)}")
    return found


def _in_environment(spec: RunSpec, environment: str, contexts: Contexts) -> Contexts:
    """What the steps see: the variables of the job's environment before the others."""
    own = spec.environment_vars.get(environment.casefold()) if environment else None
    return {**contexts, "vars": {**spec.vars, **own}} if own else contexts


def _environment(unit: Unit, scope: Scope) -> str:
    found = unit.job.environment
    return "" if found is None else expression.text(valued(found.name, scope))
