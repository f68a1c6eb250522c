from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.metrics.grouping import MOST_PARTS, Version
from headway.metrics.reading import Found, Sides, Span, readings
from headway.metrics.window import BUSY, Pair, Reading, between, judged, missing, watched
from headway.model.series import Series
from headway.model.service import Analysis, Signal
from headway.model.window import Measured

SHA = "abcdef0123456789abcdef0123456789abcdef01"
NEW, OLD = Version("shop-2", "sha256:" + "b" * 64, SHA), Version("shop-1", "sha256:" + "a" * 64)
SIDES, SPAN = Sides(NEW, OLD, "production"), Span(100.0, 200.0)
RATIO = Signal("conversion", "ratio", "prom", "lost_total", total="carts_total")
COUNT = Signal("calls", "count", "prom", "calls_total")
VALUE = Signal("drift", "value", "prom", "drift")


def line(release: str, *values: float, since: float = 80.0, **labels: str) -> Series:
    """One sample each 10 s."""
    samples = tuple((since + 10.0 * i, v) for i, v in enumerate(values))
    return Series({"release": release, **labels}, "counter", samples)


def rising(release: str, each: float, **labels: str) -> Series:
    return line(release, *(each * i for i in range(13)), **labels)


def test_a_ratio_counts_both_sides_since_users_came() -> None:
    found = Found(
        (rising("shop-2", 1), rising("shop-1", 2)),
        (rising("shop-2", 10), rising("shop-1", 40), rising("shop-7", 5)),
    )
    assert readings(RATIO, found, SIDES, SPAN) == {
        "conversion": Reading("ratio", (10, 100), (20, 400))
    }


@pytest.mark.parametrize(
    ("word", "mine"),
    [
        ("shop-2", True), ("sha256:" + "b" * 64, True), ("b" * 64, True), (SHA, True),
        (SHA[:7], True), (SHA[:6], False), ("", False), ("shop-", False), ("f" * 7, False),
        (SHA[:8].upper(), False),
    ],
)  # fmt: skip
def test_a_release_is_called_by_name_digest_or_commit(word: str, *, mine: bool) -> None:
    assert NEW.named(word) is mine


def test_a_side_without_series_is_no_data_and_says_so() -> None:
    found = Found((rising("shop-1", 1),), (rising("shop-1", 10),))
    reading = readings(RATIO, found, SIDES, SPAN)["conversion"]
    assert (reading.candidate, reading.stable) == (None, (10, 100))
    assert reading.because == "candidate: no series carries its release"


def test_a_bad_that_nobody_ever_reported_is_not_zero() -> None:
    found = Found((), (rising("shop-2", 10), rising("shop-1", 10)))
    reading = readings(RATIO, found, SIDES, SPAN)["conversion"]
    assert (reading.candidate, reading.stable) == (None, None)
    assert "no series `lost_total` carries its release" in reading.because


def test_a_bad_that_only_the_other_side_reported_is_zero_where_the_total_is_known() -> None:
    found = Found((rising("shop-1", 1),), (rising("shop-2", 10), rising("shop-1", 10)))
    assert readings(RATIO, found, SIDES, SPAN)["conversion"].candidate == (0, 100)


def test_a_counter_that_appears_while_others_are_watched_began_at_zero() -> None:
    late = line("shop-2", 3, 4, 5, since=180.0)
    found = Found((late, rising("shop-1", 1)), (rising("shop-2", 10), rising("shop-1", 10)))
    assert readings(RATIO, found, SIDES, SPAN)["conversion"].candidate == (5, 100)


def test_old_samples_are_no_data() -> None:
    stopped = line("shop-2", 0, 10, 20, 30, 40, 50)  # until 130
    found = Found((rising("shop-2", 1), rising("shop-1", 1)), (stopped, rising("shop-1", 10)))
    reading = readings(RATIO, found, SIDES, SPAN)["conversion"]
    assert reading.candidate is None
    assert reading.because == "candidate: the newest sample is 70 s old"


