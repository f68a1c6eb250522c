"""What one instance has beyond the others is not held against the whole version."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.analysis.concentration import FEW, trimmed
from headway.model.window import Counts, VersionCounts


def version(*errors, of=1000):
    each = {f"c{i}": Counts(of, k) for i, k in enumerate(errors)}
    return VersionCounts(Counts(of * len(errors), sum(errors)), each)


def test_errors_of_one_instance_alone_are_few():
    known, believed = trimmed({}, version(90, 0, 0))
    assert believed == FEW
    _, more = trimmed(known, version(90, 0, 0))
    assert more == 0


def test_errors_of_all_instances_are_believed():
    rng, known, lost, all_errors = np.random.default_rng(1), {}, 0, 0
    for _ in range(200):
        seen = version(*(int(k) for k in rng.poisson(3.0, 4)))
        known, believed = trimmed(known, seen)
        lost += seen.total.errors - believed
        all_errors += seen.total.errors
    assert lost < 0.01 * all_errors


def test_a_rare_error_here_and_there_is_believed():
    known, believed = {}, []
    for i in range(12):
        known, now = trimmed(known, version(*(int(i % 4 == j) for j in range(4)), of=10))
        believed.append(now)
    assert believed == [1] * 12


def test_a_single_instance_is_the_version():
    assert trimmed({}, version(40)) == ({}, 40)


def test_an_instance_that_left_is_forgotten():
    known, _ = trimmed({}, version(5, 5, 5))
    after, _ = trimmed(known, version(1, 1))
    assert set(after) == {"c0", "c1"}


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=8))
def test_never_more_than_there_were(rows):
    """Less than was counted: that alone keeps the bet honest."""
    known = {}
    for row in rows:
        seen = version(*row)
        known, believed = trimmed(known, seen)
        assert 0 <= believed <= seen.total.errors
