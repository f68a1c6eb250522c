"""Looks ahead for `headway plan`: the path of a commit with each gate's answer now.

Reads the repository, the tables and the artifact store; asks the same pure gates that the flow
asks, and changes nothing.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from headway.cli.context import Context
from headway.cli.repository import service_of, text_of, top_level
from headway.flows import budgets, commit_rules, enter, train
from headway.flows.trip import Trip
from headway.gate import approval, line, quarantine
from headway.gate.error_budget import Asked as AskedBudget
from headway.model.commit import Commit
from headway.model.delivery import Release
from headway.model.errors import HeadwayError, Invalid
from headway.model.line import Where
from headway.model.rollout import Plan
from headway.model.service import Environment, Service
from headway.model.verdict import Outcome, Verdict, worst
from headway.pipeline.syntax import reader
from headway.ports.policy_engine import Promotion
from headway.rollout.plan import plan as rollout_plan
from headway.store import decisions, records
from headway.store.tables import releases
from headway.store.views import line as line_view
from headway.wording.text import percent


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate's answer now, and the command that would change it."""

    judge: str
    outcome: str
    because: str
    next: str


@dataclass(frozen=True, slots=True)
class Place:
    """One environment: how the release would come in, and `now`, `waits` or `refused`."""

    environment: str
    how: str
    steps: tuple[float, ...]
    word: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """`exists`: the commit has been built and is this release; else it would be."""

    service: str
    commit: str
    subject: str
    release: str
    exists: bool
    jobs: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about. `release` None: it is not built yet."""

    service: Service
    commit: Commit
    name: str
    release: Release | None


def preview(context: Context, path: str, rev: str, only: str) -> Preview:
    """Raises Invalid (repository, revision, headway.yaml, workflow, environment)."""
    source = context.headway.world.source
    commit = source.commit(top_level(path), rev)
    service = service_of(source, commit, path)
    text = text_of(source, commit, service.workflow)
    jobs = reader.read(text, service.workflow).jobs
    wanted = _environments(service, only)
    with context.headway.reading() as connection:
        asked = _asked(connection, service, commit)
        places = tuple(_place(context, connection, asked, e) for e in wanted)
    return Preview(
        service=service.name,
        commit=commit.sha,
        subject=commit.subject,
        release=asked.name,
        exists=asked.release is not None,
        jobs=tuple(j.id for j in jobs),
        places=places,
    )


def _environments(service: Service, only: str) -> list[Environment]:
    found = [e for e in service.environments if only in {"", e.name}]
    if not found:
        why = f"its path is {', '.join(e.name for e in service.environments)}"
        raise Invalid(f"{service.name} has no environment `{only}`", why=why, code="unknown-name")
    return found


def _asked(connection: sa.Connection, service: Service, commit: Commit) -> _Asked:
    """The newest release of the commit, or the number that the next one would get."""
    mine = releases.c.service == service.name
    newest = sa.select(releases.c.name).where(mine, releases.c.sha == commit.sha)
    name = connection.execute(newest.order_by(releases.c.number.desc())).scalar()
    if name is not None:
        return _Asked(service, commit, name, records.release(connection, name))
    last = connection.execute(sa.select(sa.func.max(releases.c.number)).where(mine)).scalar() or 0
    return _Asked(service, commit, f"{service.name}-{last + 1}", None)


def _place(
    context: Context, connection: sa.Connection, asked: _Asked, environment: Environment
) -> Place:
    there = records.place(connection, asked.service.name, environment.name)
    before = records.release(connection, there.stable) if there.stable else None
    known = {e.name: e for e in before.config.environments} if before else {}
    count = known[environment.name].run.instances if environment.name in known else 0
    made = rollout_plan(environment, count)
    verdicts = _verdicts(context, connection, asked, environment, there.holder)
    word = {Outcome.PASS: "now", Outcome.WAIT: "waits", Outcome.FAIL: "refused"}
    return Place(
        environment=environment.name,
        how=_how(environment, made),
        steps=tuple(s.share for s in made.steps),
        word=word[worst(verdicts).outcome],
        gates=tuple(
            Gate(v.judge, str(v.outcome), v.because, _next(v, asked.name, environment.name))
            for v in verdicts
        ),
    )


def _how(environment: Environment, made: Plan) -> str:
    steps = " ".join(
        f"mirror {percent(s.mirror)}" if s.mirror else percent(s.share) for s in made.steps
    )
    first = ", first release here" if made.steps[0].stable == 0 and len(made.steps) == 1 else ""
    shares = f" {steps}" if made.strategy in {"canary", "shadow"} and not first else ""
    kinds = environment.tests
    tests = len(kinds.http) + len(kinds.workflows) + len(kinds.journeys) + len(kinds.contracts)
    count = environment.run.instances
    return f"{made.strategy}{shares}, {_count(count, 'instance')}, {_count(tests, 'test')}{first}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _verdicts(
    context: Context,
    connection: sa.Connection,
    asked: _Asked,
    environment: Environment,
    holder: str,
) -> list[Verdict]:
    digest = asked.release.digest if asked.release else ""
    failed = decisions.quarantined(connection, digest, asked.service.name, environment.name)
    given = decisions.approvals(connection, digest, environment.name) if digest else ()
    now = context.headway.world.clock.now()
    verdicts = [
        *_policies(context, asked, environment),
        *_commit(context, connection, asked, environment),
        quarantine.judge(failed, environment.name),
        approval.judge(environment.approval, given, asked.commit.author, now),
        _auto(connection, asked, environment),
        *_budgets(connection, asked, environment, now),
        train.foresee(connection, environment, asked.release, now),
        line.judge(line_view.stop_at(connection, _where(asked, environment))),
        _turn(holder, asked),
    ]
    if asked.release is not None:
        verdicts.append(_admission(context, connection, asked.release, environment))
    return verdicts


def _where(asked: _Asked, environment: Environment) -> Where:
    return Where(asked.service.name, environment.name, environment.tier)


def _policies(context: Context, asked: _Asked, environment: Environment) -> list[Verdict]:
    digest = asked.release.digest if asked.release else ""
    promotion = Promotion(
        asked.service.name,
        asked.name,
        digest,
        asked.commit.sha,
        asked.commit.author,
        environment.name,
        environment.tier,
    )
    return [p.judge(promotion) for p in context.headway.world.policies]


def _commit(
    context: Context, connection: sa.Connection, asked: _Asked, environment: Environment
) -> tuple[Verdict, ...]:
    delivery = asked.release.delivery if asked.release else ""
    entry = commit_rules.Entry(
        asked.service, environment, asked.commit.repo, asked.commit.sha, asked.name, delivery
    )
    facts = commit_rules.facts(connection, entry)
    return commit_rules.verdicts(context.headway.world, entry, facts)


def _budgets(
    connection: sa.Connection, asked: _Asked, environment: Environment, now: float
) -> list[Verdict]:
    name = asked.service.name
    delivery = asked.release.delivery if asked.release else ""
    serves = bool(records.place(connection, name, environment.name).stable)
    since = budgets.since_last(connection, name, environment.name, delivery, now)
    about = AskedBudget(asked.commit.subject, serves, since)
    return budgets.verdicts(connection, asked.service, environment, about, now)


def _auto(connection: sa.Connection, asked: _Asked, environment: Environment) -> Verdict:
    started = asked.release is not None and decisions.was_started(
        connection, asked.release.delivery, environment.name
    )
    if environment.auto or started:
        return Verdict("auto", Outcome.PASS, "starts by itself")
    return Verdict("auto", Outcome.WAIT, "waits for somebody")


def _turn(holder: str, asked: _Asked) -> Verdict:
    if not holder or (asked.release is not None and holder == asked.release.delivery):
        return Verdict("turn", Outcome.PASS, "nothing else is rolling out here")
    return Verdict("turn", Outcome.WAIT, f"{holder} is rolling out here")


def _admission(
    context: Context, connection: sa.Connection, release: Release, environment: Environment
) -> Verdict:
    repo = records.delivery(connection, release.delivery).repo
    try:
        return enter.verify(
            context.headway.world, Trip(release.delivery, repo, release, environment)
        )
    except HeadwayError as error:
        return Verdict("artifact", Outcome.FAIL, str(error))


def _next(verdict: Verdict, release: str, environment: str) -> str:
    if verdict.outcome is Outcome.PASS:
        return ""
    return {
        "approval": f"headway approve {release} --env {environment}",
        "auto": f"headway release start {release} --env {environment}",
        "quarantine": f"headway artifact clear {release} --env {environment}",
        "turn": "headway status",
        "line": "headway line status",
        "train": f"headway release start {release} --env {environment} --hotfix",
        "error_budget": "headway slo list",
        "slo": "headway slo list",
        "burn_rate": "headway slo list",
    }.get(verdict.judge, "")