def test_samples_of_the_future_are_not_used() -> None:
    ahead = Series({"release": "shop-2"}, "counter", ((90.0, 0.0), (190.0, 1.0), (900.0, 999.0)))
    assert readings(VALUE, Found((ahead,)), SIDES, SPAN)["drift"].candidate == (1, 1)
    found = Found((rising("shop-1", 1),), (ahead, rising("shop-1", 1)))
    assert readings(RATIO, found, SIDES, SPAN)["conversion"].candidate == (0, 1)


def test_a_coarse_source_is_not_waited_for_longer_than_a_minute() -> None:
    coarse = Series({"release": "shop-2"}, "counter", ((0.0, 0.0), (60.0, 1.0), (120.0, 2.0)))
    reading = readings(VALUE, Found((coarse,)), SIDES, SPAN)["drift"]
    assert "newest sample is 80 s old" in reading.because


def test_another_environments_series_is_not_ours() -> None:
    staging = rising("shop-2", 100, environment="staging")
    mine = rising("shop-2", 1, environment="production")
    found = Found((mine, staging, rising("shop-1", 1)))
    assert readings(VALUE, found, SIDES, SPAN)["drift"].candidate == (75.0, 10.0)


def test_a_count_is_against_the_requests_that_headway_counted() -> None:
    found = Found(
        (rising("shop-2", 3), rising("shop-1", 3)), (rising("shop-2", 5), rising("shop-1", 95))
    )
    assert readings(COUNT, found, SIDES, SPAN)["calls"] == Reading("count", (30, 50), (30, 950))


def test_a_count_of_which_one_side_has_no_series_is_no_data() -> None:
    found = Found((rising("shop-1", 3),), (rising("shop-2", 5), rising("shop-1", 95)))
    assert readings(COUNT, found, SIDES, SPAN)["calls"].candidate is None


def test_a_value_is_a_sum_and_a_number_of_samples() -> None:
    found = Found((line("shop-2", *[4.0] * 13), line("shop-1", *[2.0] * 13)))
    assert readings(VALUE, found, SIDES, SPAN)["drift"] == Reading("value", (40, 10), (20, 10))


def test_parts_are_by_label_and_the_small_ones_are_other() -> None:
    routes = [f"/r{n:02}" for n in range(30)]
    bad = tuple(rising(r, 1, route=p) for r in ("shop-1", "shop-2") for p in routes)
    total = tuple(
        rising(r, 10 + n, route=p) for r in ("shop-1", "shop-2") for n, p in enumerate(routes)
    )
    got = readings(RATIO, Found(bad, total), SIDES, SPAN, ("route",))
    assert len(got) == 1 + MOST_PARTS + 1
    assert got["conversion{route=/r29}"].candidate == (10, 390)
    assert "conversion{route=/r09}" not in got
    assert got["conversion{route=other}"].candidate == (100, sum(100 + 10 * n for n in range(10)))
    whole = got.pop("conversion").candidate
    assert whole == (300, sum(r.candidate[1] for r in got.values() if r.candidate))


def test_without_the_label_there_are_no_parts() -> None:
    found = Found((rising("shop-2", 1),), (rising("shop-2", 10),))
    assert set(readings(RATIO, found, SIDES, SPAN, ("route", "tenant"))) == {"conversion"}


# Windows between readings.


def reading(candidate: object, stable: object = (0.0, 10.0), kind: str = "ratio") -> Reading:
    return Reading(kind, candidate, stable)  # type: ignore[arg-type]


def test_a_window_is_the_difference_of_two_readings() -> None:
    got, onward = between({"s": reading((1, 10))}, {"s": reading((3, 30), (5, 90))})
    assert got == {"s": Measured((2, 20), (5, 80))}
    assert onward["s"] == replace(reading((3, 30), (5, 90)), heard=True)


def test_a_first_reading_only_begins() -> None:
    got, onward = between({}, {"s": reading((3, 30), None)})
    assert got == {"s": Measured(None, None)}
    assert onward == {"s": reading((3, 30), None)}


def test_what_was_missed_is_made_up_for() -> None:
    _, onward = between({}, {"s": reading((1, 10))})
    got, onward = between(onward, {"s": reading(None, None)})
    assert got == {"s": Measured(None, None)}
    got, _ = between(onward, {"s": reading((4, 40), (0, 30))})
    assert got == {"s": Measured((3, 30), (0, 20))}


