"""One alpha for all signals together: the more signals, the not more false alarms."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.analysis.reported import judged_on
from tests.unit.analysis.traffic import Truth, windows

from headway.analysis import roles
from headway.analysis.judge import Setup
from headway.model.service import Analysis, Signal
from headway.model.verdict import Outcome
from headway.model.window import Measured

MARGIN = 0.1
OWN = tuple(
    Signal(f"own{i}", "ratio", "prom", "bad", "all", margin=MARGIN, weight=1 + i) for i in range(8)
)
SETUP = Setup(Analysis(confidence=0.9, signals=OWN), 0.05)


def at_the_edge(seed: int):
    """Errors and eight own ratios, each exactly as bad as is still tolerated."""
    rng = np.random.default_rng(1000 + seed)

    def measured() -> Measured:
        ours = float(rng.binomial(400, 0.05 * (1 + MARGIN)))
        return Measured((ours, 400.0), (float(rng.binomial(1600, 0.05)), 1600.0))

    truth = Truth(rate=60, errors_c=0.01 * 1.25 + 0.0005, instances=1)
    return [
        replace(w, signals={s.name: measured() for s in OWN}) for w in windows(seed, truth, 30, 15)
    ]


@pytest.mark.seed("S-103")
def test_nine_signals_at_the_edge_raise_no_more_alarms_than_one_alpha():
    """At a true 10 % of false alarms, 11 and more of 40 have probability .0015."""
    alarms = 0
    for seed in range(40):
        last = judged_on(at_the_edge(seed), SETUP).judged[-1][1]
        alarms += last.verdict.outcome is Outcome.FAIL
        assert {s.name for s in OWN} <= {s.name for s in last.signals}
    assert alarms <= 10


@pytest.mark.seed("S-103")
@pytest.mark.parametrize("count", [0, 1, 8])
def test_all_signals_share_one_unit_of_capital(count):
    assert sum(roles.weights(OWN[:count]).values()) == pytest.approx(1.0)
