"""The content key of a job instance: the same key means that running it again gives the same.

It is over what the job says (steps, environment, matrix, shell, container, services, inputs), the
pinned actions it uses, the Git objects of the files it depends on, what it gets from its needs, a
keyed hash of the secrets it names, and the tools declared for this machine. Of `github`, `vars` and
`inputs` only what the job names counts: `github.x` in an expression, `$GITHUB_X` in a script; all
of it where an expression uses the whole. So the same tree of another commit is the same job.

Called by flows/pipeline_results. docs/explanation/pipeline-runs.md says what a key cannot see.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from headway import expression
from headway.model.job import JobOrder
from headway.record import dataclass

VERSION = 1
"""Part of every key: a change of what goes in makes all older results invalid."""
NEVER_REUSED = frozenset(
    {"schedule", "workflow_dispatch", "repository_dispatch", "registry_package", "release"}
)
"""Events that ask for a run because it is time, because somebody wants one now, or because of
something that is not in the commit.
"""

_CONTEXTS = ("github", "vars", "inputs", "secrets")
_NAMED = re.compile(
    r"(?<![\w.-])(github|vars|inputs|secrets)(?![\w-])"
    r"(?:\s*\.\s*([A-Za-z_][\w-]*)|\s*\[\s*'([^']*)'\s*\])?",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\bGITHUB_([A-Z_]+)")
_CHECKOUT = "actions/checkout@"
_WHOLE = "*"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a job stands on besides its order. `trees`: path to Git object id ("": whole tree).

    `uploads`: (key, name, digest) of what came before it. `secrets`: their keyed hash. `tools`:
    name to version. `asked`: what its reports must say.
    """

    trees: Mapping[str, str]
    uploads: tuple[tuple[str, str, str], ...] = ()
    secrets: str = ""
    tools: Mapping[str, str] | None = None
    asked: Any = None


def key(order: JobOrder, ground: Ground) -> str:
    """64 hex digits; "" for a job whose result is never reused: one with an environment, or one
    that checks out something else than its own commit.
    """
    if order.environment or any(_elsewhere(step.uses, step.inputs) for step in order.steps):
        return ""
    whole = json.dumps(_facts(order, ground), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def reusable(event: str, *, fresh: bool) -> bool:
    """Whether a run takes results of earlier runs at all."""
    return not fresh and event not in NEVER_REUSED


def secrets_named(order: JobOrder) -> frozenset[str] | None:
    """The secrets the job names, in lower case; None: it uses the whole context."""
    names = _named(order)["secrets"]
    return None if _WHOLE in names else frozenset(names)


def _facts(order: JobOrder, ground: Ground) -> dict[str, Any]:
    named = _named(order)
    contexts = order.contexts
    return {
        "version": VERSION,
        "workflow": order.workflow,
        "job": order.id,
        "steps": [_step(order, step) for step in order.steps],
        "env": order.env,
        "outputs": order.outputs,
        "shell": [order.shell, order.working_directory],
        "container": [order.container, order.services],
        "runs_on": order.runs_on,
        "network": order.network,
        "trusted": order.trusted,
        "matrix": contexts.get("matrix"),
        "strategy": contexts.get("strategy"),
        "needs": contexts.get("needs"),
        **{name: _part(contexts.get(name), named[name]) for name in ("github", "vars", "inputs")},
        "secrets": [sorted(named["secrets"]), ground.secrets],
        "trees": dict(ground.trees),
        "uploads": sorted(ground.uploads),
        "tools": dict(ground.tools or {}),
        "asked": ground.asked,
    }


def _step(order: JobOrder, step: Any) -> dict[str, Any]:
    """The step as it is ordered, without its line, and its action at the pinned commit."""
    said = {name: getattr(step, name) for name in step.__slots__ if name != "line"}
    return {**said, "pinned": order.actions.get(_action(step.uses or ""), "")}


def _action(uses: str) -> str:
    """`owner/name@ref` of `owner/name/path@ref`."""
    place, _, ref = uses.partition("@")
    return f"{'/'.join(place.split('/')[:2])}@{ref}"


def _part(context: Any, names: set[str]) -> Any:
    """What of a context the job names."""
    if not isinstance(context, Mapping) or _WHOLE in names:
        return context if names else None
    return {name: value for name, value in context.items() if name.lower() in names}


def _named(order: JobOrder) -> dict[str, set[str]]:
    """For each context the names used, in lower case; `*`: the whole."""
    found: dict[str, set[str]] = {context: set() for context in _CONTEXTS}
    for text in _texts(order):
        for word in _VARIABLE.findall(text):
            found["github"].add(word.lower())
    for said in _expressions(order):
        for context, plain, quoted in _NAMED.findall(said):
            found[context.lower()].add((plain or quoted or _WHOLE).lower())
    if any(_whole_history(step.uses, step.inputs) for step in order.steps):
        found["github"] |= {"sha", "ref"}
    return found


def _expressions(order: JobOrder) -> Iterator[str]:
    for text in _texts(order):
        if "${{" in text:
            yield from (hole.expression for hole in expression.holes(text))
    for step in order.steps:
        if "${{" not in step.condition:
            yield step.condition


def _texts(order: JobOrder) -> Iterator[str]:
    """Every text of the order that may hold an expression or is a script."""
    for step in order.steps:
        yield from (step.name, step.run or "", step.condition, step.shell)
        yield from (step.working_directory, step.timeout_minutes, step.continue_on_error)
        yield from step.inputs.values()
        yield from step.env.values()
    for level in (*order.env, order.outputs):
        yield from level.values()
    yield from _leaves([order.container, order.services])


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inside in value.values():
            yield from _leaves(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _leaves(inside)


def _elsewhere(uses: str | None, inputs: Mapping[str, str]) -> bool:
    chosen = inputs.get("repository") or inputs.get("ref")
    return bool(uses and uses.lower().startswith(_CHECKOUT) and chosen)


def _whole_history(uses: str | None, inputs: Mapping[str, str]) -> bool:
    """A checkout deeper than one commit shows which commit it is."""
    deep = inputs.get("fetch-depth", "1").strip() != "1" or inputs.get("fetch-tags") == "true"
    return bool(uses and uses.lower().startswith(_CHECKOUT) and deep)
