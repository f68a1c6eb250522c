"""What is tolerated at this moment: the edges of both nulls, for each kind of signal.

Rollback needs evidence against p_c <= a p_b + d ("within tolerance"); promotion needs evidence
against p_c >= harm_a p_b + harm_d ("harmful"). Between the two lies the grey zone, where neither
is proven. Time (warm-up) widens tolerances; it never narrows what must be proven. Called by `bets`.
"""

from dataclasses import dataclass, replace

from headway.model.pace import Pace
from headway.model.service import Analysis

ABSOLUTE_ERRORS = 0.01  # the error limit of a service nobody has any baseline for
ROLLBACK = 0.5  # share of the declared error margins at which rollback's edge lies
HARM = 1.5  # the same for promotion's edge
GREY = 0.2  # width of the grey zone of latencies, at least
HOPE = 0.3  # promotion bets on a point this far between the baseline and the edge
SPREAD_ERRORS = 2.5  # how many standard errors of the difference between instances are forgiven
LONE_SPREAD = 3.0
SLOW_SLACK = 0.001  # share of requests above a bound that is forgiven at any rate
MOST_HARM = 0.9  # a harm that nothing could reach would be excluded by anything


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the rollout stands. `age`, `step_age`: seconds; `stepped`: not at the first step."""

    age: float
    step_age: float
    stepped: bool
    share: float

    def warming(self, pace: Pace) -> bool:
        """Has it just begun, or has the share just grown?"""
        return self.age <= pace.warm or (self.stepped and self.step_age <= pace.rewarm)

    def caution(self) -> float:
        """Margins of promotion are this much wider while few users are exposed."""
        if self.share <= 0.10:
            return 5.0
        return 2.5 if self.share <= 0.30 else 1.0


@dataclass(frozen=True, slots=True)
class Edges:
    """Both edges of a signal. `settled`: the rate p_c at rollback's edge once nothing is warming up
    any more; what rollback bets on is told from there. `hope`: the candidate's rate that promotion
    bets on; None: this signal takes no part in promotion. `fixed`: the baseline rate is given, not
    measured now.
    """

    a: float
    d: float
    harm_a: float = 0.0
    harm_d: float = 0.0
    hope: float | None = None
    fixed: bool = False
    settled: float = 0.0


def concurrent_errors(
    analysis: Analysis, moment: Moment, rate: float, spread: float, slack: float
) -> Edges:
    """Errors of all instances. `spread`: forgiven relative difference of the instance mixes;
    `slack`: error rate that a cold start is forgiven now.
    """
    relative, absolute = analysis.errors_relative, analysis.errors_absolute
    a, d = 1 + ROLLBACK * relative + spread, ROLLBACK * absolute
    return _with_harm(
        Edges(
            a=a,
            d=d + slack,
            harm_a=1 + (HARM * relative + spread) * moment.caution(),
            harm_d=HARM * absolute * moment.caution(),
            settled=a * rate + d,
        ),
        rate,
    )


def absolute_errors(analysis: Analysis, moment: Moment, rate: float | None, slack: float) -> Edges:
    """Errors against the full margin on top of the last known `rate`, or against a constant."""
    if rate is None:
        harm = 1 + (HARM - 1) * moment.caution()
        hope, limit = HOPE * ABSOLUTE_ERRORS, ABSOLUTE_ERRORS
        return Edges(1.0, slack, harm, 0.0, hope=hope, fixed=True, settled=limit)
    relative, absolute = analysis.errors_relative, analysis.errors_absolute
    return _with_harm(
        Edges(
            a=1 + relative,
            d=absolute + slack,
            harm_a=1 + HARM * relative * moment.caution(),
            harm_d=HARM * absolute * moment.caution(),
            fixed=True,
            settled=(1 + relative) * rate + absolute,
        ),
        rate,
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """Factors on a latency, or on a share of stable's requests: `tolerated` at rollback's edge,
    `harmful` at promotion's, `equal` for a candidate like stable. `cold`: share above the bound
    that a cold start is forgiven now, on top; added, because what is slow for that reason does not
    follow the hour.
    """

    tolerated: float
    harmful: float
    cold: float = 0.0
    equal: float = 1.0


def growth(analysis: Analysis, *, absolute: bool, lone: float = 0.0) -> Growth:
    """How far latencies may have grown. Without a concurrent baseline the grey zone is given too,
    because the time of day alone moves latencies.
    """
    margin = analysis.latency_relative
    grey = max(GREY, margin)
    base = 1 + margin + (grey if absolute else 0.0) + lone
    return Growth(base, base + grey)


def slow_edges(grown: Growth, moment: Moment, rate: float, *, absolute: bool) -> Edges:
    """Requests above a bound. `grown`: by what the share `rate` is multiplied."""
    caution, equal = moment.caution(), grown.equal
    edges = Edges(
        a=grown.tolerated,
        d=SLOW_SLACK + grown.cold,
        harm_a=equal + (grown.harmful - equal) * caution,
        harm_d=8 * SLOW_SLACK * caution + grown.cold,
        fixed=absolute,
        settled=grown.tolerated * rate + SLOW_SLACK,
    )
    return _with_harm(edges, rate, equal)


def lone_errors(analysis: Analysis, rate: float, spread: float) -> Edges:
    """Errors of one instance against the whole stable version."""
    a, d = 1 + analysis.errors_relative + LONE_SPREAD * spread, 5 * analysis.errors_absolute
    return Edges(a, d, settled=a * rate + d)


def lone_slow(grown: Growth, rate: float, spread: float) -> Edges:
    """Slow requests of one instance against the whole stable version."""
    wide = LONE_SPREAD * spread
    d = 20 * SLOW_SLACK
    a = grown.tolerated + wide
    return Edges(a, d + grown.cold, settled=a * rate + d)


def _with_harm(edges: Edges, rate: float, equal: float = 1.0) -> Edges:
    """Promotion bets on a rate a third of the way from that of a version like stable (`equal` times
    `rate`) to the edge: a better one wins sooner still.

    Wide margins, or what a cold start is forgiven, could put the edge where no rate ever is; it is
    drawn in to MOST_HARM then (half way to 1 for a rate above that), which is more to prove.
    """
    edge = edges.harm_a * rate + edges.harm_d
    part = min(1.0, max(MOST_HARM, (1 + rate) / 2) / edge)
    harm_a, harm_d = edges.harm_a * part, edges.harm_d * part
    hope = rate * (equal + HOPE * (harm_a - equal)) + HOPE * harm_d
    return replace(edges, harm_a=harm_a, harm_d=harm_d, hope=min(0.98, max(1e-7, hope)))
