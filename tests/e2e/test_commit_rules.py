"""Checks and branches on real parts: who may enter, and what is on record of the others."""

from collections.abc import Iterator

import pytest
from tests.support.stage import AT_ONCE, WORKFLOW, Stage, config

from headway.flows import commands
from headway.flows.commands import Word
from headway.model.delivery import Delivery

LINTED = f"""{WORKFLOW}\
  lint:
    runs-on: ubuntu-latest
    continue-on-error: true
    steps:
      - uses: actions/checkout@v4
      - run: test ! -e fault.py
"""
CI = """\
on: workflow_dispatch
jobs: {test: {runs-on: ubuntu-latest, steps: [{run: 'true'}]}}
"""
FILES = {".github/workflows/ci.yml": CI}
CHECKED = AT_ONCE + "\n    gates: {checks: [lint, ci.yml/test]"
RULES = config(CHECKED + ", branches: [main]}", staging=False)
NO_BRANCHES = config(CHECKED + "}", staging=False)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def denied(stage: Stage, sha: str, judge: str) -> Delivery:
    """Deliver it, and find the denial in the record and in the plan."""
    done = stage.deliver(sha)
    assert done.outcome == "refused", done.because
    (judged,) = stage.events(kind="gates.judged", delivery=done.id)
    assert (judged.data["outcome"], judged.data["judge"]) == ("FAIL", judge)
    assert judged.environment == "production"
    (last,) = stage.events(kind="delivery.finished", delivery=done.id)
    assert (last.data["outcome"], last.data["code"], last.data["sha"]) == ("refused", judge, sha)
    (asked,) = stage.events(kind="delivery.requested", delivery=done.id)
    assert (asked.data["by"], asked.data["sha"]) == ("ben", sha)
    assert not stage.events(kind="rollout.started", delivery=done.id)
    planned = stage.run("plan", sha, "--path", str(stage.repo))
    assert planned.exit_code == 3, planned.output
    assert f"FAIL  {judge} " in planned.output
    return done


@pytest.mark.seed("S-003")
def test_only_a_checked_commit_of_the_branch_enters_and_others_are_denied_on_record(
    stage: Stage,
) -> None:
    good = stage.commit(RULES, workflow=LINTED, files=FILES)
    with stage.headway.engine(runs=1):
        first = stage.request(good)
        waiting = stage.until(first, lambda d: d.state == "waiting")
        command = f"headway pipeline start ci.yml --ref {good[:12]} --repo {stage.repo}"
        assert waiting.because == f"`ci.yml/test` was not run for this commit: {command}"
        planned = stage.run("plan", "--path", str(stage.repo))
        assert planned.exit_code == 5, planned.output
        assert command in planned.output
        started = stage.run(*command.split()[1:])
        assert started.exit_code == 0, started.output
        done = stage.ended(first, within=30)
        assert done.outcome == "delivered", done.because

        stage.git("checkout", "--quiet", "-b", "side")
        side = stage.commit(NO_BRANCHES, workflow=LINTED)
        refused = denied(stage, side, "branches")
        assert "is not on main, as headway.yaml of shop-1 asks" in refused.because

        stage.git("checkout", "--quiet", "main")
        red = stage.commit(RULES, workflow=LINTED, files={"fault.py": ""})
        assert (
            f"`lint` is red in run {denied(stage, red, 'checks').id}"
            in (
                stage.events(kind="gates.judged")[-1].data["because"]  # type: ignore[operator]
            )
        )
        word = Word("abort", "ben", "another way in", "production")
        with stage.headway.tx() as tx:
            back = commands.go_back(tx, stage.headway.outbox, "shop", word, refused.release)
        assert "is not on main" in stage.ended(back).because
        assert stage.delivery(back).outcome == "refused"
        assert stage.place().stable == "shop-1"
