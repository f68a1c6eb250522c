"""Runs one step, whatever it is: a script, an action's part, the steps of a composite action.

Called by runner for each part of a job, and by itself inside composite actions. A step never
raises for what a workflow can do wrong: that is its outcome, told in its log.
"""

import contextlib
import os
from dataclasses import field, replace
from typing import Any

from headway import expression
from headway.adapters.linux.actions.acting import Acting, Composed, Direct, Part
from headway.adapters.linux.hands import StepHands
from headway.adapters.linux.job import MAX_DEPTH, Level, deadline, relative
from headway.adapters.linux.patience import Lost, Stopped
from headway.expression import ExpressionError, Scope
from headway.model.errors import Failed, HeadwayError, Invalid
from headway.model.job import Annotation, JobOutcome, StepSpec
from headway.pipeline.step import shells
from headway.pipeline.step.contexts import View, inside, spec
from headway.pipeline.step.state import Pending, result
from headway.pipeline.syntax.ir import Action
from headway.record import dataclass

_MOST_MINUTES = 1e6


@dataclass(frozen=True, slots=True)
class Done:
    """How a step ended. `outcome` is before, `conclusion` after `continue_on_error`."""

    outcome: JobOutcome
    conclusion: JobOutcome
    code: int | None = None
    outputs: dict[str, str] = field(default_factory=dict)


SKIPPED = Done("skipped", "skipped")


@dataclass(slots=True)
class _Use:
    """One step that runs: where, what, with which variables of its own, until when."""

    level: Level
    step: StepSpec
    env: dict[str, str]
    until: float
    hands: StepHands

    @property
    def scope(self) -> Scope:
        """For expressions of the step."""
        return self.level.scope(self.env, action=self.step.id)

    @property
    def key(self) -> str:
        """Which use of an action this is, unique in the job."""
        return f"{self.level.key}{self.step.id}"


def wanted(level: Level, step: StepSpec) -> bool:
    """Whether the step's `if` holds. Raises ExpressionError."""
    if level.job.patience.spent():
        return False
    return expression.condition(step.condition, level.scope(own_env(level, step)))


def own_env(level: Level, step: StepSpec) -> dict[str, str]:
    """The step's own variables, filled in. Raises ExpressionError."""
    if not step.env:
        return {}
    scope = level.scope({})
    return {name: expression.fill(value, scope) for name, value in step.env.items()}


def run(level: Level, step: StepSpec) -> Done:
    """Run a step whose `if` holds."""
    may_fail = False
    hands = StepHands(level.job, level.out, level.until)
    try:
        env = own_env(level, step)
        scope = level.scope(env)
        until = _until(level, step, scope)
        may_fail = _flag(step.continue_on_error, scope)
        hands = StepHands(level.job, level.out, until)
        code, outputs = _do(_Use(level, step, env, until, hands))
    except Exception as error:  # noqa: BLE001 - told apart there; a bug is raised again
        return _broken(level, step, error, may_fail=may_fail, outputs=hands.outputs)
    if code == 0:
        return Done("success", "success", 0, outputs)
    _complain(level, f"Process completed with exit code {code}.")
    return Done("failure", "success" if may_fail else "failure", code, outputs)


def run_part(level: Level, part: Part, owed: Pending) -> Done:
    """Run a pre or post part of an action, with what its main part is given."""
    hands = StepHands(level.job, level.out, level.until)
    use = _Use(level, owed.step, owed.env, level.until, hands)
    try:
        code, outputs = _act(use, owed.key, part, owed.inputs)
    except Exception as error:  # noqa: BLE001 - told apart there; a bug is raised again
        return _broken(level, owed.step, error, may_fail=False, outputs=hands.outputs)
    if code:
        _complain(level, f"Process completed with exit code {code}.")
    outcome: JobOutcome = "failure" if code else "success"
    return Done(outcome, outcome, code, outputs)


def given(level: Level, key: str, step: StepSpec, direct: Direct) -> Pending:
    """What a part of an action gets: inputs and variables, filled in. Raises ExpressionError."""
    env = own_env(level, step)
    inputs = _inputs(step, direct.action, level.scope(env))
    return Pending(key, step.name, step, inputs, env)


def broken(level: Level, step: StepSpec, error: Exception) -> Done:
    """A step that did not even begin: its condition cannot be read, a service is not there."""
    return _broken(level, step, error, may_fail=False, outputs={})


