"""Writes docs/reference/workflows.md from the tables that the reader itself uses.

`python -m headway.pipeline.syntax.reference > docs/reference/workflows.md`; a test fails when it is
stale.
"""

import sys
from collections.abc import Iterator

from headway.pipeline.syntax import contexts
from headway.pipeline.syntax.check import BUILT_IN
from headway.pipeline.syntax.events import DEFAULT_TYPES, PLAIN
from headway.pipeline.syntax.keys import KEYS
from headway.pipeline.syntax.rules import SHELLS
from headway.pipeline.syntax.shape import Key, Shape, Table
from headway.pipeline.syntax.warned import WARNINGS

_TITLES = {
    "workflow": "The file",
    "on": "`on`",
    "on.push": "`on.push`",
    "on.pull_request": "`on.pull_request`",
    "on.pull_request_target": "`on.pull_request_target`",
    "on.merge_group": "`on.merge_group`",
    "on.release": "`on.release`",
    "on.repository_dispatch": "`on.repository_dispatch`",
    "on.workflow_run": "`on.workflow_run`",
    "schedule": "`on.schedule[]`",
    "on.workflow_dispatch": "`on.workflow_dispatch`",
    "dispatch-input": "`on.workflow_dispatch.inputs.NAME`",
    "on.workflow_call": "`on.workflow_call`",
    "call-input": "`on.workflow_call.inputs.NAME`",
    "call-secret": "`on.workflow_call.secrets.NAME`",
    "call-output": "`on.workflow_call.outputs.NAME`",
    "permissions": "`permissions`, of the file or a job",
    "concurrency": "`concurrency`, of the file or a job",
    "defaults": "`defaults`, of the file or a job",
    "defaults.run": "`defaults.run`",
    "job": "`jobs.ID`",
    "runs-on": "`jobs.ID.runs-on`",
    "environment": "`jobs.ID.environment`",
    "strategy": "`jobs.ID.strategy`",
    "matrix": "`jobs.ID.strategy.matrix`",
    "container": "`jobs.ID.container`",
    "service": "`jobs.ID.services.NAME`",
    "credentials": "`credentials` of a container or service",
    "step": "`jobs.ID.steps[]`",
    "action": "action.yml",
    "action-input": "`inputs.NAME` of an action",
    "action-output": "`outputs.NAME` of an action",
    "runs": "`runs` of an action",
    "action-step": "`runs.steps[]` of a composite action",
}

_HEAD = """\
# Workflow files

<!-- Generated: `python -m headway.pipeline.syntax.reference`; change the tables, not this page. -->

A workflow says what is done for an event, in the syntax of GitHub Actions. Headway reads it
strictly: a key that is not on this page is an error with its line and column, and a key that
Headway does not do is refused by name. Nothing is read and then ignored. `headway workflow check
FILE…` tells every problem at once, and warns of what can be read and is dangerous;
[workflow-oracle](../explanation/workflow-oracle.md) says where Headway is stricter than GitHub.

YAML is read by its 1.2 core rules: `on`, `yes`, `010` and `1:30` are texts. Anchors and aliases are
read; merge keys (`<<`), tags other than `!!str` `!!int` `!!float` `!!bool` `!!null`, and a key
written twice (case does not count) are not. A file has at most 1 MiB, is at most 50 levels deep and
has at most 20,000 values, aliases written out.

In the column *may see* are the contexts and functions that an expression (`${{ }}`) there may use;
without any, it can hold none. These functions are wherever an expression is:
BUILT_IN_FUNCTIONS. A * marks a key that must be there.
"""

