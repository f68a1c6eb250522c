"""Own signals in a rollout: what a metric source does wrong is WAIT with its reason, then hold."""

import contextlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.fakes.world import Behaviour
from tests.flows.conftest import Stage

from headway.flows import measure
from headway.flows.deliver import deliver
from headway.model.delivery import Delivery
from headway.model.errors import Invalid, Unreachable
from headway.model.series import Selector, Series
from headway.model.window import Window
from headway.store import rollouts
from headway.store.records import loads
from headway.store.tables import rollouts as rollout_table

CONFIG = """\
service: shop
run: ./shop
health: /health
environments:
  production:
    rollout: {strategy: canary, steps: [20%, 100%], stability: 30s, deadline: 30m}
    analysis:
      pace: quick
      by: [tenant]
      signals:
        conversion: {ratio: {bad: lost_total, total: carts_total}, source: prom, margin: 20%}
"""


@dataclass
class Shop:
    """A metric source in memory: each release has carts and loses a part of them, forever."""

    stage: Stage
    lost: dict[str, float] = field(default_factory=dict)
    wrong: Callable[[Selector, float, float], tuple[Series, ...]] | None = None
    wrong_after: float = math.inf
    calls: int = 0
    unlucky: int = 0

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        self.calls += 1
        if self.wrong and self.stage.parts.clock.now() >= self.wrong_after:
            self.unlucky += 1
            return self.wrong(selector, since, until)
        return self.truth(selector, since, until)

    def truth(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        begin = self.stage.parts.clock.now() // 5 * 5 - 3600
        times = [t for n in range(721) if since <= (t := begin + 5.0 * n) <= until]
        return tuple(
            Series(
                {"release": release, "tenant": tenant},
                "counter",
                tuple((t, self.counted(selector.metric, lost, t)) for t in times),
            )
            for release, lost in self.lost.items()
            for tenant in ("a", "b")
        )

    @staticmethod
    def counted(metric: str, lost: float, at: float) -> float:
        carts = 4.0 * (at - 1.7e9)
        return math.floor(carts * lost) if metric == "lost_total" else carts


@pytest.fixture
def shop(stage: Stage) -> Shop:
    """A stage whose first release is in charge."""
    source = Shop(stage, {"shop-1": 0.1, "shop-2": 0.1})
    stage.parts.sources["prom"] = source
    stage.config = CONFIG
    assert stage.deliver("a" * 40).outcome == "delivered"
    source.calls = 0
    return source


def windows(stage: Stage) -> list[Window]:
    with stage.db.connect() as connection:
        last = connection.execute(
            rollout_table.select().order_by(rollout_table.c.started_at.desc())
        ).first()
        assert last is not None
        return [loads(w, Window) for w, _ in rollouts.all_windows(connection, last.id)]


def run_until_held(stage: Stage) -> Delivery:
    """Deliver until the rollout is held, or the delivery has ended."""
    order = stage.request("b" * 40)
    world = stage.parts.world(stage.home)
    clock = stage.parts.clock
    sleep, ends = clock.sleep, clock.now() + 3600

    class Held(Exception):
        pass

    def until_held(seconds: float) -> None:
        sleep(seconds)
        if stage.delivery(order.delivery).state == "held":
            raise Held
        assert clock.now() < ends, stage.kinds()[-10:]

    clock.sleep = until_held  # type: ignore[method-assign]
    try:
        with contextlib.suppress(Held):
            deliver(stage.journal(), world, order)
    finally:
        clock.sleep = sleep  # type: ignore[method-assign]
    return stage.delivery(order.delivery)


@pytest.mark.seed("S-167")
def test_a_signal_with_data_of_both_sides_lets_a_good_release_through(
    shop: Shop, stage: Stage
) -> None:
    assert stage.deliver("b" * 40).outcome == "delivered"
    seen = [w.signals["conversion"] for w in windows(stage) if w.signals]
    full = [m for m in seen if m.candidate and m.stable]
    assert len(full) > 3
    assert sum(m.candidate[1] for m in full if m.candidate) > 100
    for window in windows(stage):
        whole, part = window.signals["conversion"], window.signals["conversion{tenant=a}"]
        if whole.candidate and part.candidate:
            assert part.candidate[1] == whole.candidate[1] / 2


@pytest.mark.seed("S-167")
def test_a_release_that_loses_carts_is_rolled_back_although_it_answers_well(
    shop: Shop, stage: Stage
) -> None:
    shop.lost["shop-2"] = 0.5
    delivery = stage.deliver("b" * 40)
    assert delivery.outcome == "rolled_back"
    assert "conversion" in delivery.because


def raises(error: Exception) -> Callable[[Selector, float, float], tuple[Series, ...]]:
    def answer(_selector: Selector, _since: float, _until: float) -> tuple[Series, ...]:
        raise error

    return answer


def empty(_selector: Selector, _since: float, _until: float) -> tuple[Series, ...]:
    return ()


WRONGS = {
    "down": (raises(Unreachable("prom does not answer", why="ConnectError")), "ConnectError"),
    "nonsense": (raises(Invalid("prom cannot be understood", why="not JSON")), "not JSON"),
    "a bug in an adapter": (raises(ZeroDivisionError("boom")), "ZeroDivisionError: boom"),
    "empty": (empty, "no series"),
}


@pytest.mark.parametrize("how", [*WRONGS, "slow", "stale", "in the future", "NaN"])
def test_a_source_that_fails_in_mid_canary_is_wait_with_its_reason_then_hold(
    shop: Shop, stage: Stage, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = stage.parts.clock.now() + 30
    gate = threading.Event()

    def stale(selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        return shop.truth(selector, since, min(until, frozen))

    def shifted(selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        moved = ((s, tuple((t + 7200, v) for t, v in s.samples))
                 for s in shop.truth(selector, since, until))  # fmt: skip
        return tuple(Series(s.labels, s.kind, samples) for s, samples in moved)

    def nan(selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        moved = ((s, tuple((t, math.nan) for t, _ in s.samples))
                 for s in shop.truth(selector, since, until))  # fmt: skip
        return tuple(Series(s.labels, s.kind, samples) for s, samples in moved)

    def slow(selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        gate.wait(20)
        return shop.truth(selector, since, until)

    monkeypatch.setattr(measure, "SECONDS", 0.02 if how == "slow" else 5.0)
    others = {
        "stale": (stale, "s old"),
        "in the future": (shifted, "no series"),
        "NaN": (nan, "no series"),
        "slow": (slow, "prom gave no answer in 0.02 s"),
    }
    wrong, because = (WRONGS | others)[how]
    shop.wrong, shop.wrong_after = wrong, frozen
    try:
        run_until_held(stage)
    finally:
        gate.set()
    (held,) = stage.events(kind="rollout.held")
    assert held.data["because"].startswith("insufficient data: no data for conversion: ")
    assert because in held.data["because"]
    assert held.data["step"] == 0
    shifted_to = [e.data["step"] for e in stage.events(kind="rollout.shifted")
                  if e.release == "shop-2"]  # fmt: skip
    assert shifted_to == [0]
    assert shop.unlucky > 3
    told = [e.data["signals"] for e in stage.events(kind="rollout.unheard")]
    assert because in told[-1]["conversion"]


def test_a_source_that_comes_back_lets_the_rollout_go_on(shop: Shop, stage: Stage) -> None:
    begin = stage.parts.clock.now() + 30
    down = raises(Unreachable("prom does not answer"))

    def a_while(selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        if stage.parts.clock.now() < begin + 60:
            return down(selector, since, until)
        return shop.truth(selector, since, until)

    shop.wrong, shop.wrong_after = a_while, begin
    assert stage.deliver("b" * 40).outcome == "delivered"
    told = [bool(e.data["signals"]) for e in stage.events(kind="rollout.unheard")]
    assert told[-2:] == [True, False]
    counted = [w.signals["conversion"].candidate for w in windows(stage)]
    assert None in counted


def test_an_unknown_source_holds_and_names_it(shop: Shop, stage: Stage) -> None:
    del stage.parts.sources["prom"]
    run_until_held(stage)
    (held,) = stage.events(kind="rollout.held")
    assert "conversion" in held.data["because"]


def test_a_bad_release_is_rolled_back_even_while_a_source_is_silent(
    shop: Shop, stage: Stage
) -> None:
    shop.wrong, shop.wrong_after = empty, 0.0
    stage.parts.meter.behaviour["shop-2"] = Behaviour(errors=0.3)
    assert stage.deliver("b" * 40).outcome == "rolled_back"


def test_the_silence_of_saturation_signals_holds_nothing_up(stage: Stage) -> None:
    stage.config = CONFIG.partition("      by:")[0]
    for sha in ("a" * 40, "b" * 40):
        assert stage.deliver(sha).outcome == "delivered"
    assert all(not w.signals for w in windows(stage))


class Instances:
    """Headway's own samples in memory: the new release takes twice and a half the memory."""

    def __init__(self, stage: Stage, growth: float) -> None:
        self._stage, self._growth = stage, growth

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        if selector.metric != "headway_instance_memory_bytes":
            return ()
        assert selector.labels == {"service": "shop"}
        times = [since + 5.0 * n for n in range(int((until - since) / 5) + 1)]
        return tuple(
            Series({"service": "shop", "environment": "production", "release": r}, "gauge",
                   tuple((t, size) for t in times))
            for r, size in (("shop-1", 1e8), ("shop-2", 1e8 * self._growth))
        )  # fmt: skip


@pytest.mark.parametrize(("growth", "delivered"), [(2.5, False), (1.9, True)])
def test_memory_is_watched_without_being_declared(
    stage: Stage, growth: float, delivered: bool
) -> None:
    stage.config = CONFIG.partition("    analysis:")[0].replace("30s", "10m")
    stage.parts.sources["headway"] = Instances(stage, growth)
    stage.deliver("a" * 40)
    delivery = run_until_held(stage)
    measured = [w.signals for w in windows(stage) if w.signals]
    assert measured
    assert all(set(signals) == {"memory"} for signals in measured)
    assert (delivery.outcome == "delivered") is delivered
    if not delivered:
        stopped = stage.events(kind="rollout.held") + stage.events(kind="rollout.rolled_back")
        assert "memory" in stopped[-1].data["because"]


class Calls:
    """Calls to a third party and the requests they were made for, in memory."""

    def __init__(self, stage: Stage, each: dict[str, float]) -> None:
        self._stage, self._each = stage, each

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        rates = {"shop-1": 400.0, "shop-2": 100.0}
        if selector.metric == "calls_total":
            rates = {release: rate * self._each[release] for release, rate in rates.items()}
        elif selector.metric != "headway_requests_total":
            return ()
        begin = self._stage.parts.clock.now() // 5 * 5 - 3600
        times = [t for n in range(721) if since <= (t := begin + 5.0 * n) <= until]
        return tuple(
            Series({"service": "shop", "environment": "production", "release": release}, "counter",
                   tuple((t, math.floor(rate * (t - 1.7e9))) for t in times))
            for release, rate in rates.items()
        )  # fmt: skip


@pytest.mark.seed("S-165")
@pytest.mark.parametrize(("each", "outcome"), [(0.3, "rolled_back"), (0.2, "delivered")])
def test_half_as_many_calls_more_to_a_third_party_are_flagged(
    stage: Stage, each: float, outcome: str
) -> None:
    signal = "calls: {count: calls_total, source: headway, margin: 10%}"
    stage.config = CONFIG.partition("conversion:")[0].replace("      by: [tenant]\n", "") + signal
    stage.parts.sources["headway"] = Calls(stage, {"shop-1": 0.2, "shop-2": each})
    stage.deliver("a" * 40)
    delivery = run_until_held(stage)
    assert delivery.outcome == outcome
    if outcome == "rolled_back":
        assert "calls" in delivery.because