def _broken(
    level: Level, step: StepSpec, error: Exception, *, may_fail: bool, outputs: dict[str, str]
) -> Done:
    if isinstance(error, Lost) and level.job.may_repeat:
        raise error
    match error:
        case Stopped():
            return _stopped(level, step, error, may_fail=may_fail, outputs=outputs)
        case HeadwayError():
            said = str(error) + (f" ({error.next})" if error.next else "")
        case ExpressionError():
            of = f" in {error.expression[:200]!r}" if error.expression else ""
            said = f"{error}{of}"
        case OSError():
            said = f"the step cannot go on: {error}"
        case _:
            raise error
    _complain(level, said)
    return Done("failure", "success" if may_fail else "failure", None, outputs)


def _stopped(
    level: Level, step: StepSpec, error: Stopped, *, may_fail: bool, outputs: dict[str, str]
) -> Done:
    if error.why in {"step-time", "output"}:
        if error.why == "step-time":  # the other one is told already, with its bound
            minutes = step.timeout_minutes or "its"
            _complain(level, f"The step was stopped: it took longer than {minutes} minutes.")
        return Done("failure", "success" if may_fail else "failure", None, outputs)
    whole = f"{level.job.order.timeout_seconds / 60:g}"
    said = "the run was cancelled"
    if error.why == "job-time":
        said = f"the job took longer than its {whole} minutes"
    _complain(level, f"The step was stopped: {said}.")
    return Done("cancelled", "cancelled", None, outputs)


def _complain(level: Level, said: str) -> None:
    level.out.annotate(Annotation("error", said))


def _until(level: Level, step: StepSpec, scope: Scope) -> float:
    text = expression.fill(step.timeout_minutes, scope).strip()
    if not text:
        return level.until
    try:
        minutes = float(text)
    except ValueError as error:
        raise Invalid(f"`timeout-minutes: {text[:40]}` is no number", code="bad-value") from error
    if not 0 < minutes <= _MOST_MINUTES:
        raise Invalid(f"`timeout-minutes: {text[:40]}` is out of range", code="bad-value")
    return min(level.until, deadline(minutes * 60))


def _flag(given: str, scope: Scope) -> bool:
    found = expression.value(given, scope)
    return found.strip().lower() == "true" if isinstance(found, str) else expression.truth(found)


def _do(use: _Use) -> tuple[int, dict[str, str]]:
    """The exit code and the outputs."""
    if use.step.run is not None:
        return _script(use, use.step.run), use.hands.outputs
    found = use.level.job.find(use.step.uses or "")
    if isinstance(found, Composed):
        return _composite(use, found)
    return _direct(use, found)


def _script(use: _Use, template: str) -> int:
    level, step, scope = use.level, use.step, use.scope
    order, place = level.job.order, level.job.place
    of_job = level.depth == 0
    usual = "" if level.job.within is None else "sh"  # documented so for containers
    shell = expression.fill(step.shell or (order.shell if of_job else ""), scope) or usual
    folder = step.working_directory or (order.working_directory if of_job else "")
    cwd = relative(expression.fill(folder, scope), place.checkout)
    if level.job.within is None and not cwd.is_dir():
        raise Failed(f"there is no folder {str(cwd)!r} to work in", code="no-folder")
    text = shells.script(shell, expression.fill(template, scope))
    path = f"{place.files}/{next(level.job.names)}{shells.suffix(shell)}"
    try:
        _write(path, text)
        return use.hands.enter(shells.argv(shell, path), level.variables(use.env, step), cwd)
    finally:
        # It may hold secrets that were filled in, and a red job's files are kept.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - one a step


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        view = memoryview(text.encode("utf-8", "replace"))
        while view:
            view = view[file.write(view) :]


def _direct(use: _Use, found: Direct) -> tuple[int, dict[str, str]]:
    job, key = use.level.job, use.key
    inputs = _inputs(use.step, found.action, use.scope)
    _warn_of_inputs(use, found.action)
    if found.post is not None:
        name = f"Post {use.step.name or f'Run {use.step.uses}'}"
        job.draft.posts.append(Pending(key, name, use.step, inputs, use.env))
    return _act(use, key, found.main, inputs)


