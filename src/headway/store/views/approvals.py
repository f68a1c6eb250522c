"""What waits for a person, and what speaks for and against it: the inbox of decisions.

One `Pending` for each decision that somebody could take now: a release before an environment that
asks for approvals (`approval`) or for somebody to start it (`start`), a rollout at a step that asks
for approvals (`step`) or that cannot decide by itself (`hold`). Read by the API, the inbox page and
whoever tells people of it. `concerns` says whether it waits for somebody in particular.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from headway.gate import approval
from headway.model.delivery import Release
from headway.model.errors import Invalid, Refused
from headway.model.rollout import Rollout
from headway.model.service import ApprovalPolicy
from headway.store import decisions, records
from headway.store.records import loads
from headway.store.tables import approvals, deliveries, events, releases, rollouts
from headway.store.views import delivery as story
from headway.store.views.delivery import GateSeen
from headway.store.views.moments import at

Kind = Literal["approval", "start", "step", "hold", "job"]
ANYBODY = ApprovalPolicy(expires_seconds=0.0, not_author=False)


@dataclass(frozen=True, slots=True)
class Given:
    """One decision that counts now."""

    by: str
    approved: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact about the very digest. `kind`: job, artifact, gate, test, verdict, rollout;
    `environment`: where it was seen, or empty. `outcome`: PASS, WAIT, FAIL or a job's outcome.
    """

    kind: str
    environment: str
    name: str
    outcome: str
    because: str


@dataclass(frozen=True, slots=True)
class Pending:
    """`id`: `RELEASE/ENVIRONMENT` of an approval or start, the rollout's id of a step or hold,
    `RUN/ENVIRONMENT` of a job of a pipeline run, which has no release (flows/run_inbox).

    `by`: people and teams who may decide, empty: whoever has the permission; `not_author`: the
    author may not. `expires_seconds`: how long an approval counts; 0: without end.
    """

    id: str
    kind: Kind
    service: str
    environment: str
    release: str
    digest: str
    commit: str
    subject: str
    author: str
    delivery: str
    rollout: str
    because: str
    needed: int
    by: tuple[str, ...]
    not_author: bool
    expires_seconds: float
    since: datetime
    given: tuple[Given, ...]
    evidence: tuple[Evidence, ...]
    run: str = ""


def read(
    connection: sa.Connection, now: float, services: frozenset[str] | None = None
) -> list[Pending]:
    """Everything that waits in these services (None: in all), the longest waiting first. `now`:
    Unix seconds, because an approval that is too old no longer counts.
    """
    found = [*_doors(connection, now, services), *_steps(connection, now, services)]
    return sorted(found, key=lambda p: (p.since, p.id))


def one(connection: sa.Connection, id: str, now: float) -> Pending:
    """What waits under this id. Raises Invalid (`unknown-approval`)."""
    found = next((p for p in read(connection, now) if p.id == id), None)
    if found is None:
        raise Invalid(
            f"nothing waits for a decision under `{id}`",
            next="headway status",
            code="unknown-approval",
        )
    return found


def over(
    connection: sa.Connection, id: str, services: frozenset[str] | None = None
) -> Refused | None:
    """Why what waited under this id waits no longer; None if it never did, in these services."""
    t, known = deliveries, [*_rollout(connection, id), *_release(connection, id)]
    for delivery, name, environment in known:
        one = connection.execute(sa.select(t).where(t.c.id == delivery)).one()
        if services is not None and one.service not in services:
            continue
        a = approvals
        said = connection.execute(
            sa.select(a.c.by, a.c.approved, a.c.reason)
            .where(a.c.release == name, a.c.environment == environment)
            .order_by(a.c.seq.desc())
        ).first()
        why = f"the delivery is {one.outcome or one.state}"
        if said and not id.startswith("rol_"):
            why = f"{'approved' if said.approved else 'rejected'} by {said.by}: {said.reason}"
        return Refused(
            f"{name} no longer waits in {environment}",
            why=f"{why}. Nothing more is recorded",
            next=f"headway delivery show {delivery}",
            code="decided",
        )
    return None


