"""Which commits the actions of a run mean: from headway.lock, and for the rest as of now.

Called by whoever makes a RunSpec (`headway run`, triggers), and by `headway workflow lock`. A run
keeps the commits in its spec, so that it means the same when it goes on or is repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from headway.flows.pipeline_texts import Read
from headway.model.errors import HeadwayError, Invalid, Unreachable
from headway.pipeline import lock
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax import reader
from headway.pipeline.syntax.action import read_action
from headway.pipeline.syntax.check import BUILT_IN
from headway.ports.action_source import ActionSource

MOST_ACTIONS = 500
_FILES = ("action.yml", "action.yaml")


def with_pins(spec: RunSpec, actions: ActionSource, read: Read) -> RunSpec:
    """The spec with a commit for every action that its workflows use, also inside other actions.

    What cannot be resolved now is left out: the job that uses it is refused before its first step,
    and says why. Raises Invalid for a headway.lock with faults.
    """
    known, instead = with_lock(spec, read).actions, spec.substitutes.actions
    found, _ = pins(spec.texts, known, actions, read, instead)
    return replace(spec, actions=found)


def with_lock(spec: RunSpec, read: Read) -> RunSpec:
    """The spec with what headway.lock says of actions, before called workflows are fetched.

    Raises Invalid for a headway.lock with faults.
    """
    return replace(spec, actions={**locked(read), **spec.actions})


def locked(read: Read) -> dict[str, str]:
    """What headway.lock of the repository says; nothing if there is none. Raises Invalid."""
    text = read(lock.FILE)
    return lock.read(text) if text is not None else {}


def pins(
    texts: Mapping[str, str],
    known: Mapping[str, str],
    actions: ActionSource,
    read: Read,
    instead: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, str], dict[str, HeadwayError]]:
    """(`owner/name@ref` to commit, what could not be resolved and why) for these workflows.

    `known` counts before what a ref means now; `instead`: what stands in for a `uses`. Raises
    Invalid for a workflow that cannot be read.
    """
    found: dict[str, str] = {}
    failed: dict[str, HeadwayError] = {}
    waiting = [uses for name, text in texts.items() for uses in _of_workflow(name, text)]
    waiting = [instead.get(uses, uses) for uses in waiting]
    waiting += [name for name in texts if "@" in name]
    seen: set[str] = set()
    while waiting and len(seen) < MOST_ACTIONS:
        uses = waiting.pop()
        if uses in seen:
            continue
        seen.add(uses)
        try:
            waiting += _below(uses, found, known, actions, read)
        except (Invalid, Unreachable) as error:
            failed[uses] = error
    return found, failed


def _of_workflow(name: str, text: str) -> Iterator[str]:
    for job in reader.read(text, name).jobs:
        if job.uses is not None and not job.uses.text.startswith("./"):
            yield job.uses.text
        for step in job.steps:
            if step.uses is not None:
                yield step.uses.text


def _below(
    uses: str,
    found: dict[str, str],
    known: Mapping[str, str],
    actions: ActionSource,
    read: Read,
) -> list[str]:
    """Pin this one; gives what its own steps use."""
    place, _, ref = uses.partition("@")
    if place in BUILT_IN or uses.startswith("docker://"):
        return []
    if uses.startswith("./"):
        return _of_action(uses, lambda file: read(file.removeprefix("./")))
    parts = place.split("/")
    name, path = "/".join(parts[:2]), parts[2:]
    key = f"{name}@{ref}"
    found[key] = found.get(key) or known.get(key) or actions.resolve(name, ref)
    if path[:2] == [".github", "workflows"]:
        return []
    top = Path(actions.fetch(name, found[key])).resolve()
    return _of_action("/".join(path), lambda file: _text(top, file))


def _of_action(folder: str, read: Read) -> list[str]:
    for name in _FILES:
        file = f"{folder.rstrip('/')}/{name}".lstrip("/")
        if (text := read(file)) is not None:
            return [step.uses.text for step in read_action(text, file).steps if step.uses]
    return []


def _text(top: Path, file: str) -> str | None:
    path = (top / file).resolve()
    if not path.is_relative_to(top) or not path.is_file():
        return None
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not UTF-8", why=str(error), code="encoding") from error
