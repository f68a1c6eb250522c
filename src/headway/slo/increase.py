"""Counters of a metric source: how much each grew, and when.

Called by flows/goals.py for SLOs with a `source`. The first sample of a series says nothing about
what came before it; one that is lower than its forerunner began anew at 0.
"""

import re
from collections.abc import Iterable
from itertools import pairwise

from headway.model.errors import Invalid
from headway.model.series import Selector, Series

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:.]*)\s*(?:\{(.*)\})?\s*", re.DOTALL)
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|$)')


def selector(text: str) -> Selector:
    """`http_requests_total{code="500"}` as a selector: a name, and labels that equal values.

    Raises Invalid (`selector`).
    """
    found = _SELECTOR.fullmatch(text)
    labels: dict[str, str] = {}
    rest = (found[2] or "").strip() if found else ""
    while found and rest:
        label = _LABEL.match(rest)
        if label is None:
            found = None
            break
        labels[label[1]] = re.sub(r"\\(.)", r"\1", label[2])
        rest = rest[label.end() :]
    if found is None:
        raise Invalid(
            f"`{text[:80]}` does not name a counter",
            why='a name, and labels that equal values: `requests_total{code="500"}`',
            code="selector",
        )
    return Selector(found[1], labels)


def increments(
    series: Iterable[Series], since: float, until: float
) -> list[tuple[float, float, float]]:
    """(begin, end, growth) between neighbouring samples of each series, for those whose later
    sample lies in since < at <= until. Earlier samples only say where the counter stood.
    """
    found = []
    for one in series:
        for (begin, was), (end, now) in pairwise(one.samples):
            if since < end <= until and now != was:
                found.append((begin, end, now - was if now > was else max(0.0, now)))
    return sorted(found)


def has_counted(series: Iterable[Series], since: float, until: float) -> bool:
    """Whether there is any sample at all in since < at <= until: none is no data."""
    return any(since < at <= until for one in series for at, _ in one.samples)
