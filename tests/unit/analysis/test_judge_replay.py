"""The state survives JSON exactly, and replaying recorded windows gives bit-equal findings."""

import json
from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.analysis.traffic import Truth, windows

from headway.analysis.capital import handed_out, log_evidence
from headway.analysis.judge import Setup, State, begin, judge
from headway.model.service import Analysis
from headway.model.window import Counts, VersionCounts, Window

SETUP = Setup(Analysis(), 0.05)


def through_json(state):
    """As a database row that does not keep the order of keys."""
    return msgspec.convert(
        json.loads(json.dumps(msgspec.to_builtins(state), sort_keys=True)), State
    )


def test_replay_through_json_is_bit_equal():
    seen = windows(1, Truth(instances=6, errors_c=0.011, median_c=41.0), 48)
    seen[7] = replace(seen[7], candidate=None)
    seen[20] = replace(seen[20], stable=None)
    straight = stored = begin(SETUP)
    for one in seen:
        straight, finding = judge(SETUP, straight, one)
        stored, again = judge(SETUP, through_json(stored), one)
        assert finding == again
        assert straight == stored == through_json(stored)


def test_the_state_stays_small_with_many_instances():
    state = begin(SETUP)
    for one in windows(2, Truth(rate=4000, instances=100), 30):
        state, _ = judge(SETUP, state, one)
    assert len(msgspec.json.encode(state)) < 50_000


def test_the_order_of_instances_does_not_matter():
    one, two = begin(SETUP), begin(SETUP)
    for seen in windows(3, Truth(instances=5), 30):
        turned = replace(seen, candidate=backwards(seen.candidate), stable=backwards(seen.stable))
        one, finding = judge(SETUP, one, seen)
        two, again = judge(SETUP, two, turned)
        assert finding == again


def backwards(side):
    return VersionCounts(side.total, dict(reversed(side.instances.items())))


amounts = st.builds(
    lambda n, k, h: Counts(n, min(n, k), h),
    st.integers(0, 3000),
    st.integers(0, 3000),
    st.one_of(st.just(()), st.tuples(*[st.integers(0, 600)] * 4)),
)
sides = st.one_of(
    st.none(),
    st.builds(VersionCounts, amounts, st.dictionaries(st.sampled_from("abcd"), amounts)),
)
steps = st.tuples(st.integers(0, 3), st.sampled_from([0.05, 0.5, 0.95, 1.0]), st.integers(1, 200))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(sides, sides, steps), min_size=1, max_size=12))
def test_any_windows_are_judged_and_no_more_capital_plays_than_there_is(rows):
    """Gaps, new bounds, strange counts: never an exception, never a number that JSON cannot hold,
    and what an honest coin would leave of E is what was handed out.
    """
    state, end = begin(SETUP), 0.0
    for index, (candidate, stable, (step, share, seconds)) in enumerate(rows):
        start, end = end, end + seconds
        seen = Window(index, start, end, step, share, (5.0, 50.0, 500.0), candidate, stable)
        state, finding = judge(SETUP, state, seen)
        assert through_json(state) == state
        assert msgspec.json.decode(msgspec.json.encode(finding))["log_evidence"] is not None
        if not state.capital.restarts:
            assert log_evidence(state.capital) < -1e8
    assert sum(handed_out(i) for i in range(state.capital.restarts)) <= 1
