"""Windows that have not happened: the present rates going on, or a little worse. Called by
`outlook` and `report`, which ask the judge about them. Nothing random: counts are what is expected,
rounded so that their sums never stray by more than one half.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headway.model.service import Signal
from headway.model.window import Counts, Measured, VersionCounts, Window

RECENT = 30  # windows whose rates are taken for the present ones
LENT = 30.0  # stable requests that the candidate's rates are mixed with, so that none is 0 of 3


@dataclass(frozen=True, slots=True)
class Profile:
    """What a request is like. `errors`: share; `buckets`: share of requests in each, or empty;
    `instances`: address -> share of the version's requests.
    """

    errors: float
    buckets: tuple[float, ...]
    instances: dict[str, float]


@dataclass(frozen=True, slots=True)
class Present:
    """How it goes now. `rate`: requests per second of both versions; `over_seconds`: seen in;
    `own`: the service's own signals per second, or as they are if they are `values`.
    """

    rate: float
    share: float
    over_seconds: float
    bounds_ms: tuple[float, ...]
    candidate: Profile
    stable: Profile
    own: dict[str, Measured]
    values: frozenset[str]


def present(windows: Sequence[Window], signals: Sequence[Signal] = ()) -> Present | None:
    """From the newest windows of the step in force; None if nothing was counted in them."""
    step = windows[-1].step if windows else -1
    recent = [w for w in windows[-RECENT:] if w.step == step and w.candidate and w.stable]
    seconds = sum(w.end - w.start for w in recent)
    requests = sum(_requests(w.candidate) + _requests(w.stable) for w in recent)
    if not requests or seconds <= 0:
        return None
    bounds = recent[-1].bounds_ms
    same = [w for w in recent if w.bounds_ms == bounds]
    stable = _profile([w.stable for w in same if w.stable], None)
    ours = _profile([w.candidate for w in same if w.candidate], stable)
    values = _values(recent, signals)
    own = _own(recent, seconds, values)
    share, rate = recent[-1].share, requests / seconds
    return Present(rate, share, seconds, bounds, ours, stable, own, values)


def _values(windows: list[Window], signals: Sequence[Signal]) -> frozenset[str]:
    kinds = {s.name: s.kind for s in signals}
    names = {name for w in windows for name in w.signals}
    return frozenset(name for name in names if kinds.get(name.partition("{")[0]) == "value")


def _own(windows: list[Window], seconds: float, values: frozenset[str]) -> dict[str, Measured]:
    found = {}
    for name in sorted({name for w in windows for name in w.signals}):
        seen = [w.signals[name] for w in windows if name in w.signals]
        sides = ([m.candidate for m in seen], [m.stable for m in seen])
        found[name] = Measured(*(_rated(side, seconds, name in values) for side in sides))
    return found


def _rated(
    side: list[tuple[float, float] | None],
    seconds: float,
    value: bool,  # noqa: FBT001
) -> tuple[float, float] | None:
    known = [pair for pair in side if pair is not None and pair[1] > 0]
    if not known:
        return None
    if not value:
        return sum(a for a, _ in known) / seconds, sum(b for _, b in known) / seconds
    samples = sum(n for _, n in known)
    return sum(mean * n for mean, n in known) / samples, samples / len(known)


def _requests(side: VersionCounts | None) -> int:
    return side.total.requests if side else 0


def _profile(sides: list[VersionCounts], lender: Profile | None) -> Profile:
    lent = LENT if lender else 0.0
    requests = sum(s.total.requests for s in sides) + lent
    errors = sum(s.total.errors for s in sides) + lent * (lender.errors if lender else 0.0)
    return Profile(
        errors / requests if requests else 0.0, _buckets(sides, lender), _instances(sides)
    )


def _buckets(sides: list[VersionCounts], lender: Profile | None) -> tuple[float, ...]:
    known = [s.total.buckets for s in sides if s.total.buckets]
    counts = [float(sum(column)) for column in zip(*known, strict=True)]
    if lender and lender.buckets:
        counts = counts or [0.0] * len(lender.buckets)
        counts = [c + LENT * b for c, b in zip(counts, lender.buckets, strict=True)]
    total = sum(counts)
    return tuple(c / total for c in counts) if total else ()


def _instances(sides: list[VersionCounts]) -> dict[str, float]:
    """Of the newest window: those that left take no more requests."""
    newest = sides[-1].instances if sides else {}
    total = sum(c.requests for c in newest.values())
    if not total:
        return {key: 1 / len(newest) for key in sorted(newest)}
    return {key: newest[key].requests / total for key in sorted(newest)}


@dataclass(frozen=True, slots=True)
class Course:
    """Where the imagined time begins: `begin` seconds since the rollout began, at this share."""

    now: Present
    begin: float
    index: int
    step: int
    share: float

    def window(self, since: float, until: float) -> Window:
        """What is expected from `since` to `until` seconds after `begin`."""
        rates = (self.now.rate * self.share, self.now.rate * (1 - self.share))
        ours, theirs = (
            _version(profile, rate, since, until)
            for profile, rate in zip((self.now.candidate, self.now.stable), rates, strict=True)
        )
        return Window(
            index=self.index,
            start=self.begin + since,
            end=self.begin + until,
            step=self.step,
            share=self.share,
            bounds_ms=self.now.bounds_ms,
            candidate=ours,
            stable=theirs,
            signals={name: self._measured(name, until - since) for name in self.now.own},
        )

    def _measured(self, name: str, seconds: float) -> Measured:
        """Counts grow with time and with the version's share; a value stays what it is."""
        seen = self.now.own[name]
        if name in self.now.values:
            return seen
        parts = ((self.share, self.now.share), (1 - self.share, 1 - self.now.share))
        sides = (seen.candidate, seen.stable)
        grown = (
            None if side is None else (side[0] * seconds * factor, side[1] * seconds * factor)
            for side, factor in zip(
                sides, (then / max(now, 1e-9) for then, now in parts), strict=True
            )
        )
        return Measured(*grown)


