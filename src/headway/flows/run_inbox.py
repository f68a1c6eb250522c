"""Jobs of pipeline runs that wait for a person, beside what else does (store/views/approvals): seen
and decided over the API, as the page of approvals does it.

Only runs of the server that wait without a place are looked at. The decision is a request in the
run's folder; `told` makes the same request once, also when the process was killed in between.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from headway.flows import pipeline, pipeline_gates
from headway.flows.run_list import service_of
from headway.gate.approval import Known
from headway.model.errors import HeadwayError, Invalid
from headway.model.event import Fact
from headway.model.service import ApprovalPolicy
from headway.pipeline.run.state import Decided, RunState
from headway.pipeline.run.view import job_of
from headway.store import log, parked, run_log
from headway.store.database import Tx
from headway.store.log import About
from headway.store.views.approvals import Evidence, Given, Pending
from headway.store.views.moments import at

KIND = "run.decided"
OPEN = ApprovalPolicy(not_author=False, expires_seconds=0.0)


def waiting(
    connection: sa.Connection, home: Path, now: float, services: frozenset[str] | None = None
) -> list[Pending]:
    """Everything of these services (None: of all) that waits; nothing of a run that cannot be read.
    `now`: Unix seconds.
    """
    found = [p for row in parked.every(connection) for p in of_run(home, row.run, now)]
    return [p for p in found if services is None or p.service in services]


def of_run(home: Path, run: str, now: float) -> Iterator[Pending]:
    """What of one run waits, an item for each environment."""
    try:
        state = pipeline.show(home, run)
    except HeadwayError:
        return
    if state.phase == "running":
        for environment in dict.fromkeys(state.held.values()):
            yield _pending(state, environment, now)


def one(home: Path, run: str, environment: str, now: float) -> Pending:
    """Raises Invalid (`unknown-approval`)."""
    name = environment.casefold()
    found = next((p for p in of_run(home, run, now) if p.environment.casefold() == name), None)
    if found is None:
        raise Invalid(
            "nothing of this run waits for a decision there",
            next=f"headway pipeline show {run[:60]}",
            code="unknown-approval",
        )
    return found


def told(
    tx: Callable[[], AbstractContextManager[Tx]], home: Path, run: str, word: Decided, known: Known
) -> RunState:
    """Put the decision on record and leave it for whoever drives the run; one that is in its log
    already changes nothing. Gives the run as it was.

    The event log has decisions on runs of the server; that of a run on one's own terminal is its
    own log. Raises as flows/pipeline_gates.weighed.
    """
    said = replace(word, environment=word.environment.casefold())
    state = pipeline.show(home, run)
    if said in [replace(d, teams=()) for d in state.decided]:
        return state
    state, asked = pipeline_gates.weighed(home, run, said, known)
    if state.spec.served:
        with tx() as open_:
            _record(open_, state, said)
    run_log.ask(home, run, asked)
    return state


def _record(tx: Tx, state: RunState, said: Decided) -> None:
    """Once, also when the same decision is made another time after a kill."""
    before = log.after(tx.connection, 0, kind=KIND, subject=state.spec.id)
    if any((e.data["by"], e.data["said_at"]) == (said.by, said.at) for e in before):
        return
    data: dict[str, object] = {
        "approved": said.approved, "by": said.by, "reason": said.because, "said_at": said.at
    }  # fmt: skip
    about = About(service=service_of(state.spec), environment=said.environment)
    log.append(tx, about, Fact(KIND, state.spec.id, len(before), data))


def _pending(state: RunState, environment: str, now: float) -> Pending:
    spec = state.spec
    policy = spec.gates.get(environment.casefold(), OPEN)
    keys = [k for k, e in state.held.items() if e == environment]
    since = min((state.asked_at[k] for k in keys if k in state.asked_at), default=now)
    head = spec.payload.get("head_commit")
    message = head.get("message") if isinstance(head, dict) else ""
    subject = message.strip().partition("\n")[0][:200] if isinstance(message, str) else ""
    jobs = ", ".join(dict.fromkeys(job_of(state, k) for k in keys))
    return Pending(
        id=f"{spec.id}/{environment}",
        kind="job",
        service=service_of(spec),
        environment=environment,
        release="",
        digest="",
        commit=spec.sha,
        subject=subject,
        author=pipeline_gates.author(spec),
        delivery="",
        rollout="",
        because=f"{jobs}: {pipeline_gates.judged(state, environment, now).because}",
        needed=policy.count,
        by=policy.by,
        not_author=policy.not_author,
        expires_seconds=policy.expires_seconds,
        since=at(since),
        given=_given(state, environment, policy, now),
        evidence=tuple(
            Evidence("job", "", job_of(state, key), report.outcome, report.because)
            for key, report in state.ended.items()
        ),
        run=spec.id,
    )


def _given(
    state: RunState, environment: str, policy: ApprovalPolicy, now: float
) -> tuple[Given, ...]:
    """Of each person the last decision, while it counts."""
    mine = [d for d in state.decided if d.environment == environment.casefold()]
    latest = {d.by: d for d in mine if now - d.at < policy.expires_seconds}
    return tuple(Given(d.by, d.approved, d.because, at(d.at)) for d in latest.values())
