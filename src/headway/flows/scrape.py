"""Every few seconds: what the proxy counted and what the instances use, as Headway's own samples.

Run by the server beside the flows (wiring). They are what saturation is judged on, what `/metrics`
shows, and what a release is compared by before and after it came. Names and labels are documented
in docs/how-to/metrics.md.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import sqlalchemy as sa

from headway.flows.world import World
from headway.model.delivery import Place
from headway.model.deployment import InstanceState
from headway.model.errors import HeadwayError
from headway.model.series import Point, SeriesKind
from headway.model.window import Counts, Snapshot
from headway.store.samples import Samples
from headway.store.tables import places

SECONDS = 4.0  # a round takes a moment, and samples must not be further apart than 5 s
PRUNE_SECONDS = 600.0
FEWEST = 5  # requests, between two rounds, below which the time of one is mostly something else

Labels = dict[str, str]


class Scrape:
    """One for a server; it remembers the last round, because CPU per request is a difference."""

    def __init__(self, world: World, samples: Samples) -> None:
        self._world = world
        self._samples = samples
        self._last: dict[tuple[str, str, int | None], tuple[float, int, float]] = {}
        self._pruned = 0.0

    def go(self, found: Sequence[Place]) -> None:
        """One round over the places. A place that cannot be measured is no reason to leave out the
        others; its error is raised at the end.
        """
        now = self._world.clock.now()
        points: list[Point] = []
        errors: list[HeadwayError] = []
        for place in found:
            try:
                points += self._place(place)
            except HeadwayError as error:
                errors.append(error)
        self._samples.append(points, self._world.clock.now(), trusted=True)
        if now - self._pruned >= PRUNE_SECONDS:
            self._samples.prune(now)
            self._pruned = now
        if errors:
            raise errors[0]

    def _place(self, place: Place) -> Iterator[Point]:
        labels = {"service": place.service, "environment": place.environment}
        snapshot = self._world.meter.read(place.service, place.environment)
        if snapshot is not None:
            yield from traffic(labels, snapshot)
        for target in self._world.targets.values():
            seen = target.observe(place.service, place.environment)
            at = self._world.clock.now()
            yield from instances(labels, seen, at)
            for one in seen:
                yield from self._effort(labels, one, snapshot, at)

    def _effort(
        self, labels: Labels, one: InstanceState, snapshot: Snapshot | None, at: float
    ) -> Iterator[Point]:
        """CPU time since the last round, per request and per second."""
        served = _served(one, snapshot)
        if one.cpu_seconds is None or served is None:
            return
        key = (labels["environment"], one.id, one.pid)
        cpu, requests, since = self._last.get(key, (0.0, -1, at))
        self._last[key] = (one.cpu_seconds, served, at)
        if 0 <= requests <= served - FEWEST and cpu <= one.cpu_seconds and since < at:
            used, mine = one.cpu_seconds - cpu, _of(labels, one)
            each = used / (served - requests)
            yield Point("headway_cpu_seconds_per_request", mine, "gauge", at, each)
            yield Point("headway_instance_cpu_usage", mine, "gauge", at, used / (at - since))


def _served(one: InstanceState, snapshot: Snapshot | None) -> int | None:
    version = None if snapshot is None else snapshot.versions.get(one.release)
    counts = None if version is None else version.instances.get(f"{one.host}:{one.port}")
    return None if counts is None else counts.requests


def traffic(labels: Labels, snapshot: Snapshot) -> Iterator[Point]:
    """What the proxy counted, per release, and attempts per instance (`instance` is its address).

    Buckets are of whole releases only, from the last one on below which nobody was.
    """
    for release, version in snapshot.versions.items():
        mine = {**labels, "release": release}
        yield from _counted("headway_requests_total", "headway_request_errors_total", mine,
                            (version.total, snapshot.at))  # fmt: skip
        yield from _buckets(mine, version.total, snapshot)
        for address, counts in version.instances.items():
            yield from _counted("headway_attempts_total", "headway_attempt_errors_total",
                                {**mine, "instance": address}, (counts, snapshot.at))  # fmt: skip


def _counted(
    requests: str, errors: str, labels: Labels, seen: tuple[Counts, float]
) -> Iterator[Point]:
    counts, at = seen
    yield Point(requests, labels, "counter", at, counts.requests)
    yield Point(errors, labels, "counter", at, counts.errors)


def _buckets(labels: Labels, counts: Counts, snapshot: Snapshot) -> Iterator[Point]:
    if not counts.buckets:
        return
    name = "headway_request_duration_milliseconds_bucket"
    bounds = [*(f"{b:g}" for b in snapshot.bounds_ms), "+Inf"]
    standing = list(accumulate(counts.buckets))
    for index, (le, below) in enumerate(zip(bounds, standing, strict=True)):
        if le == "+Inf" or standing[index + 1]:
            yield Point(name, {**labels, "le": le}, "counter", snapshot.at, below)


def instances(labels: Labels, seen: Sequence[InstanceState], at: float) -> Iterator[Point]:
    """What the instances use, how often they began again, and how many of a release there are."""
    kinds: dict[str, SeriesKind] = {"cpu_seconds": "counter", "memory_bytes": "gauge"}
    for one in seen:
        used = {"cpu_seconds": one.cpu_seconds, "memory_bytes": one.memory_bytes}
        for what, value in used.items():
            if value is not None:
                suffix = "_total" if kinds[what] == "counter" else ""
                metric = f"headway_instance_{what}{suffix}"
                yield Point(metric, _of(labels, one), kinds[what], at, value)
        restarts = "headway_instance_restarts_total"
        yield Point(restarts, _of(labels, one), "counter", at, one.restarts)
    for release in sorted({one.release for one in seen}):
        ready = sum(1 for one in seen if one.release == release and one.phase == "ready")
        mine = {**labels, "release": release}
        yield Point("headway_instances_ready", mine, "gauge", at, ready)


def _of(labels: Labels, one: InstanceState) -> Labels:
    return {**labels, "release": one.release, "instance": one.id}


def known_places(connection: sa.Connection) -> list[Place]:
    """Places in which something runs or is being tried."""
    query = sa.select(places).where(sa.or_(places.c.stable != "", places.c.candidate != ""))
    return [Place(**row._mapping) for row in connection.execute(query)]
