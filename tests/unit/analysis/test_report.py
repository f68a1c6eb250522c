"""The verdict report tells what was recorded, and what it says about the future is what the judge
would say.
"""

import re

import msgspec
import numpy as np
import pytest
from tests.unit.analysis.reported import AHEAD, Told, judged_on, told
from tests.unit.analysis.traffic import BOUNDS, Truth, windows

from headway.analysis import changes as changing
from headway.analysis.imagined import Course, present, with_bad
from headway.analysis.judge import Setup, judge
from headway.analysis.report import GREY, Report
from headway.analysis.versions import compared, ranged
from headway.model.service import Analysis, Signal
from headway.model.verdict import Outcome
from headway.model.window import Counts, Measured, VersionCounts, Window

WAITING = told(Truth(rate=3.0), 13)
FAILED = told(Truth(errors_c=0.04), 60, 15)
GOOD = told(Truth(), 60, 15)


def named(found: Report, name: str):
    return next(s for s in found.signals if s.name == name)


@pytest.mark.seed("S-100", "S-282")
def test_a_failed_version_is_reported_with_estimate_interval_and_evidence_over_time():
    found = FAILED.report(None)
    assert found.outcome == "FAIL"
    assert found.log_evidence >= found.boundary
    assert found.outlook is None
    errors = named(found, "errors")
    counts = [(w.candidate.total, w.stable.total) for w in FAILED.windows]
    assert errors.candidate.bad == sum(c.errors for c, _ in counts)
    assert errors.stable.of == sum(b.requests for _, b in counts)
    assert len(errors.candidate.points) == len(FAILED.judged)
    for track in (errors.candidate, errors.stable):
        assert all(p.low <= p.estimate <= p.high for p in track.points)
        first, last = track.points[0], track.points[-1]
        assert last.high - last.low < first.high - first.low
    assert errors.candidate.points[-1].low > errors.stable.points[-1].high
    assert 0 < errors.difference.low <= errors.difference.estimate <= errors.difference.high
    assert [t.log_evidence for t in found.ticks] == [
        round(f.log_evidence, 4) for _, f in FAILED.judged
    ]
    assert [w.seconds for w in errors.evidence] == [w.end for w in FAILED.windows]
    assert errors.log_evidence == errors.evidence[-1].log_evidence


@pytest.mark.seed("S-571")
def test_slower_answers_are_a_regression_of_their_own_signal():
    """Every answer is right; only latency is worse, and the report says at which bound."""
    found = told(Truth(errors_c=0.01, errors_b=0.01, median_c=60.0), 60, 15).report(None)
    assert found.outcome == "FAIL"
    assert found.because.startswith("slower than ")
    worst = named(found, found.because.partition(":")[0])
    assert worst.difference.low > 0
    assert named(found, "errors").difference.low < 0 < named(found, "errors").difference.high


def test_a_good_version_passes_with_intervals_that_overlap():
    found = GOOD.report(None)
    assert (found.outcome, found.unproven, found.changes) == ("PASS", (), ())
    for signal in found.signals:
        assert signal.harm_excluded
        assert signal.difference.low <= 0 <= signal.difference.high


@pytest.mark.seed("S-102")
def test_each_version_has_its_quantiles_and_error_share_with_deltas():
    found = compared(GOOD.windows)
    assert [c.step for c in found] == [0, 1, 2, 3, None]
    last = found[-1]
    buckets = np.sum([w.candidate.total.buckets for w in GOOD.windows], axis=0)
    assert last.candidate.requests == sum(w.candidate.total.requests for w in GOOD.windows)
    assert last.candidate.p95_ms == ranged(BOUNDS, [int(b) for b in buckets], 0.95)
    apart = last.delta
    assert apart.error_share == last.candidate.error_share - last.stable.error_share
    assert apart.p50_ms.low <= apart.p50_ms.estimate <= apart.p50_ms.high
    assert apart.p99_ms.estimate == pytest.approx(
        last.candidate.p99_ms.estimate - last.stable.p99_ms.estimate, abs=0.002
    )


def test_the_range_of_a_quantile_holds_the_true_one():
    rng = np.random.default_rng(2)
    for count in (1, 7, 1000):
        times = rng.lognormal(3.7, 1.0, count)
        buckets = np.histogram(times, [0, *BOUNDS, np.inf])[0].tolist()
        for q in (0.5, 0.95, 0.99):
            seen = ranged(BOUNDS, buckets, q)
            true = np.quantile(times, q, method="inverted_cdf")
            assert seen.low <= true <= (seen.high or np.inf)
            assert seen.low <= seen.estimate <= (seen.high or np.inf)
    assert ranged(BOUNDS, [0] * len(BOUNDS) + [5], 0.5).high is None
    assert ranged(BOUNDS, [0] * (len(BOUNDS) + 1), 0.5) is None


