"""The linter's rules for names in expressions: what is not there is read as nothing, silently.

`needs.X` that the job does not need, `steps.X` of a later or no step, `inputs.X` and `matrix.X`
that nobody declares, outputs that a job does not have. Called by `check`. Names that are only known
in a run (a computed matrix, `steps[matrix.x]`) are left alone.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from headway import expression
from headway.document import Mapping as Map
from headway.document import Node, Scalar, Sequence, quoted
from headway.expression import ExpressionError, ast
from headway.expression.parser import parse
from headway.pipeline.syntax import scan
from headway.pipeline.syntax.expressions import has_holes, number_of
from headway.pipeline.syntax.ir import Bindings, Job, Step, Text, Workflow
from headway.pipeline.syntax.page import Page, suggestion

Path = tuple[str, ...]
Known = Mapping[str, Collection[str] | None]
"""For each context the names it has, in lower case; None: not known here."""


@dataclass(frozen=True, slots=True)
class _Names:
    page: Page
    known: Known
    outputs: Mapping[str, Collection[str] | None] = field(default_factory=dict)


def note(page: Page, workflow: Workflow) -> None:
    """Codes: `unknown-step` `unknown-need` `unknown-input` `unknown-matrix` `unknown-output`."""
    inputs = {one.name.lower() for trigger in workflow.on for one in trigger.inputs}
    outputs = {job.id.lower(): _outputs(job) for job in workflow.jobs}
    _note_all(_Names(page, {"inputs": inputs}), _of_workflow(workflow))
    for trigger in workflow.on:
        names = _Names(page, {"jobs": set(outputs), "inputs": inputs}, outputs)
        _note_all(names, (value for _, value in trigger.outputs))
    for job in workflow.jobs:
        needs = {need.text.lower() for need in job.needs}
        known: Known = {"inputs": inputs, "needs": needs, "matrix": _matrix(job)}
        _note_job(_Names(page, known, outputs), job)


def _note_job(names: _Names, job: Job) -> None:
    before: set[str] = set()
    for step in job.steps:
        _note_all(_with_steps(names, before), _of_step(step))
        _note_condition(_with_steps(names, before), step.condition)
        before = before | {step.id.lower()}
    _note_all(_with_steps(names, before), _of_job(job))
    _note_condition(names, job.condition)


def _with_steps(names: _Names, ids: set[str]) -> _Names:
    return _Names(names.page, {**names.known, "steps": ids}, names.outputs)


def _outputs(job: Job) -> set[str] | None:
    """The outputs of a job; those of a called workflow are not known here."""
    return None if job.uses else {name.lower() for name, _ in job.outputs}


def _matrix(job: Job) -> set[str] | None:
    """The names of the matrix; None if a run makes them."""
    matrix = job.strategy.matrix if job.strategy else None
    if matrix is None:
        return set()
    if not isinstance(matrix, Map):
        return None
    found = _lowered(matrix) - {"include", "exclude"}
    include = matrix.get("include")
    for item in include.items if isinstance(include, Sequence) else ():
        if not isinstance(item, Map):
            return None
        found |= _lowered(item)
    return None if isinstance(include, Scalar) else found


def _lowered(keys: Map) -> set[str]:
    return {key.text.lower() for key, _ in keys.entries}


def _of_workflow(workflow: Workflow) -> Iterator[Text]:
    yield from _given(workflow.run_name)
    yield from _values(workflow.env)
    if workflow.concurrency:
        yield workflow.concurrency.group


def _of_job(job: Job) -> Iterator[Text]:
    yield from _given(job.name, job.timeout_minutes, job.continue_on_error)
    yield from _given(job.cancel_timeout_minutes)
    for bindings in (job.env, job.outputs, job.inputs, job.secrets):
        yield from _values(bindings)
    if job.environment:
        place = job.environment
        yield from _given(place.name, place.url, place.deployment)
    if job.concurrency:
        yield from _given(job.concurrency.group, job.concurrency.cancel_in_progress)
    yield from _given(job.defaults.shell, job.defaults.working_directory)
    for node in (job.runs_on, job.container, job.services):
        yield from _within(node)
    if job.strategy:
        yield from _within(job.strategy.matrix)
        yield from _given(job.strategy.fail_fast, job.strategy.max_parallel)


def _of_step(step: Step) -> Iterator[Text]:
    yield from _given(step.name, step.run, step.working_directory, step.shell)
    yield from _given(step.timeout_minutes, step.continue_on_error)
    yield from _values(step.inputs)
    yield from _values(step.env)


def _given(*texts: Text | None) -> Iterator[Text]:
    yield from (text for text in texts if text)


def _values(bindings: Bindings) -> Iterator[Text]:
    yield from (value for _, value in bindings)


def _within(node: Node | None) -> Iterator[Text]:
    if isinstance(node, Scalar):
        yield from _given(scan.text(node))
    elif node is not None:
        below = node.items if isinstance(node, Sequence) else (v for _, v in node.entries)
        for one in below:
            yield from _within(one)


def _note_all(names: _Names, texts: Iterator[Text]) -> None:
    for text in texts:
        if has_holes(text.text):
            _note_holes(names, text)


def _note_condition(names: _Names, condition: Text | None) -> None:
    if condition is None:
        return
    if has_holes(condition.text):
        _note_holes(names, condition)
        return
    for code, sentence in _faults(names, condition.text.strip()):
        names.page.fault(condition.at, sentence, code)


def _note_holes(names: _Names, text: Text) -> None:
    try:
        found = expression.holes(text.text)
    except ExpressionError:  # told by the reader
        return
    for hole in found:
        at = names.page.place(text.at, number_of(text.text, hole))
        for code, sentence in _faults(names, hole.expression):
            names.page.fault(at, sentence, code)


def _faults(names: _Names, text: str) -> Iterator[tuple[str, str]]:
    tree = parse(text).tree
    for path in dict.fromkeys(_paths(tree)) if tree else ():
        yield from _fault(names, path)


def _fault(names: _Names, path: Path) -> Iterator[tuple[str, str]]:
    context, name = path[0], path[1]
    known = names.known.get(context)
    if known is None or name == "*":
        return
    if name not in known:
        written = [one for one in known if not one.startswith("__")]
        yield _KINDS[context][0], f"{_is_not(context, name)}. {suggestion(name, written)}"
    elif context in ("needs", "jobs") and len(path) > 3 and path[2] == "outputs":
        outputs = names.outputs.get(name)
        if outputs is not None and path[3] not in outputs and path[3] != "*":
            sentence = f"the job {quoted(name)} has no output {quoted(path[3])}: this is empty"
            yield "unknown-output", f"{sentence}. {suggestion(path[3], outputs)}"


_KINDS = {
    "steps": ("unknown-step", "no step before has the id"),
    "needs": ("unknown-need", "this job does not need"),
    "inputs": ("unknown-input", "no event declares the input"),
    "matrix": ("unknown-matrix", "the matrix of this job does not have"),
    "jobs": ("unknown-output", "there is no job"),
}


def _is_not(context: str, name: str) -> str:
    return f"{_KINDS[context][1]} {quoted(name)}, so `{context}.{name}` is empty"


def _paths(node: ast.Node) -> Iterator[Path]:
    """What is read: each context with its literal keys in lower case; a computed key ends it."""
    match node:
        case ast.Index():
            yield from _chain(node)
        case ast.Call(_, arguments):
            for one in arguments:
                yield from _paths(one)
        case ast.Not(of):
            yield from _paths(of)
        case ast.Compare(first, rest):
            for one in (first, *(operand for _, operand in rest)):
                yield from _paths(one)
        case ast.Logic(_, operands):
            for one in operands:
                yield from _paths(one)
        case _:
            return


def _chain(node: ast.Node) -> Iterator[Path]:
    keys: list[str] = []
    while isinstance(node, ast.Index):
        if isinstance(node.key, ast.Literal):
            keys.insert(0, str(node.key.value).lower())
        else:
            keys = ["*"]
            yield from _paths(node.key) if node.key else ()
        node = node.of
    if isinstance(node, ast.Context):
        yield (node.name.lower(), *keys)
    else:
        yield from _paths(node)
