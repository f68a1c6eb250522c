"""A pending decision as what a person sees: the two questions, and why this person may not answer.

Of releases and rollouts (store/views/approvals) and of jobs of pipeline runs (flows/run_inbox).
Shown by pages/approvals and pages/runs.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from headway.access.principal import may
from headway.gate import approval
from headway.gate.approval import Known
from headway.model.service import ApprovalPolicy
from headway.store import access
from headway.store.views.approvals import Pending
from headway.web.page import Ask
from headway.web.question import Question

PERMISSIONS = {
    "approval": "approval.decide",
    "start": "delivery.start",
    "step": "rollout.command",
    "hold": "rollout.command",
    "job": "approval.decide",
}
_YES = {
    "approval": "Approve",
    "start": "Start",
    "step": "Approve the step",
    "hold": "Go on",
    "job": "Approve",
}
_NO = {"approval": "Reject", "step": "Go back", "hold": "Go back", "job": "Reject"}


@dataclass(frozen=True, slots=True)
class Item:
    """One pending decision with its questions; `mine`: it waits for this very person."""

    pending: Pending
    mine: bool
    yes: Question
    no: Question | None


def person(ask: Ask) -> Known:
    """What the rules of an approval ask about who looks."""
    with ask.headway.reading() as connection:
        return access.known(connection, ask.who.id)


def item(ask: Ask, one: Pending, known: Known, at: str = "") -> Item:
    """The decision as this person sees it: `known` is what `person` says of them; `at`: `run` if
    the page of the run asks, and is gone back to.
    """
    barred = _barred(ask, one, known)
    mine = not barred and all(g.by != ask.who.id for g in one.given)
    if one.kind == "job":
        yes, no = (_run(one, barred, verdict, at) for verdict in ("approve", "reject"))
        return Item(one, mine, yes, no)
    yes = Question(
        id=f"yes-{one.id.replace('/', '-')}",
        word=_YES[one.kind],
        icon="pass",
        heading=_heading(_YES[one.kind], one),
        says=_says(one),
        sure=f"{_YES[one.kind]} {one.release}",
        keep="Not now",
        action="/approvals/decide?" + urlencode({"id": one.id, "verdict": "approve"}),
        back="/approvals",
        reason="What did you check? Kept in the audit trail",
        refused=barred,
    )
    return Item(one, mine, yes, _no(one, barred))


def _barred(ask: Ask, one: Pending, known: Known) -> str:
    """Why this person may not decide; empty if they may."""
    permission = PERMISSIONS[one.kind]
    if not may(ask.who, permission, one.service, one.environment):
        return f"This needs {permission} in {one.service}/{one.environment}"
    policy = ApprovalPolicy(one.needed, one.by, one.expires_seconds, not_author=one.not_author)
    return approval.may(policy, ask.who.id, one.author, known)


def _heading(word: str, one: Pending) -> str:
    if one.kind in {"approval", "start"}:
        return f"{word} {one.release} for {one.environment}?"
    return f"{word}: {one.release} in {one.environment}?"


def _left(one: Pending) -> int:
    return one.needed - sum(g.approved for g in one.given)


def _more(left: int) -> str:
    return f"After yours, {left - 1} more {'is' if left == 2 else 'are'} needed."


def _says(one: Pending) -> str:
    if one.kind == "approval":
        after = _more(_left(one))
        if _left(one) <= 1:
            after = f"With it, {one.release} goes in as soon as its other gates pass."
        return f"Your approval counts for this very digest. {after}"
    if one.kind == "start":
        return "The release enters the environment as soon as its gates pass."
    return f"{one.because}. With your word the rollout goes on; the judge stays armed."


def _no(one: Pending, barred: str) -> Question | None:
    """Nobody asked for a start, so that there is nothing to reject."""
    if one.kind == "start":
        return None
    rejected = one.kind == "approval"
    return Question(
        id=f"no-{one.id.replace('/', '-')}",
        word=_NO[one.kind],
        icon="fail" if rejected else "rollback",
        heading=_heading(_NO[one.kind], one),
        says="Its delivery ends here as refused. Nothing changes for users."
        if rejected
        else "Users return to the last known good release now.",
        sure=f"{_NO[one.kind]}: {one.release}",
        keep="Not now",
        action="/approvals/decide?" + urlencode({"id": one.id, "verdict": "reject"}),
        back="/approvals",
        danger=True,
        refused=barred,
    )


def _run(one: Pending, barred: str, verdict: str, at: str) -> Question:
    """About the jobs of one run in one environment."""
    yes, word = verdict == "approve", verdict.capitalize()
    begins = "Its jobs for this environment begin." if _left(one) <= 1 else _more(_left(one))
    asked = {"run": one.run, "environment": one.environment, "verdict": verdict}
    asked |= {"from": at} if at else {}
    return Question(
        id=f"{verdict}-{one.run}-{one.environment}".replace(".", "-"),
        word=word,
        icon="pass" if yes else "fail",
        heading=f"{word} {one.environment} for this run?",
        says=f"Your approval counts for this run. {begins}" if yes else "Its jobs there end red.",
        sure=word,
        keep="Not now",
        action="/approvals/run?" + urlencode(asked),
        back=f"/runs/{one.run}" if at else "/approvals",
        danger=not yes,
        reason="What did you check? Kept with the run" if yes else "Reason, kept with the run",
        refused=barred,
    )
