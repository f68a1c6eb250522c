"""Statuses of commits on their way to the forges: kept until taken, sent in the order of change.

`tell` is called with every change of a run, in the transaction that records it; `send` by a round
of the server. Only runs that a forge's hook started, and whose connection has a token, are told.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Unreachable
from headway.pipeline.trigger.github import OWN_CONTEXT
from headway.ports.status_sink import Status, StatusState
from headway.store import commit_statuses, triggers
from headway.store.commit_statuses import Due
from headway.store.database import Tx

FIRST_SECONDS, LAST_SECONDS = 2.0, 600.0
GIVEN_UP_SECONDS = 86400.0
FORGES = frozenset({"github", "gitlab", "gitea", "forgejo"})
Transactions = Callable[[], AbstractContextManager[Tx]]


def tell(
    tx: Tx, connection: Connection | None, run: str, status: tuple[str, StatusState, str, str]
) -> bool:
    """Let the forge that started the run show (context, state, url, description). False: no forge
    started it, or its connection (None: unknown) may not write.
    """
    origin = triggers.started(tx.connection, run)
    if origin is None or connection is None or connection.name != origin.hook:
        return False
    if connection.kind not in FORGES or not connection.options.get("token"):
        return False
    context, state, url, description = status
    told = Status(origin.repo, origin.sha, context, state, url, description)
    commit_statuses.put(tx, connection.name, told)
    return True


def context(workflow: str, job: str = "") -> str:
    """What a status is called: `headway / build`, `headway / build / test`."""
    return OWN_CONTEXT + " / ".join(part for part in (workflow, job) if part)


def send(tx: Transactions, world: World, due: Iterable[Due]) -> list[str]:
    """Send what is due; gives complaints about what will never be taken."""
    complaints = []
    for one in due:
        try:
            world.sinks(one.connection).report(one.status)
        except Unreachable as error:
            complaints += _later(tx, world, one, str(error))
        except HeadwayError as error:
            complaints += _never(tx, one, str(error))
        else:
            with tx() as open_:
                commit_statuses.sent(open_, one)
    return complaints


def _later(tx: Transactions, world: World, one: Due, error: str) -> list[str]:
    now = world.clock.now()
    if now - one.changed_at > GIVEN_UP_SECONDS:
        return _never(tx, one, f"given up after a day: {error}")
    until = now + min(LAST_SECONDS, FIRST_SECONDS * 2.0 ** min(one.attempts, 20))
    with tx() as open_:
        commit_statuses.failed(open_, one, error, until)
    return []


def _never(tx: Transactions, one: Due, error: str) -> list[str]:
    with tx() as open_:
        commit_statuses.failed(open_, one, error, None)
    return [f"{one.connection}: {error}"]
