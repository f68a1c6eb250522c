"""500 jobs of three repositories on two workers, one of which is killed: limits, turns, one result
each. Long; `bench/pool.py` says how it is measured.
"""

import pytest
from bench.pool import LIMITS, measure


@pytest.mark.soak
@pytest.mark.seed("S-022")
@pytest.mark.parametrize("kill", [False, True])
def test_500_jobs_on_two_workers(kill: bool) -> None:
    found = measure(500, kill=kill)
    assert found["outcomes"] == {"success": 500}
    assert (found["done"], found["results"]) == (500, 500)
    assert found["overlap_pool"] <= LIMITS.pool  # type: ignore[operator]
    assert found["overlap_repo"] <= LIMITS.repo  # type: ignore[operator]
    assert found["overlap_environment"] <= LIMITS.environment  # type: ignore[operator]
    assert found["fairness"] > 0.95  # type: ignore[operator]
    # at most what the killed worker held was begun again
    assert found["begun_again"] <= (2 if kill else 0)  # type: ignore[operator]
    assert found["done_twice"] <= found["begun_again"]  # type: ignore[operator]
