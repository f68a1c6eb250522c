"""The doors of an environment on real parts: who may let a release in, and who may not."""

import getpass
import json
from collections.abc import Iterator

import pytest
from tests.support.stage import AT_ONCE, Stage, config

from headway.model.verdict import Outcome, Verdict
from headway.ports.policy_engine import Promotion


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made, made.engine():
        assert made.deliver(made.commit(ONE)).outcome == "delivered"
        yield made


ONE = config(staging=False)
CLICK = config(f"auto: false\n    {AT_ONCE}", staging=False)
ASKS = config(
    f"gates: {{approval: {{count: 1}}}}\n    {AT_ONCE}",
    staging=False,
)
ME = getpass.getuser()


def waits(stage: Stage, sha: str, word: str) -> str:
    """Deliver it; gives its id once it waits at the door of production, changing nothing."""
    before = stage.picture()
    id = stage.request(sha)
    known = stage.until(id, lambda d: d.state == "waiting")
    assert known.state == "waiting", known
    assert word in known.because
    assert stage.picture() == before
    return id


def told(stage: Stage, *arguments: str, exit_code: int = 0) -> str:
    result = stage.run(*arguments)
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.mark.seed("S-009")
def test_continuous_deployment_goes_through_and_continuous_delivery_waits_for_a_word(
    stage: Stage,
) -> None:
    by_itself = stage.deliver(stage.commit(ONE))
    assert by_itself.outcome == "delivered"
    assert stage.shares() == {by_itself.release: 1.0}

    id = waits(stage, stage.commit(CLICK), "headway release start")
    release = stage.delivery(id).release
    follow = stage.run("delivery", "watch", id, "--timeout", "1s")
    assert follow.exit_code == 5, follow.output
    told(stage, "release", "start", release, "--env", "nowhere", exit_code=2)
    told(stage, "release", "start", release, "--env", "production", "--reason", "sale begins")
    assert stage.ended(id).outcome == "delivered"
    assert stage.shares() == {release: 1.0}
    kinds = stage.kinds(delivery=id)
    assert set(kinds) >= set(stage.kinds(delivery=by_itself.id)) - {"rollout.judged"}
    started = stage.events(delivery=id, kind="delivery.start")
    assert [e.data for e in started] == [{"by": ME, "reason": "sale begins"}]


@pytest.mark.seed("S-009")
def test_an_approval_is_asked_for_and_given(stage: Stage) -> None:
    id = waits(stage, stage.commit(ASKS), "0 of 1")
    release = stage.delivery(id).release
    told(stage, "approve", release, "--env", "nowhere", "--reason", "x", exit_code=2)
    told(stage, "approve", release, "--env", "production", "--reason", "load test is green")
    assert stage.ended(id).outcome == "delivered"
    assert stage.shares() == {release: 1.0}
    given = stage.events(kind="approval.decided", release=release)
    assert [(e.data["approved"], e.data["by"]) for e in given] == [(True, ME)]
    assert given[0].data["digest"] == stage.delivery(id).digest


def test_the_author_may_not_approve(stage: Stage) -> None:
    """Who is logged in is who approves; who is named as the commit's author may not."""
    mine = stage.commit(ASKS, author=f"{ME} <{ME}@example.org>")
    id = waits(stage, mine, "0 of 1")
    release = stage.delivery(id).release
    said = told(
        stage, "approve", release, "--env", "production", "--reason", "trust me", exit_code=3
    )
    assert "may-not-approve" in said
    assert f"{ME} is the author" in said
    assert stage.kinds(kind="approval.decided", release=release) == []
    assert stage.delivery(id).state == "waiting"
    stage.say(id, "cancel", "no second pair of eyes")
    done = stage.ended(id)
    assert (done.outcome, done.because) == ("cancelled", "cancelled by ben: no second pair of eyes")


def test_a_rejection_refuses(stage: Stage) -> None:
    before = stage.picture()
    id = waits(stage, stage.commit(ASKS), "0 of 1")
    release = stage.delivery(id).release
    told(stage, "reject", release, "--env", "production", "--reason", "prices are wrong")
    done = stage.ended(id)
    assert done.outcome == "refused"
    assert f"rejected by {ME}: prices are wrong" in done.because
    assert stage.picture() == before


def test_a_waiting_release_gives_way_to_a_newer_one(stage: Stage) -> None:
    old = waits(stage, stage.commit(CLICK), "headway release start")
    new = stage.request(stage.commit(CLICK))
    done = stage.ended(old)
    newer = stage.until(new, lambda d: d.state == "waiting").release
    assert (done.outcome, done.because) == ("superseded", f"superseded by {newer}")
    answer = stage.run("release", "start", done.release, "--env", "production")
    assert answer.exit_code == 3
    assert "[done]" in answer.output
    told(stage, "release", "start", newer, "--env", "production")
    assert stage.ended(new).outcome == "delivered"


class Rule:
    """A policy engine as another package would bring it."""

    def __init__(self, verdict: Verdict | Exception) -> None:
        self.verdict = verdict
        self.asked: list[Promotion] = []

    def judge(self, promotion: Promotion) -> Verdict:
        self.asked.append(promotion)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


def refused_by(stage: Stage, rule: Rule) -> tuple[str, str]:
    """The delivery that this rule refuses: its reason and its code."""
    before = stage.picture()
    stage.policies.append(rule)
    try:
        result = stage.run("deliver", str(stage.repo), "--rev", stage.commit(ONE), "--json")
    finally:
        stage.policies.remove(rule)
    assert result.exit_code == 3, result.output
    assert stage.picture() == before
    view = json.loads(result.stdout)
    assert view["outcome"] == "refused"
    return view["because"], view["code"]


def test_a_policy_that_says_no_refuses_in_its_own_words(stage: Stage) -> None:
    rule = Rule(Verdict("no-fridays", Outcome.FAIL, "nobody is here at the weekend"))
    because, code = refused_by(stage, rule)
    assert because.endswith("may not enter production: nobody is here at the weekend")
    assert code == "no-fridays"
    asked = rule.asked[0]
    assert (asked.service, asked.environment, asked.tier) == ("shop", "production", "production")
    assert asked.author == "Ana <ana@example.org>"
    assert asked.digest.startswith("sha256:")


def test_a_policy_that_breaks_refuses_and_never_passes(stage: Stage) -> None:
    because, code = refused_by(stage, Rule(ZeroDivisionError("no deploys counted")))
    assert "ZeroDivisionError: no deploys counted" in because
    assert code == "policy"


def test_a_policy_that_waits_is_asked_again(stage: Stage) -> None:
    rule = Rule(Verdict("window", Outcome.WAIT, "opens soon"))
    stage.policies.append(rule)
    try:
        id = waits(stage, stage.commit(ONE), "opens soon")
        rule.verdict = Verdict("window", Outcome.PASS, "open")
        stage.say(id, "start", "look again")
        assert stage.ended(id).outcome == "delivered"
    finally:
        stage.policies.remove(rule)
