"""Which step was slow: compared step by step with the median of the last that succeeded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.alert import slow
from headway.model.event import Event


def event(seq: int, at: float, kind: str, environment: str = "", **data: Any) -> Event:
    return Event(seq, f"s/{seq}/{kind}", at, kind, "del_1", "del_1", "shop", environment,
                 "shop-9", data)  # fmt: skip


def delivery(build: float = 60.0, start: float = 10.0, tests: float = 5.0) -> list[Event]:
    """One with a job, and a rollout whose tests lie before its first step; then long bake times."""
    shifted = 100.0 + start + tests
    return [
        event(1, 90.0, "job.finished:build", job="build", seconds=build),
        event(2, 100.0, "rollout.started", "production"),
        event(3, shifted, "tests.finished", "production", tests=[{"seconds": tests}]),
        event(4, shifted, "rollout.shifted", "production", step=0),
        event(5, 99_000.0, "rollout.shifted", "production", step=1),
    ]


END = event(9, 99_999.0, "delivery.finished", "production", outcome="delivered")
USUAL = [delivery(build=50.0 + n) for n in range(20)]


def said(one: list[Event], past: list[list[Event]]) -> str:
    (symptom,) = slow.read(END, one, past).symptoms
    assert (symptom.rule, symptom.environment, symptom.service) == ("slow_delivery", "", "shop")
    return symptom.summary


def test_the_steps_are_jobs_starts_and_tests_and_never_bake_times() -> None:
    assert slow.steps(delivery()) == {
        "job build": 60.0,
        "tests in production": 5.0,
        "deploy to production": 10.0,
    }


@pytest.mark.seed("S-283")
def test_the_slow_step_is_named_with_its_usual_time() -> None:
    build = said(delivery(build=200.0), USUAL)
    assert "job build took 3.33 min, usually 59.5 s (median of the last 20 that" in build
    assert "deploy to production took 40 s, usually 10 s" in said(delivery(start=40.0), USUAL)
    assert "tests in production took 31 s, usually 5 s" in said(delivery(tests=31.0), USUAL)
    both = said(delivery(build=150.0, start=300.0), USUAL)
    assert "deploy to production took 5 min" in both, "the one that lost most"


def test_up_to_twice_as_long_is_usual_and_seconds_do_not_matter() -> None:
    assert slow.slowest(delivery(build=119.0), USUAL) is None
    assert slow.slowest(delivery(build=119.1), USUAL) is not None
    quick = [delivery(build=0.1)] * 20
    assert slow.slowest(delivery(build=4.9), quick) is None


def test_four_deliveries_are_too_few_and_only_twenty_count() -> None:
    assert slow.slowest(delivery(build=200.0), USUAL[:4]) is None
    assert slow.slowest(delivery(build=200.0), USUAL[:5]) is not None
    long_ago = [delivery(build=500.0)] * 50
    found = slow.slowest(delivery(build=200.0), USUAL + long_ago)
    assert found is not None
    assert (found.usual, found.of) == (59.5, 20)


def test_a_step_that_others_did_not_have_is_not_compared() -> None:
    staging = [e for e in delivery() if e.environment == ""]
    assert slow.slowest(delivery(start=900.0), [staging] * 20) is None


def test_the_next_delivery_at_its_usual_speed_ends_it() -> None:
    (end,) = slow.read(END, delivery(), USUAL).ends
    assert (end.service, end.environment, end.rules) == ("shop", "", {"slow_delivery"})
    failed = event(9, 1.0, "delivery.finished", outcome="failed")
    assert slow.read(failed, delivery()[:1], USUAL).ends == (), "it came to no end"


NUMBERS = st.floats(min_value=0.0, max_value=1e6)


@given(past=st.lists(NUMBERS, max_size=30), now=NUMBERS)
def test_whatever_is_told_was_more_than_twice_the_usual(past: list[float], now: float) -> None:
    found = slow.slowest(delivery(build=now), [delivery(build=b) for b in past])
    if found is None:
        return
    assert found.seconds > 2 * found.usual
    assert found.of >= 5
    assert found.step == "job build"


@given(seconds=st.none() | st.text() | st.booleans() | st.lists(st.integers()))
def test_hostile_data_breaks_nothing(seconds: object) -> None:
    one = [event(1, 1.0, "job.finished:x", seconds=seconds, tests=seconds)]
    assert set(slow.steps(one)) == {"job x"}
