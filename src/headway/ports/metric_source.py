"""What was measured, wherever it is kept: Headway's own samples, Prometheus, a file."""

from typing import Protocol

from headway.model.series import Selector, Series


class MetricSource(Protocol):
    """Raw samples; resets, gaps and lateness are the reader's business (headway.metrics)."""

    def fetch(self, selector: Selector, since: float, until: float) -> tuple[Series, ...]:
        """Every series of that name with those labels, with its samples in since <= at <= until.

        No such series: an empty tuple, which is no data, which is WAIT. Samples that are NaN or
        infinite are left out. Raises Unreachable (no answer in time; a retry may help) and Invalid
        (`metric-source`: it answers, but nothing that can be understood).
        """
        ...