def _version(profile: Profile, rate: float, since: float, until: float) -> VersionCounts:
    def grown(each_second: float) -> int:
        return math.floor(each_second * until + 0.5) - math.floor(each_second * since + 0.5)

    def counts(part: float, buckets: tuple[float, ...]) -> Counts:
        requests = grown(rate * part)
        errors = min(requests, grown(rate * part * profile.errors))
        return Counts(requests, errors, tuple(grown(rate * part * b) for b in buckets))

    each = {key: counts(part, profile.buckets) for key, part in profile.instances.items()}
    return VersionCounts(counts(1.0, profile.buckets), each)


def with_bad(window: Window, bound: int | None, more: int) -> Window:
    """The window with `more` errors of the candidate (or requests slower than the bound)."""
    assert window.candidate is not None
    total = window.candidate.total
    if bound is None:
        total = Counts(
            total.requests, max(0, min(total.requests, total.errors + more)), total.buckets
        )
    else:
        total = Counts(total.requests, total.errors, _slower(total.buckets, bound, more))
    worse = VersionCounts(total, window.candidate.instances)
    return Window(
        index=window.index,
        start=window.start,
        end=window.end,
        step=window.step,
        share=window.share,
        bounds_ms=window.bounds_ms,
        candidate=worse,
        stable=window.stable,
        signals=window.signals,
    )


def _slower(buckets: tuple[int, ...], bound: int, more: int) -> tuple[int, ...]:
    """`more` requests taken from the fastest ones go to the bucket just above the bound."""
    after, left = list(buckets), more
    for index in range(bound + 1):
        taken = min(after[index], left)
        after[index], left = after[index] - taken, left - taken
    after[bound + 1] += more - left
    return tuple(after)
