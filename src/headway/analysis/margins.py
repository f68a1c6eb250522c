"""What is tolerated at this moment: the edges of both nulls, for each kind of signal.

Rollback needs evidence against p_c <= a p_b + d ("within tolerance"); promotion needs evidence
against p_c >= harm_a p_b + harm_d ("harmful"). Between the two lies the grey zone, where neither
is proven. Time (warm-up) widens tolerances; it never narrows what must be proven. Called by `bets`.
"""

import math
from dataclasses import dataclass

from headway.model.pace import Pace
from headway.model.service import Analysis

ABSOLUTE_ERRORS = 0.01  # the error limit of a service nobody has any baseline for
ROLLBACK = 0.5  # share of the declared error margins at which rollback's edge lies
HARM = 1.5  # the same for promotion's edge
WARM_ERRORS = 0.10
REWARM_ERRORS = 0.03
WARM_LATENCY = 6.0
REWARM_LATENCY = 2.4
GREY = 0.2  # width of the grey zone of latencies, at least
HOPE = 0.3  # promotion bets on a point this far between the baseline and the edge
SPREAD_ERRORS = 2.5  # how many standard errors of the difference between instances are forgiven
LONE_SPREAD = 3.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the rollout stands. `age`, `step_age`: seconds; `stepped`: not at the first step."""

    age: float
    step_age: float
    stepped: bool
    share: float

    def error_slack(self, pace: Pace) -> float:
        """Error rate forgiven while instances are warming up."""
        if self.age <= pace.warm:
            return WARM_ERRORS
        return REWARM_ERRORS if self.rewarming(pace) else 0.0

    def rewarming(self, pace: Pace) -> bool:
        """Has the share just grown?"""
        return self.stepped and self.step_age <= pace.rewarm

    def warm_latency(self, pace: Pace) -> float:
        """What warming up adds to the tolerated latency growth (1 is +100 %)."""
        again = REWARM_LATENCY * math.exp(-self.step_age / pace.warm_tau) if self.stepped else 0.0
        return WARM_LATENCY * math.exp(-self.age / pace.warm_tau) + again

    def caution(self) -> float:
        """Margins of promotion are this much wider while few users are exposed."""
        if self.share <= 0.10:
            return 5.0
        return 2.5 if self.share <= 0.30 else 1.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Both edges of a signal. `hope`: the candidate's rate that promotion bets on; None: this
    signal takes no part in promotion. `fixed`: the baseline rate is given, not measured now.
    """

    a: float
    d: float
    harm_a: float = 0.0
    harm_d: float = 0.0
    hope: float | None = None
    fixed: bool = False


def concurrent_errors(analysis: Analysis, moment: Moment, rate: float, spread: float) -> Edges:
    """Errors of all instances. `spread`: forgiven relative difference of the instance mixes."""
    relative, absolute = analysis.errors_relative, analysis.errors_absolute
    return _with_harm(
        Edges(
            a=1 + ROLLBACK * relative + spread,
            d=ROLLBACK * absolute + moment.error_slack(analysis.pace),
            harm_a=1 + (HARM * relative + spread) * moment.caution(),
            harm_d=HARM * absolute * moment.caution(),
        ),
        rate,
    )


def absolute_errors(analysis: Analysis, moment: Moment, rate: float | None) -> Edges:
    """Errors against the full margin on top of the last known `rate`, or against a constant."""
    slack = moment.error_slack(analysis.pace)
    if rate is None:
        harm = 1 + (HARM - 1) * moment.caution()
        return Edges(1.0, slack, harm, 0.0, hope=HOPE * ABSOLUTE_ERRORS, fixed=True)
    relative, absolute = analysis.errors_relative, analysis.errors_absolute
    return _with_harm(
        Edges(
            a=1 + relative,
            d=absolute + slack,
            harm_a=1 + HARM * relative * moment.caution(),
            harm_d=HARM * absolute * moment.caution(),
            fixed=True,
        ),
        rate,
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """Latency factors: `tolerated` at rollback's edge, `harmful` at promotion's."""

    tolerated: float
    harmful: float


def growth(analysis: Analysis, moment: Moment, *, absolute: bool) -> Growth:
    """How far latencies may have grown. Without a concurrent baseline the grey zone is given too,
    because the time of day alone moves latencies.
    """
    warm = moment.warm_latency(analysis.pace)
    margin = analysis.latency_relative
    grey = max(GREY, margin)
    base = 1 + margin + (grey if absolute else 0.0)
    return Growth(base + warm, base + grey + max(0.0, warm - GREY / 2))


def slow_edges(
    ratios: tuple[float, float], moment: Moment, rate: float, *, absolute: bool
) -> Edges:
    """Requests above a bound. `ratios`: by what the share `rate` is multiplied at both edges."""
    caution = moment.caution()
    edges = Edges(
        a=ratios[0],
        d=0.002,
        harm_a=1 + (ratios[1] - 1) * caution,
        harm_d=0.008 * caution,
        fixed=absolute,
    )
    return _with_harm(edges, rate)


def lone_errors(analysis: Analysis, spread: float) -> Edges:
    """Errors of one instance against the whole stable version."""
    return Edges(
        a=1 + analysis.errors_relative + LONE_SPREAD * spread, d=5 * analysis.errors_absolute
    )


def lone_slow(ratio: float, spread: float) -> Edges:
    """Slow requests of one instance against the whole stable version."""
    return Edges(a=ratio + LONE_SPREAD * spread, d=0.02)


def _with_harm(edges: Edges, rate: float) -> Edges:
    """Promotion bets on a rate a third of the way to the edge: a better one wins sooner still."""
    hope = rate * (1 + HOPE * (edges.harm_a - 1)) + HOPE * edges.harm_d
    return Edges(
        edges.a, edges.d, edges.harm_a, edges.harm_d, min(0.98, max(1e-7, hope)), edges.fixed
    )
