"""The service's own signals: judged beside errors and latency, and never passed over in silence."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from tests.unit.analysis.traffic import Truth, windows

from headway.analysis import roles
from headway.analysis.judge import Setup, State, begin, judge
from headway.analysis.memory import Memory
from headway.model.service import Analysis, Signal
from headway.model.verdict import Outcome
from headway.model.window import Counts, Measured, VersionCounts

RATIO = Signal("refusals", "ratio", "prometheus", "refused", "asked", margin=0.1)
BUYS = Signal("conversion", "ratio", "prometheus", "bought", "seen", better="higher", margin=0.1)
JOBS = Signal("retries", "count", "prometheus", "retries_total", margin=0.1)
DRIFT = Signal("drift", "value", "prometheus", "psi", margin=0.1)


def setup(*signals, **more):
    return Setup(Analysis(signals=signals, **more), 0.05)


def seen_with(measure, count=60, seed=1):
    """Harmless requests; `measure(rng, window)` gives the signals of each window."""
    rng = np.random.default_rng(seed)
    every = windows(seed, Truth(rate=200.0), count, count)
    return [replace(one, share=0.5, step=2, signals=measure(rng, one)) for one in every]


def run(seen, terms):
    state, found = begin(terms), []
    for one in seen:
        state, finding = judge(terms, state, one)
        assert msgspec.convert(msgspec.to_builtins(state), State) == state
        found.append(finding)
    return found


def ratio(name, bad_c, bad_b, of=400):
    def measure(rng, _):
        pair = (float(rng.binomial(of, bad_c)), of), (float(rng.binomial(of, bad_b)), of)
        return {name: Measured(*pair)}

    return measure


def count(name, rate_c, rate_b):
    def measure(rng, _):
        pair = (float(rng.poisson(100 * rate_c)), 100.0), (float(rng.poisson(300 * rate_b)), 300.0)
        return {name: Measured(*pair)}

    return measure


def value(name, mean_c, mean_b, sd=0.02):
    def measure(rng, _):
        pair = ((float(rng.normal(m, sd)), 20.0) for m in (mean_c, mean_b))
        return {name: Measured(*pair)}

    return measure


HARM = [
    (RATIO, ratio("refusals", 0.10, 0.05)),
    (BUYS, ratio("conversion", 0.02, 0.05)),
    (JOBS, count("retries", 0.4, 0.2)),
    (replace(JOBS, better="higher"), count("retries", 0.1, 0.3)),
    (DRIFT, value("drift", 0.4, 0.2)),
    (replace(DRIFT, better="higher"), value("drift", 0.4, 0.6)),
]
NO_HARM = [
    (RATIO, ratio("refusals", 0.05, 0.05)),
    (BUYS, ratio("conversion", 0.06, 0.05)),
    (JOBS, count("retries", 0.2, 0.2)),
    (replace(JOBS, better="higher"), count("retries", 0.3, 0.2)),
    (DRIFT, value("drift", 0.2, 0.2)),
    (replace(DRIFT, better="higher"), value("drift", 0.6, 0.6)),
]


@pytest.mark.parametrize(("signal", "measure"), HARM)
def test_a_signal_that_grew_beyond_its_margin_fails_and_is_named(signal, measure):
    last = run(seen_with(measure), setup(signal))[-1]
    assert last.verdict.outcome is Outcome.FAIL
    assert last.verdict.because.startswith(f"{signal.name}: ")
    shown = next(s for s in last.signals if s.name == signal.name)
    assert shown.log_evidence > 0
    assert not shown.harm_excluded


@pytest.mark.parametrize(("signal", "measure"), NO_HARM)
def test_a_signal_within_its_margin_passes(signal, measure):
    found = run(seen_with(measure, 90), setup(signal))
    assert Outcome.FAIL not in {f.verdict.outcome for f in found}
    assert Outcome.PASS in {f.verdict.outcome for f in found}
    assert next(s for s in found[-1].signals if s.name == signal.name).harm_excluded


def test_a_signal_that_was_never_heard_of_keeps_the_step_waiting_by_name():
    found = run(seen_with(lambda *_: {}), setup(RATIO, DRIFT))
    assert {f.verdict.outcome for f in found} == {Outcome.WAIT}
    assert found[-1].verdict.because.endswith("no data at this step for refusals, drift")
    one_sided = run(seen_with(lambda *_: {"drift": Measured((0.2, 9.0), None)}), setup(DRIFT))
    assert {f.verdict.outcome for f in one_sided} == {Outcome.WAIT}
    assert "not yet proven harmless: drift" in one_sided[-1].verdict.because


def test_a_signal_that_fell_silent_after_a_step_began_is_not_proven_by_silence():
    measure = value("drift", 0.2, 0.2)
    seen = seen_with(lambda rng, one: measure(rng, one) if one.index < 11 else {}, 60)
    found = run(seen, setup(DRIFT))
    assert {f.verdict.outcome for f in found} == {Outcome.WAIT}


def test_a_bad_part_is_found_and_named_while_the_whole_looks_well():
    def measure(rng, _):
        bad = {"{route=/a}": 0.05, "{route=/buy}": 0.25, "{route=/c}": 0.05}
        return {
            f"refusals{part}": Measured(
                (float(rng.binomial(100, share)), 100.0), (float(rng.binomial(100, 0.05)), 100.0)
            )
            for part, share in bad.items()
        }

    last = run(seen_with(measure), setup(RATIO, by=("route",)))[-1]
    assert last.verdict.outcome is Outcome.FAIL
    assert last.verdict.because.startswith("refusals{route=/buy}: ")


def test_own_signals_share_a_fifth_of_all_capital_by_their_weights():
    weights = roles.weights([RATIO, replace(DRIFT, weight=3)])
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["own ratio:refusals"] == pytest.approx(0.05)
    assert weights["own value:drift"] == pytest.approx(0.15)
    assert roles.weights([]) == roles.WEIGHTS
    beside = roles.weights([replace(DRIFT, weight=0)])
    assert sum(beside.values()) == pytest.approx(1)
    assert beside["own value:drift"] == pytest.approx(0.05)


def test_weight_nothing_is_bet_on_and_need_not_be_proven_harmless():
    signal = replace(DRIFT, weight=0)
    assert run(seen_with(value("drift", 0.4, 0.2), 90), setup(signal))[-1].verdict.outcome is (
        Outcome.FAIL
    )
    unsure = seen_with(value("drift", 0.2, 0.2, sd=0.06), 12 + 12)
    found = run(unsure, setup(signal))
    proven = [f for f in found if f.verdict.outcome is Outcome.PASS]
    assert any(not s.harm_excluded for f in proven for s in f.signals if s.name == "drift")


def test_a_signal_called_like_one_of_the_judge_is_kept_apart():
    signal = replace(RATIO, name="errors")
    last = run(seen_with(ratio("errors", 0.1, 0.05)), setup(signal))[-1]
    assert last.verdict.outcome is Outcome.FAIL
    assert len([s for s in last.signals if s.name == "errors"]) == 2


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_is_no_bet(number):
    found = run(seen_with(lambda *_: {"drift": Measured((number, 9.0), (0.2, 9.0))}), setup(DRIFT))
    assert {f.verdict.outcome for f in found} == {Outcome.WAIT}


def test_with_nobody_beside_a_snapshot_gives_the_limits_and_says_so():
    alone = [
        replace(one, share=1.0, stable=VersionCounts(Counts(0, 0), {}))
        for one in windows(3, Truth(errors_c=0.05), 36, 99)
    ]
    hist = alone[0].candidate.total.buckets
    known = Memory(10_000.0, 500.0, alone[0].bounds_ms, tuple(float(10 * h) for h in hist))
    without, with_it = run(alone, setup()), run(alone, replace(setup(), snapshot=known))
    assert without[-1].verdict.outcome is Outcome.FAIL
    assert without[-1].baseline == "absolute"
    assert with_it[-1].verdict.outcome is Outcome.PASS
    assert with_it[-1].baseline == "snapshot"
    slower = [
        replace(one, share=1.0, stable=VersionCounts(Counts(0, 0), {}))
        for one in windows(4, Truth(errors_c=0.05, median_c=90.0), 48, 99)
    ]
    assert run(slower, replace(setup(), snapshot=known))[-1].verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("signal", "measure"),
    [(RATIO, ratio("refusals", 0.0, 0.0)), (JOBS, count("retries", 0.0, 0.0))],
)
def test_what_never_happens_on_either_side_does_not_hold_a_step_for_ever(signal, measure):
    found = run(seen_with(measure), setup(signal))
    assert found[-1].verdict.outcome is Outcome.PASS


def test_more_is_better_and_nothing_came_is_no_pass():
    sold = replace(JOBS, better="higher")
    found = run(seen_with(count("retries", 0.0, 0.0)), setup(sold))
    assert {f.verdict.outcome for f in found} == {Outcome.WAIT}
