"""Windows from cumulative counters: resets, new and vanished, and never more bad than all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.analysis.windows import between
from headway.model.window import Counts, Snapshot, VersionCounts

BOUNDS = (10.0, 100.0)


def version(requests, errors, buckets=(0, 0, 0), **instances):
    return VersionCounts(Counts(requests, errors, buckets), instances)


def snapshot(at, epoch="e1", bounds=BOUNDS, **versions):
    return Snapshot(at, epoch, bounds, versions)


def cut(before, after, stable="v1"):
    return between(
        before,
        after,
        candidate="v2",
        stable=stable,
        index=3,
        started_at=100.0,
        step=1,
        share=0.25,
    )


def test_differences_times_and_labels():
    before = snapshot(120.0, v1=version(100, 2, (50, 49, 1)), v2=version(10, 0, (5, 5, 0)))
    after = snapshot(130.0, v1=version(160, 3, (80, 78, 2)), v2=version(30, 1, (14, 15, 1)))
    window = cut(before, after)
    assert (window.index, window.start, window.end) == (3, 20.0, 30.0)
    assert (window.step, window.share, window.bounds_ms) == (1, 0.25, BOUNDS)
    assert window.candidate.total == Counts(20, 1, (9, 10, 1))
    assert window.stable.total == Counts(60, 1, (30, 29, 1))


def test_a_fallen_counter_began_anew():
    before = snapshot(0, v1=version(100, 5, (50, 40, 10)), v2=version(50, 5, (25, 20, 5)))
    after = snapshot(10, v1=version(120, 5, (60, 50, 10)), v2=version(7, 1, (4, 3, 0)))
    assert cut(before, after).candidate.total == Counts(7, 1, (4, 3, 0))
    assert cut(before, after).stable.total == Counts(20, 0, (10, 10, 0))


def test_a_histogram_may_lag_behind_the_counter():
    before = snapshot(0, v1=version(0, 0), v2=version(100, 0, (50, 40, 2)))
    after = snapshot(10, v1=version(0, 0), v2=version(110, 0, (50, 40, 2)))
    assert cut(before, after).candidate.total == Counts(10, 0, (0, 0, 0))


def test_a_changed_epoch_or_layout_counts_from_zero():
    before = snapshot(0, v1=version(10, 0), v2=version(10, 0, (5, 5, 0)))
    later = version(30, 1, (20, 9, 1))
    assert cut(before, snapshot(10, "e2", v1=later, v2=later)).stable.total == later.total
    moved = snapshot(10, bounds=(10.0, 200.0), v1=later, v2=later)
    assert cut(before, moved).candidate.total == later.total


def test_new_release_new_instance_gone_instance():
    before = snapshot(0, v1=version(10, 0, a=Counts(6, 0), b=Counts(4, 0)))
    after = snapshot(
        10, v1=version(30, 0, a=Counts(16, 1), c=Counts(8, 0)), v2=version(5, 1, (5, 0, 0))
    )
    window = cut(before, after)
    assert window.candidate.total == Counts(5, 1, (5, 0, 0))
    assert window.stable.instances == {"a": Counts(10, 1), "c": Counts(8, 0)}


def test_no_entry_is_no_data_but_no_stable_release_is_said_so():
    window = cut(snapshot(0), snapshot(10, v1=version(5, 0)))
    assert window.candidate is None
    first = cut(snapshot(0), snapshot(10, v2=version(5, 0)), stable=None)
    assert first.stable == VersionCounts(Counts(0, 0), {})
    assert cut(snapshot(0), snapshot(10, v2=version(5, 0))).stable is None


counts = st.builds(
    lambda n, k, h: Counts(n, min(n, k), h),
    st.integers(0, 50),
    st.integers(0, 50),
    st.one_of(st.just(()), st.tuples(*[st.integers(0, 20)] * 3)),
)
versions = st.builds(
    VersionCounts, counts, st.dictionaries(st.sampled_from("abc"), counts, max_size=3)
)
snapshots = st.builds(
    Snapshot,
    st.floats(0, 1e3),
    st.sampled_from(["e1", "e2"]),
    st.just(BOUNDS),
    st.dictionaries(st.sampled_from(["v1", "v2"]), versions),
)


@settings(max_examples=150, deadline=None)
@given(before=snapshots, after=snapshots, stable=st.sampled_from(["v1", None]))
def test_no_pair_ever_has_more_bad_than_all(before, after, stable):
    window = cut(before, after, stable)
    for side in (window.candidate, window.stable):
        for found in [] if side is None else [side.total, *side.instances.values()]:
            assert 0 <= found.errors <= found.requests
            assert min(found.buckets, default=0) >= 0
