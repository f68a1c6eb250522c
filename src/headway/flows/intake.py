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
    """Whether this push starts a delivery: the service's branch moved, and was not deleted."""
    if push.new == NO_COMMIT or not push.ref.startswith("refs/heads/"):
        return False
    return push.ref == f"refs/heads/{_branch(world, push)}"


def _branch(world: World, push: Push) -> str:
    """The branch that headway.yaml names; a file that cannot be read is a failed delivery of main,
    so that somebody is told.
    """
    try:
        text = world.source.read(push.repo, push.new, "headway.yaml").decode("utf-8")
        return settings.read(text, "headway.yaml").branch
    except (HeadwayError, UnicodeDecodeError):
        return "main"


def take(tx: Tx, world: World, push: Push) -> str:
    """Ask for the delivery unless it was asked for before; gives its id or ''."""
    if commands.was_delivered(tx.connection, push.service, push.new):
        return ""
    commit = world.source.commit(push.repo, push.new)
    named = replace(commit, repo=push.repo, ref=push.ref)
    return commands.request(tx, world.outbox, Request(push.service, named, commit.author))