def test_what_would_change_the_verdict_does_change_it():
    """The number is the judge's own: that many roll it back, a tenth fewer do not."""
    found = WAITING.report()
    first = found.changes[0]
    assert first.signal == "errors"
    assert 0 < first.count < first.requests
    assert f"{first.count:,} more errors" in first.because
    now = present(WAITING.windows)
    last = WAITING.windows[-1]
    course = Course(now, last.end, last.index + 1, last.step, last.share)
    each = first.seconds / changing.AHEAD

    def outcome(more: int) -> Outcome:
        state = WAITING.state
        for i in range(changing.AHEAD):
            extra = more * (i + 1) // changing.AHEAD - more * i // changing.AHEAD
            window = with_bad(course.window(i * each, (i + 1) * each), None, extra)
            state, finding = judge(WAITING.setup, state, window)
        return finding.verdict.outcome

    assert outcome(first.count) is Outcome.FAIL
    assert outcome(first.count * 9 // 10 - 1) is not Outcome.FAIL


def test_a_failed_version_is_told_how_many_errors_fewer_would_have_spared_it():
    (only,) = FAILED.report(None).changes
    total = sum(w.candidate.total.errors for w in FAILED.windows)
    assert 0 < only.count <= total
    assert "fewer it would not have been rolled back by then" in only.because
    errors = [w.candidate.total.errors for w in FAILED.windows]
    fewer, taken, seen, spared = only.count, 0, 0, []
    for window, bad in zip(FAILED.windows, errors, strict=True):
        seen += bad
        due = fewer * seen // total - taken
        taken += due
        spared.append(with_bad(window, None, -due) if due else window)
    assert judged_on(spared).judged[-1][1].verdict.outcome is not Outcome.FAIL


def test_what_is_not_provable_is_said_with_its_reason():
    found = WAITING.report()
    assert found.outcome == "WAIT"
    assert found.unproven
    proven = {s.name for s in found.signals if s.harm_excluded}
    assert not proven & {u.signal for u in found.unproven}
    compared_now = {s.name for s in WAITING.judged[-1][1].signals}
    for one in found.unproven:
        if one.signal in compared_now and one.because != GREY:
            held = re.match(
                r"log evidence against harm (-?[\d.]+), needs 3\.0; \d+ seen", one.because
            )
            assert float(held[1]) <= 3.0


def test_a_difference_in_the_grey_zone_is_called_so():
    found = told(Truth(rate=1500.0, errors_c=0.0155, instances=1), 48, 6).report()
    assert found.outcome == "WAIT"
    assert [(u.signal, u.because) for u in found.unproven] == [("errors", GREY)]


def test_a_first_release_is_reported_without_a_stable_version():
    nobody = VersionCounts(Counts(0, 0), {})
    alone = [
        Window(w.index, w.start, w.end, 0, 1.0, BOUNDS, w.candidate, nobody)
        for w in windows(1, Truth(), 20)
    ]
    found = judged_on(alone).report(None)
    errors = named(found, "errors")
    assert errors.stable is None
    assert errors.difference is None
    assert errors.candidate.points
    assert ("latency", "the stable version's latencies are not known yet") in [
        (u.signal, u.because) for u in found.unproven
    ]


def test_nothing_judged_yet_is_a_report_too():
    found = judged_on([]).report()
    assert (found.outcome, found.windows, found.signals) == ("WAIT", 0, ())
    assert found.because == "insufficient data: no window is complete yet"


def test_gaps_are_no_data_and_never_zero():
    seen = windows(1, Truth(), 30)
    holes = [
        Window(w.index, w.start, w.end, w.step, w.share, BOUNDS, None, w.stable)
        if w.index % 3 == 0
        else w
        for w in seen
    ]
    found = judged_on(holes).report()
    assert [t.candidate_requests is None for t in found.ticks] == [i % 3 == 0 for i in range(30)]
    kept = sum(w.candidate.total.requests for w in holes if w.candidate)
    assert named(found, "errors").candidate.of == kept


OWN = (
    Signal("conversion", "ratio", "prom", "bad", "all", margin=0.1),
    Signal("crashes", "count", "prom", "crashes", margin=0.1),
    Signal("drift", "value", "prom", "drift", margin=0.1),
)


def own(seen, rng) -> list[Window]:
    def signals(n: int) -> dict[str, Measured]:
        return {
            "conversion": Measured((float(rng.binomial(200, 0.1)), 200.0), (95.0, 1000.0)),
            "crashes": Measured((float(rng.poisson(2)), 200.0), (10.0, 1000.0)),
            "drift": Measured((2.0 + n % 2, 5.0), (2.0, 5.0)),
        }

    return [
        Window(w.index, w.start, w.end, w.step, w.share, BOUNDS, w.candidate, w.stable,
               signals=signals(w.index))
        for w in seen
    ]  # fmt: skip


def test_own_signals_have_tracks_of_their_kind():
    setup = Setup(Analysis(signals=OWN), 0.05)
    seen = own(windows(1, Truth(), 30), np.random.default_rng(1))
    found = judged_on(seen, setup).report()
    ratio, count, value = (named(found, s.name) for s in OWN)
    assert ratio.unit == "share"
    assert ratio.candidate.points[-1].low < 0.1 < ratio.candidate.points[-1].high
    assert count.unit == "per_unit"
    assert count.candidate.points[-1].low < 0.01 < count.candidate.points[-1].high
    assert value.unit == "value"
    assert value.candidate.points[-1].estimate == pytest.approx(2.5)
    assert value.candidate.points[-1].low is None
    assert value.worse_windows.estimate == 0.5
    assert value.worse_windows.low < 0.5 < value.worse_windows.high


def test_the_same_windows_give_the_same_report_and_long_rollouts_are_thinned():
    again = Told(WAITING.setup, WAITING.state, WAITING.judged)
    assert msgspec.json.encode(again.report()) == msgspec.json.encode(WAITING.report())
    many = told(Truth(rate=15.0, instances=1), 260, 90).report(AHEAD)
    assert many.windows == 260
    assert len(many.ticks) == 240
    assert many.ticks[-1].end_seconds == 2600.0
    assert all(len(s.candidate.points) <= 240 for s in many.signals if s.candidate)
    assert msgspec.convert(msgspec.to_builtins(many), Report) == many
