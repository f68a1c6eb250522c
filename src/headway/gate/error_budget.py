"""The error budget gate: does enough of every SLO's budget remain for another release?

Pure; called by flows/enter.py and `headway plan`. A way back and the first release of a place are
never held: they cannot make worse what has no users or goes to what was good.
"""

import re
from dataclasses import dataclass

from headway.model.service import ErrorBudgetGate
from headway.model.verdict import Outcome, Verdict

JUDGE = "error_budget"
THROTTLE_SECONDS = 3600.0
# conventionalcommits.org 1.0.0: type, optional scope, optional `!`, colon and space
_FIX = re.compile(r"(fix|hotfix|revert)(\([^()\n]*\))?!?:\s", re.IGNORECASE)
# what `git revert` and GitHub write; a merge or branch name that begins so
_WORDS = re.compile(r'(Revert "|(Merge .*\b)?hotfix\b)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an SLO's budget, as a share; None without a single event. `window` in words:
    `30-day window`. `quiet`: there was no event although it is being measured.
    """

    slo: str
    left: float | None
    window: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """About which release: the subject of its commit, whether a stable release serves here, and how
    many seconds ago the last rollout here began (None: never).
    """

    subject: str
    serves: bool
    since_last: float | None


def is_fix(subject: str) -> bool:
    """Whether the subject of a commit says that it repairs something: `fix: …`, `fix(cart): …`,
    `hotfix: …`, `revert: …`, and `Revert "…"` as git writes it.
    """
    return bool(_FIX.match(subject) or _WORDS.match(subject))


def judge(policy: ErrorBudgetGate | None, budgets: tuple[Left, ...], asked: Asked) -> Verdict:
    """PASS while more than `left` of every budget is left, or if `then` lets this release in."""
    if policy is None:
        return Verdict(JUDGE, Outcome.PASS, "no error budget is asked for")
    if not asked.serves:
        return Verdict(JUDGE, Outcome.PASS, "the first release here: nothing was measured yet")
    unknown = [b for b in budgets if b.left is None and not b.quiet]
    if unknown:
        because = f"no request was counted for {unknown[0].slo} in its {unknown[0].window}"
        return Verdict(JUDGE, Outcome.WAIT, f"insufficient data: {because}")
    used = [b for b in budgets if b.left is not None]
    if not used:
        because = f"it is measured, and nobody asked anything in the {budgets[0].window}"
        return Verdict(JUDGE, Outcome.PASS, f"nothing of the error budgets is used: {because}")
    worst = min(used, key=lambda b: b.left or 0.0)
    because = _said(worst, policy.left)
    if (worst.left or 0.0) > policy.left:
        return Verdict(JUDGE, Outcome.PASS, because)
    return _below(policy, because, asked)


def _below(policy: ErrorBudgetGate, because: str, asked: Asked) -> Verdict:
    if policy.then == "fixes_only":
        if is_fix(asked.subject):
            return Verdict(JUDGE, Outcome.PASS, f"{because}; let in, because it says it is a fix")
        more = "only fixes and rollbacks start: a subject such as `fix: …`"
        return Verdict(JUDGE, Outcome.WAIT, f"{because}; {more}")
    if policy.then == "throttle":
        since = asked.since_last
        if since is None or since >= THROTTLE_SECONDS:
            return Verdict(JUDGE, Outcome.PASS, f"{because}; one release an hour, and this is it")
        minutes = -(-(THROTTLE_SECONDS - since) // 60)
        more = f"one release an hour, the next in {minutes:.0f} min"
        return Verdict(JUDGE, Outcome.WAIT, f"{because}; {more}")
    return Verdict(JUDGE, Outcome.WAIT, f"{because}; nothing starts until more is left")


def _said(budget: Left, needs: float) -> str:
    left = max(0.0, budget.left or 0.0)
    over = "" if (budget.left or 0.0) >= 0 else f" (overdrawn by {-(budget.left or 0.0):.0%})"
    return (
        f"{left:.0%} of {budget.slo}'s error budget left{over}, needs {needs:.0%}; {budget.window}"
    )
