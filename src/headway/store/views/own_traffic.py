"""A stable release's own traffic by instance, from Headway's samples. For `judge selftest`.

The server counts each few seconds what the proxy sent to which instance; so there is traffic to
split as soon as a service has run for a while, before any rollout. Attempts are counted, as the
judge counts them for single instances; latencies are not known by instance.
"""

from dataclasses import dataclass
from itertools import pairwise

from headway.metrics.samples import growth
from headway.model.series import Selector, Series
from headway.model.window import Counts, VersionCounts, Window
from headway.store.samples import Samples

REQUESTS, ERRORS = "headway_attempts_total", "headway_attempt_errors_total"
Growths = dict[str, dict[int, float]]


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when (Unix seconds), in windows of `seconds`."""

    since: float
    until: float
    seconds: float


def windows(
    samples: Samples, service: str, environment: str, release: str, span: Span
) -> list[Window]:
    """One window for each in which some instance had requests; the candidate's side is None.

    A window without samples is left out: a gap is no traffic. Raises Unreachable.
    """
    labels = {"service": service, "environment": environment, "release": release}

    def grown(metric: str) -> Growths:
        found = samples.fetch(Selector(metric, labels), span.since, span.until)
        return {s.labels["instance"]: _by_window(s, span) for s in found}

    requests, errors = grown(REQUESTS), grown(ERRORS)
    indexes = sorted({index for each in requests.values() for index in each})
    return [_window(index, requests, errors, span) for index in indexes]


def _by_window(series: Series, span: Span) -> dict[int, float]:
    """Growth of one counter by window; a growth belongs to the window in which it was seen."""
    grown: dict[int, float] = {}
    for (_, before), (at, after) in pairwise(series.samples):
        index = int((at - span.since) // span.seconds)
        grown[index] = grown.get(index, 0.0) + growth(before, after)
    return {index: value for index, value in grown.items() if value > 0}


def _window(index: int, requests: Growths, errors: Growths, span: Span) -> Window:
    each = {}
    for name, grown in requests.items():
        served = round(grown.get(index, 0.0))
        failed = round(errors.get(name, {}).get(index, 0.0))
        each[name] = Counts(served, min(failed, served))
    total = Counts(sum(c.requests for c in each.values()), sum(c.errors for c in each.values()))
    return Window(
        index=index,
        start=index * span.seconds,
        end=(index + 1) * span.seconds,
        step=0,
        share=1.0,
        bounds_ms=(),
        candidate=None,
        stable=VersionCounts(total, each),
    )