def _rollout(connection: sa.Connection, id: str) -> list[tuple[str, str, str]]:
    t = rollouts
    query = sa.select(t.c.delivery, t.c.release, t.c.environment).where(t.c.id == id)
    return [(r.delivery, r.release, r.environment) for r in connection.execute(query)]


def _release(connection: sa.Connection, id: str) -> list[tuple[str, str, str]]:
    name, _, environment = id.rpartition("/")
    t = releases
    found = connection.execute(sa.select(t.c.delivery).where(t.c.name == name)).scalar()
    known = {e.name for e in records.release(connection, name).config.environments} if found else ()
    return [(found, name, environment)] if found and environment in known else []


def concerns(waiting: Pending, person: str, teams: tuple[str, ...] = ()) -> bool:
    """Whether it waits for this person: the policy names them or a team of theirs, they are not
    the author where that is forbidden, and they have not decided yet.
    """
    policy = ApprovalPolicy(
        waiting.needed, _narrowed(waiting.by, person, teams), not_author=waiting.not_author
    )
    decided = any(g.by == person for g in waiting.given)
    return not decided and not approval.may(policy, person, waiting.author)


def _narrowed(by: tuple[str, ...], person: str, teams: tuple[str, ...]) -> tuple[str, ...]:
    """The policy's names, with the person's own where a team of theirs is named."""
    return (*by, person) if by and set(by) & set(teams) else by


@dataclass(frozen=True, slots=True)
class _Wait:
    """What waits where, under which rule. `delivery`: the one that tells the evidence."""

    kind: Kind
    delivery: str
    environment: str
    because: str
    rule: ApprovalPolicy
    since: float
    rollout: str = ""


def _doors(
    connection: sa.Connection, now: float, services: frozenset[str] | None
) -> Iterator[Pending]:
    """Deliveries that wait before an environment for a person's word."""
    t = deliveries
    query = sa.select(t.c.id, t.c.environment, t.c.release).where(t.c.state == "waiting")
    if services is not None:
        query = query.where(t.c.service.in_(sorted(services)))
    for id, environment, name in connection.execute(query.order_by(t.c.id)).all():
        told = _told(connection, id, environment)
        if not told:
            continue
        release = records.release(connection, name)
        policy = release.config.environment(environment).approval
        for gate in _asked(told[-1][1]):
            kind: Kind = "approval" if gate.judge == "approval" else "start"
            rule = policy if kind == "approval" and policy else ANYBODY
            wait = _Wait(kind, id, environment, gate.because, rule, _since(told, gate.judge))
            yield _pending(connection, release, wait, now)


def _told(
    connection: sa.Connection, delivery: str, environment: str
) -> list[tuple[float, tuple[GateSeen, ...]]]:
    """What the gates said at this door, and when, oldest first."""
    e = events
    query = sa.select(e.c.at, e.c.data).where(
        e.c.delivery == delivery, e.c.environment == environment, e.c.kind == "gates.judged"
    )
    rows = connection.execute(query.order_by(e.c.seq)).all()
    return [(r.at, tuple(GateSeen(**g) for g in json.loads(r.data)["gates"])) for r in rows]


def _asked(gates: tuple[GateSeen, ...]) -> list[GateSeen]:
    return [g for g in gates if g.judge in {"approval", "auto"} and g.outcome == "WAIT"]


def _since(told: list[tuple[float, tuple[GateSeen, ...]]], judge: str) -> float:
    """When the gate began to wait, and has waited ever since."""
    began = told[-1][0]
    for when, gates in reversed(told):
        if not any(g.judge == judge for g in _asked(gates)):
            break
        began = when
    return began


