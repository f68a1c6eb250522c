"""Which deliveries a push means: of the repository's one service, or of those in a workspace that
are affected by what changed since they were last delivered.

Asked by the server for each push (flows/intake, reception) and by `headway deliver` in a workspace.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import sqlalchemy as sa

from headway.flows.configuration import service_at, workspace_at
from headway.flows.world import World
from headway.model.errors import HeadwayError, Invalid
from headway.model.service import Service
from headway.pipeline.trigger.affected import because
from headway.store import records

Reading = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True, slots=True)
class Known:
    """A service of a commit. `service` None: its headway.yaml is there and nobody can read it; that
    is a delivery that fails, so that somebody is told.
    """

    name: str
    service: Service | None


@dataclass(frozen=True, slots=True)
class Affected:
    """A service to deliver, and why it is affected by the commit."""

    name: str
    because: str


def services_at(world: World, repo: str, sha: str, name: str) -> tuple[Known, ...]:
    """The services of the commit, in the order written; none without a headway.yaml. `name`: that
    of the repository, which is its service's where it has only one.
    """
    try:
        many = workspace_at(world.source, repo, sha)
    except Invalid as error:
        return () if error.code == "missing-file" else (Known(name, None),)
    if many is None:
        return (_known(world, repo, sha, name, ""),)
    return tuple(_known(world, repo, sha, one, one) for one in many.services)


def _known(world: World, repo: str, sha: str, name: str, wanted: str) -> Known:
    try:
        return Known(name, service_at(world.source, repo, sha, wanted))
    except HeadwayError:
        return Known(name, None)


def affected(
    world: World, reading: Reading, repo: str, sha: str, known: Iterable[Known]
) -> tuple[Affected, ...]:
    """Those of the services that are to be delivered at the commit."""
    found = []
    for one in known:
        with reading() as connection:
            base = records.last_delivered(connection, one.name)
        why = _why(world, repo, sha, one.service, base)
        if why:
            found.append(Affected(one.name, why))
    return tuple(found)


def _why(world: World, repo: str, sha: str, service: Service | None, base: str) -> str:
    """A service that watches nothing of its own is affected by every commit."""
    if service is None:
        return "its headway.yaml cannot be read"
    if not service.watch:
        return "every commit is delivered"
    if not base:
        return "it was never delivered"
    changed = world.repositories.changed(repo, base, sha, forked=False) if base != sha else ()
    return because(changed, service.watch)
