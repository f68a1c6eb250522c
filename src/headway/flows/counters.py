"""SLOs whose requests are counted elsewhere: what their counters grew by since the last look.

Called by flows/goals.py, outside of any transaction. Samples arrive late, so the newest seconds
are left for the next look; what was taken once is never taken again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from headway.metrics.samples import cleaned, growth
from headway.model.errors import HeadwayError
from headway.model.series import Selector, Series
from headway.model.service import Slo
from headway.ports.metric_source import MetricSource
from headway.slo.selector import selector
from headway.slo.tally import Bucket, Tally, spread

LATE_SECONDS = 20.0  # a sample that comes later than this is lost
BEFORE_SECONDS = 300.0  # how far back the forerunner of the first new sample may lie
FARTHEST_SECONDS = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Counted:
    """`until`: the last sample taken; `tallies` by release ('' where the series name none), each in
    minutes; `problem`: why nothing came.
    """

    until: float
    tallies: dict[str, list[Bucket]]
    problem: str = ""


def count(source: MetricSource, slo: Slo, since: float, now: float) -> Counted:
    """Everything between the samples after `since` (0: never looked) and those a moment ago."""
    since = max(since, now - FARTHEST_SECONDS) if since else now - LATE_SECONDS
    until = now - LATE_SECONDS
    try:
        wanted = _selector(slo, slo.total), _selector(slo, slo.bad or slo.good)
        begin = since - BEFORE_SECONDS
        total, part = (_clean(source.fetch(s, begin, now), until) for s in wanted)
    except HeadwayError as error:
        return Counted(since, {}, str(error))
    last = max((s.samples[-1][0] for s in total if s.samples), default=0.0)
    if last <= since:
        return Counted(since, {}, f"no sample of {slo.total} in {now - since:.0f} s")
    return Counted(last, _tallies(slo, total, part, (since, last)))


def _selector(slo: Slo, text: str) -> Selector:
    found = selector(text)
    return replace(found, labels=found.labels | {"route": slo.route}) if slo.route else found


def _clean(series: Iterable[Series], until: float) -> list[Series]:
    return [replace(s, samples=cleaned(s.samples, until)) for s in series]


def _tallies(
    slo: Slo, total: list[Series], part: list[Series], span: tuple[float, float]
) -> dict[str, list[Bucket]]:
    found: dict[str, dict[float, Tally]] = {}
    for release, bucket in _grown(total, span):
        of = found.setdefault(release, {})
        more = Tally(0.0 if slo.good else bucket.tally.total, bucket.tally.total)
        of[bucket.at] = of.get(bucket.at, Tally()).plus(more)
    for release, bucket in _grown(part, span):
        of = found.setdefault(release, {})
        more = Tally(bucket.tally.total if slo.good else -bucket.tally.total, 0.0)
        of[bucket.at] = of.get(bucket.at, Tally()).plus(more)
    return {r: [Bucket(at, t) for at, t in sorted(of.items())] for r, of in found.items()}


def _grown(series: list[Series], span: tuple[float, float]) -> list[tuple[str, Bucket]]:
    """The growth between neighbouring samples, by minute. The first sample of a series says nothing
    of what was before it.
    """
    since, until = span
    found = []
    for one in series:
        release = one.labels.get("release", "")
        for (begin, was), (end, now) in pairwise(one.samples):
            if since < end <= until and now != was:
                tally = Tally(0.0, growth(was, now))
                found += [(release, b) for b in spread(begin, end, tally)]
    return found
