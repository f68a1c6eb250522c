"""Which of several servers on one database works on a stored event: one that has what it is about.

A repository may lie on the disk of one machine only, and connections are those of a home. An event
of another server's is left as it is, for that server; a note says so when nobody took it for a
while. Called by flows/trigger_work.
"""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from headway.flows import handover_push
from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.errors import Invalid
from headway.store import triggers
from headway.store.triggers import Waiting

NOTED_SECONDS = 60.0
KEPT_SECONDS = 7 * 86400.0
PAGE = 50
OF_NO_CONNECTION = frozenset({"push", "schedule", "dispatch"})
_NOT_HERE = {"unknown-repository", "unknown-revision"}


def shared(connection: sa.Connection) -> bool:
    """Whether other servers, with other disks, may use this database."""
    return connection.dialect.name == "postgresql"


def sorted_out(
    connection: sa.Connection, now: float, why: Callable[[Waiting], str]
) -> tuple[list[Waiting], list[tuple[Waiting, str]]]:
    """The oldest events that may be worked on here now, at most a page and what came with it; and
    those before them that are another server's, with what `why` says of them ("": of this one).
    """
    mine: list[Waiting] = []
    others: list[tuple[Waiting, str]] = []
    page = triggers.waiting(connection, now, PAGE)
    while page and len(mine) < PAGE:
        for one in page:
            lacking = why(one)
            if lacking:
                others.append((one, lacking))
            else:
                mine.append(one)
        page = triggers.waiting(connection, now, PAGE, skip=len(mine) + len(others))
    return mine, others


def lacking(world: World, one: Waiting, known: Connection | None) -> str:
    """What this server lacks to work on the event; "" if nothing. `known`: the connection that told
    of it, None if this home has none of that name.
    """
    if known is None and one.hook not in OF_NO_CONNECTION:
        return f"the connection {one.hook}"
    event, folder = one.event, handover_push.hosted(world, known)
    if folder:
        return "" if Path(folder).is_dir() else f"the repository {folder}"
    if not event.address or world.repositories.place(event.address) != event.address:
        return ""  # far: whoever asks may bring it
    try:
        world.source.commit(event.address, event.sha or event.before or "HEAD")
    except Invalid as error:
        # An empty repository, and one without the branch HEAD, have no commit; they are here.
        missing = error.code == "unknown-repository" or bool(event.sha or event.before)
        return f"the repository {event.address}" if missing and error.code in _NOT_HERE else ""
    return ""


def note(lacking: str) -> str:
    """What is said of an event that nobody has taken for a while."""
    return f"waits for a server that has {lacking}"
