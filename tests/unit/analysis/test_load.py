"""A version that has most of the traffic is not blamed for what such a load does to any version."""

import numpy as np
import pytest
from tests.unit.analysis.traffic import SHARES, Truth, window

from headway.analysis.judge import Setup, begin, judge
from headway.model.service import Analysis
from headway.model.verdict import Outcome

SETUP = Setup(Analysis(), 0.05)
LOADED, IDLE = 40.0, 26.0  # ms, the median of one instance with all and with hardly any requests


def latency(share):
    """The median of an instance whose version has this share of the traffic."""
    return IDLE + (LOADED - IDLE) * share


def rollout(seed, *, candidate=1.0, errors=0.002, last=60):
    """Twelve windows at 5 %, twelve at 50 %, then the last step. `candidate`: its latencies, times
    those that stable would have under its load.
    """
    rng, state, findings = np.random.default_rng(seed), begin(SETUP), []
    for index in range(24 + last):
        step = 0 if index < 12 else 2 if index < 24 else 3
        share = SHARES[step]
        truth = Truth(
            median_c=latency(share) * candidate,
            median_b=latency(1 - share),
            errors_c=errors,
            errors_b=0.0002 if step == 3 else 0.002,
        )
        state, finding = judge(SETUP, state, window(rng, truth, index, step))
        findings.append(finding)
    return findings


@pytest.mark.parametrize("seed", range(4))
def test_the_same_version_is_not_blamed_for_having_the_traffic(seed):
    assert all(f.verdict.outcome is not Outcome.FAIL for f in rollout(seed))


@pytest.mark.parametrize("fault", [{"candidate": 1.5}, {"errors": 0.02}])
def test_what_no_load_explains_is_still_a_fault(fault):
    assert rollout(1, **fault)[-1].verdict.outcome is Outcome.FAIL


def test_a_fault_that_begins_at_the_last_step_is_found():
    rng, state = np.random.default_rng(7), begin(SETUP)
    for index in range(60):
        step, slow = (2, 1.0) if index < 18 else (3, 1.6)
        truth = Truth(median_c=36.0 * slow, median_b=36.0, errors_c=0.002, errors_b=0.002)
        state, finding = judge(SETUP, state, window(rng, truth, index, step))
    assert finding.verdict.outcome is Outcome.FAIL
    assert "slower" in finding.verdict.because
