"""Repositories without webhooks: asked where their refs are, again and again.

A connection of the kind `git`, or a forge's with the option `every`. The first answer starts
nothing; each ref that moves afterwards is a push. Who does not answer is asked less often.
Called by wiring's rounds.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import sqlalchemy as sa

from headway.flows.world import World
from headway.model.connection import Connection
from headway.model.errors import HeadwayError
from headway.pipeline.trigger.moved import differences, seen
from headway.store import polls, triggers
from headway.store.database import Tx
from headway.store.polls import Poll
from headway.store.triggers import Told

KIND = "git"
EVERY_SECONDS, LEAST_SECONDS, MOST_SECONDS = 60.0, 10.0, 3600.0
Reading = Callable[[], AbstractContextManager[sa.Connection]]
Transactions = Callable[[], AbstractContextManager[Tx]]


def polled(connection: Connection) -> bool:
    """Whether the connection's repository is asked; of registries see flows/handover_push."""
    asked = "every" in connection.options and connection.kind != "registry"
    return connection.kind == KIND or asked


def every(connection: Connection) -> float:
    """Seconds between two questions; the option `every`, at least LEAST_SECONDS."""
    try:
        wanted = float(connection.options.get("every", EVERY_SECONDS))
    except ValueError:
        return EVERY_SECONDS
    return min(MOST_SECONDS, wanted) if wanted >= LEAST_SECONDS else LEAST_SECONDS


def poll(tx: Transactions, reading: Reading, world: World, connection: Connection) -> str:
    """Ask if it is time; gives a complaint or "" (told once: the first failure of a row)."""
    with reading() as db:
        known = polls.get(db, connection.name, connection.url)
    now = world.clock.now()
    if known.next_at > now:
        return ""
    pace = every(connection)
    try:
        heads = world.repositories.heads(connection.url, connection.options.get("token", ""))
    except HeadwayError as error:
        return _failed(tx, known, now, pace, str(error))
    _take(tx, known, heads, now + pace)
    return ""


def _failed(tx: Transactions, known: Poll, now: float, pace: float, error: str) -> str:
    wait = min(MOST_SECONDS, pace * 2.0 ** min(known.failures + 1, 20))
    with tx() as open_:
        later = replace(known, next_at=now + wait, failures=known.failures + 1, error=error)
        polls.put(open_, later)
    return "" if known.failures else f"{known.connection}: {error}"


def _take(tx: Transactions, known: Poll, heads: dict[str, str], next_at: float) -> None:
    """What moved is told, and remembered, in one transaction."""
    default = heads.get("HEAD", "").removeprefix("refs/heads/")
    refs = {ref: sha for ref, sha in heads.items() if ref != "HEAD"}
    events = () if known.refs is None else differences(known.address, known.refs, refs)
    with tx() as open_:
        if polls.get(open_.connection, known.connection, known.address) != known:
            return
        for event in events:
            delivery = f"{known.address} {event.ref} {event.before} {event.sha} {open_.now:.3f}"
            told = replace(event, default_branch=default, delivery=delivery)
            triggers.add(open_, Told(known.connection, delivery, told))
        after = refs if known.refs is None else seen(known.refs, events)
        polls.put(open_, Poll(known.connection, known.address, after, next_at))