def _act(use: _Use, key: str, part: Part, inputs: dict[str, str]) -> tuple[int, dict[str, str]]:
    """One part of an action."""
    level, job = use.level, use.level.job
    env = level.variables(use.env, use.step)
    state = job.state(key)
    env |= {f"STATE_{name}": value for name, value in state.items()}
    acting = Acting(
        order=job.order,
        step=use.step,
        inputs=inputs,
        env=env,
        checkout=job.place.checkout,
        temp=job.place.temp,
        files=job.place.files,
        uploads_folder=job.place.uploads,
        hands=use.hands,
        green=job.status() == "success",
        state=state,
        pod=job.pod,
    )
    try:
        code = part(acting)
    finally:
        _gather(use, key, acting)
    return code, use.hands.outputs


def _gather(use: _Use, key: str, acting: Acting) -> None:
    """What the action did is there for the steps after it."""
    draft = use.level.job.draft
    use.hands.outputs |= acting.outputs
    draft.env |= acting.added_env
    draft.path[:0] = acting.added_path
    draft.uploads += acting.uploads
    if state := acting.state | use.hands.state:
        draft.states[key] = state


def _inputs(step: StepSpec, action: Action | None, scope: Scope) -> dict[str, str]:
    """What the action gets: as given, defaults for the rest, under the names it declares."""
    given = {name: expression.fill(value, scope) for name, value in step.inputs.items()}
    if action is None:
        return given
    declared = {i.name.lower(): i.name for i in action.inputs}
    named = {declared.get(name.lower(), name): value for name, value in given.items()}
    rest = [i for i in action.inputs if i.name not in named]
    defaults = {i.name: expression.fill(i.default.text, scope) if i.default else "" for i in rest}
    return defaults | named


def _warn_of_inputs(use: _Use, action: Action | None) -> None:
    """Those that it does not have, those that it requires, those that it wants to be rid of."""
    if action is None:
        return
    declared = {i.name.lower(): i for i in action.inputs}
    unknown = [n for n in use.step.inputs if n.lower() not in {*declared, "entrypoint", "args"}]
    if unknown:
        said = f"`{use.step.uses}` has no input {', '.join(f'`{n}`' for n in unknown)}"
        use.level.out.annotate(Annotation("warning", said))
    given = {n.lower() for n in use.step.inputs}
    missing = [
        i.name for n, i in declared.items() if i.required and not i.default and n not in given
    ]
    if missing:
        said = f"`{use.step.uses}` requires the input {', '.join(f'`{n}`' for n in missing)}"
        use.level.out.annotate(Annotation("warning", said))
    for one in (declared.get(n.lower()) for n in use.step.inputs):
        if one is not None and (said := one.deprecation()):
            use.level.out.annotate(Annotation("warning", said))


def _composite(use: _Use, found: Composed) -> tuple[int, dict[str, str]]:
    """The steps of a composite action, and its outputs."""
    level = use.level
    if level.depth >= MAX_DEPTH:
        raise Failed(f"actions use each other more than {MAX_DEPTH} deep", code="too-deep")
    if found.note:
        level.out.say(found.note)
    inputs = _inputs(use.step, found.action, use.scope)
    _warn_of_inputs(use, found.action)
    inner = _inner(use, found, inputs)
    code = 0
    for number, each in enumerate(found.action.steps):
        done = _inner_step(inner, spec(each, number))
        if done.conclusion == "failure" and not inner.red:
            inner.red = True
            code = done.code or 1
        if done.conclusion == "cancelled":
            raise Stopped(level.job.patience.stopped or "step-time")
    scope = inner.scope({})
    outputs = {name: expression.fill(text.text, scope) for name, text in found.action.outputs}
    use.hands.outputs |= outputs
    return code, use.hands.outputs


def _inner(use: _Use, found: Composed, inputs: dict[str, str]) -> Level:
    level = use.level
    contexts: dict[str, Any] = inside(level.view.contexts, inputs, str(found.folder))
    view = View(contexts, "success", level.view.functions)
    env = level.env | use.env
    key, depth = f"{use.key}.", level.depth + 1
    return replace(level, view=view, key=key, env=env, until=use.until, depth=depth, red=False)


def _inner_step(inner: Level, step: StepSpec) -> Done:
    try:
        goes = wanted(inner, step)
    except ExpressionError as error:
        done = _broken(inner, step, error, may_fail=False, outputs={})
    else:
        done = run(inner, step) if goes else SKIPPED
    inner.view.contexts["steps"][step.id] = result(done.outcome, done.conclusion, done.outputs)
    return done
