"""An artifact pushed to a registry becomes a delivery: told by a notification, or found by asking.

A connection of the kind `registry` with the option `service` says whose artifacts lie where: its
URL is the registry's, `repository` a name in it, `tags` a pattern. The same digest is delivered
once, whoever tells of it how often; a tag that moves is told as such. Called by flows/trigger_work
for stored events, and by the server's rounds for connections with the option `every`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import sqlalchemy as sa

from headway.flows import commands
from headway.flows.commands import Request
from headway.flows.trigger_poll import MOST_SECONDS, every
from headway.flows.world import World
from headway.model.commit import Commit
from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Invalid, Unreachable
from headway.model.event import Fact
from headway.pipeline.trigger import TriggerEvent, registry
from headway.pipeline.trigger.glob import fault, included
from headway.store import handed, polls, triggers
from headway.store.database import Tx
from headway.store.handed import Handed
from headway.store.log import About, append
from headway.store.polls import Poll
from headway.store.triggers import Told

KIND = "registry"
MOST_TAGS = 500
# a CI pushes the artifact first and its signature after it
PATIENCE_SECONDS = 300.0
Reading = Callable[[], AbstractContextManager[sa.Connection]]
Transactions = Callable[[], AbstractContextManager[Tx]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which pushes mean which service. `address`: of its Git repository, "" for the hosted one."""

    connection: str
    repository: str
    tags: tuple[str, ...]
    service: str
    address: str
    token: str


def rule_of(connection: Connection | None) -> Rule | None:
    """The connection's rule; None: it has none, and workflows may listen for it.

    Raises Invalid (`bad-pattern`).
    """
    if connection is None or not _has_rule(connection):
        return None
    options = connection.options
    for pattern in options.get("tags", "").split():
        if why := fault(pattern):
            raise Invalid(
                f"the connection `{connection.name}` has a pattern of tags that cannot be read",
                why=why,
                next="docs/how-to/triggers.md says how patterns are written",
                code="bad-pattern",
            )
    return Rule(
        connection=connection.name,
        repository=options.get("repository", options["service"]),
        tags=tuple(options.get("tags", "**").split()),
        service=options["service"],
        address=options.get("repo", ""),
        token=options.get("token", ""),
    )


def _has_rule(connection: Connection) -> bool:
    return connection.kind == KIND and bool(connection.options.get("service"))


def hosted(world: World, connection: Connection | None) -> str:
    """The folder of the hosted repository that the connection's rule delivers from; "" if none."""
    if connection is None or not _has_rule(connection) or connection.options.get("repo"):
        return ""
    return _hosted(world, connection.options["service"])


def _hosted(world: World, service: str) -> str:
    return str(world.home / "git" / f"{service}.git")


