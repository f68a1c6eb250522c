"""From a working tree and a command line to what a run is of. Used by `headway run`.

Workflow files are read from the folder as they are, not from the commit: what is tried here is what
would be pushed next.
"""

import json
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headway.adapters.git.work_tree import WorkTree
from headway.model.errors import Invalid
from headway.pipeline.run.state import RunSpec
from headway.pipeline.syntax.ir import Workflow
from headway.pipeline.syntax.reader import read
from headway.ports.action_source import ActionSource
from headway.record import dataclass

FOLDER = ".github/workflows"
MOST_BYTES = 1024**2
MANUAL = "workflow_dispatch"


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line, as far as it says what to run."""

    workflow: str = ""
    only: tuple[str, ...] = ()
    event: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    vars: dict[str, str] = field(default_factory=dict)
    network: bool = True
    substitutes: str = ""
    instead: tuple[str, ...] = ()


def nearest(word: str, known: list[str]) -> str:
    """The known word that is most like it, or empty."""
    import difflib  # noqa: PLC0415  only for a mistake

    return next(iter(difflib.get_close_matches(word[:80], known, 1, 0.5)), "")


def text_of(folder: Path, path: str) -> str:
    """One workflow file of the working tree. Raises Invalid (`missing-file`, `encoding`,
    `outside`, `too-large`).
    """
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise Invalid(f"`{path}` leads out of {folder}", code="outside")
    if not file.is_file():
        raise Invalid(f"there is no `{path}` in {folder}", code="missing-file")
    if file.stat().st_size > MOST_BYTES:
        raise Invalid(f"`{path}` is larger than 1 MiB", code="too-large")
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"`{path}` is not UTF-8", why=str(error), code="encoding") from error


def files(folder: Path) -> list[str]:
    """Every workflow file, by name."""
    found = [p for p in (folder / FOLDER).glob("*.y*ml") if p.suffix in {".yml", ".yaml"}]
    return sorted(f"{FOLDER}/{p.name}" for p in found)


def named(folder: Path, given: str) -> str:
    """The path in the repository that `--workflow` means: a path from here, one from the top of the
    repository, or the name of a file in .github/workflows with or without its ending.
    """
    here = Path(given).resolve()
    if here.is_file() and here.is_relative_to(folder.resolve()):
        return here.relative_to(folder.resolve()).as_posix()
    for path in (given, f"{FOLDER}/{given}", f"{FOLDER}/{given}.yml", f"{FOLDER}/{given}.yaml"):
        if (folder / path).is_file():
            return path
    known = files(folder)
    stems = {Path(path).stem: Path(path).name for path in known}
    near = stems.get(nearest(Path(given).stem, list(stems)), "")
    raise Invalid(
        f"there is no workflow `{given}` in {folder}",
        why=f"known: {', '.join(known) or 'none'}",
        next=f"headway run --workflow {near}" if near else f"write {FOLDER}/deliver.yml",
        code="missing-file",
    )


def candidates(folder: Path, event: str) -> list[str]:
    """Files that the event starts. A file that cannot be read is one: it must be heard of."""
    return [path for path in files(folder) if _starts(folder, path, event)]


def _starts(folder: Path, path: str, event: str) -> bool:
    try:
        return read(text_of(folder, path), path).trigger(event) is not None
    except Invalid:
        return True


def event_of(workflow: Workflow, asked: str) -> str:
    """The event of the run: the one asked for, else push, else the first that the file names."""
    known = [t.event for t in workflow.on]
    if asked and asked not in known:
        raise Invalid(
            f"{workflow.file} is not started by `{asked}`",
            why=f"it is started by {', '.join(known)}",
            next=f"headway run --workflow {workflow.file} --event {known[0]}",
            code="no-trigger",
        )
    return asked or ("push" if "push" in known else known[0])


def check_jobs(workflow: Workflow, only: tuple[str, ...]) -> None:
    """Raises Invalid (`unknown-job`)."""
    known = [job.id for job in workflow.jobs]
    for one in only:
        if one not in known:
            near = nearest(one, known)
            raise Invalid(
                f"{workflow.file} has no job `{one}`",
                why=f"its jobs are {', '.join(known)}",
                next=f"headway run --workflow {workflow.file} --job {near or known[0]}",
                code="unknown-job",
            )


def spec(id: str, actor: str, tree: WorkTree, chosen: Workflow, asked: Asked) -> RunSpec:
    """What the run is of, as the files are now. `whole` adds the workflows that it calls."""
    folder = Path(tree.folder)
    event = event_of(chosen, asked.event)
    return RunSpec(
        id=id,
        workflow=chosen.file,
        texts={chosen.file: text_of(folder, chosen.file)},
        repo=tree.folder,
        sha=tree.sha,
        ref=tree.ref,
        event=event,
        payload=payload(tree, event, asked),
        actor=actor,
        folder=tree.folder,
        changed=tree.changed,
        inputs=dict(asked.inputs),
        vars=asked.vars,
        only=asked.only,
        network=asked.network,
    )


def whole(made: RunSpec, actions: ActionSource) -> RunSpec:
    """With the texts of all workflows that it calls, local ones as they are now and others fetched,
    and with the commits of their actions, from headway.lock where they are in it.
    """
    folder = Path(made.folder)

    def read(path: str) -> str | None:
        return _if_there(folder, path)

    if not any("uses" in text for text in made.texts.values()):
        return _with_settings(made, read)
    from headway.flows.pipeline_pins import with_lock, with_pins  # noqa: PLC0415  most files use none
    from headway.flows.pipeline_texts import complete  # noqa: PLC0415

    whole = with_pins(complete(with_lock(made, read), actions, read), actions, read)
    return _with_settings(whole, read)


def _with_settings(made: RunSpec, read: Callable[[str], str | None]) -> RunSpec:
    """With what headway.yaml says of its jobs, if it says anything."""
    text = read("headway.yaml")
    if text is None or "jobs" not in text:
        return made
    from headway.flows.job_settings import with_settings  # noqa: PLC0415  it loads the schema

    return with_settings(made, read, datetime.now(UTC).timestamp())


def unlocked(made: RunSpec) -> dict[str, str]:
    """The actions of the run that headway.lock does not name, with what they mean now."""
    if not made.actions:
        return {}
    from headway.flows.pipeline_pins import locked  # noqa: PLC0415

    known = locked(lambda path: _if_there(Path(made.folder), path))
    return {name: sha for name, sha in sorted(made.actions.items()) if name not in known}


def _if_there(folder: Path, path: str) -> str | None:
    try:
        return text_of(folder, path)
    except Invalid as error:
        if error.code == "missing-file":
            return None
        raise


def payload_of(file: str) -> dict[str, Any]:
    """`--event-file`: what the forge would send. Raises Invalid (`event-file`)."""
    if not file:
        return {}
    try:
        found = json.loads(Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise Invalid(f"{file} cannot be read", why=str(error), code="event-file") from error
    if not isinstance(found, dict):
        raise Invalid(f"{file} is not a JSON object", code="event-file")
    return found


def payload(tree: WorkTree, event: str, asked: Asked) -> dict[str, Any]:
    """`github.event`: the parts that workflows read most, and over them what the person gave."""
    owner, name = repository(tree)
    made: dict[str, Any] = {
        "repository": {
            "name": name,
            "full_name": f"{owner}/{name}",
            "owner": {"login": owner, "name": owner},
            "default_branch": "main",
        },
        "sender": {"login": owner},
    }
    if event == "push":
        made |= _push(tree)
    if event == MANUAL:
        made |= {"inputs": dict(asked.inputs), "ref": tree.ref, "workflow": asked.workflow}
    return made | asked.payload


def _push(tree: WorkTree) -> dict[str, Any]:
    person = {"name": tree.author, "email": tree.email, "username": tree.author}
    head = {
        "id": tree.sha,
        "message": tree.subject,
        "timestamp": tree.committed_at,
        "author": person,
        "committer": person,
    }
    return {
        "ref": tree.ref,
        "before": "0" * 40,
        "after": tree.sha,
        "created": False,
        "deleted": False,
        "forced": False,
        "head_commit": head,
        "commits": [head],
        "pusher": {"name": tree.author, "email": tree.email},
    }


def repository(tree: WorkTree) -> tuple[str, str]:
    """(owner, name): from the remote `origin` if there is one, else `local` and the folder."""
    parts = [p for p in tree.origin.removesuffix(".git").replace(":", "/").split("/") if p]
    if len(parts) >= 2:
        return parts[-2], parts[-1]
    return "local", Path(tree.folder).name
