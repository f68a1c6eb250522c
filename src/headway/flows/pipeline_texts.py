"""The texts of a run's workflow and of all it calls. Called by flows/pipeline.create, and by
whoever makes a RunSpec and knows how to read the repository.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from headway.model.errors import Invalid
from headway.pipeline.run.program import MAX_CALLED, references
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax import reader
from headway.ports.action_source import ActionSource

Read = Callable[[str], str | None]
"""The text of a path at the run's commit; None if there is no such file."""


def complete(spec: RunSpec, actions: ActionSource, read: Read) -> RunSpec:
    """The spec with every workflow that is called, and the commits those of other repositories were
    pinned to. What cannot be read is left out: `program.load` says so, with its place.

    Raises Invalid (a called workflow that cannot be read), Unreachable, as the ports do.
    """
    texts, pinned = dict(spec.texts), dict(spec.actions)
    waiting = [spec.workflow]
    seen: set[str] = set()
    while waiting and len(seen) <= MAX_CALLED + 1:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in texts:
            found = _remote(name, actions, pinned) if "@" in name else read(name)
            if found is None:
                continue
            texts[name] = found
        waiting += references(reader.read(texts[name], name), name)
    return replace(spec, texts=texts, actions=pinned)


def _remote(name: str, actions: ActionSource, pinned: dict[str, str]) -> str | None:
    place, _, ref = name.partition("@")
    owner, repo, *path = place.split("/")
    action = f"{owner}/{repo}@{ref}"
    sha = pinned.get(action) or actions.resolve(f"{owner}/{repo}", ref)
    pinned[action] = sha
    top = Path(actions.fetch(f"{owner}/{repo}", sha)).resolve()
    file = top.joinpath(*path).resolve()
    if not file.is_relative_to(top):
        raise Invalid(f"{name!r} leaves its repository", code="outside")
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{name!r} cannot be read", why=str(error), code="encoding") from error
