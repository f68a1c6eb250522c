"""The gates: approval and quarantine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.gate import approval, quarantine
from headway.gate.approval import Approval
from headway.model.service import ApprovalPolicy
from headway.model.verdict import Outcome

POLICY = ApprovalPolicy(count=2, by=("ben", "cem", "dia"), expires_seconds=100)


def yes(by: str, at: float = 0.0) -> Approval:
    return Approval(by, True, at, "fine")


def outcome(*given_: Approval, now: float = 1.0) -> Outcome:
    return approval.judge(POLICY, given_, "ana", now).outcome


def test_no_policy_needs_nobody() -> None:
    assert approval.judge(None, (), "ana", 0).outcome is Outcome.PASS


def test_enough_people_pass_and_too_few_wait() -> None:
    assert outcome() is Outcome.WAIT
    assert outcome(yes("ben")) is Outcome.WAIT
    assert outcome(yes("ben"), yes("cem")) is Outcome.PASS


def test_one_person_counts_once() -> None:
    assert outcome(yes("ben"), yes("ben")) is Outcome.WAIT


@pytest.mark.parametrize(
    "author",
    [
        "ana",
        "Ana <a@example.org>",
        "A. Bell <ana@example.org>",
        "Bell <ANA@b.org>",
        "Eve <x> <ana>",
    ],
)
def test_the_author_is_known_by_name_and_by_address(author: str) -> None:
    one = ApprovalPolicy(count=1)
    assert approval.judge(one, (yes("ana"),), author, 1).outcome is Outcome.WAIT
    assert approval.judge(one, (yes("ben"),), author, 1).outcome is Outcome.PASS
    assert "ana is the author" in approval.may(one, "ana", author)


def test_strangers_and_the_author_do_not_count() -> None:
    assert outcome(yes("ben"), yes("eve")) is Outcome.WAIT
    mine = ApprovalPolicy(count=1)
    assert approval.judge(mine, (yes("ana"),), "ana", 1).outcome is Outcome.WAIT
    allowed = ApprovalPolicy(count=1, not_author=False)
    assert approval.judge(allowed, (yes("ana"),), "ana", 1).outcome is Outcome.PASS


def test_old_approvals_expire() -> None:
    assert outcome(yes("ben"), yes("cem"), now=101) is Outcome.WAIT


def test_a_rejection_fails_until_the_same_person_changes_their_mind() -> None:
    no = Approval("ben", False, 1.0, "not today")
    verdict = approval.judge(POLICY, (yes("cem"), no), "ana", 2)
    assert (verdict.outcome, verdict.because) == (Outcome.FAIL, "rejected by ben: not today")
    assert outcome(yes("cem"), no, yes("ben", 2.0), now=3) is Outcome.PASS


@given(st.lists(st.sampled_from(["ana", "ben", "cem", "eve"]), max_size=8))
def test_pass_needs_as_many_allowed_people_as_asked(people: list[str]) -> None:
    allowed = {p for p in people if p in POLICY.by}
    passed = outcome(*(yes(p) for p in people)) is Outcome.PASS
    assert passed == (len(allowed) >= POLICY.count)


def test_quarantine_fails_with_its_reason() -> None:
    assert quarantine.judge(None, "production").outcome is Outcome.PASS
    verdict = quarantine.judge("2 % errors", "production")
    assert verdict.outcome is Outcome.FAIL
    assert "2 % errors" in verdict.because
