"""How the words of strangers go on: by `env`, by outputs of steps and jobs, by GITHUB_ENV.

A script's output is told by its own lines: `echo "NAME=…$VAR…" >> "$GITHUB_OUTPUT"`, one line each
or several in braces. An action that is given such words may hand them on in any of its outputs.
What a program computes from them is not followed. Called by `check`.
"""

import re
from collections.abc import Iterator

from headway.pipeline.syntax.ir import Bindings, Job, Step, Workflow
from headway.pipeline.syntax.taint import Tainted, sources

MOST_ROUNDS = 20
_NAMED = re.compile(r"(?:^|[\s\"'(;{])([A-Za-z_][\w-]*)(?:=|<<)")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
_FILES = {"GITHUB_OUTPUT": "output", "GITHUB_ENV": "env"}


def of_env(env: Bindings, around: Tainted) -> dict[str, str]:
    """With the variables of one `env`, later ones winning."""
    found = dict(around)
    for name, value in env:
        key = f"env.{name.lower()}"
        first = next((source for _, source in sources(value.text, around)), None)
        if first is None:
            found.pop(key, None)
        else:
            found[key] = first
    return found


def of_jobs(workflow: Workflow) -> dict[str, str]:
    """`needs.JOB.outputs.NAME` of the whole file, followed from job to job."""
    around = of_env(workflow.env, {})
    needs: dict[str, str] = {}
    for _ in range(MOST_ROUNDS):
        before = len(needs)
        for job in workflow.jobs:
            needs |= _outputs(job, {**around, **needs})
        if len(needs) == before:
            break
    return needs


def _outputs(job: Job, around: Tainted) -> dict[str, str]:
    inside = of_env(job.env, around)
    for step in job.steps:
        inside = after(step, inside)
    found = {}
    for name, text in job.outputs:
        for _, source in sources(text.text, inside):
            found[f"needs.{job.id.lower()}.outputs.{name.lower()}"] = source
    return found


def after(step: Step, around: Tainted) -> dict[str, str]:
    """What holds such words for the steps behind this one."""
    inside = of_env(step.env, around)
    found = dict(around)
    place = f"steps.{step.id.lower()}.outputs"
    if step.run is not None:
        for kind, name, source in _written(step.run.text, inside):
            found[f"{place}.{name}" if kind == "output" else f"env.{name}"] = source
    elif step.uses is not None and not step.uses.text.startswith("actions/checkout@"):
        for _, text in step.inputs:
            for _, source in sources(text.text, inside):
                found[f"{place}.*"] = source
    return found


def _written(script: str, inside: Tainted) -> Iterator[tuple[str, str, str]]:
    """(`output` or `env`, its name in lower case, where the words come from)."""
    held: dict[str, str] = {n.removeprefix("env."): s for n, s in inside.items() if _is_env(n)}
    several = ""  # the name of an output of several lines, while they last
    for block in _blocks(script):
        kind = next((kind for file, kind in _FILES.items() if file in block), None)
        source = _source(block, held, inside)
        names = _NAMED.findall(block)
        for name in names:
            if kind is None:
                _assign(held, name, source)
            elif source:
                yield kind, name.lower(), source
        if kind and source and several and not names:
            yield kind, several, source
        if kind and names:
            several = names[-1].lower() if "<<" in block else ""


def _is_env(name: str) -> bool:
    return name.startswith("env.")


def _assign(held: dict[str, str], name: str, source: str) -> None:
    """`NAME=…` of the script itself: from here on the variable holds what was given to it."""
    if source:
        held[name.lower()] = source
    else:
        held.pop(name.lower(), None)


def _blocks(script: str) -> Iterator[str]:
    """Lines, those between `{` and `} >>` as one, and heredocs that end in a file as one."""
    block: list[str] = []
    for line in script.splitlines():
        bare = line.strip()
        if block or bare in {"{", "("}:
            block.append(line)
            if bare.startswith(("}", ")")):
                yield "\n".join(block)
                block = []
        else:
            yield line
    yield from block


def _source(block: str, held: dict[str, str], inside: Tainted) -> str:
    for _, source in sources(block, inside):
        return source
    for name in _VARIABLE.findall(block):
        if name.lower() in held:
            return held[name.lower()]
    return ""
