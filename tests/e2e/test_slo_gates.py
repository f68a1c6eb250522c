"""SLOs on real parts: Envoy counts, the budget runs out, gates hold, a rollout is paused."""

import json
import time
from collections.abc import Iterator

import pytest
from tests.support.load import fetch_all
from tests.support.stage import Stage, config, eventually

from headway import upkeep
from headway.store import slis
from headway.store.slis import Goal

SLOS = "slos: {availability: {target: 95%}, fast: {under: 30ms, target: 80%}}"
AT_ONCE = "rollout: {strategy: blue-green, bake: 0s, keep_old: 0s, stability: 0s}"
GATED = AT_ONCE + "\n    gates: {error_budget: {left: 20%, then: fixes_only}}"
# margins so wide that the judge has nothing to say: what pauses is the budget
EATEN = """\
rollout: {strategy: canary, steps: [50%, 100%], holdback: 10%, stability: 90s}
    analysis:
      pace: quick
      errors: {absolute: 80%, relative: 50%}
      latency: {relative: 900%}
    gates: {error_budget: {left: 1%}}"""
GOAL = Goal("shop", "production", "availability")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(upkeep, "GOALS_SECONDS", 0.5)
    with Stage() as made:
        yield made


def counted(stage: Stage) -> float:
    with stage.headway.reading() as connection:
        return slis.reading(connection, GOAL).total


@pytest.mark.seed("S-073", "S-174", "S-175", "S-182", "S-183", "S-188", "S-209", "S-212")
def test_without_budget_a_feature_waits_and_a_fix_goes_in(stage: Stage) -> None:
    yaml = config(GATED, more=SLOS, staging=False)
    with stage.engine():
        first = stage.deliver(stage.commit(yaml, errors=0.1, slow=0.1))
        assert first.outcome == "delivered", first.because
        with stage.load(rate=100):
            eventually(lambda: counted(stage) > 300, lambda: str(counted(stage)))
        feature = stage.request(stage.commit(yaml))
        waiting = stage.until(feature, lambda d: d.state == "waiting")
        assert "0% of availability's error budget left (overdrawn by" in waiting.because
        assert "needs 20%; 30-day window" in waiting.because
        planned = stage.cli("plan", "--path", str(stage.repo))
        assert planned.returncode == 5, planned.stdout
        assert "WAIT  error_budget" in planned.stdout
        listed = json.loads(stage.cli("slo", "list", "--json").stdout)["items"]
        availability = next(s for s in listed if s["slo"] == "availability")
        assert availability["compliance"] == pytest.approx(0.9, abs=0.03)
        assert availability["burn"]["1h"] == pytest.approx(2, abs=0.6)
        shown = stage.cli("slo", "show", "shop/production/fast").stdout
        assert "80% latency under 30 ms" in shown
        assert "exact: 30 ms is a bound" in shown
        assert "shop-1  p99" in shown, shown
        both = json.loads(stage.cli("slo", "show", "fast", "--json").stdout)
        assert both["slo"]["standing"]["compliance"] == pytest.approx(0.9, abs=0.04)
        p99 = next(x for x in both["latency"] if x["percentile"] == 0.99)
        assert p99["at_least_ms"] >= 40
        stage.commit(yaml)
        stage.git("commit", "--quiet", "--amend", "-m", "fix: errors of the shop")
        fixed = stage.deliver(stage.git("rev-parse", "HEAD"))
        assert fixed.outcome == "delivered", fixed.because
    judged = stage.events(kind="gates.judged", delivery=fixed.id)[-1].data["gates"]
    said = next(g for g in judged if g["judge"] == "error_budget")  # type: ignore[attr-defined]
    assert "says it is a fix" in said["because"]


class Settled:
    """Whether nothing was counted for two seconds."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.last, self.since = stage, -1.0, time.monotonic()

    def __call__(self) -> bool:
        if (now := counted(self.stage)) != self.last:
            self.last, self.since = now, time.monotonic()
        return time.monotonic() - self.since > 2


@pytest.mark.soak
@pytest.mark.seed("S-211")
def test_a_rollout_that_eats_the_budget_is_paused_and_a_person_resumes_it(stage: Stage) -> None:
    slo = "slos: {availability: {target: 95%}}"
    with stage.engine():
        first = stage.deliver(stage.commit(config(AT_ONCE, more=slo, staging=False)))
        assert first.outcome == "delivered", first.because
        with stage.load(rate=100):
            eventually(lambda: counted(stage) > 800, lambda: str(counted(stage)))
            yaml = config(EATEN, more=slo, staging=False)
            eater = stage.request(stage.commit(yaml, errors=0.3))
            paused = stage.happened("rollout.pause", delivery=eater)
            assert paused.data["by"] == "headway"
            reason = str(paused.data["reason"])
            assert reason.startswith("availability: burnt ")
            assert "of what was left of the error budget" in reason
            shown = stage.cli("rollout", "show", "shop/production").stdout
            assert "paused by headway since" in shown, shown
            assert "availability: burnt" in shown
            assert stage.delivery(eater).state != "done"
        # a tenth of this small budget is nine requests: let the last ones be counted first
        settled = Settled(stage)
        eventually(settled, lambda: str(counted(stage)))
        stage.say(eater, "resume", "known, and worth it")
        stage.happened("rollout.resume", delivery=eater)
        stage.say(eater, "abort", "enough seen")
        assert stage.ended(eater).outcome == "rolled_back"
    given = [e for e in stage.events(kind="command.given") if e.data["by"] == "headway"]
    assert len(given) == 1


CHECKOUT = Goal("shop", "production", "checkout")


@pytest.mark.soak
def test_a_route_is_counted_from_the_release_on_that_names_it(stage: Stage) -> None:
    broad = "slos: {availability: {target: 60%}}"
    more = broad[:-1] + ", checkout: {route: /checkout, target: 90%}}"

    def checkout() -> slis.Reading:
        with stage.headway.reading() as connection:
            return slis.reading(connection, CHECKOUT)

    with stage.engine():
        first = stage.deliver(stage.commit(config(GATED, more=broad, staging=False)))
        assert first.outcome == "delivered", first.because
        with stage.load(rate=50):
            eventually(lambda: counted(stage) > 30, lambda: str(counted(stage)))
        yaml = config(GATED, more=more, staging=False)
        second = stage.deliver(stage.commit(yaml, errors=0.25))
        assert second.outcome == "delivered", second.because
        judged = stage.events(kind="gates.judged", delivery=second.id)[-1].data["gates"]
        said = next(g for g in judged if g["judge"] == "error_budget")  # type: ignore[attr-defined]
        assert "checkout: this release is the first whose routing counts" in said["because"]
        routed = stage.routed("production")
        assert routed is not None
        assert routed.routes == ("/checkout",)
        eventually(lambda: checkout().at > 0, lambda: str(checkout()))
        seen = [
            answer.status
            for path, times in (("/checkout", 30), ("/checkout/pay?x=1", 10), ("/other", 40))
            for answer in fetch_all(stage.address("production"), [{}] * times, path)
        ]
        bad = sum(status >= 500 for status in seen[:40])
        eventually(lambda: checkout().total == 40, lambda: str(checkout()))
        assert checkout().bad == bad
        shown = stage.cli("slo", "show", "checkout").stdout
        assert "goal    90% availability of /checkout" in shown
        assert f"{bad} bad of 40 requests" in shown
        assert "/checkout  p99" in shown
        waiting = stage.cli("plan", "--path", str(stage.repo))
        assert "0% of checkout's error budget left" in waiting.stdout