def _steps(
    connection: sa.Connection, now: float, services: frozenset[str] | None
) -> Iterator[Pending]:
    """Rollouts that do not go on without a person."""
    t = rollouts
    query = sa.select(t.c.id, t.c.state, t.c.delivery, t.c.environment, t.c.release)
    query = query.where(t.c.outcome == "", t.c.state != "")
    if services is not None:
        query = query.where(t.c.service.in_(sorted(services)))
    for row in connection.execute(query.order_by(t.c.id)).all():
        state = loads(row.state, Rollout)
        asked = _at_rest(state)
        if asked is None:
            continue
        kind, because, needed = asked
        rule = ApprovalPolicy(needed, (), 0.0, not_author=False)
        since = state.since or state.started
        wait = _Wait(kind, row.delivery, row.environment, because, rule, since, row.id)
        yield _pending(connection, records.release(connection, row.release), wait, now)


def _at_rest(state: Rollout) -> tuple[Kind, str, int] | None:
    """What the rollout waits for: kind, why, how many people more."""
    if state.at < 0 or state.phase == "done":
        return None
    if state.held:
        return "hold", state.held, 1
    missing = state.plan.steps[state.at].approvals - len(state.granted)
    if state.phase == "baking" and missing > 0 and not state.paused:
        return "step", f"waits for {missing} more approval(s) of this step", missing
    return None


def _pending(connection: sa.Connection, release: Release, wait: _Wait, now: float) -> Pending:
    return Pending(
        id=wait.rollout or f"{release.name}/{wait.environment}",
        kind=wait.kind,
        service=release.service,
        environment=wait.environment,
        release=release.name,
        digest=release.digest,
        commit=release.sha,
        subject=records.delivery(connection, wait.delivery).subject,
        author=release.author,
        delivery=wait.delivery,
        rollout=wait.rollout,
        because=wait.because,
        needed=wait.rule.count,
        by=wait.rule.by,
        not_author=wait.rule.not_author,
        expires_seconds=wait.rule.expires_seconds,
        since=at(wait.since),
        given=_given(connection, release, wait, now),
        evidence=_evidence(connection, wait.delivery),
    )


def _given(
    connection: sa.Connection, release: Release, wait: _Wait, now: float
) -> tuple[Given, ...]:
    """Of each person the last decision, while it counts."""
    if wait.kind != "approval":
        return ()
    said = decisions.approvals(connection, release.digest, wait.environment)
    latest = {a.by: a for a in said if now - a.at < wait.rule.expires_seconds}
    return tuple(Given(a.by, a.approved, a.reason, at(a.at)) for a in latest.values())


def _evidence(connection: sa.Connection, delivery: str) -> tuple[Evidence, ...]:
    """What the delivery's own story proves or disproves so far."""
    told = story.read(connection, delivery)
    facts = [Evidence("job", "", j.name, j.outcome, "") for j in told.jobs]
    for visit in told.visits:
        here = visit.environment
        facts += [Evidence("gate", here, g.judge, g.outcome, g.because) for g in visit.gates]
        facts += [Evidence("test", here, t.test, t.outcome, t.problem) for t in visit.tests]
        said: list[tuple[str, Any]] = [("artifact", visit.admission), ("verdict", visit.verdict)]
        facts += [Evidence(k, here, s.judge, s.outcome, s.because) for k, s in said if s]
        if visit.rollout:
            facts.append(Evidence("rollout", here, visit.rollout, visit.state, visit.because))
    return tuple(facts)


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision that was taken on a release for an environment."""

    release: str
    service: str
    environment: str
    by: str
    approved: bool
    reason: str
    at: datetime


def settled(
    connection: sa.Connection, services: frozenset[str] | None = None, limit: int = 10
) -> list[Settled]:
    """The newest decisions, newest first."""
    a, r = approvals, releases
    columns = (a.c.release, r.c.service, a.c.environment, a.c.by, a.c.approved, a.c.reason, a.c.at)
    query = sa.select(*columns).join(r, r.c.name == a.c.release).order_by(a.c.seq.desc())
    if services is not None:
        query = query.where(r.c.service.in_(sorted(services)))
    rows = connection.execute(query.limit(limit)).all()
    return [Settled(*row[:-1], at(row[-1])) for row in rows]
