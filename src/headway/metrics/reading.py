"""One signal's cumulative reading from the series of a source. Called by flows/measure.py."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway.metrics import samples
from headway.metrics.grouping import Version, by_part, of_version, ranked
from headway.metrics.samples import Sample
from headway.metrics.window import Pair, Reading
from headway.model.series import Series
from headway.model.service import Signal

GAP = 3.0  # a gap of more than so many resolutions is no data,
LONGEST = 60.0  # and of so many seconds whatever the resolution
RANKED_SECONDS = 60.0  # parts are ranked by their first minute, so that the ranking then stays


@dataclass(frozen=True, slots=True)
class Span:
    """Unix seconds: users reached the candidate at `begin`; samples count up to `until`."""

    begin: float
    until: float


@dataclass(frozen=True, slots=True)
class Sides:
    """Who is compared, and where."""

    candidate: Version
    stable: Version
    environment: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the source gave: `first` for the signal's metric; `second` for a ratio's total, or for a
    count the requests that Headway counted itself.
    """

    first: tuple[Series, ...]
    second: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class _Counted:
    """A side's sum, or why there is none."""

    pair: Pair | None
    because: str = ""


def readings(
    signal: Signal, found: Found, sides: Sides, span: Span, by: Iterable[str] = ()
) -> dict[str, Reading]:
    """The signal as a whole under its name, and part by part as `name{label=value}`."""
    split = {
        side: (
            _tidy(of_version(found.first, version, signal.version, sides.environment), span),
            _tidy(of_version(found.second, version, _label(signal), sides.environment), span),
        )
        for side, version in (("candidate", sides.candidate), ("stable", sides.stable))
    }
    result = {signal.name: _reading(signal, split, split, span)}
    for label in by if signal.kind != "value" else ():
        for part, found_in in _parts(signal, split, label, span).items():
            name = f"{signal.name}{{{label}={part}}}"
            result[name] = _reading(signal, found_in, split, span)
    return result


_Split = Mapping[str, tuple[tuple[Series, ...], tuple[Series, ...]]]


def _label(signal: Signal) -> str:
    return "release" if signal.kind == "count" else signal.version


def _tidy(found: Iterable[Series], span: Span) -> tuple[Series, ...]:
    clean = (Series(s.labels, s.kind, samples.cleaned(s.samples, span.until)) for s in found)
    return tuple(s for s in clean if s.samples)


def _parts(signal: Signal, split: _Split, label: str, span: Span) -> dict[str, _Split]:
    """Both sides by the label's values. A count's parts share the requests of the whole."""
    early = min(span.until, span.begin + RANKED_SECONDS)
    ranking = [s for first, second in split.values() for s in (second or first)]
    if signal.kind == "count":
        ranking = [s for first, _ in split.values() for s in first]
    alone = ranked(
        [
            (s.labels[label], samples.increase(_until(s, early), span.begin, born=True) or 0.0)
            for s in ranking
            if s.labels.get(label)
        ]
    )
    parts: dict[str, dict[str, tuple[tuple[Series, ...], tuple[Series, ...]]]] = {}
    for side, (first, second) in split.items():
        firsts = by_part(first, label, alone)
        seconds = by_part(second, label, alone) if signal.kind == "ratio" else {}
        for name in {*firsts, *seconds}:
            mine = parts.setdefault(name, {"candidate": ((), ()), "stable": ((), ())})
            mine[side] = (firsts.get(name, ()), seconds.get(name, ()))
    if signal.kind == "count":
        return {
            name: {side: (two[side][0], split[side][1]) for side in split}
            for name, two in parts.items()
        }
    return dict(parts)


def _until(series: Series, until: float) -> tuple[Sample, ...]:
    return tuple(s for s in series.samples if s[0] <= until)


def _reading(signal: Signal, split: _Split, whole: _Split, span: Span) -> Reading:
    """Why a side has no data is the whole signal's reason, also for a part."""
    known = any(first for first, _ in whole.values())
    found = {
        side: _side(signal, first, second, (span, known)) for side, (first, second) in split.items()
    }
    words = [f"{side}: {c.because}" for side, c in found.items() if c.pair is None]
    return Reading(signal.kind, found["candidate"].pair, found["stable"].pair, "; ".join(words))


def _side(
    signal: Signal, first: Sequence[Series], second: Sequence[Series], seen: tuple[Span, bool]
) -> _Counted:
    span, known = seen
    if signal.kind == "value":
        return _value(first, span, signal)
    if not known:
        return _Counted(None, f"no series `{signal.metric}` carries its release")
    of = _total(second, span, second)
    if of.pair is None:
        return of
    if signal.kind == "count":
        events = _total(first, span, first)
        return _Counted((events.pair[0], of.pair[0])) if events.pair else events
    # What is bad may not be there before it happens; its total is, and is of the same source.
    return _Counted((_grown(first, span, [*first, *second]) or 0.0, of.pair[0]))


def _total(found: Sequence[Series], span: Span, watch: Sequence[Series]) -> _Counted:
    """The increase of several counters since the beginning, together."""
    because = _stale(found, span)
    if because:
        return _Counted(None, because)
    grown = _grown(found, span, watch)
    return _Counted(None, "no sample since users came") if grown is None else _Counted((grown, 0.0))


def _grown(found: Sequence[Series], span: Span, watch: Sequence[Series]) -> float | None:
    grown = [samples.increase(s.samples, span.begin, born=_born(s, watch, span)) for s in found]
    known = [g for g in grown if g is not None]
    return sum(known) if known else None


def _value(found: Sequence[Series], span: Span, signal: Signal) -> _Counted:
    if not found:
        return _Counted(None, f"no series `{signal.metric}` carries its release")
    because = _stale(found, span)
    sums = [p for p in (samples.summed(s.samples, span.begin) for s in found) if p]
    if because or not sums:
        return _Counted(None, because or "no sample since users came")
    return _Counted((sum(p[0] for p in sums), sum(p[1] for p in sums)))


def _born(series: Series, watch: Iterable[Series], span: Span) -> bool:
    """Whether somebody looked just before the series appeared: then it began at 0."""
    first = series.samples[0][0]
    if first <= span.begin:
        return False
    return any(
        first - _patience(other) <= at < first
        for other in watch
        if other is not series
        for at, _ in other.samples
    )


def _patience(series: Series) -> float:
    return min(LONGEST, GAP * max(samples.RESOLUTION, samples.resolution(series.samples)))


def _stale(found: Sequence[Series], span: Span) -> str:
    """Why these series are no data now; empty if one of them is fresh."""
    if not found:
        return "no series carries its release"
    ages = [(span.until - s.samples[-1][0], _patience(s)) for s in found]
    if any(age <= patience for age, patience in ages):
        return ""
    return f"the newest sample is {min(a for a, _ in ages):.0f} s old"
