"""What Headway counted, in the text format that Prometheus reads.

Source of the format: prometheus.io/docs/instrumenting/exposition_formats, text format 0.0.4. Called
by `headway slo metrics`; the rules of `rules.py` are about these counters.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headway.slo.selector import matcher


@dataclass(frozen=True, slots=True)
class Counted:
    """Everything ever counted for an SLO; it never falls."""

    service: str
    environment: str
    slo: str
    bad: float
    total: float


def exposition(counted: Iterable[Counted]) -> list[str]:
    """The lines of a scrape."""
    found = list(counted)
    lines = []
    for kind, help in (("events", "Requests that the SLO counts"), ("bad", "Bad ones among them")):
        name = f"headway_sli_{kind}_total"
        lines += [f"# HELP {name} {help}.", f"# TYPE {name} counter"]
        for one in found:
            value = one.total if kind == "events" else one.bad
            labels = {"environment": one.environment, "service": one.service, "slo": one.slo}
            lines.append(f"{name}{matcher(labels)} {value!r}")
    return lines
