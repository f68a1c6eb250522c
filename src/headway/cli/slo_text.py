"""The words of `headway slo`: one row or one page for people, one rule file for Prometheus.

Called by cli/slo.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

import yaml

from headway.histogram.rebin import BOUNDS_MS
from headway.model.service import Slo
from headway.model.window import Counts, Snapshot
from headway.slo.routes import parts, together
from headway.slo.tally import effective_ms
from headway.store.views.slo import Shown, Standing
from headway.wording.text import clock, columns, marked, percent


class Latency(NamedTuple):
    """A percentile of a release (or route), since its proxy began. It lies between two bounds of
    the proxy's histogram, in milliseconds; `below_ms` None: slower than every bound.
    """

    release: str
    percentile: float
    at_least_ms: float
    below_ms: float | None


def rows(found: Sequence[Standing]) -> list[str]:
    """One line for each SLO."""
    head = ("SLO", "GOAL", "WINDOW", "NOW", "BUDGET LEFT", "BURN", "STATE")
    table = [
        (
            f"{s.service}/{s.environment}/{s.slo}",
            f"{cut(s.target)} {s.sli}",
            s.window,
            cut(s.compliance),
            _left(s.left),
            ", ".join(f"{_rate(r)} {w}" for w, r in list(s.burn.items())[:2]),
            marked(_state(s)),
        )
        for s in found
    ]
    nothing = "No SLO yet. Next: write `slos: {availability: {target: 99.9%}}` in headway.yaml"
    return columns([head, *table]) if table else [nothing]


def page(slo: Slo, seen: Shown, latencies: Sequence[Latency]) -> list[str]:
    """Everything about one SLO."""
    s = seen.standing
    return [
        f"{s.service}/{s.environment}/{s.slo}  {marked(_state(s))}",
        f"goal    {cut(s.target)} {s.sli}, window {s.window} since {clock(s.since)}",
        *_bound(slo),
        *_budget(s),
        *_time(seen),
        f"burn    {', '.join(f'{_rate(r)} over {w}' for w, r in s.burn.items())}",
        *[f"fires   {f.condition} since {clock(f.since)}" for f in s.firing],
        *_versions(seen),
        *columns([_percentile(x) for x in latencies]),
        *([f"not read: {s.problem}"] if s.problem else []),
    ]


def cut(share: float | None) -> str:
    """A share as a percentage, cut and never rounded up: 99.8999 % is not 99.9 %."""
    return "no data" if share is None else f"{int(share * 1_000_000 + 1e-6) / 10_000:g}%"


def _left(left: float | None) -> str:
    if left is None:
        return "no data"
    return f"{left:.0%}" if left >= 0 else f"0%, overdrawn by {-left:.0%}"


def _rate(rate: float | None) -> str:
    return "no data" if rate is None else f"{rate:.2g}x"


def _state(s: Standing) -> str:
    if s.firing:
        return "failed" if any("page" in f.condition for f in s.firing) else "warning"
    if s.left is None:
        return "unknown"
    return "ok" if s.left >= 0 else "failed"


def _bound(slo: Slo) -> list[str]:
    """What is really measured where the threshold lies between two bounds."""
    if slo.sli != "latency" or slo.source or slo.under_seconds is None:
        return []
    asked, real = slo.under_seconds * 1000, effective_ms(BOUNDS_MS, slo.under_seconds)
    if abs(asked - real) < 1e-6:
        return [f"        exact: {real:g} ms is a bound of the proxy's histogram"]
    said = f"measured as under {real:g} ms, the histogram's next bound below"
    return [f"        {said}: what lies between counts as slow"]


def _budget(s: Standing) -> list[str]:
    if s.left is None:
        return ["budget  no data: not one request was counted in the window, which is not 100%"]
    minutes = f", {s.minutes_left:.1f} min of outage" if s.minutes_left is not None else ""
    lines = [
        f"now     {cut(s.compliance)}: {s.bad:.0f} bad of {s.total:.0f} requests",
        f"budget  {_left(s.left)} left: {s.bad:.0f} of {s.allowed:.1f} requests used{minutes}",
    ]
    if s.thin:
        lines.append("        too few requests: not even one may fail, so each is over the budget")
    return lines


def _time(seen: Shown) -> list[str]:
    if not seen.time_seen:
        return []
    share = percent(seen.time_met / seen.time_seen)
    return [f"kept    {share} of the time ({seen.time_met} of {seen.time_seen} quarter hours)"]


def _versions(seen: Shown) -> list[str]:
    head = ("RELEASE", "REQUESTS", "BAD", "GOOD", "BURN")
    table = [
        (v.release or "all", f"{v.total:.0f}", f"{v.bad:.0f}", cut(v.compliance), _rate(v.burn))
        for v in seen.versions
    ]
    return columns([head, *table]) if table else []


def _percentile(x: Latency) -> tuple[str, str, str]:
    to = f"{x.at_least_ms:g} to {x.below_ms:g} ms" if x.below_ms else f"over {x.at_least_ms:g} ms"
    return x.release, f"p{x.percentile * 100:g}", to


def latencies(snapshot: Snapshot, route: str | None) -> list[Latency]:
    """p95 and p99 of each release, or of a route of all releases together (named as the route), as
    the bounds between which they lie.
    """
    found = []
    for release, counts in sorted(_measured(snapshot, route).items()):
        buckets = counts.buckets
        asked = (0.95, 0.99) if sum(buckets) else ()
        found += [Latency(release, q, *_bracket(snapshot.bounds_ms, buckets, q)) for q in asked]
    return found


def _measured(snapshot: Snapshot, route: str | None) -> dict[str, Counts]:
    if route is None:
        return {release: v.total for release, v in snapshot.versions.items()}
    found = parts(snapshot.routes, route)
    return {} if found is None else {route: together(found.values())}


def _bracket(
    bounds: Sequence[float], buckets: Sequence[int], q: float
) -> tuple[float, float | None]:
    rank, seen = q * sum(buckets), 0
    for index, count in enumerate(buckets):
        seen += count
        if seen >= rank:
            low = bounds[index - 1] if index else 0.0
            return low, bounds[index] if index < len(bounds) else None
    raise AssertionError("the last bucket holds the last request")


class _Plain(yaml.SafeDumper):
    """Text of several lines as a block; nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None
    )


_Plain.add_representer(str, _text)


def rule_file(groups: dict[str, object]) -> str:
    """The rules as Prometheus reads them."""
    return str(yaml.dump(groups, Dumper=_Plain, sort_keys=False, width=10_000))
