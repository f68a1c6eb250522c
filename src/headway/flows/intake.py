"""Pushes become deliveries. Called by the server: for each note that a hook left, and at the start
for every branch whose newest commit nobody ever delivered, so that a lost hook loses nothing.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from headway.flows import commands
from headway.flows.affected import Known, services_at
from headway.flows.commands import Request
from headway.flows.world import World
from headway.model.errors import HeadwayError
from headway.model.service import Service
from headway.pipeline.syntax import reader
from headway.pipeline.trigger import TriggerEvent, starts
from headway.store.database import Tx

NO_COMMIT = "0" * 40
DEFAULT_BRANCH = "main"


@dataclass(frozen=True, slots=True)
class Push:
    """One ref that moved. `repo` is the hosted repository's folder, `service` its name, which is
    that of its service where it has only one.
    """

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


def wanted(world: World, push: Push) -> tuple[Known, ...]:
    """The services of which this push may start deliveries: a service's branch moved, was not
    deleted, and the workflow's own `on.push` does not leave it out. Without a headway.yaml nothing
    is delivered. Which of a workspace are affected is flows/affected's to say.
    """
    if not _moved(push):
        return ()
    found = services_at(world, push.repo, push.new, push.service)
    return tuple(one for one in found if _wanted(world, push, one.service))


def delivers(world: World, event: TriggerEvent, file: str) -> str:
    """Why this workflow of a pushed commit is no run of its own, "" if it is one: it is how the
    commit is delivered, or nobody can say whether it is.
    """
    push = Push(event.repo, event.address, event.ref, event.sha or NO_COMMIT)
    if event.name != "push" or not _moved(push):
        return ""
    found = [one.service for one in wanted(world, push)]
    if any(service is not None and service.workflow == file for service in found):
        return "it is how the commit is delivered"
    if None in found:
        return "headway.yaml cannot be read: nobody knows whether this is what delivers the commit"
    return ""


def _moved(push: Push) -> bool:
    return push.new != NO_COMMIT and push.ref.startswith("refs/heads/")


def _wanted(world: World, push: Push, service: Service | None) -> bool:
    """One that nobody can read is, on the default branch, a failed delivery, so that somebody is
    told.
    """
    branch = push.ref.removeprefix("refs/heads/")
    if service is None:
        return branch == DEFAULT_BRANCH
    return branch == service.branch and _starts(world, push, service, branch)


def _starts(world: World, push: Push, service: Service, branch: str) -> bool:
    """A workflow that cannot be read starts too, for the same reason; one that is not there does
    not where others build: its artifacts are handed over.
    """
    try:
        workflow = reader.read(_text(world, push, service.workflow), service.workflow)
    except HeadwayError as error:
        return not (service.builders and error.code == "missing-file")
    except UnicodeDecodeError:
        return True
    pushed = TriggerEvent("push", push.service, f"refs/heads/{branch}", push.new, "hosted")
    return starts(workflow, pushed).yes


def _text(world: World, push: Push, path: str) -> str:
    return world.source.read(push.repo, push.new, path).decode("utf-8")


def take(tx: Tx, world: World, push: Push, service: str) -> str:
    """Ask for the delivery unless it was asked for before; gives its id or ''."""
    if commands.was_delivered(tx.connection, service, push.new):
        return ""
    commit = world.source.commit(push.repo, push.new)
    named = replace(commit, repo=push.repo, ref=push.ref)
    return commands.request(tx, world.outbox, Request(service, named, commit.author))
