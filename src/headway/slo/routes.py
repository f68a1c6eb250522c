"""Which paths the proxy shall count for a service's SLOs, and which of its counts make up a path.

Called by flows, tally and `headway slo show`. A request is counted for the longest path that it is
below, so that none is counted twice; a path's own number is the sum of its parts.
"""

from collections.abc import Iterable, Mapping

from headway.model.service import Slo
from headway.model.window import Counts


def measured(slos: Iterable[Slo]) -> tuple[str, ...]:
    """The paths that the proxy has to count, each once, sorted."""
    return tuple(sorted({s.route for s in slos if s.route is not None and not s.source}))


def parts(counted: Mapping[str, Counts], route: str) -> dict[str, Counts] | None:
    """The counted paths at and below `route`; None if it is not counted now, which is no data and
    not zero.
    """
    if route not in counted:
        return None
    return {r: c for r, c in counted.items() if is_below(r, route)}


def is_below(path: str, route: str) -> bool:
    """Whether it is the route itself or one of more segments under it."""
    return path == route or path.startswith(route.rstrip("/") + "/")


def together(found: Iterable[Counts]) -> Counts:
    """The sum; histograms of the same bounds, or none."""
    requests = errors = 0
    buckets: tuple[int, ...] = ()
    for one in found:
        requests, errors = requests + one.requests, errors + one.errors
        both = zip(buckets, one.buckets, strict=True) if buckets and one.buckets else None
        buckets = tuple(a + b for a, b in both) if both else buckets or one.buckets
    return Counts(requests, errors, buckets)
