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
from headway.gate.approval import Approval, Known
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
    given = [d for d in state.decided if d.environment == name]
    said = tuple(Approval(d.by, d.approved, d.at, d.because) for d in given)
    return approval.judge(state.spec.gates.get(name), said, author(state.spec), now)


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


def decide(home: Path, run: str, word: Decided, email: str = "") -> RunState:
    """Approve or reject an environment that the run waits for; gives the run as it was. `email`: by
    which the person may be known as the author, beside the name.

    Raises Invalid (`unknown-run`, `nothing-waits`), Refused (`may-not-approve`).
    """
    state = fold(run_log.read(home, run))
    name = word.environment.casefold()
    waits = {e.casefold() for e in state.held.values()} if state.phase == "running" else set()
    if name not in waits:
        raise Invalid(
            f"nothing of run {run} waits for `{word.environment[:80]}`",
            why=f"it waits for {', '.join(sorted(waits))}" if waits else f"it is {state.phase}",
            next=f"headway pipeline show {run}",
            code="nothing-waits",
        )
    policy = state.spec.gates.get(name)
    why_not = approval.may(policy, word.by, author(state.spec), Known(email)) if policy else ""
    if why_not:
        raise Refused(f"this approval does not count: {why_not}", code="may-not-approve")
    said = Request(word.by, word.because, environment=name, approved=word.approved, at=word.at)
    run_log.ask(home, run, said)
    return state


def heard(state: RunState, asked: Request) -> Decided | None:
    """The event for a decision that was asked for; None if it is in the log already."""
    said = Decided(asked.environment, asked.by, asked.approved, asked.because, asked.at)
    return None if said in state.decided else said


def _mapping(found: object, name: str) -> Mapping[str, object]:
    inner = found.get(name) if isinstance(found, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}
