"""The gate of checks: what a commit must have passed. Pure; called by flows/commit_rules.py.

A check without an answer waits, whatever the reason; only a green one passes.
"""

from typing import Literal

from headway.model.verdict import Outcome, Verdict
from headway.record import dataclass

JUDGE = "checks"


@dataclass(frozen=True, slots=True)
class Check:
    """A check as it stands for one commit: the latest attempt. `said`: how, in a user's words, with
    the run; `start`: the command that runs it, for one that has no answer.
    """

    name: str
    state: Literal["green", "red", "running", "missing"]
    said: str = ""
    start: str = ""


def judge(sha: str, found: tuple[Check, ...]) -> Verdict:
    """PASS if every check is green for commit `sha`, FAIL if one is red, else WAIT."""
    red = [c for c in found if c.state == "red"]
    if red:
        because = f"{'; '.join(f'`{c.name}` {c.said}' for c in red)}; commit {sha[:12]}"
        return Verdict(JUDGE, Outcome.FAIL, because)
    open_ = [c for c in found if c.state != "green"]
    if open_ or not found:
        said = "; ".join(_open(c) for c in open_) or "no check has answered"
        return Verdict(JUDGE, Outcome.WAIT, said)
    because = f"{', '.join(c.name for c in found)}: green for {sha[:12]}"
    return Verdict(JUDGE, Outcome.PASS, because)


def _open(check: Check) -> str:
    start = f": {check.start}" if check.state == "missing" and check.start else ""
    return f"`{check.name}` {check.said}{start}"