_SEES = {
    contexts.START: "start",
    contexts.WORKFLOW_ENV: "start, secrets",
    contexts.NEEDS: "start, needs",
    contexts.MATRIX: "matrix",
    contexts.JOB_ENV: "matrix, secrets",
    contexts.JOB_DEFAULTS: "matrix, env",
    contexts.RUNNER: "runner",
    contexts.URL: "runner without secrets",
    contexts.STEP: "step",
    contexts.JOB_IF: "start, needs, status",
    contexts.STEP_IF: "step without secrets, status",
}
_SPELLED = {
    name.lower(): name for name in ("endsWith", "fromJSON", "hashFiles", "startsWith", "toJSON")
}
_NAMED = {
    "start": contexts.START,
    "matrix": contexts.MATRIX,
    "runner": contexts.RUNNER,
    "step": contexts.STEP,
    "status": contexts.STATUS,
}


def markdown() -> str:
    """The whole page."""
    functions = ", ".join(f"`{_SPELLED.get(name, name)}`" for name in sorted(contexts.BUILT_IN))
    head = _HEAD.replace("BUILT_IN_FUNCTIONS", functions)
    return "\n".join([head, *_groups(), *_sections(), *_lists()]).rstrip("\n") + "\n"


def _groups() -> Iterator[str]:
    yield "|group|what it holds|\n|-|-|"
    for name, sees in _NAMED.items():
        yield f"|{name}|{_names(sees)}|"
    yield ""


def _sections() -> Iterator[str]:
    for place, title in _TITLES.items():
        yield f"## {title}\n\n{_table(KEYS[place])}"


def _table(table: Table) -> str:
    """The keys; permissions' scopes need no sentence."""
    here = {name: key for name, key in table.items() if not key.refused}
    lines = ["|key|what it may be|may see|what it does|", "|-|-|-|-|"]
    lines += [_row(name, key) for name, key in here.items()]
    lines += [""] if len(here) < len(table) else []
    for reason in dict.fromkeys(key.refused for key in table.values() if key.refused):
        names = ", ".join(f"`{n}`" for n, key in table.items() if key.refused == reason)
        lines.append(f"Refused by name: {names}: {reason}.")
    return "\n".join(lines) + "\n"


def _row(name: str, key: Key) -> str:
    star = "*" if key.required else ""
    return f"|`{name}`{star}|{_what(key.shape)}|{_sees(key.shape)}|{key.says}|"


def _what(shape: Shape) -> str:
    words = {"text": "text", "word": "text", "boolean": "true, false", "number": "number"}
    found = ["condition"] if shape.condition else [words[shape.kind]] if shape.kind else []
    found += [", ".join(f"`{word}`" for word in shape.one_of)] if shape.one_of else []
    found += [f"list of {_what(shape.items)}"] if shape.items and not shape.one_of else []
    found += ["list of them"] if shape.items and shape.one_of else []
    found += ["map"] if shape.place or shape.names else []
    found += ["nothing"] if shape.null else []
    found += ["anything"] if shape.anything else []
    return "; ".join(found)


def _sees(shape: Shape) -> str:
    within = shape.names or shape.items
    sees = shape.sees or (within.sees if within else frozenset())
    return _SEES.get(sees) or _names(sees)


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(_SPELLED.get(name, name) for name in names))


def _lists() -> Iterator[str]:
    others = sorted(
        place.removeprefix("on.")
        for place in KEYS
        if place.startswith("on.") and place not in _TITLES
    )
    yield "## Other events\n"
    yield "With `types` as GitHub names them: " + ", ".join(f"`{n}`" for n in others) + ".\n"
    yield "Without any filter: " + ", ".join(f"`{n}`" for n in PLAIN) + ".\n"
    for event, types in DEFAULT_TYPES.items():
        yield f"`{event}` without `types` means {', '.join(types)}; other events mean every type.\n"
    yield "## Warnings\n\n`headway workflow check` also tells what can be read and will surprise:\n"
    yield "|code|what|\n|-|-|"
    yield from (f"|`{code}`|{says}|" for code, says in WARNINGS.items())
    yield "\n## Shells and actions\n"
    yield f"Shells: {', '.join(f'`{s}`' for s in SHELLS)}, or a command with `{{0}}`.\n"
    yield f"Built-in actions: {', '.join(f'`{a}`' for a in BUILT_IN)}.\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