def matches(rule: Rule, tag: str) -> bool:
    """Whether a tag is meant. Those under which statements are kept (`sha256-…`) never are."""
    return bool(tag) and not tag.startswith("sha256-") and included(rule.tags, tag)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a push: `started` or `nothing`, and why."""

    state: str
    because: str


def work(tx: Transactions, world: World, rule: Rule, event: TriggerEvent) -> Outcome:
    """The delivery that the push means, unless it is known. Raises Unreachable while nothing is
    signed about a fresh artifact, and as Repositories and ArtifactRegistry do.
    """
    found = registry.pushed(event)
    if found.repository != rule.repository or not matches(rule, found.tag):
        return Outcome(
            "nothing", f"{found.repository}:{found.tag or '-'} is not what is waited for"
        )
    folder = _folder(world, rule)
    _must_be_signed(world, rule, found.digest, event.at)
    with tx() as open_:
        return _ask(open_, world, rule, found, folder)


def _folder(world: World, rule: Rule) -> str:
    if not rule.address:
        return _hosted(world, rule.service)
    return world.repositories.bring(rule.address, (), rule.token)


def _must_be_signed(world: World, rule: Rule, digest: str, told_at: float) -> None:
    """After a while it is delivered unsigned, so that the refusal is seen."""
    if world.clock.now() - told_at > PATIENCE_SECONDS:
        return
    if not world.registries(rule.connection).statements(rule.repository, digest):
        raise Unreachable(f"nothing is signed about {digest} yet", code="not-signed")


def _ask(tx: Tx, world: World, rule: Rule, found: registry.Pushed, folder: str) -> Outcome:
    moved = _told_of_move(tx, rule, found)
    subject = f"{rule.repository}:{found.tag}"
    known = handed.get(tx.connection, rule.service, found.digest)
    if known is not None:
        because = f"{moved}{subject} is {found.digest}, which {known.delivery} delivers already"
        return Outcome("nothing", because)
    commit = Commit("", folder, "", "", subject, "")
    artifact = f"{rule.connection}/{rule.repository}@{found.digest}"
    asked = Request(rule.service, commit, f"registry/{rule.connection}", "", artifact)
    id = commands.request(tx, world.outbox, asked)
    handed.add(tx, Handed(rule.service, found.digest, id, rule.connection, found.tag, tx.now))
    return Outcome("started", f"{moved}{subject} is delivered by {id}")


def _told_of_move(tx: Tx, rule: Rule, found: registry.Pushed) -> str:
    """A tag that meant something else before is a fact, and said; "" if it did not."""
    names = (rule.connection, rule.repository, found.tag)
    before, moves = handed.seen(tx, *names, found.digest)
    if not before:
        return ""
    data: dict[str, object] = {"tag": found.tag, "from": before, "to": found.digest}
    subject = f"{rule.connection}/{rule.repository}:{found.tag}"
    append(tx, About(service=rule.service), Fact("artifact.tag_moved", subject, moves, data))
    return f"the tag {found.tag} was moved from {before[:19]}; "


def polled(connection: Connection) -> bool:
    """Whether the registry is asked again and again."""
    return _has_rule(connection) and "every" in connection.options


def poll(tx: Transactions, reading: Reading, world: World, connection: Connection) -> str:
    """Ask if it is time; what is new or moved is told as a push. The first answer starts nothing.

    Gives a complaint or "" (told once: the first failure of a row).
    """
    with reading() as db:
        known = polls.get(db, connection.name, connection.url)
    now, pace = world.clock.now(), every(connection)
    if known.next_at > now:
        return ""
    try:
        rule = rule_of(connection)
        found = _tags(world, rule) if rule else {}
    except HeadwayError as error:
        wait = min(MOST_SECONDS, pace * 2.0 ** min(known.failures + 1, 20))
        later = replace(known, next_at=now + wait, failures=known.failures + 1, error=str(error))
        with tx() as open_:
            polls.put(open_, later)
        return "" if known.failures else f"{connection.name}: {error}"
    if rule:
        _take(tx, rule, known, found, now + pace)
    return ""


def _tags(world: World, rule: Rule) -> dict[str, str]:
    """What each tag that is meant means now."""
    asked = world.registries(rule.connection)
    names = [t for t in asked.tags(rule.repository) if matches(rule, t)]
    if len(names) > MOST_TAGS:
        raise Unreachable(
            f"more than {MOST_TAGS} tags of {rule.repository} match", code="many-tags"
        )
    digests = {tag: asked.digest(rule.repository, tag) for tag in names}
    return {tag: digest for tag, digest in digests.items() if digest}


def _take(tx: Transactions, rule: Rule, known: Poll, found: dict[str, str], next_at: float) -> None:
    """What is new is told, and remembered, in one transaction."""
    with tx() as open_:
        for tag, digest in found.items():
            if known.refs is None:
                handed.seen(open_, rule.connection, rule.repository, tag, digest)
            elif known.refs.get(tag) != digest:
                event = registry.event(rule.repository, tag, digest)
                delivery = f"{rule.repository}:{tag}@{digest} {len(known.refs)} {known.next_at:.0f}"
                told = replace(event, delivery=f"{rule.connection} {delivery}")
                triggers.add(open_, Told(rule.connection, delivery, told))
        polls.put(open_, Poll(known.connection, known.address, found, next_at))
