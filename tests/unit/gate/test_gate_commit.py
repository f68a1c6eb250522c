"""The gates that ask of a commit: its checks, and the branches that have it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.gate import branches, checks
from headway.gate.checks import Check
from headway.model.verdict import Outcome

SHA = "0123456789abcdef0123456789abcdef01234567"
START = "headway pipeline start ci.yml"
GREEN = Check("lint", "green", "is green in run 1")
RED = Check("unit", "red", "is red in run 2")
RUNNING = Check("scan", "running", "still runs")
MISSING = Check("ci.yml", "missing", "was not run for this commit", START)


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        ((GREEN,), Outcome.PASS, "lint: green for 0123456789ab"),
        ((), Outcome.WAIT, "no check has answered"),
        ((GREEN, RUNNING), Outcome.WAIT, "`scan` still runs"),
        ((GREEN, MISSING), Outcome.WAIT, f"`ci.yml` was not run for this commit: {START}"),
        (
            (MISSING, RUNNING),
            Outcome.WAIT,
            f"`ci.yml` was not run for this commit: {START}; `scan` still runs",
        ),
        (
            (MISSING, RUNNING, RED),
            Outcome.FAIL,
            "`unit` is red in run 2; commit 0123456789ab",
        ),
    ],
)
def test_every_check_must_be_green(found: tuple[Check, ...], outcome: Outcome, said: str) -> None:
    verdict = checks.judge(SHA, found)
    assert (verdict.judge, verdict.outcome, verdict.because) == ("checks", outcome, said)


@given(st.lists(st.sampled_from([GREEN, RED, RUNNING, MISSING]), max_size=6))
def test_only_all_green_passes(found: list[Check]) -> None:
    states = {c.state for c in found}
    outcome = checks.judge(SHA, tuple(found)).outcome
    assert (outcome is Outcome.PASS) == (states == {"green"})
    assert (outcome is Outcome.FAIL) == ("red" in states)


def test_one_of_the_branches_must_have_the_commit() -> None:
    asked = ("main", "release")
    passed = branches.judge(SHA, asked, {"release", "side"}, "shop-1")
    assert (passed.outcome, passed.because) == (Outcome.PASS, "commit 0123456789ab is on release")
    refused = branches.judge(SHA, asked, {"side"}, "shop-1")
    assert refused.outcome is Outcome.FAIL
    assert refused.because == (
        "commit 0123456789ab is not on main or release, as headway.yaml of shop-1 asks"
    )