def test_a_source_that_takes_back_begins_anew() -> None:
    got, onward = between({"s": reading((5, 50))}, {"s": reading((1, 60))})
    assert got["s"].candidate is None
    assert onward["s"].candidate == (1, 60)


def test_more_bad_than_all_waits_for_the_rest() -> None:
    got, onward = between({"s": reading((5, 50))}, {"s": reading((9, 52))})
    assert got["s"].candidate is None
    got, _ = between(onward, {"s": reading((9, 70))})
    assert got["s"].candidate == (4, 20)


def test_a_value_is_the_mean_of_the_windows_samples() -> None:
    got, _ = between({"s": reading((10, 5), (8, 4), "value")},
                     {"s": reading((4, 8), (8, 4), "value")})  # fmt: skip
    assert got == {"s": Measured((-2.0, 3), None)}


def test_saturation_without_data_is_not_there() -> None:
    analysis = Analysis(signals=(RATIO, Signal("memory", "value", "prom", "heap_bytes")))
    assert [s.name for s in watched(analysis)] == ["conversion", "memory", "cpu", "restarts"]
    got, _ = between({}, {"cpu": reading(None, None, "value"), "conversion": reading(None)})
    assert set(got) == {"conversion"}
    assert [(s.name, s.weight) for s in judged(analysis).signals] == [
        ("conversion", 1), ("memory", 1), ("cpu", 0), ("restarts", 0),
    ]  # fmt: skip


def test_saturation_that_was_heard_at_this_step_stays() -> None:
    had = {"cpu": reading((1, 1), (1, 1), "value")}
    got, onward = between(had, {"cpu": reading((5, 2), (5, 2), "value")})
    assert got == {"cpu": Measured((4, 1), (4, 1))}
    got, _ = between(onward, {"cpu": reading(None, None, "value")})
    assert got == {"cpu": Measured(None, None)}


@pytest.mark.parametrize(
    ("per_request", "per_second", "kinder"),
    [
        ((10.0, 1.0), (0.5, 0.5), (0.5, 0.5)),  # idles: a few requests bear the cost of being there
        ((1.0, 1.0), (0.9, 0.1), (1.0, 1.0)),  # has nearly all the traffic
        ((3.0, 1.0), (0.75, 0.25), (3.0, 1.0)),  # really needs three times as much
    ],
)
def test_cpu_is_held_against_a_version_only_if_both_measures_do(
    per_request: Pair, per_second: Pair, kinder: Pair
) -> None:
    zero = reading((0, 0), (0, 0), "value")
    before = {"cpu": zero, BUSY.name: zero}
    after = {
        name: reading((c, 1), (s, 1), "value")
        for name, (c, s) in (("cpu", per_request), (BUSY.name, per_second))
    }
    got, _ = between(before, after)
    assert got == {"cpu": Measured((kinder[0], 1), (kinder[1], 1))}


def test_cpu_without_one_of_its_measures_is_no_data() -> None:
    zero = reading((0, 0), (0, 0), "value")
    after = {"cpu": reading((1, 1), (1, 1), "value"), BUSY.name: reading(None, None, "value")}
    got, _ = between({"cpu": zero, BUSY.name: zero}, after)
    assert got == {"cpu": Measured(None, None)}


def test_a_declared_signal_called_like_a_saturation_signal_is_missed() -> None:
    mine = Signal("memory", "value", "prom", "heap_bytes")
    got, _ = between({}, {"memory": reading(None, None, "value")})
    assert missing([mine], {"memory": Reading("value", None, None, "down")}, both=True) == {
        "memory": "down"
    }
    assert got == {}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=30),
)
def test_windows_add_up_to_the_whole(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever is silent in between, nothing is lost and nothing is counted twice."""
    bad = total = 0.0
    first, sums, before = None, [0.0, 0.0], {}
    for more_bad, more_good, silent in [*steps, (0, 0, False)]:
        bad, total = bad + more_bad, total + more_bad + more_good
        now = None if silent else (bad, total)
        first = first or now
        got, before = between(before, {"s": reading(now)})
        if got["s"].candidate:
            sums = [a + b for a, b in zip(sums, got["s"].candidate, strict=True)]
    assert first is not None
    assert sums == [bad - first[0], total - first[1]]
