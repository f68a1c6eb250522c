"""What people and programs ask of Headway: each one transaction that writes the fact and wakes the
flow. Called by the CLI and the API; safe from any process, whether the engine runs or not.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.flows import line
from headway.flows.journal import Outbox
from headway.flows.revert import RevertOrder
from headway.gate import approval
from headway.gate.approval import Approval
from headway.model.commit import Commit
from headway.model.delivery import Delivery, Order, Verb
from headway.model.errors import Invalid, Refused
from headway.model.event import Fact
from headway.store import access, decisions, records, rollouts
from headway.store.database import Tx
from headway.store.log import About, append
from headway.store.tables import commands, deliveries, releases


@dataclass(frozen=True, slots=True)
class Word:
    """Somebody's command: who, what, where (an environment or ''), why."""

    verb: Verb
    by: str
    reason: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Deliver this commit of the service; `to` ends the delivery after that environment;
    `artifact`: as in Order.
    """

    service: str
    commit: Commit
    by: str
    to: str = ""
    artifact: str = ""


def request(tx: Tx, outbox: Outbox, asked: Request) -> str:
    """Start the delivery of a commit; gives its id."""
    commit = asked.commit
    id = f"del_{rollouts.ulid(tx.now)}"
    names = (commit.repo, commit.sha, commit.ref, asked.by, asked.to, asked.service)
    order = Order(id, *names, asked.artifact)
    _record(tx, order, asked.service, commit)
    outbox.start(tx, "deliver", id, order)
    return id


def _record(tx: Tx, order: Order, service: str, commit: Commit) -> None:
    new = Delivery(
        id=order.delivery,
        service=service,
        sha=commit.sha,
        ref=commit.ref,
        repo=commit.repo,
        author=commit.author,
        subject=commit.subject,
        by=order.by,
        state="queued",
        outcome="",
        because="",
        release="",
        digest="",
        environment="",
        requested_at=tx.now,
        finished_at=0.0,
    )
    records.add_delivery(tx, new)
    data: dict[str, object] = {"sha": commit.sha, "ref": commit.ref, "by": order.by}
    data |= {"artifact": order.artifact} if order.artifact else {}
    about = About(order.delivery, service)
    append(tx, about, Fact("delivery.requested", order.delivery, 0, data))


def was_delivered(connection: sa.Connection, service: str, sha: str) -> bool:
    """Whether a delivery of the commit was ever requested: what a lost hook is compared with."""
    query = sa.select(deliveries.c.id).where(
        deliveries.c.service == service, deliveries.c.sha == sha
    )
    return connection.execute(query).first() is not None


def say(tx: Tx, outbox: Outbox, delivery: str, word: Word) -> None:
    """Tell a delivery something. Raises Refused (`done`) if it has ended, (`line-stopped`) if it
    shall be promoted past a stopped line.
    """
    known = records.delivery(tx.connection, delivery)
    if known.state == "done":
        raise Refused(
            f"delivery {delivery} has ended: {known.outcome}",
            why=f"nothing is left to {word.verb}",
            next=f"headway delivery show {delivery}",
            code="done",
        )
    if word.verb == "promote":
        line.refuse_promotion(tx, known, word.environment)
    tx.connection.execute(
        commands.insert().values(
            delivery=delivery,
            verb=word.verb,
            environment=word.environment,
            by=word.by,
            reason=word.reason,
            at=tx.now,
            taken=False,
        )
    )
    number = decisions.count(tx.connection, delivery, "command.given")
    data: dict[str, object] = {"verb": word.verb, "by": word.by, "reason": word.reason}
    about = About(delivery, known.service, word.environment, known.release)
    append(tx, about, Fact("command.given", delivery, number, data))
    outbox.wake(tx, delivery)


def is_said(connection: sa.Connection, delivery: str, verb: Verb) -> bool:
    """Whether somebody said so and the delivery has not heard it yet."""
    t = commands
    query = sa.select(t.c.seq).where(
        t.c.delivery == delivery, t.c.verb == verb, t.c.taken.is_(False)
    )
    return connection.execute(query).first() is not None


def decide_approval(tx: Tx, outbox: Outbox, name: str, word: Word) -> None:
    """Approve or reject a release for an environment. Raises Refused (`may-not-approve`,
    `decided`).
    """
    release = records.release(tx.connection, name)
    known = {e.name: e for e in release.config.environments}
    if word.environment not in known:
        raise Invalid(
            f"{name} has no environment `{word.environment}`",
            why=f"its path is {', '.join(known)}",
            code="unknown-name",
        )
    policy = known[word.environment].approval
    person = access.known(tx.connection, word.by)
    refusal = approval.may(policy, word.by, release.author, person) if policy else ""
    if refusal:
        raise Refused(f"this approval does not count: {refusal}", code="may-not-approve")
    approved = word.verb == "approve"
    given = Approval(word.by, approved, tx.now, word.reason, person)
    before = decisions.approvals(tx.connection, release.digest, word.environment)
    was = approval.settled(policy, before, release.author, given) if policy else ""
    if was:
        raise Refused(
            f"{name} is decided already for {word.environment}",
            why=f"{was}. Nothing more is recorded",
            next=f"headway delivery show {release.delivery}",
            code="decided",
        )
    decisions.add_approval(tx, release.digest, name, word.environment, given)
    number = decisions.count(tx.connection, name, "approval.decided")
    data: dict[str, object] = {
        "approved": approved,
        "by": word.by,
        "reason": word.reason,
        "digest": release.digest,
    }
    about = About(release.delivery, release.service, word.environment, name)
    append(tx, about, Fact("approval.decided", name, number, data))
    outbox.wake(tx, release.delivery)


def clear_quarantine(tx: Tx, digest: str, environment: str, word: Word) -> None:
    """A person lifts a quarantine. Raises Invalid (`not-quarantined`)."""
    if decisions.clear(tx, digest, environment, word.by, word.reason) == 0:
        raise Invalid(f"{digest} is not quarantined in {environment}", code="not-quarantined")
    number = decisions.count(tx.connection, digest, "quarantine.cleared")
    data: dict[str, object] = {"by": word.by, "reason": word.reason, "digest": digest}
    about = About("", "", environment, "")
    append(tx, about, Fact("quarantine.cleared", digest, number, data))


def go_back(tx: Tx, outbox: Outbox, service: str, word: Word, to: str = "") -> str:
    """Back to the last known good (or to `to`); gives the delivery that does it.

    In a running rollout this is an abort. Raises Refused (`no-way-back`).
    """
    place = records.place(tx.connection, service, word.environment)
    if place.holder and not to:
        say(tx, outbox, place.holder, Word("abort", word.by, word.reason, word.environment))
        return place.holder
    target = to or _former(tx, service, word.environment, place.stable)
    release = records.release(tx.connection, target)
    origin = records.delivery(tx.connection, release.delivery)
    id = f"del_{rollouts.ulid(tx.now)}"
    commit = Commit(release.sha, origin.repo, origin.ref, release.author, origin.subject, "")
    order = Order(id, origin.repo, release.sha, origin.ref, word.by)
    _record(tx, order, service, commit)
    records.update_delivery(tx, id, release=release.name, digest=release.digest)
    reverted = RevertOrder(id, origin.repo, release.name, word.environment, word.by, word.reason)
    outbox.start(tx, "revert", id, reverted)
    return id


def _former(tx: Tx, service: str, environment: str, stable: str) -> str:
    """The newest release that was released here, is not the present one, and is not quarantined."""
    for name in decisions.released_here(tx.connection, service, environment):
        found = tx.connection.execute(
            sa.select(releases.c.digest).where(releases.c.name == name)
        ).scalar_one()
        bad = decisions.quarantined(tx.connection, found, service, environment)
        if name != stable and bad is None:
            return name
    raise Refused(
        f"there is no earlier good release of {service} in {environment}",
        next=f"headway release list --service {service}",
        code="no-way-back",
    )
