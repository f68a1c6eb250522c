"""Jobs that wait for a person: `environment:` of a job, approvals of headway.yaml.

Which environments ask is fixed in the run's spec when it is created (`with_gates`). The drive asks
`judged` before such an instance begins; `decide` leaves a person's word for whoever drives the run,
now or later. Everything said is in the run's log, so a run that was killed while it waited goes on
waiting, and one that was approved meanwhile goes on. Called by flows/pipeline_door, the command
line, and whoever makes a RunSpec.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from headway.flows.pipeline_texts import Read
from headway.gate import approval
from headway.gate.approval import STRANGER, Approval, Known
from headway.model.errors import Invalid, Refused
from headway.model.service import ApprovalPolicy, Service
from headway.model.verdict import Verdict
from headway.pipeline.run.state import Decided, RunSpec, RunState, fold
from headway.store import run_log
from headway.store.run_log import Request

FILE = "headway.yaml"
PATIENCE_SECONDS = 30 * 86400.0
"""How long a job waits for a person; GitHub's limit too."""


def with_gates(spec: RunSpec, read: Read) -> RunSpec:
    """The spec with the approvals that headway.yaml asks for, as `read` gives it.

    Only looked at where a workflow names an environment. A workspace has no environments of its
    own: only a delivery is of one of its services. Raises Invalid for a file with faults.
    """
    if not any("environment" in text for text in spec.texts.values()):
        return spec
    text = read(FILE)
    if text is None:
        return spec
    from headway import settings  # noqa: PLC0415  most runs need no schema
    from headway.settings import workspace  # noqa: PLC0415

    if "services" in text and workspace.read(text, FILE) is not None:
        return spec
    return replace(spec, gates=gates(settings.read(text, FILE)))


def gates(service: Service) -> dict[str, ApprovalPolicy]:
    """Environment, without case, to the approval that it asks for."""
    found = {e.name.casefold(): e.approval for e in service.environments}
    return {name: policy for name, policy in found.items() if policy is not None}


def judged(state: RunState, environment: str, now: float) -> Verdict:
    """Whether a job of that environment may begin. Without a gate it may."""
    name = environment.casefold()
    return approval.judge(state.spec.gates.get(name), _given(state, name), author(state.spec), now)


def _given(state: RunState, name: str) -> tuple[Approval, ...]:
    """What was said of the environment, oldest first. Teams count as they were then: a run's log
    alone says why its jobs began.
    """
    mine = [d for d in state.decided if d.environment == name]
    return tuple(Approval(d.by, d.approved, d.at, d.because, Known(teams=d.teams)) for d in mine)


def overdue(state: RunState, key: str, now: float) -> str:
    """Why the instance waits no longer; "" while it may."""
    since = state.asked_at.get(key, now)
    return "nobody approved it within 30 days" if now - since >= PATIENCE_SECONDS else ""


def waiting(state: RunState, now: float) -> dict[str, Verdict]:
    """Environments that the run waits for, and what each still needs."""
    return {e: judged(state, e, now) for e in dict.fromkeys(state.held.values())}


def author(spec: RunSpec) -> str:
    """Who wrote what is run, as `Name <address>`: of a push its head commit's author, of a pull
    request who opened it; else who started the run.
    """
    head = _mapping(spec.payload, "head_commit")
    person = _mapping(head, "author")
    if person.get("name") or person.get("email"):
        return f"{person.get('name', '')} <{person.get('email', '')}>"
    opened = _mapping(_mapping(spec.payload, "pull_request"), "user").get("login")
    return str(opened or spec.actor)


def decide(home: Path, run: str, word: Decided, known: Known = STRANGER) -> RunState:
    """Approve or reject an environment that the run waits for; gives the run as it was. `known`:
    by which address the person may be the author, by which teams they may be asked.

    Raises as `weighed`.
    """
    state, said = weighed(home, run, word, known)
    run_log.ask(home, run, said)
    return state


def weighed(home: Path, run: str, word: Decided, known: Known) -> tuple[RunState, Request]:
    """The run, and what to ask of it (`run_log.ask`), so that it hears this decision.

    Raises Invalid (`unknown-run`, `nothing-waits`), Refused (`may-not-approve`, `decided`).
    """
    state = fold(run_log.read(home, run))
    name = word.environment.casefold()
    if name not in _waits(state):
        raise gone(state, word.environment)
    policy = state.spec.gates.get(name)
    if policy:
        _refuse(state, policy, word, known)
    teams = tuple(sorted({*known.teams} & {*policy.by})) if policy else ()
    said = Request(
        word.by, word.because, environment=name, approved=word.approved, at=word.at, teams=teams
    )
    return state, said


def _refuse(state: RunState, policy: ApprovalPolicy, word: Decided, known: Known) -> None:
    """Raises Refused (`may-not-approve`, `decided`)."""
    why_not = approval.may(policy, word.by, author(state.spec), known)
    if why_not:
        raise Refused(f"this approval does not count: {why_not}", code="may-not-approve")
    new = Approval(word.by, word.approved, word.at, word.because, known)
    given = _given(state, word.environment.casefold())
    if was := approval.settled(policy, given, author(state.spec), new):
        raise _decided(state, word.environment, was)


def gone(state: RunState, environment: str) -> Invalid | Refused:
    """Why nothing of the run waits for the environment: decided before, or never asked."""
    run, name, waits = state.spec.id, environment.casefold(), _waits(state)
    said = [d for d in state.decided if d.environment == name]
    if said:
        word = "approved" if said[-1].approved else "rejected"
        return _decided(state, environment, f"{word} by {said[-1].by}: {said[-1].because}")
    return Invalid(
        f"nothing of run {run} waits for `{environment[:80]}`",
        why=f"it waits for {', '.join(sorted(waits))}" if waits else f"it is {state.phase}",
        next=f"headway pipeline show {run}",
        code="nothing-waits",
    )


def _waits(state: RunState) -> set[str]:
    return {e.casefold() for e in state.held.values()} if state.phase == "running" else set()


def _decided(state: RunState, environment: str, was: str) -> Refused:
    return Refused(
        f"{environment[:80]} is decided already for {state.spec.id}",
        why=f"{was}. Nothing more is recorded",
        next=f"headway pipeline show {state.spec.id}",
        code="decided",
    )


def heard(state: RunState, asked: Request) -> Decided | None:
    """The event for a decision that was asked for; None if it is in the log already."""
    said = Decided(
        asked.environment, asked.by, asked.approved, asked.because, asked.at, asked.teams
    )
    return None if said in state.decided else said


def _mapping(found: object, name: str) -> Mapping[str, object]:
    inner = found.get(name) if isinstance(found, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}
