"""The gate of branches: only what one of them has may enter. Pure; called by
flows/commit_rules.py.
"""

from collections.abc import Collection

from headway.model.verdict import Outcome, Verdict

JUDGE = "branches"


def judge(sha: str, branches: tuple[str, ...], having: Collection[str], by: str) -> Verdict:
    """PASS if one of `branches` is among those `having` the commit in their history, else FAIL.

    `by`: the release whose headway.yaml says so.
    """
    found = [name for name in branches if name in having]
    if found:
        return Verdict(JUDGE, Outcome.PASS, f"commit {sha[:12]} is on {found[0]}")
    names = " or ".join(branches)
    because = f"commit {sha[:12]} is not on {names}, as headway.yaml of {by} asks"
    return Verdict(JUDGE, Outcome.FAIL, because)
