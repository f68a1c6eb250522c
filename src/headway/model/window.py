"""What was counted: cumulative snapshots from the proxy, and the windows between two of them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, errors among them, and a latency histogram.

    `buckets` has len(bounds)+1 counts (the last is above every bound), or is empty where latency
    is not known. The sum of `buckets` may differ a little from `requests`: a histogram is merged
    later than a counter, so latency is judged on its own sum.
    """

    requests: int
    errors: int
    buckets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionCounts:
    """One release's counts, in all and per instance (key: instance address `host:port`)."""

    total: Counts
    instances: dict[str, Counts]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters since their process began. `at` is Unix time in seconds, `bounds_ms` the upper
    bounds of the buckets, rising. `epoch` changes when the counters began anew.
    `routes`: each path that the routing in force counts by itself, of all versions together. The
    parts are disjoint: `/shop` is without `/shop/cart` where that one is here too (slo/routes.py
    puts them together).
    """

    at: float
    epoch: str
    bounds_ms: tuple[float, ...]
    versions: dict[str, VersionCounts]
    routes: dict[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """A user-defined signal in one window, for both sides. None: no data, which is no bet.

    Ratio: (bad, total). Count: (events, requests or seconds that they are counted against).
    Value: (mean of the window's samples, number of samples).
    """

    candidate: tuple[float, float] | None
    stable: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two snapshots. None for a side means: no data for it.

    `start`, `end`: seconds since the rollout began; `step`: index of the rollout step in force;
    `share`: the candidate's share of traffic in the window, 0 to 1. `signals`: by the name of the
    signal, or `name{label=value}` where it is compared part by part.
    """

    index: int
    start: float
    end: float
    step: int
    share: float
    bounds_ms: tuple[float, ...]
    candidate: VersionCounts | None
    stable: VersionCounts | None
    signals: dict[str, Measured] = field(default_factory=dict)
