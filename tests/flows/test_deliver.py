"""A delivery in memory, from commit to released or rolled back."""

from collections.abc import Callable

import pytest
from tests.fakes.world import Behaviour
from tests.flows.conftest import PATIENT, Stage

from headway.analysis import judge
from headway.analysis.judge import Setup
from headway.metrics.window import judged
from headway.model.window import Window
from headway.store import records, rollouts


@pytest.fixture
def stage(new_stage: Callable[[], Stage]) -> Stage:
    made = new_stage()
    made.config = PATIENT
    return made


def test_first_release_goes_live_and_is_released(stage: Stage) -> None:
    done = stage.deliver("a1")
    assert (done.outcome, done.because) == ("delivered", "")
    assert stage.parts.router.routings["shop", "production"].shares == {"shop-1": 1.0}
    assert [i.release for i in stage.parts.target.observe("shop", "production")] == ["shop-1"] * 2
    assert stage.kinds(kind="release.released") == ["release.released"] * 2


@pytest.mark.seed("S-085")
def test_a_good_release_is_promoted_step_by_step_by_proof(stage: Stage) -> None:
    stage.deliver("a1")
    done = stage.deliver("a2")
    assert done.outcome == "delivered", done.because
    shares = [e.data["share"] for e in stage.events(environment="production", release="shop-2")
              if e.kind == "rollout.shifted"]  # fmt: skip
    assert shares == [0.05, 0.25, 0.5, 0.9]
    moves = [e.data for e in stage.events(release="shop-2", environment="production")
             if e.kind == "rollout.moved"]  # fmt: skip
    assert all(m["proven"] for m in moves if m["type"] == "shift")
    assert stage.parts.router.routings["shop", "production"].shares == {"shop-2": 1.0}
    assert {i.release for i in stage.parts.target.observe("shop", "production")} == {"shop-2"}


@pytest.mark.seed("S-105", "S-108", "S-112")
def test_a_bad_release_is_rolled_back_to_the_last_known_good(stage: Stage) -> None:
    stage.deliver("a1")
    stage.deliver("a2")
    stage.parts.meter.behaviour["shop-3"] = Behaviour(errors=0.05, slow=1.5)
    done = stage.deliver("a3")
    assert done.outcome == "rolled_back"
    assert stage.parts.router.routings["shop", "production"].shares == {"shop-2": 1.0}
    assert {i.release for i in stage.parts.target.observe("shop", "production")} == {"shop-2"}
    assert "artifact.quarantined" in stage.kinds(release="shop-3")
    recovered = [e for e in stage.events() if e.kind == "rollout.recovered"]
    assert recovered[-1].data["outcome"] == "PASS"


def test_one_digest_from_staging_to_production(stage: Stage) -> None:
    stage.deliver("a1")
    released = stage.events(kind="release.released")
    assert [e.environment for e in released] == ["staging", "production"]
    assert len({e.data["digest"] for e in released}) == 1
    assert stage.parts.runner.ledger == [(released[0].delivery, "build")]


@pytest.mark.seed("S-094")
def test_without_traffic_the_rollout_holds_and_says_insufficient_data(stage: Stage) -> None:
    stage.deliver("a1")
    stage.parts.meter.rate = 0.5
    with pytest.raises(_Enough):
        _deliver_until_held(stage, "a2")
    held = stage.events(kind="rollout.held")
    assert "insufficient data" in str(held[0].data["because"])
    assert stage.parts.router.routings["shop", "production"].shares["shop-2"] == 0.05


class _Enough(Exception):
    """The rollout holds; a test does not wait two hours."""


def _deliver_until_held(stage: Stage, sha: str) -> None:
    sleep = stage.parts.clock.sleep

    def until_held(seconds: float) -> None:
        if stage.kinds(kind="rollout.held"):
            raise _Enough
        sleep(seconds)

    stage.parts.clock.sleep = until_held  # type: ignore[method-assign]
    stage.deliver(sha)


def test_red_job_fails_the_delivery_and_touches_no_environment(stage: Stage) -> None:
    stage.parts.runner.red.add("build")
    done = stage.deliver("a1")
    assert done.outcome == "failed"
    assert "boom" in done.because
    assert not stage.parts.router.ledger


@pytest.mark.seed("S-029")
def test_failing_smoke_test_rolls_back_before_users_come(stage: Stage) -> None:
    stage.deliver("a1")
    stage.parts.probe.red.add("shop-2")
    done = stage.deliver("a2")
    assert done.outcome in {"failed", "rolled_back"}
    assert "expected status 200" in done.because
    assert all(shares.get("shop-2", 0) == 0 for _, _, shares in stage.parts.router.ledger)


def test_instances_that_never_get_ready_fail_the_delivery(stage: Stage) -> None:
    stage.parts.target.unready.add("shop-1")
    done = stage.deliver("a1")
    assert done.outcome == "failed"
    assert "did not get ready" in done.because
    assert not stage.parts.target.observe("shop", "staging")


@pytest.mark.seed("S-016")
def test_tampered_artifact_is_refused_before_anything_runs(stage: Stage) -> None:
    def tamper(digest: str) -> None:
        stage.parts.store.tampered.add(digest)

    pack = stage.parts.store.pack
    stage.parts.store.pack = lambda *a: _after(pack(*a), tamper)  # type: ignore[method-assign]
    done = stage.deliver("a1")
    assert done.outcome == "refused"
    assert "changed after it was stored" in done.because
    assert not stage.parts.target.ledger


def _after(artifact, fn):  # type: ignore[no-untyped-def]
    fn(artifact.digest)
    return artifact


def test_quarantined_digest_is_refused_again(stage: Stage) -> None:
    stage.deliver("a1")
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.2)
    assert stage.deliver("a2").outcome == "rolled_back"
    again = stage.deliver("a2", PATIENT)
    assert again.outcome == "refused"
    assert "failed in production" in again.because


@pytest.mark.seed("S-095")
def test_released_only_after_the_stability_window(stage: Stage) -> None:
    stage.deliver("a1")
    stage.deliver("a2")
    mine = [e for e in stage.events(release="shop-2") if e.environment == "production"]
    last = max(e.at for e in mine if e.kind == "rollout.shifted")
    released = next(e.at for e in mine if e.kind == "release.released")
    assert released - last >= 60


def test_recorded_windows_replayed_give_the_same_verdicts(stage: Stage) -> None:
    stage.deliver("a1")
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.05)
    done = stage.deliver("a2")
    started = next(e for e in stage.events(kind="rollout.started", release="shop-2")
                   if e.environment == "production")  # fmt: skip
    with stage.db.connect() as connection:
        recorded = rollouts.all_windows(connection, started.subject)
        release = records.release(connection, done.release)
    setup = Setup(judged(release.config.environment("production").analysis), 0.05)
    state = judge.begin(setup)
    assert recorded
    for window, finding in recorded:
        state, again = judge.judge(setup, state, records.loads(window, Window))
        assert records.dumps(again) == finding
    assert again.verdict.because == done.because
