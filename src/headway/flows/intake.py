"""Pushes become deliveries. Called by the server: for each note that a hook left, and at the start
for every branch whose newest commit nobody ever delivered, so that a lost hook loses nothing.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from headway import settings
from headway.flows import commands
from headway.flows.commands import Request
from headway.flows.world import World
from headway.model.errors import HeadwayError
from headway.model.service import Service
from headway.pipeline.syntax import reader
from headway.pipeline.trigger import TriggerEvent, starts
from headway.store.database import Tx

NO_COMMIT = "0" * 40


@dataclass(frozen=True, slots=True)
class Push:
    """One ref that moved. `repo` is the hosted repository's folder."""

    service: str
    repo: str
    ref: str
    new: str


def read_notes(folder: Path) -> list[tuple[Path, Push]]:
    """The notes in the spool, oldest first. A file that is no note is set aside, not lost."""
    found = []
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            note = json.loads(file.read_text())
            repo = Path(note["repo"])
            push = Push(repo.name.removesuffix(".git"), str(repo), note["ref"], note["new"])
        except (ValueError, KeyError, TypeError):
            file.rename(file.with_suffix(".unreadable"))
            continue
        found.append((file, push))
    return found


def wanted(world: World, push: Push) -> bool:
    """Whether this push starts a delivery: the service's branch moved, was not deleted, and the
    workflow's own `on.push` does not leave it out.
    """
    branch = push.ref.removeprefix("refs/heads/")
    if push.new == NO_COMMIT or branch == push.ref:
        return False
    service = _service(world, push)
    return branch == (service.branch if service else "main") and _starts(
        world, push, service, branch
    )


def _service(world: World, push: Push) -> Service | None:
    """None: headway.yaml cannot be read; that is a failed delivery of main, so that somebody is
    told.
    """
    try:
        return settings.read(_text(world, push, "headway.yaml"), "headway.yaml")
    except (HeadwayError, UnicodeDecodeError):
        return None


def _starts(world: World, push: Push, service: Service | None, branch: str) -> bool:
    """A workflow that cannot be read starts too, for the same reason."""
    if service is None:
        return True
    try:
        workflow = reader.read(_text(world, push, service.workflow), service.workflow)
    except (HeadwayError, UnicodeDecodeError):
        return True
    pushed = TriggerEvent("push", push.service, f"refs/heads/{branch}", push.new, "hosted")
    return starts(workflow, pushed).yes


def _text(world: World, push: Push, path: str) -> str:
    return world.source.read(push.repo, push.new, path).decode("utf-8")


def take(tx: Tx, world: World, push: Push) -> str:
    """Ask for the delivery unless it was asked for before; gives its id or ''."""
    if commands.was_delivered(tx.connection, push.service, push.new):
        return ""
    commit = world.source.commit(push.repo, push.new)
    named = replace(commit, repo=push.repo, ref=push.ref)
    return commands.request(tx, world.outbox, Request(push.service, named, commit.author))
